/**
 * Reference counts of blocks that are referred to more than once.
 *
 * - The tree maps the first block of a run to (length, count), count >= 2. Blocks in no run have
 *   one reference; whether a block is in use at all is the allocator's to know.
 * - Runs don't overlap, and neighbours with equal counts are one run.
 * - The last reference to go frees the block.
 */

import type { ReferenceCounts } from '../btree/forest.js';
import type { Tree } from '../btree/tree.js';
import { getU32, getU64BigEndian, setU32, setU64BigEndian } from '../format/bytes.js';
import { layout } from '../format/layout.js';

/** Value of a record of the tree of references; the key is the first block as a u64. */
export const REFERENCE = layout({
  length: 'u32', // blocks, at least 1
  count: 'u32', // references to each of them, at least 2
});

interface Run {
  readonly start: number; // block index
  readonly length: number; // blocks
  readonly count: number;
}

export class ReferenceTable implements ReferenceCounts {
  readonly #tree: Tree;
  readonly #free: (start: number, length: number) => void;
  readonly #key = new Uint8Array(8);
  readonly #value = new Uint8Array(REFERENCE.size);

  /** `free` is told of each run whose last reference went. */
  constructor(tree: Tree, free: (start: number, length: number) => void) {
    this.#tree = tree;
    this.#free = free;
  }

  /** True when the block has two or more references. */
  isShared(address: number): boolean {
    return this.count(address) > 1;
  }

  /** True when any block of the run has two or more references. */
  isAnyShared(address: number, length: number): boolean {
    return this.#isTouched(address, address + length);
  }

  /** References to a block that is in use. */
  count(address: number): number {
    const tree = this.#tree;
    if (!this.#isTouched(address, address + 1)) return 1;
    return getU32(tree.hitBytes, tree.hitStart + REFERENCE.count);
  }

  /** True when a block of the run has two or more references. */
  touches(address: number, length: number): boolean {
    return this.#isTouched(address, address + length);
  }

  /** One more reference on each block of the run. */
  retain(address: number, length: number): void {
    this.#change(address, length, 1);
  }

  /** One reference less on each block; true when all of them are free now. */
  release(address: number, length: number): boolean {
    if (this.#tree.isEmpty()) {
      this.#free(address, length);
      return true;
    }
    return this.#change(address, length, -1) === length;
  }

  /** Adds `delta` to the count of each block of the run; returns how many were freed. */
  #change(address: number, length: number, delta: number): number {
    const end = address + length;
    // One block further on both sides, so that neighbours with equal counts become one.
    const before = this.#overlapping(Math.max(0, address - 1), end + 1);
    if (before.length === 0 && delta < 0) {
      this.#free(address, length);
      return length;
    }
    const after: Run[] = [];
    let freed = 0;
    let at = address;
    const settle = (start: number, stop: number, count: number): void => {
      if (start >= stop) return;
      if (count > 1) add(after, { start, length: stop - start, count });
      else if (count === 0) {
        this.#free(start, stop - start);
        freed += stop - start;
      }
    };
    for (const run of before) {
      const runEnd = run.start + run.length;
      settle(at, Math.min(Math.max(at, run.start), end), 1 + delta);
      settle(run.start, Math.min(runEnd, address), run.count);
      settle(Math.max(run.start, address), Math.min(runEnd, end), run.count + delta);
      settle(Math.max(run.start, end), runEnd, run.count);
      at = Math.max(at, Math.min(runEnd, end));
    }
    settle(at, end, 1 + delta);
    this.#replace(before, after);
    return freed;
  }

  #replace(before: readonly Run[], after: readonly Run[]): void {
    const kept = new Set(after.map((run) => run.start));
    for (const run of before) {
      if (!kept.has(run.start)) this.#tree.delete(this.#keyOf(run.start));
    }
    for (const run of after) {
      // A neighbour that stayed by itself is what it was.
      if (isEqual(run, before[0]) || isEqual(run, before.at(-1))) continue;
      setU32(this.#value, REFERENCE.length, run.length);
      setU32(this.#value, REFERENCE.count, run.count);
      this.#tree.put(this.#keyOf(run.start), this.#value);
    }
  }

  #keyOf(start: number): Uint8Array {
    setU64BigEndian(this.#key, 0, start);
    return this.#key;
  }

  /** True when a run shares a block with [from, to); the tree's hit is then the last of them. */
  #isTouched(from: number, to: number): boolean {
    const tree = this.#tree;
    if (!tree.findAtOrBefore(this.#keyOf(to - 1))) return false;
    const start = getU64BigEndian(tree.hitBytes, tree.hitKeyStart);
    return start + getU32(tree.hitBytes, tree.hitStart + REFERENCE.length) > from;
  }

  /** The runs that share a block with [from, to), in order: found from the last one on. */
  #overlapping(from: number, to: number): Run[] {
    const runs: Run[] = [];
    for (let end = to; end > from && this.#isTouched(from, end); ) {
      const { hitBytes, hitKeyStart, hitStart } = this.#tree;
      const start = getU64BigEndian(hitBytes, hitKeyStart);
      const length = getU32(hitBytes, hitStart + REFERENCE.length);
      runs.push({ start, length, count: getU32(hitBytes, hitStart + REFERENCE.count) });
      end = start;
    }
    return runs.reverse();
  }
}

function isEqual(run: Run, other: Run | undefined): boolean {
  if (other === undefined || run.start !== other.start) return false;
  return run.length === other.length && run.count === other.count;
}

/** Appends a run, as one with its predecessor where the counts are equal and they touch. */
function add(runs: Run[], run: Run): void {
  const last = runs.at(-1);
  if (last !== undefined && last.count === run.count && last.start + last.length === run.start) {
    runs[runs.length - 1] = { ...last, length: last.length + run.length };
  } else {
    runs.push(run);
  }
}
