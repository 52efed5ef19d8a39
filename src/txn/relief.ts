/**
 * Makes room when a transaction finds none: everything that can be got without refusing anybody,
 * cheapest first.
 */

import type { Io } from '../blockdev/io.js';
import type { Overtaken } from '../blockdev/overtaken.js';
import type { DropWorker } from './drop-worker.js';
import { untilLanded } from './overdue.js';
import type { Readers } from './readers.js';
import type { SpaceKeeper } from './space-keeper.js';
import type { SpacePolicy } from './space-policy.js';
import type { StoreState } from './store-state.js';

export interface ReliefOptions {
  readonly state: StoreState;
  readonly space: SpacePolicy;
  readonly keeper: SpaceKeeper;
  readonly drops: DropWorker;
  readonly readers: Readers;
  readonly overtaken: Overtaken;
  readonly checkpoint: () => Io<void>;
}

export class Relief {
  readonly #options: ReliefOptions;

  constructor(options: ReliefOptions) {
    this.#options = options;
  }

  /**
   * Grows the file, works the drop list off, checkpoints so that limbo comes back, and ends
   * snapshots that hold enough, or for one that is `entitled` to its room. `blocks` are missing;
   * 0 says that only the generation is too full. False when nothing more can be got.
   */
  *make(blocks: number, entitled: boolean): Io<boolean> {
    const { space, keeper, drops, readers, overtaken, checkpoint } = this.#options;
    if (yield* keeper.growth.grow(Math.max(blocks, space.dirtyBlocks))) return true;
    if (blocks === 0) return yield* this.#closeGeneration(entitled);
    const before = space.free;
    yield* drops.dropAll();
    // What this generation freed is back when the next one is durable, behind one under way.
    for (let round = 0; round < 3 && space.returning >= blocks; round++) {
      yield* checkpoint();
      if (space.free > before) return true;
    }
    // What is still in limbo is held by readers: a snapshot ends before anybody is refused for it.
    const isHeld = entitled || space.returning >= blocks;
    if (isHeld && readers.expireSnapshots()) return true;
    if (space.free > before) return true;
    if (overtaken.isEmpty) return false;
    yield untilLanded(overtaken);
    return true;
  }

  /** Ends a generation that is too full; false when a new one would not have more room. */
  *#closeGeneration(entitled: boolean): Io<boolean> {
    const { state, space, readers, checkpoint } = this.#options;
    const { forest, allocator } = state;
    const isDirty = forest.dirtyBytes > 0;
    const before = allocator.poolBlocks;
    const freeBefore = space.free;
    for (let round = 0; round < 3 && (round === 0 || allocator.limboBlocks > 0); round++) {
      yield* checkpoint();
      if (isDirty || allocator.poolBlocks > before || space.free > freeBefore) return true;
    }
    return entitled && readers.expireSnapshots();
  }
}
