/**
 * Looking over a store before it is shrunk: whether it is sound, how small it can become, and
 * which runs of data are shared, so that they move as a whole.
 *
 * - A node that leads to something that moves is written anew, wherever it lies, and its old
 *   blocks are free only behind the switch. How many these are for each possible end is counted in
 *   one walk: a node is among them for all ends between its own and the highest one below it.
 * - Ends are counted in BUCKETS parts of the store; what is between is rounded up.
 * - Memory: a number for each shared node, and for each shared run of data behind the new end.
 */

import type { Io } from '../blockdev/io.js';
import type { DeviceMap } from '../fsck/device-map.js';
import { readPointer, type StoredPointer } from '../fsck/stored-node.js';
import { type Reference, readSound, referencesOf, referencesOfRoot } from './relocation.js';

/** Parts of the store in which ends are counted. */
const BUCKETS = 4096;

/** Nodes after which the event loop has its turn. */
const NODES_A_TURN = 256;

/** Runs that are gathered before those that overlap are joined. */
const JOIN_AT = 4096;

interface Interval {
  readonly start: number;
  readonly end: number;
}

export interface SurveyOptions {
  readonly map: DeviceMap;
  /** The new end: blocks. */
  readonly end: number;
  readonly isShared: (start: number, length: number) => boolean;
}

export class Survey {
  readonly #options: SurveyOptions;
  readonly #step: number;
  /** Blocks of nodes that are copied, by bucket of the end: differences to the bucket before. */
  readonly #copied = new Float64Array(BUCKETS + 2);
  readonly #sharedEnds = new Map<number, number>();
  #clusters: Interval[] = [];
  #joinAt = JOIN_AT;
  #nodes = 0;

  constructor(options: SurveyOptions) {
    this.#options = options;
    this.#step = Math.ceil(options.map.blocks / BUCKETS);
  }

  /**
   * Looks over the tree of a root record.
   * @throws CorruptError when a node is damaged
   */
  *root(root: Uint8Array, role: number): Io<void> {
    if (root.length === 0) return;
    for (const reference of referencesOfRoot(root, role)) yield* this.#endOf(reference);
  }

  /**
   * The least end, in blocks, for which there is room: `used` blocks are needed in any case, and
   * what `spare` says for an end afterwards, not beside the old copies of nodes.
   */
  least(used: number, spare: (end: number) => number): number {
    let copied = 0;
    for (let bucket = 0; bucket <= BUCKETS; bucket++) {
      copied += this.#copied[bucket] as number;
      const end = bucket * this.#step;
      if (used + Math.max(copied, spare(end)) <= end) return end;
    }
    return this.#options.map.blocks;
  }

  /** The shared data that hangs together with a run of it. */
  clusterOf(start: number, length: number): { readonly start: number; readonly length: number } {
    let low = 0;
    let high = this.#clusters.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#clusters[middle] as Interval).end > start) high = middle;
      else low = middle + 1;
    }
    const found = this.#clusters[low];
    if (found === undefined || found.start > start || found.end < start + length) {
      return { start, length };
    }
    return { start: found.start, length: found.end - found.start };
  }

  /** Call it when all roots were looked over. */
  finish(): void {
    this.#clusters = joined(this.#clusters);
  }

  /** End of what lies highest among what a reference leads to. */
  *#endOf(reference: Reference): Io<number> {
    const { map, end, isShared } = this.#options;
    if (reference.kind === 'data') {
      const { address, blocks } = reference;
      if (address + blocks > end && isShared(address, blocks)) this.#gather(address, blocks);
      return address + blocks;
    }
    const pointer = readPointer(reference.bytes, reference.at, map.blockSize);
    const { address } = pointer;
    if (pointer.plain && pointer.level === 0) return endOfPlaces(pointer);
    const known = this.#sharedEnds.get(address);
    if (known !== undefined) return known;
    const highest = yield* this.#below(pointer, reference.role);
    if (isShared(address, 1)) this.#sharedEnds.set(address, highest);
    return highest;
  }

  *#below(pointer: StoredPointer, role: number): Io<number> {
    const node = yield* readSound(this.#options.map, pointer, role);
    const own = endOfPlaces(pointer);
    let highest = own;
    for (const reference of referencesOf(node)) {
      highest = Math.max(highest, yield* this.#endOf(reference));
    }
    this.#count(own, highest, pointer.copy === 0 ? pointer.blocks : 2 * pointer.blocks);
    if (++this.#nodes % NODES_A_TURN === 0) yield { kind: 'pause' };
    return highest;
  }

  /** `blocks` are copied for every end from `from` on that is below `to`. */
  #count(from: number, to: number, blocks: number): void {
    if (from >= to) return;
    const first = Math.floor(from / this.#step);
    const last = Math.ceil(to / this.#step);
    this.#copied[first] = (this.#copied[first] as number) + blocks;
    this.#copied[last] = (this.#copied[last] as number) - blocks;
  }

  #gather(start: number, length: number): void {
    this.#clusters.push({ start, end: start + length });
    if (this.#clusters.length < this.#joinAt) return;
    this.#clusters = joined(this.#clusters);
    this.#joinAt = Math.max(JOIN_AT, 2 * this.#clusters.length);
  }
}

/** End of the higher place of a node. */
function endOfPlaces({ address, copy, blocks }: StoredPointer): number {
  return Math.max(address, copy) + blocks;
}

/** Runs that overlap as one; those that only touch stay apart. */
function joined(intervals: readonly Interval[]): Interval[] {
  const sorted = intervals.toSorted((a, b) => a.start - b.start);
  const result: Interval[] = [];
  for (const { start, end } of sorted) {
    const last = result.at(-1);
    if (last === undefined || start >= last.end) result.push({ start, end });
    else result[result.length - 1] = { start: last.start, end: Math.max(last.end, end) };
  }
  return result;
}
