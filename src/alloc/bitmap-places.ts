/**
 * New places for the bitmaps of groups that a checkpoint writes.
 *
 * - A place is in an open stripe where there are stripes; else in the group itself if it has a free
 *   block, else in the pool.
 * - A second copy is packed into the other half of the device, else placed in the group that is half
 *   a device away.
 * - The place makes its own group dirty. Each choice makes at most two more groups dirty, and those
 *   of one generation lead to the same few: choosing comes to an end.
 */

import { StoreError } from '../errors.js';
import type { BlockStates } from './block-states.js';
import type { Half } from './group-geometry.js';
import type { GroupTable } from './group-table.js';
import type { Placement } from './placement.js';

export interface BitmapPlacesOptions {
  readonly table: GroupTable;
  readonly placement: Placement;
  readonly states: BlockStates;
  /** A second copy is kept. */
  readonly isDoubled: boolean;
  /** A block of an open stripe, referenced; undefined where there is none. */
  readonly pack: (mayOpen: boolean, half?: Half) => number | undefined;
  /** A free block near another one, referenced; undefined where there is none. */
  readonly allocate: (near: number) => number | undefined;
}

export class BitmapPlaces {
  readonly #options: BitmapPlacesOptions;

  constructor(options: BitmapPlacesOptions) {
    this.#options = options;
  }

  /**
   * Blocks for the bitmap of `group` and its copy, 0 for none; they are referenced now.
   * @throws StoreError E_NO_SPACE; what the source throws
   */
  choose(group: number, mayOpen: boolean): { address: number; copy: number } {
    const { table, isDoubled, pack } = this.#options;
    const { geometry } = table;
    const own = isDoubled ? pack(mayOpen, 'low') : pack(mayOpen);
    const address = own ?? this.#near(group, geometry.startOf(group));
    if (!isDoubled) return { address, copy: 0 };
    const origin = own === undefined ? group : geometry.groupOf(own);
    const copy = pack(mayOpen, 'high') ?? this.#near(group, geometry.farFrom(origin));
    return { address, copy };
  }

  /** A new block for the bitmap of `owner`, referenced: near `near`, if it can be. */
  #near(owner: number, near: number): number {
    const { table, placement, states, allocate } = this.#options;
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
    const found = allocate(near);
    if (found !== undefined) return found;
    throw new StoreError('E_NO_SPACE', `Cannot place bitmap of allocation group ${owner}`);
  }
}
