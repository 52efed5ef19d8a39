/**
 * Checkpoints: make the state of one instant durable and switch the superblock to it.
 *
 * 1. `freezeState`, one synchronous step: closes the journal record that gathers, gives every
 *    dirty node and bitmap its address, writes the group summaries, raises the generation.
 * 2. `writeFrozen`: seals nodes children first, writes nodes, bitmaps and pending data durably
 *    in pieces, while new transactions already copy what was frozen.
 * 3. When the journal is durable up to the instant: the superblock, in both slots of its parity.
 *
 * - Addresses are chosen for the very blocks that the bitmap then marks, so the chosen set grows
 *   until nothing more becomes dirty by choosing.
 * - What is kept twice gets a place in either half of the device, as far as the pool has them; the
 *   same bytes go to both. The journal is not kept twice: it ends with the checkpoint.
 * - A node or bitmap that can't be read fails a freeze, and leaves the state as it was.
 * - Nothing that the older superblock refers to is written over: its blocks are still in limbo.
 */

import type { Allocator } from '../alloc/allocator.js';
import type { BlockRun } from '../alloc/block-run.js';
import type { Half } from '../alloc/group-geometry.js';
import { assert } from '../assert.js';
import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import type { Node, NodePlace } from '../btree/node.js';
import type { Tree } from '../btree/tree.js';
import { hasCode, StoreError } from '../errors.js';
import { BLOCK_HEADER } from '../format/block.js';
import { checksum } from '../format/checksum.js';
import type { JournalPosition } from '../format/journal-record.js';
import { ROLE } from '../format/role.js';
import { ROOT_ROLES, ROOTS_BYTES_MAX, type RootRole } from '../format/superblock.js';
import { RO_COMPAT } from '../format/superblock-bounds.js';
import { putSummary, sealBitmap } from './group-store.js';
import type { PendingRun } from './pending-data.js';
import { writeRuns, zerosFor } from './run-writer.js';
import type { Counters, StoreState } from './store-state.js';

/** Largest root record in a superblock, in bytes: each of the trees may use as much. */
export const SUPERBLOCK_EMBED_MAX = Math.floor(ROOTS_BYTES_MAX / ROOT_ROLES.length) - 64;

/** Nodes that are sealed before the event loop has its turn: about a millisecond. */
const NODES_A_TURN = 128;

/** Bytes of nodes that are written together where they are written in pieces, and the part of what
 * may be dirty in memory if that is less. */
const PIECE_BYTES_MAX = 4 * 1024 * 1024;
const PIECE_PART = 1 / 8;

/** What a checkpoint writes. */
export interface FrozenState {
  readonly nodes: readonly Node[]; // children before parents
  readonly bitmaps: readonly PendingRun[];
  readonly data: readonly PendingRun[];
  /** Blocks of its stripes that hold nothing: nobody's until the next checkpoint is durable. */
  readonly padding: readonly BlockRun[];
  readonly roots: Record<RootRole, Uint8Array>; // resolved when the nodes are sealed
  readonly counters: Counters;
  /** Journal position behind everything that is contained. */
  readonly position: JournalPosition;
  /** Last transaction that is contained. */
  readonly transaction: number;
  /** Epoch of the checkpoint: births of what it holds are not higher. */
  readonly epoch: number;
  /** Generation of the allocator that ended with it. */
  readonly limbo: number;
  /** Blocks of the device that its summaries speak of; it may have grown since. */
  readonly deviceBlocks: number;
}

export interface FreezeOptions {
  readonly state: StoreState;
  readonly storeTag: number;
  readonly position: JournalPosition;
  readonly transaction: number;
  /** It may use stripes that are wholly free, and leave padding in them. */
  readonly mayOpenStripes: boolean;
}

/** Something that a freeze has to look at can't be read (`cause`): the state is as it was before. */
export class UnreadableState extends Error {}

/**
 * Freezes the state as it is now. In synchronous mode of the forest.
 * @throws UnreadableState
 */
