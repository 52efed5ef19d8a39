/**
 * Fills and drains the pool: the blocks held back so that a checkpoint always fits.
 *
 * - It takes whole stripes first, then long runs; where metadata is kept twice, as much in one half
 *   of the device as in the other, if it is there.
 * - It gives short runs back first: long ones are what nodes need.
 */

import { assert } from '../assert.js';
import { endOf } from './block-run.js';
import type { BlockStates } from './block-states.js';
import type { Chooser } from './chooser.js';
import type { GroupGeometry, Half } from './group-geometry.js';

const HALVES = ['low', 'high'] as const;

export class Pool {
  readonly #geometry: GroupGeometry;
  readonly #chooser: Chooser;
  readonly #states: BlockStates;
  readonly #isDoubled: boolean;
  /** Blocks of the runs that it was last asked for. */
  #unit = 1;

  /** `isDoubled`: metadata is kept twice. */
  constructor(geometry: GroupGeometry, chooser: Chooser, states: BlockStates, isDoubled: boolean) {
    this.#geometry = geometry;
    this.#chooser = chooser;
    this.#states = states;
    this.#isDoubled = isDoubled;
  }

  /** As `Allocator.fillPool`; with the unit of the call before unless one is given. */
  fill(target: number, unit = this.#unit): number {
    const { pool } = this.#states;
    this.#unit = unit;
    // Whole units of at least as many blocks as the stripes that they are to be a part of.
    const step = Math.ceil(this.#geometry.stripeBlocks / unit) * unit;
    const missing = (): number => Math.ceil(Math.max(0, target - pool.blocks) / step) * step;
    if (missing() === 0) return pool.blocks;
    if (this.#isDoubled) {
      for (const half of HALVES) {
        const there = pool.blocksWithin(this.#geometry.rangeOf(half));
        const wanted = Math.ceil(Math.max(0, target / 2 - there) / step) * step;
        this.#add(Math.min(wanted, missing()), unit, half);
      }
    }
    this.#add(missing(), unit);
    return pool.blocks;
  }

  /** As `Allocator.drainPool`. */
  drain(length: number): number {
    const { pool } = this.#states;
    let rest = Math.min(length, pool.blocks);
    const drained = rest;
    while (rest > 0) {
      const run = pool.shortest();
      assert(run !== undefined, 'a pool with blocks has runs');
      const part = Math.min(rest, run.length);
      this.#states.each({ start: endOf(run) - part, length: part }, this.#states.unpool);
      rest -= part;
    }
    return drained;
  }

  /** How many runs of `length` blocks it holds, cut from its runs. */
  runsOf(length: number): number {
    const { pool } = this.#states;
    let runs = 0;
    for (let i = 0; i < pool.count; i++) runs += Math.floor(pool.at(i).length / length);
    return runs;
  }

  #add(blocks: number, unit: number, half?: Half): void {
    if (blocks === 0) return;
    for (const run of this.#chooser.chooseForPool(blocks, unit, half)) {
      this.#states.each(run, this.#states.poolTaken);
    }
  }
}
