/**
 * Works the drop list off in bounded turns: what nothing refers to any more becomes free.
 *
 * - A turn is a few savepoints; the event loop has its turn after each.
 * - A node that can't be read is put aside for fsck; it stops nobody.
 */

import type { Io } from '../blockdev/io.js';
import { hasCode } from '../errors.js';
import type { SpacePolicy } from './space-policy.js';
import type { StoreState } from './store-state.js';

/** Entries of the drop list that one turn of housekeeping takes. */
const DROPS_A_TURN = 64;

export interface DropWorkerOptions {
  readonly state: StoreState;
  readonly space: SpacePolicy;
  /** False when nothing may be changed any more. */
  readonly isOpen: () => boolean;
  /** Waits for a checkpoint. */
  readonly checkpoint: () => Io<void>;
}

export class DropWorker {
  readonly #options: DropWorkerOptions;

  constructor(options: DropWorkerOptions) {
    this.#options = options;
  }

  /** True when nothing is left but what was put aside. */
  get isEmpty(): boolean {
    return !this.#options.state.mayDrop;
  }

  /** Works the drop list off, with checkpoints in between where a generation grows too large. */
  *dropAll(): Io<void> {
    const { state, space } = this.#options;
    while (!this.isEmpty && this.#options.isOpen()) {
      if (space.dirtyBlocks > space.dirtyBlocksMax) yield* this.#options.checkpoint();
      const turn = (): void => this.#dropSome();
      yield {
        kind: 'until',
        start: () => state.forest.run(turn),
        force: () => state.forest.sync(turn),
      };
      yield { kind: 'pause' };
    }
  }

  #dropSome(): void {
    const { state, space } = this.#options;
    for (let left = DROPS_A_TURN; left > 0; left--) {
      state.begin();
      let any = false;
      try {
        any = state.dropStep();
      } catch (error) {
        state.rollback();
        if (!hasCode(error, 'E_CORRUPT')) throw error;
        state.begin();
        state.parkDrop();
        any = true;
      }
      state.commit();
      state.allocator.keep();
      if (!any || space.dirtyBlocks > space.dirtyBlocksMax) return;
    }
  }
}
