/**
 * Gets whole stripes out of the pool: it keeps its size, and takes other blocks for those that
 * make a stripe free.
 */

import { type BlockRun, endOf, totalLength } from './block-run.js';
import type { BlockStates } from './block-states.js';
import type { GroupCache } from './group-cache.js';
import type { BlockRange } from './group-geometry.js';
import type { GroupTable } from './group-table.js';

/** The pool, as it is filled and drained. */
export interface PoolKeeper {
  /** Brings the pool to `target` blocks if it can; what it then holds. */
  fill(target: number): number;
  /** Gives `length` blocks of the pool back. */
  drain(length: number): void;
}

export class StripeExchange {
  readonly #table: GroupTable;
  readonly #cache: GroupCache;
  readonly #states: BlockStates;
  readonly #keeper: PoolKeeper;

  constructor(table: GroupTable, cache: GroupCache, states: BlockStates, keeper: PoolKeeper) {
    this.#table = table;
    this.#cache = cache;
    this.#states = states;
    this.#keeper = keeper;
  }

  /**
   * Makes stripes of `length` blocks free that begin in `range` and of which the pool holds all or
   * a part, the rest of them being free; false, with the pool as large as before, when that can't
   * be.
   * @throws what the source throws, with nothing changed
   */
  run(length: number, range: BlockRange): boolean {
    const { pool } = this.#states;
    const stripes = this.#stripesFor(length, range);
    if (stripes === undefined) return false;
    const pooled = stripes.flatMap((run) => [...pool.within(run.start, run.length)]);
    const needed = totalLength(pooled);
    if (this.#table.freeBlocks < length) return false;
    // Nothing of these stripes goes into the pool meanwhile.
    const kept = stripes.flatMap((run) => this.#freePartsOf(run));
    const before = pool.blocks;
    let isFilled = false;
    for (const run of kept) this.#take(run);
    try {
      isFilled = this.#keeper.fill(before + needed) >= before + needed;
    } finally {
      for (const run of kept) this.#give(run);
      if (!isFilled) this.#keeper.drain(pool.blocks - before);
    }
    if (!isFilled) return false;
    for (const run of pooled) this.#states.each(run, this.#states.unpool);
    this.#keeper.drain(pool.blocks - before);
    return true;
  }

  /** Stripes in which nothing is but what is free or in the pool: in a row if there are any so. */
  #stripesFor(length: number, range: BlockRange): BlockRun[] | undefined {
    const { stripeBlocks } = this.#table.geometry;
    const count = Math.ceil(length / stripeBlocks);
    const first: BlockRun[] = [];
    let row: BlockRun[] = [];
    for (const stripe of this.#spareStripes(range)) {
      const last = row.at(-1);
      if (last !== undefined && endOf(last) !== stripe.start) row = [];
      row.push(stripe);
      if (row.length === count) return row;
      if (first.length < count) first.push(stripe);
    }
    return first.length === count ? first : undefined;
  }

  *#spareStripes({ from, to }: BlockRange): Generator<BlockRun> {
    const { stripeBlocks } = this.#table.geometry;
    let next = Math.ceil(from / stripeBlocks);
    for (const run of this.#states.pool.within(from, to - from)) {
      next = Math.max(next, Math.floor(run.start / stripeBlocks));
      for (; next * stripeBlocks < endOf(run); next++) {
        const stripe = { start: next * stripeBlocks, length: stripeBlocks };
        if (this.#isSpare(stripe)) yield stripe;
      }
    }
  }

  #isSpare(stripe: BlockRun): boolean {
    const { geometry } = this.#table;
    if (stripe.start + stripe.length > geometry.blockCount) return false;
    const held = totalLength([...this.#states.pool.within(stripe.start, stripe.length)]);
    return held + totalLength(this.#freePartsOf(stripe)) === stripe.length;
  }

  #freePartsOf(stripe: BlockRun): BlockRun[] {
    const { start, busy } = this.#cache.get(this.#table.geometry.groupOf(stripe.start));
    const end = stripe.start - start + stripe.length;
    const parts: BlockRun[] = [];
    for (let at = busy.nextFree(stripe.start - start); at < end; ) {
      const stop = busy.nextUsed(at, end);
      parts.push({ start: start + at, length: stop - at });
      at = busy.nextFree(stop);
    }
    return parts;
  }

  #take({ start, length }: BlockRun): void {
    const group = this.#cache.get(this.#table.geometry.groupOf(start));
    this.#table.take(group, start - group.start, length);
  }

  #give({ start, length }: BlockRun): void {
    const group = this.#cache.get(this.#table.geometry.groupOf(start));
    this.#table.give(group, start - group.start, length);
  }
}
