/**
 * The gatherer: what an object got in pieces as it grew is put into one run for each span of it
 * (append-span.ts). So objects that grow in turn have few runs, wherever they grow.
 *
 * - Short runs that make a span together are written once more, as one. What lies in front of a
 *   long run goes to the lead of that run's window, if it has one: then nothing else is moved.
 * - With stripes, pieces that are packed between those of others are put together as soon as they
 *   fill stripes; whole stripes only are moved.
 * - Like the cleaner's, its moves change nothing that a transaction could see, and are in no
 *   journal record: a crash takes back what no checkpoint had.
 * - What is shared, or can't be read, stays where it is. It takes nothing that a transaction could
 *   need; a file that may grow does so for it.
 */

import type { BlockRun } from '../alloc/block-run.js';
import type { Io } from '../blockdev/io.js';
import { hasCode } from '../errors.js';
import type { PlacedEntry } from '../onode/blob-stream.js';
import { blobKey, ENTRY_KIND } from '../onode/extent-entry.js';
import { Onode } from '../onode/onode.js';
import { longRunOf, spanFor } from './append-span.js';
import type { CleanerOptions } from './cleaner.js';
import { readEntries } from './data-reader.js';
import { editObject } from './edit-object.js';
import { type ObjectRun, objectRuns, type RunGroup, shortGroups } from './object-runs.js';
import { fillRuns } from './placement.js';
import type { ScatteredObject } from './scattered.js';

/** Bytes in front of what may lie about that are looked at: they may belong to it. */
const REACH_BYTES = 8 * 1024 * 1024;

/** Bytes that are gathered before the event loop has its turn: about a millisecond. */
const BYTES_A_TURN = 1024 * 1024;

/** Stripes that stay free, for a generation of transactions, whatever is gathered. */
const STRIPES_KEPT = 64;

/** Checkpoints after which what was moved has left its old place to others. */
const GENERATIONS = 3;

/** Where there are no stripes, so many times as much is to be available as is moved. */
const ROOM_TIMES = 16;

/** Bytes [from, to) of an object and what they stand in. */
interface Range {
  readonly from: number;
  readonly to: number;
  readonly entries: readonly PlacedEntry[];
  readonly runs: readonly ObjectRun[];
  /** The long run that begins at `to`. */
  readonly next: ObjectRun | undefined;
}

/** What has become of a range: it stays where it is for good, or for want of room. */
type Outcome = 'moved' | 'left' | 'no room';

export class Gatherer {
  readonly #options: CleanerOptions;
  readonly #span: number;
  /** Bytes gathered since the event loop had its turn. */
  #bytes = 0;

  constructor(options: CleanerOptions) {
    this.#options = options;
    this.#span = spanFor(options.state.stripes.width);
  }

  get isDue(): boolean {
    return this.#options.state.scattered.isDue && this.#hasRoom;
  }

  /** Gathers what is due. */
  *pass(): Io<void> {
    const { state, isOpen } = this.#options;
    while (isOpen() && (yield* this.#findsRoom())) {
      const object = state.scattered.take();
      if (object === undefined) return;
      yield* this.#gather(object);
    }
  }

  /** Gathers all of one object, as long as there is room for it. */
  *#gather(object: ScatteredObject): Io<void> {
    const { state, isOpen } = this.#options;
    for (let { from } = object; isOpen(); ) {
      yield* this.#pace();
      if (!(yield* this.#findsRoom())) {
        state.scattered.putBack({ ...object, from });
        return;
      }
      const range = yield* this.#gatherFirst(object, from);
      if (range === undefined) return;
      from = range.to;
      this.#bytes += range.to - range.from;
      if (this.#bytes < BYTES_A_TURN) continue;
      this.#bytes = 0;
      yield { kind: 'pause' };
    }
  }

  /** Room for a generation beside what transactions may need, and to write to. */
  get #hasRoom(): boolean {
    const { space, keeper } = this.#options;
    return space.mayOpenStripe && (keeper.growth.mayGrow || this.#hasRoomFor(1));
  }

  /**
   * True when there is many times as much room as `blocks` take: where they were comes back two
   * generations later. With stripes whole ones count. A file that may grow needs no more than these.
   */
  #hasRoomFor(blocks: number): boolean {
    const { state, space, stripeBudget, keeper } = this.#options;
    const { stripeBlocks } = state.allocator.geometry;
    const { mayGrow } = keeper.growth;
    if (stripeBlocks === 1) return mayGrow || space.available >= ROOM_TIMES * blocks;
    const stripes = Math.ceil(((mayGrow ? 1 : 8) * blocks) / stripeBlocks);
    return space.available >= 2 * blocks && stripeBudget.left >= STRIPES_KEPT + stripes;
  }

  /** True when there is room, perhaps because the file has grown for it. */
  *#findsRoom(): Io<boolean> {
    if (!this.#hasRoom && this.#options.keeper.growth.mayGrow) yield* this.#makeRoom(1);
    return this.#hasRoom;
  }

  /** Lets a file that may grow do so, for `blocks` blocks; else brings limbo nearer to its end. */
  *#makeRoom(blocks: number): Io<void> {
    const { state, keeper, checkpoint } = this.#options;
    const { geometry, limboBlocks } = state.allocator;
    const kept = geometry.stripeBlocks > 1 ? STRIPES_KEPT * geometry.stripeBlocks : 0;
    if (keeper.growth.mayGrow) yield* keeper.growth.grow(blocks + kept);
    else if (limboBlocks > 0) yield* checkpoint();
  }

