/**
 * Gives the bitmaps of dirty groups new places, so that none is ever written over.
 *
 * - A bitmap moves once in a generation: into an open stripe, else into its own group if that has a
 *   free block, else to what the pool holds. Its second copy goes to the group half a device away.
 * - Moving allocates a block and frees one: so it can make further groups dirty, which then move too.
 */

import { StoreError } from '../errors.js';
import type { BlockStates } from './block-states.js';
import type { Chooser } from './chooser.js';
import type { GroupTable } from './group-table.js';
import type { Placement } from './placement.js';

/** What else of the allocator a move takes. */
export interface MoverParts {
  readonly table: GroupTable;
  readonly placement: Placement;
  readonly states: BlockStates;
  readonly chooser: Chooser;
  /** Bitmaps are kept twice. */
  readonly isDoubled: boolean;
  /** A block of an open stripe, referenced; none where there are no stripes for it. */
  readonly pack: (mayOpen: boolean) => number | undefined;
  /** Puts a block that holds a bitmap into limbo. */
  readonly free: (block: number) => void;
}

export class BitmapMover {
  readonly #parts: MoverParts;

  constructor(parts: MoverParts) {
    this.#parts = parts;
  }

  /** As `Allocator.moveBitmap`. */
  move(group: number, mayOpen: boolean): number {
    const { table, states, isDoubled } = this.#parts;
    const { geometry } = table;
    const old = table.pointerOf(group);
    const address = this.#parts.pack(mayOpen) ?? this.#place(group, geometry.startOf(group));
    const copy = isDoubled ? this.#place(group, geometry.farFrom(group)) : 0;
    for (const start of [old.address, old.copy]) {
      if (start !== 0) this.#parts.free(start);
    }
    states.move(group, address, copy);
    return address;
  }

  /** A new block for the bitmap of `owner`, referenced: near `near`, if it can be. */
  #place(owner: number, near: number): number {
    const { table, placement, states } = this.#parts;
    const { geometry } = table;
    const index = geometry.groupOf(near);
    const start = geometry.startOf(index);
    const own = placement.findInGroup(index, near);
    if (own >= 0) {
      placement.takeRun(own, 1);
      states.useTaken(index, own - start, 1);
      return own;
    }
    const { pool } = states;
    const half = geometry.rangeOf(geometry.otherHalf(geometry.startOf(owner)));
    const far = index === owner ? undefined : pool.bestFitWithin(1, 1, half);
    const pooled =
      pool.within(start, geometry.sizeOf(index)).next().value ?? far ?? pool.bestFit(1, 1);
    if (pooled !== undefined) {
      pool.remove(pooled.start, 1);
      states.each({ start: pooled.start, length: 1 }, states.useDrawn);
      return pooled.start;
    }
    const run = this.#parts.chooser.choose(1, { purpose: 'metadata', hint: near })?.taken[0];
    if (run === undefined) {
      throw new StoreError('E_NO_SPACE', `Cannot place bitmap of allocation group ${owner}`);
    }
    states.each(run, states.useTaken);
    return run.start;
  }
}
