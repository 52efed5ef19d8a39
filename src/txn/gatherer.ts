/**
 * The gatherer: what was appended to an object in pieces, and packed between those of others, is
 * put into whole stripes behind the object's data as soon as it fills some. So objects that grow in
 * turn have few runs with stripes too.
 *
 * - Such bytes are written once more. Pieces that follow each other anyhow are left.
 * - Like the cleaner's, its moves change nothing that a transaction could see, and are in no
 *   journal record: a crash takes back what no checkpoint had.
 * - What is shared, or can't be read, stays where it is. It takes nothing that a transaction could need.
 */

import { endOf } from '../alloc/block-run.js';
import type { Io } from '../blockdev/io.js';
import { hasCode } from '../errors.js';
import type { PlacedEntry } from '../onode/blob-stream.js';
import { blobKey, ENTRY_KIND } from '../onode/extent-entry.js';
import { Onode } from '../onode/onode.js';
import type { CleanerOptions } from './cleaner.js';
import { readEntries } from './data-reader.js';
import { editObject } from './edit-object.js';
import { fillRuns } from './placement.js';
import type { ScatteredObject } from './scattered.js';

/** Bytes at the end of an object that are looked at. */
const REACH_BYTES = 8 * 1024 * 1024;

/** Bytes that are gathered at once. */
const GATHER_BYTES_MAX = 4 * 1024 * 1024;

/** Bytes that are gathered before the event loop has its turn: about a millisecond. */
const BYTES_A_TURN = 1024 * 1024;

/** Stripes that stay free, for a generation of transactions, whatever is gathered. */
const STRIPES_KEPT = 64;

/** Bytes [from, to) of an object and what they stand in. */
interface Range {
  readonly from: number;
  readonly to: number;
  readonly entries: readonly PlacedEntry[];
}

export class Gatherer {
  readonly #options: CleanerOptions;

  constructor(options: CleanerOptions) {
    this.#options = options;
  }

  get isDue(): boolean {
    return this.#options.state.scattered.isDue && this.#hasRoom;
  }

  /** Gathers what is due. */
  *pass(): Io<void> {
    const { state, isOpen } = this.#options;
    let bytes = 0;
    while (isOpen() && this.#hasRoom) {
      const object = state.scattered.take();
      if (object === undefined) return;
      yield* this.#pace();
      bytes += yield* this.#gather(object);
      if (bytes < BYTES_A_TURN) continue;
      bytes = 0;
      yield { kind: 'pause' };
    }
  }