export function freezeState(options: FreezeOptions): FrozenState {
  const { state, storeTag, mayOpenStripes } = options;
  const { forest, allocator, trees } = state;
  const epoch = forest.generation;
  const { roots, places, surplus } = prepared(state, mayOpenStripes);
  const bitmaps = sealBitmaps(state, epoch, storeTag);
  roots.groups = trees.groups.encodeRoot(SUPERBLOCK_EMBED_MAX);
  forest.release();

  const nodes = forest.freeze();
  for (const node of nodes) {
    if (node.address < 0) forest.assign(node, places.take(node.length));
  }
  const hasStripes = allocator.geometry.stripeBlocks > 1;
  const padding = hasStripes ? [...surplus, ...allocator.closeStripes()] : [];
  const limbo = allocator.freeze();
  state.releasedBlocks = 0;
  return {
    nodes,
    bitmaps,
    data: state.pending.freeze(),
    padding,
    roots,
    counters: { ...state.counters },
    position: options.position,
    transaction: options.transaction,
    epoch,
    limbo,
    deviceBlocks: allocator.totalBlocks,
  };
}

/** Where what programs have put in is going to be written, in all copies. */
export function contentRuns({ nodes, data }: FrozenState, blockSize: number): BlockRun[] {
  const runs = data.map(({ address: start, bytes }) => ({
    start,
    length: bytes.length / blockSize,
  }));
  for (const { address, copy, length } of nodes) {
    runs.push({ start: address, length });
    if (copy !== 0) runs.push({ start: copy, length });
  }
  return runs;
}

interface Prepared {
  readonly roots: Record<RootRole, Uint8Array>;
  readonly places: CopyPlaces;
  /** Blocks that were chosen and are not needed. */
  readonly surplus: readonly BlockRun[];
}

/**
 * All of a freeze that may have to read: what is behind it finds in memory whatever it needs. The
 * savepoint that it opens stays open.
 */
function prepared(state: StoreState, mayOpenStripes: boolean): Prepared {
  const { forest, allocator, releasedBlocks } = state;
  const mark = allocator.mark();
  forest.begin();
  try {
    return placeAll(state, mayOpenStripes);
  } catch (error) {
    forest.rollback();
    allocator.rewind(mark);
    state.releasedBlocks = releasedBlocks;
    state.forgetOpen();
    if (!hasCode(error, 'E_IO') && !hasCode(error, 'E_CORRUPT')) throw error;
    throw new UnreadableState(error.message, { cause: error });
  }
}

/** Gives a place to everything that the checkpoint writes. */
function placeAll(state: StoreState, mayOpenStripes: boolean): Prepared {
  const { forest, allocator, trees } = state;
  state.settleCollections();
  const places = new CopyPlaces(allocator, state.metadataCopies, mayOpenStripes);
  forest.assignShared((length) => places.one(length));
  const roots = {} as Record<RootRole, Uint8Array>;
  for (const role of ROOT_ROLES) {
    const tree = treeOf(state, role);
    if (role !== 'groups')
      roots[role] = tree?.encodeRoot(SUPERBLOCK_EMBED_MAX) ?? new Uint8Array(0);
  }
  const remarked = allocator.erasing.mark();
  do {
    for (const group of remarked) putSummary(trees.groups, group, allocator.summaryOf(group));
    for (const group of allocator.dirtyGroups) {
      putSummary(trees.groups, group, allocator.summaryOf(group));
    }
    roots.groups = trees.groups.encodeRoot(SUPERBLOCK_EMBED_MAX);
    places.cover([...forest.unplaced()]);
  } while (allocator.moveBitmaps(mayOpenStripes) > 0);
  const surplus = places.surplus([...forest.unplaced()]);
  for (const run of surplus) allocator.free(run, false);
  return { roots, places, surplus };
}

function treeOf(state: StoreState, role: RootRole): Tree | undefined {
  return role === 'runs' ? undefined : state.trees[role];
}

