/**
 * Cuts extents that lie behind a block, and are longer than what is free in a row before it, so
 * that they can be moved piece by piece.
 *
 * - Only entries change: no data is read or moved, and no block gets or loses a reference.
 * - The device is cut at fixed places, at the next border of a chunk: all that share an extent get
 *   the same pieces of it.
 * - What lies below a shared node stays whole.
 * - Like the cleaner's, its changes are in no journal record: a crash takes them back.
 */

import type { Io } from '../blockdev/io.js';
import type { Tree } from '../btree/tree.js';
import {
  blobKey,
  decodeEntry,
  ENTRY_KIND,
  type ExtentEntry,
  encodeEntry,
  sliceEntry,
} from '../onode/extent-entry.js';
import { CHUNK_SIZE_MAX } from '../onode/limits.js';
import { CleanWalk, type FoundExtent } from './clean-walk.js';
import { editObject } from './edit-object.js';
import type { SpaceKeeper } from './space-keeper.js';
import type { SpacePolicy } from './space-policy.js';
import type { StoreState } from './store-state.js';

/** Bytes of the largest pieces: those of the longest extent, or more. */
const PIECE_BYTES_MAX = 64 * 1024 * 1024;

/** Leaves that are looked at before the event loop has its turn. */
const LEAVES_A_TURN = 16;

export interface ExtentSplitterOptions {
  readonly state: StoreState;
  readonly space: SpacePolicy;
  readonly keeper: SpaceKeeper;
  /** Bytes of dirty nodes at which a checkpoint is due. */
  readonly dirtyBytesMax: number;
  readonly checkpoint: () => Io<void>;
}

export class ExtentSplitter {
  readonly #options: ExtentSplitterOptions;
  /** Extents that reach behind this block are cut. */
  readonly #end: number;

  constructor(options: ExtentSplitterOptions, end: number) {
    this.#options = options;
    this.#end = end;
  }

  /** Cuts what has to be cut. Without room for more entries it ends before all is done. */
  *run(): Io<void> {
    const { state, checkpoint } = this.#options;
    const most = state.forest.sync(() => this.#pieceBlocks());
    const walk = new CleanWalk(
      state,
      (address, length) => length > most && address + length > this.#end,
    );
    for (;;) {
      if (this.#isCheckpointDue) yield* checkpoint();
      let outcome: Outcome = 'on';
      for (let left = LEAVES_A_TURN; left > 0 && outcome === 'on'; left--) {
        outcome = state.forest.sync(() => this.#step(walk, most));
      }
      if (outcome !== 'on') return;
      yield { kind: 'pause' };
    }
  }

  get #isCheckpointDue(): boolean {
    const { state, space, dirtyBytesMax } = this.#options;
    return state.forest.dirtyBytes > dirtyBytesMax || space.dirtyBlocks > space.dirtyBlocksMax / 2;
  }

  /**
   * The longest pieces, a power of two, for which the runs before the end that nothing refers to
   * have room.
   */
  #pieceBlocks(): number {
    const { blockSize } = this.#options.state;
    const { runs, needed } = this.#room();
    const least = Math.max(1, CHUNK_SIZE_MAX / blockSize); // a chunk is never cut
    for (let most = PIECE_BYTES_MAX / blockSize; most > least; most /= 2) {
      let room = 0;
      for (const length of runs) room += length - (length % most);
      if (room >= needed) return most;
    }
    return least;
  }

  /** Lengths of the runs before the end that nothing refers to, and the blocks used behind it. */
  #room(): { runs: number[]; needed: number } {
    const { allocator } = this.#options.state;
    const { geometry } = allocator;
    const runs: number[] = [];
    let needed = 0;
    for (let group = 0; group < geometry.groupCount; group++) {
      let free = geometry.startOf(group);
      const stop = Math.min(free + geometry.sizeOf(group), this.#end);
      for (const { start, length } of allocator.runsOf(group, 'referenced')) {
        const before = Math.min(start, stop) - free;
        if (before > 0) runs.push(before);
        free = start + length;
        needed += Math.max(0, free - Math.max(start, this.#end));
      }
      if (stop > free) runs.push(stop - free);
    }
    return { runs, needed };
  }

  /** Looks at one leaf, and cuts what it finds there. */
  #step(walk: CleanWalk, most: number): Outcome {
    const { state, keeper } = this.#options;
    const found: FoundExtent[] = [];
    state.begin();
    try {
      const isLast = walk.step(found);
      for (const extent of found) this.#split(extent, most);
      if (!keeper.leavesEnough()) {
        state.rollback();
        return 'no room';
      }
      state.commit();
      state.allocator.keep();
      return isLast ? 'done' : 'on';
    } catch (error) {
      state.rollback();
      throw error;
    }
  }

  #split({ collection, object, offset }: FoundExtent, most: number): void {
    const { state } = this.#options;
    editObject(state, collection, object, ({ blobTree }) => this.#cut(blobTree, offset, most));
  }

  /** Replaces an entry, if it is an extent still, by those of its pieces. */
  #cut(tree: Tree, offset: number, most: number): void {
    const { blockSize } = this.#options.state;
    const key = blobKey(offset);
    tree.own(key);
    const stored = tree.get(key);
    const entry = stored && decodeEntry(stored, 0, stored.length);
    if (entry?.kind !== ENTRY_KIND.extent) return;
    const whole = { ...entry, checksums: entry.checksums.slice() };
    let from = 0;
    for (const to of [...cutsOf(whole, most, blockSize), whole.length]) {
      tree.put(blobKey(offset + from), encodeEntry(sliceEntry(whole, from, to, blockSize)));
      from = to;
    }
  }
}

/** Whether to go on. */
type Outcome = 'on' | 'done' | 'no room';

/** The bytes of an entry at which it is cut: the first chunks at or behind multiples of `most`. */
function cutsOf({ address, shift, skip, length }: ExtentEntry, most: number, blockSize: number) {
  const chunk = 2 ** shift;
  const chunkBlocks = chunk / blockSize;
  const cuts: number[] = [];
  for (let at = chunk - skip, block = address + chunkBlocks; at < length; at += chunk) {
    if (Math.floor(block / most) !== Math.floor((block - chunkBlocks) / most)) cuts.push(at);
    block += chunkBlocks;
  }
  return cuts;
}