  /** Lets a checkpoint write what was gathered before it takes too much memory or room. */
  *#pace(): Io<void> {
    const { state, space, stripeBudget, dirtyBytesMax, checkpoint } = this.#options;
    const { forest, pending } = state;
    const isFull = forest.dirtyBytes + pending.bytes > dirtyBytesMax || stripeBudget.isSpent;
    if (isFull || space.dirtyBlocks > space.dirtyBlocksMax / 2) yield* checkpoint();
  }

  /** Moves what lies about first behind `at`, if it can. @returns what that is, if anything does */
  *#gatherFirst(object: ScatteredObject, at: number): Io<Range | undefined> {
    const { state, device, beginRead, endRead } = this.#options;
    const { forest } = state;
    let range: Range | undefined;
    let bytes: Uint8Array;
    const reader = beginRead();
    try {
      const find = (): void => {
        range = this.#find(object, at);
      };
      yield { kind: 'until', start: () => forest.run(find), force: () => forest.sync(find) };
      if (range === undefined) return undefined;
      bytes = yield* readEntries(state, device, range.entries, range.from, range.to);
    } catch (error) {
      if (!hasCode(error, 'E_CORRUPT')) throw error;
      return range; // damage stays where it is: scrub and repair speak of it
    } finally {
      endRead(reader);
    }
    yield* this.#move(object, range, bytes);
    return range;
  }

  /** Puts a range in its place, as soon as there is room for it. */
  *#move(object: ScatteredObject, range: Range, bytes: Uint8Array): Io<void> {
    const { state, keeper, isOpen } = this.#options;
    const { forest, blockSize } = state;
    for (let round = 0; round < GENERATIONS && isOpen(); round++) {
      const done: { outcome: Outcome } = { outcome: 'left' };
      const apply = (): void => {
        done.outcome = this.#apply(object, range, bytes);
      };
      yield { kind: 'until', start: () => forest.run(apply), force: () => forest.sync(apply) };
      if (done.outcome !== 'no room') return;
      const isLarge = bytes.length >= this.#span / 2; // worth a checkpoint
      if (!isLarge && !keeper.growth.mayGrow) return;
      yield* this.#makeRoom(Math.ceil(bytes.length / blockSize));
    }
  }

  /** What lies about first behind `at`. */
  #find({ collection: name, key }: ScatteredObject, at: number): Range | undefined {
    const { state } = this.#options;
    const record = state.collection(name)?.objects.get(key);
    if (record === undefined) return undefined;
    const { blob, size } = Onode.decode(state, record);
    const start = Math.max(0, at - REACH_BYTES);
    const tail = [...blob.entries(start, size)];
    const runs = objectRuns(tail);
    if (start > 0) runs.shift(); // perhaps the end of a run
    for (const group of shortGroups(runs, this.#span, longRunOf(this.#span))) {
      const [from, to] = this.#boundsOf(group);
      if (to <= Math.max(from, at)) continue;
      // A store that erases would have to copy the rest of a chunk that is cut.
      if (state.erases && to < size && !tail.some(({ offset }) => offset === to)) continue;
      const entries = [...blob.entries(from, to)];
      const next = group.next?.from === to ? group.next : undefined;
      const range = { from, to, entries, runs: objectRuns(entries), next };
      if (this.#isWorthwhile(range, group.isLast)) return range;
    }
    return undefined;
  }

  /** The bytes of a group: whole stripes where there are any, and of the last group what is packed. */
  #boundsOf({ runs, next, isLast }: RunGroup): [from: number, to: number] {
    const { width } = this.#options.state.stripes;
    const end = next?.from ?? runs.at(-1)?.to ?? 0;
    const packed = isLast ? runs.findLastIndex((run) => this.#isWhole(run)) + 1 : 0;
    const from = runs[packed]?.from ?? end;
    return [from, width === 0 ? end : end - ((end - from) % width)];
  }

  /** True for a run of whole stripes. */
  #isWhole({ address, blocks }: ObjectRun): boolean {
    const { stripeBlocks } = this.#options.state.allocator.geometry;
    return address % stripeBlocks === 0 && blocks % stripeBlocks === 0;
  }

  /** At the end of an object only what lies in more runs than stripes is moved. */
  #isWorthwhile({ from, to, runs, next }: Range, isLast: boolean): boolean {
    const { width } = this.#options.state.stripes;
    if (isLast) return width > 0 && runs.length > (to - from) / width;
    return runs.length > 1 || next !== undefined;
  }

  #apply(object: ScatteredObject, range: Range, bytes: Uint8Array): Outcome {
    const { state, keeper } = this.#options;
    const done: { outcome: Outcome } = { outcome: 'left' };
    state.begin();
    try {
      editObject(state, object.collection, object.key, (onode) => {
        if (this.#isStill(onode, range)) done.outcome = this.#replace(onode, range, bytes);
      });
      if (done.outcome === 'moved' && !keeper.leavesEnough()) done.outcome = 'no room';
      if (done.outcome === 'moved') {
        state.commit();
        state.allocator.keep();
        state.stripes.movedBytes += bytes.length;
      } else state.rollback();
    } catch (error) {
      state.rollback();
      throw error;
    }
    return done.outcome;
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
        if (!isSame(one, entries[i])) return false;
        if (entry.kind !== ENTRY_KIND.extent) return true;
        return !references.isAnyShared(entry.address, entry.blocks);
      })
    );
  }

  /** Points the range to fewer runs. */
  #replace(onode: Onode, range: Range, bytes: Uint8Array): Outcome {
    const { state } = this.#options;
    const { blockSize, nodeSize } = state;
    const { from, to } = range;
    const blocks = Math.ceil((to - from) / blockSize);
    const lead = this.#takeLead(range, blocks);
    const runs = lead === undefined ? this.#takeRuns(onode, range, blocks) : [lead];
    if (runs === undefined) return 'no room';
    if (runs.length === 0) return 'left';
    const { extents, pieces } = fillRuns(bytes, runs, { blockSize, nodeSize, grownTo: to });
    onode.blob.writePlaced(from, extents, onode.size);
    for (const piece of pieces) state.pending.put(piece.address, piece.bytes);
    return 'moved';
  }

  /** The blocks in front of the long run, if they are free. */
  #takeLead({ next }: Range, blocks: number): BlockRun | undefined {
    if (next === undefined) return undefined;
    const { allocator } = this.#options.state;
    const lead = { start: next.address - blocks, length: blocks };
    if (lead.start % allocator.geometry.stripeBlocks !== 0) return undefined;
    return allocator.allocateAt(lead) ? lead : undefined;
  }

  /**
   * New runs, of which there are few: none if not, undefined where there is no room at all. In a
   * file that may grow, one.
   */
  #takeRuns({ blob }: Onode, range: Range, blocks: number): readonly BlockRun[] | undefined {
    const { state, keeper } = this.#options;
    const { allocator } = state;
    const { from, to } = range;
    if (range.runs.length < 2) return [];
    if (!this.#hasRoomFor(blocks)) return undefined;
    const { stripeBlocks } = allocator.geometry;
    const { hint } = blob.goal(from, to - from, from, stripeBlocks);
    const [first] = range.runs;
    const behind = hint < 0 && first !== undefined ? first.address + first.blocks : hint;
    const options = keeper.optionsFor({ hint: behind, grownFrom: from, grownTo: to });
    const stripesOnly = stripeBlocks > 1;
    const { mayGrow: windowOnly } = keeper.growth;
    const runs = allocator.allocate(blocks, { ...options, stripesOnly, windowOnly });
    if (runs.length === 0 || (windowOnly && runs.length > 1)) return undefined;
    return 2 * runs.length <= range.runs.length ? runs : [];
  }
}

/** True when both are the same part of the same extent, or the same bytes. */
function isSame(one: PlacedEntry, other: PlacedEntry | undefined): boolean {
  if (other === undefined || one.offset !== other.offset) return false;
  const [a, b] = [one.entry, other.entry];
  if (a.kind === ENTRY_KIND.inline && b.kind === ENTRY_KIND.inline) {
    return Buffer.compare(a.data, b.data) === 0;
  }
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