/** The bitmap blocks of all dirty groups; their summaries get epoch and checksum. */
function sealBitmaps(state: StoreState, epoch: number, storeTag: number): PendingRun[] {
  const { allocator, trees, blockSize } = state;
  const roCompat = state.erases ? RO_COMPAT.eraseFreed : 0;
  const bitmaps: PendingRun[] = [];
  for (const group of allocator.dirtyGroups) {
    const bytes = new Uint8Array(blockSize);
    allocator.durableBits(group, bytes.subarray(BLOCK_HEADER.size));
    const { address, copy } = allocator.pointerOf(group);
    sealBitmap(bytes, { group, address, birth: epoch, store: storeTag, roCompat });
    allocator.sealBitmap(group, epoch, checksum.low, checksum.high);
    putSummary(trees.groups, group, allocator.summaryOf(group));
    bitmaps.push({ address, bytes });
    if (copy !== 0) bitmaps.push({ address: copy, bytes });
  }
  return bitmaps;
}

/**
 * Places for nodes, one in each half of the device where they are kept twice. With stripes they are
 * packed into these, in each half into its own.
 */
class CopyPlaces {
  readonly #first: NodePlaces;
  readonly #second: NodePlaces | undefined;

  constructor(allocator: Allocator, copies: number, mayOpenStripes: boolean) {
    this.#first = new NodePlaces(allocator, copies === 2 ? 'low' : undefined, mayOpenStripes);
    this.#second = copies === 2 ? new NodePlaces(allocator, 'high', mayOpenStripes) : undefined;
  }