  /** Room for a generation beside what transactions may need, and whole stripes to write to. */
  get #hasRoom(): boolean {
    const { state, space } = this.#options;
    return space.mayOpenStripe && this.#hasStripes(state.allocator.geometry.stripeBlocks);
  }

  /**
   * True when there are many times as many whole stripes as `blocks` take: where they were comes
   * back two generations later.
   */
  #hasStripes(blocks: number): boolean {
    const { state, stripeBudget } = this.#options;
    return stripeBudget.left >= STRIPES_KEPT + (8 * blocks) / state.allocator.geometry.stripeBlocks;
  }

  /** Lets a checkpoint write what was gathered before it takes too much memory or room. */
  *#pace(): Io<void> {
    const { state, space, stripeBudget, dirtyBytesMax, checkpoint } = this.#options;
    const { forest, pending } = state;
    const isFull = forest.dirtyBytes + pending.bytes > dirtyBytesMax || stripeBudget.isSpent;
    if (isFull || space.dirtyBlocks > space.dirtyBlocksMax / 2) yield* checkpoint();
  }

  /** Gives the bytes that were moved, or looked at to be. */
  *#gather(object: ScatteredObject): Io<number> {
    const { state, device, isOpen, beginRead, endRead } = this.#options;
    const { forest } = state;
    let range: Range | undefined;
    let bytes: Uint8Array;
    const reader = beginRead();
    try {
      const find = (): void => {
        range = this.#find(object);
      };
      yield { kind: 'until', start: () => forest.run(find), force: () => forest.sync(find) };
      if (range === undefined) return 0;
      bytes = yield* readEntries(state, device, range.entries, range.from, range.to);
    } catch (error) {
      if (!hasCode(error, 'E_CORRUPT')) throw error;
      return 0; // damage stays where it is: scrub and repair speak of it
    } finally {
      endRead(reader);
    }
    const found = range;
    const apply = (): void => this.#apply(object, found, bytes);
    if (!isOpen()) return 0;
    yield { kind: 'until', start: () => forest.run(apply), force: () => forest.sync(apply) };
    return bytes.length;
  }

  /** What lies about at the object's end and fills whole stripes, in more runs than these. */
  #find({ collection: name, key }: ScatteredObject): Range | undefined {
    const { state } = this.#options;
    const record = state.collection(name)?.objects.get(key);
    if (record === undefined) return undefined;
    const { blob, size } = Onode.decode(state, record);
    const start = Math.max(0, size - REACH_BYTES);
    const tail = [...blob.entries(start, size)];
    if (start > 0) tail.shift(); // perhaps the end of an entry
    let first = tail.length;
    while (first > 0 && this.#liesAbout(tail[first - 1])) first--;
    const from = tail[first]?.offset ?? size;
    const { width } = state.stripes;
    const length = Math.min(size - from, GATHER_BYTES_MAX - (GATHER_BYTES_MAX % width));
    const to = from + length - (length % width);
    const entries = [...blob.entries(from, to)];
    if (runsOf(entries) <= (to - from) / width) return undefined;
    // A store that erases would have to copy the rest of a chunk that is cut.
    if (state.erases && to < size && !tail.some(({ offset }) => offset === to)) return undefined;
    return { from, to, entries };
  }

  /** True for a piece that was packed: it does not lie in whole stripes. */
  #liesAbout(placed: PlacedEntry | undefined): boolean {
    if (placed?.entry.kind !== ENTRY_KIND.extent) return false;
    const { address, blocks } = placed.entry;
    const { stripeBlocks } = this.#options.state.allocator.geometry;
    return address % stripeBlocks !== 0 || blocks % stripeBlocks !== 0;
  }

  #apply(object: ScatteredObject, range: Range, bytes: Uint8Array): void {
    const { state, keeper } = this.#options;
    state.begin();
    try {
      let isDone = false;
      editObject(state, object.collection, object.key, (onode) => {
        isDone = this.#isStill(onode, range) && this.#replace(onode, range, bytes);
      });
      if (isDone && keeper.leavesEnough()) {
        state.commit();
        state.allocator.keep();
        state.stripes.movedBytes += bytes.length;
      } else state.rollback();
    } catch (error) {
      state.rollback();
      throw error;
    }
  }

  /** True when the range is what was found, and nobody else's too. */
  #isStill({ blob, blobTree, size }: Onode, { from, to, entries }: Range): boolean {
    const { references } = this.#options.state;
    if (size < to) return false;
    for (const { offset } of entries) blobTree.own(blobKey(offset));
    const now = [...blob.entries(from, to)];
    return (
      now.length === entries.length &&
      now.every((one, i) => {
        const { entry } = one;
        if (entry.kind !== ENTRY_KIND.extent || !isSame(one, entries[i])) return false;
        return !references.isAnyShared(entry.address, entry.blocks);
      })
    );
  }

  /** Points the range to whole stripes; false without ample room. */
  #replace({ blob, size }: Onode, { from, to }: Range, bytes: Uint8Array): boolean {
    const { state, space, keeper } = this.#options;
    const { allocator, blockSize, nodeSize } = state;
    const { stripeBlocks } = allocator.geometry;
    const blocks = (to - from) / blockSize;
    if (space.available < 2 * blocks || !this.#hasStripes(blocks)) return false;
    const goal = blob.goal(from, to - from, from, stripeBlocks);
    const options = { ...keeper.optionsFor(goal), stripesOnly: true };
    const runs = allocator.allocate(blocks, options);
    if (runs.length === 0) return false;
    const { extents, pieces } = fillRuns(bytes, runs, { blockSize, nodeSize, grownTo: to });
    blob.writePlaced(from, extents, size);
    for (const piece of pieces) state.pending.put(piece.address, piece.bytes);
    return true;
  }
}

/** Runs of blocks that extents lie in. */
function runsOf(entries: readonly PlacedEntry[]): number {
  let count = 0;
  let end = -1;
  for (const { entry } of entries) {
    if (entry.kind !== ENTRY_KIND.extent) continue;
    if (entry.address !== end) count++;
    end = endOf({ start: entry.address, length: entry.blocks });
  }
  return count;
}

/** True when both are the same part of the same extent. */
function isSame(one: PlacedEntry, other: PlacedEntry | undefined): boolean {
  if (other === undefined || one.offset !== other.offset) return false;
  const [a, b] = [one.entry, other.entry];
  return (
    a.kind === ENTRY_KIND.extent &&
    b.kind === ENTRY_KIND.extent &&
    a.address === b.address &&
    a.blocks === b.blocks &&
    a.length === b.length &&
    a.skip === b.skip &&
    a.birth === b.birth
  );
}