  /** A place for a node that gets it at once. */
  one(length: number): NodePlace {
    return { address: this.#first.one(length), copy: this.#second?.one(length) ?? 0 };
  }

  cover(nodes: readonly Node[]): void {
    this.#first.cover(nodes);
    this.#second?.cover(nodes);
  }

  surplus(nodes: readonly Node[]): BlockRun[] {
    return [...this.#first.surplus(nodes), ...(this.#second?.surplus(nodes) ?? [])];
  }

  take(length: number): NodePlace {
    return { address: this.#first.take(length), copy: this.#second?.take(length) ?? 0 };
  }
}

/** Addresses for nodes, chosen before it is known which node gets which. */
class NodePlaces {
  readonly #allocator: Allocator;
  readonly #half: Half | undefined;
  readonly #mayOpenStripes: boolean;
  readonly #byLength = new Map<number, number[]>();
  readonly #scraps: BlockRun[] = [];

  /** In open stripes if they can be, else from the pool; where a `half` is given, there if so. */
  constructor(allocator: Allocator, half: Half | undefined, mayOpenStripes: boolean) {
    this.#allocator = allocator;
    this.#half = half;
    this.#mayOpenStripes = mayOpenStripes;
  }

  /** The address of a place for one node. */
  one(length: number): number {
    return (this.#allocate(length, true, length)[0] as BlockRun).start;
  }

  #allocate(blocks: number, contiguous: boolean, unit: number): readonly BlockRun[] {
    const half = this.#half;
    const whole = contiguous ? blocks : unit;
    const packed = this.#allocator.pack(blocks, whole, this.#mayOpenStripes, half);
    if (packed.length > 0) return packed;
    const options = { purpose: 'pool', contiguous } as const;
    const wish = half === undefined ? options : { ...options, half, unit };
    const drawn = this.#allocator.allocate(blocks, wish);
    if (drawn.length > 0) return drawn;
    throw new StoreError('E_NO_SPACE', 'Cannot write checkpoint: the pool is used up');
  }

  /** Chooses until there is an address for each of `nodes`. */
  cover(nodes: readonly Node[]): void {
    const missing = new Map<number, number>();
    for (const { length } of nodes) missing.set(length, (missing.get(length) ?? 0) + 1);
    // Long ones first: what is left of a run serves shorter ones.
    for (const [length, count] of [...missing].sort(([a], [b]) => b - a)) {
      const places = this.#placesOf(length);
      if (places.length < count) this.#cut((count - places.length) * length, false, length);
      while (places.length < count) this.#cut(length, true, length);
    }
  }

  /** Cuts runs of `blocks` blocks in sum into places of `length`. */
  #cut(blocks: number, contiguous: boolean, length: number): void {
    const places = this.#placesOf(length);
    for (const run of this.#allocate(blocks, contiguous, length)) {
      const end = run.start + run.length;
      let at = run.start;
      for (; at + length <= end; at += length) places.push(at);
      if (at < end) this.#scraps.push({ start: at, length: end - at });
    }
  }

  /** Takes off and returns what is more than `nodes` need. */
  surplus(nodes: readonly Node[]): BlockRun[] {
    const needed = new Map<number, number>();
    for (const { length } of nodes) needed.set(length, (needed.get(length) ?? 0) + 1);
    const surplus = this.#scraps.splice(0);
    for (const [length, places] of this.#byLength) {
      for (const start of places.splice(needed.get(length) ?? 0)) surplus.push({ start, length });
      places.sort((one, other) => other - one);
    }
    return surplus;
  }

  /** The lowest address for a node of `length` blocks. */
  take(length: number): number {
    const address = this.#placesOf(length).pop();
    assert(address !== undefined, 'every node was covered');
    return address;
  }

  #placesOf(length: number): number[] {
    let places = this.#byLength.get(length);
    if (places === undefined) {
      places = [];
      this.#byLength.set(length, places);
    }
    return places;
  }
}

/** Who is asked and told while a checkpoint is written. */
export interface WriteObserver {
  /** Bytes that may be dirty in memory. */
  readonly dirtyBytesMax: number;
  /** Throws when nothing may be written any more. */
  check(): void;
  /** These nodes are written: they are clean once nothing can be writing from their pages. */
  written(nodes: readonly Node[]): void;
}

/** Writes what was frozen, durably; afterwards `roots` hold resolved pointers. */
export function* writeFrozen(
  state: StoreState,
  device: BlockDevice,
  frozen: FrozenState,
  observer: WriteObserver,
): Io<void> {
  const { forest, blockSize } = state;
  const nodes = yield* sealNodes(state, device, frozen.nodes, observer);
  for (const role of ROOT_ROLES) {
    const root = frozen.roots[role];
    if (root.length > 0) forest.resolveReferences(root, 0, root.length, ROLE[role]);
  }
  const padding = zerosFor(frozen.padding, blockSize);
  const runs = [...frozen.data, ...frozen.bitmaps, ...placesOf(nodes), ...padding];
  yield* writeSorted(state, device, runs, observer);
  observer.written(nodes);
  state.pending.written(frozen.data);
}

/**
 * Seals nodes, a turn at a time; gives those that are not written yet. The pages of delta leaves are
 * made just before, and are too many to be in memory together: with them nodes are written in pieces.
 */
function* sealNodes(
  state: StoreState,
  device: BlockDevice,
  nodes: readonly Node[],
  observer: WriteObserver,
): Io<readonly Node[]> {
  const { forest } = state;
  const inPieces = nodes.some((node) => node.deltas !== null);
  const bytes = Math.min(PIECE_BYTES_MAX, observer.dirtyBytesMax * PIECE_PART);
  const piece = inPieces ? Math.max(1, Math.floor(bytes / state.nodeSize)) : nodes.length;
  const step = Math.min(NODES_A_TURN, piece);
  let sealed: Node[] = [];
  for (let at = 0; at < nodes.length; at += step) {
    const turn = nodes.slice(at, at + step);
    const seal = (): void => forest.sealAll(turn);
    if (!turn.some((node) => node.deltas !== null)) seal();
    else yield { kind: 'until', start: () => forest.run(seal), force: () => forest.sync(seal) };
    sealed.push(...turn);
    if (turn.length === NODES_A_TURN) yield { kind: 'pause' };
    if (!inPieces || sealed.length < piece) continue;
    yield* writeSorted(state, device, placesOf(sealed), observer);
    observer.written(sealed);
    sealed = [];
  }
  return sealed;
}

function* writeSorted(
  state: StoreState,
  device: BlockDevice,
  runs: PendingRun[],
  { check }: WriteObserver,
): Io<void> {
  runs.sort((a, b) => a.address - b.address);
  for (const step of writeRuns(device, runs, state.stripes)) {
    check();
    yield step;
  }
}

/** What belongs on the device of sealed nodes. */
export function placesOf(nodes: readonly Node[]): PendingRun[] {
  const runs = nodes.map(({ address, page }) => ({ address, bytes: page }));
  for (const { copy, page } of nodes) if (copy !== 0) runs.push({ address: copy, bytes: page });
  return runs;
}
