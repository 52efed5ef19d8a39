/**
 * A set of blocks as sorted runs, for few runs: the pool and the blocks at fixed places.
 *
 * - Runs are disjoint, in order of their starts, and never touch: neighbours are merged.
 * - Search by place is a binary search; search by length walks over all runs.
 */

import { assert } from '../assert.js';
import type { BlockRun } from './block-run.js';
import type { BlockRange } from './group-geometry.js';

export class RunSet {
  /** Blocks of all runs together. */
  blocks = 0;
  #starts: number[] = [];
  #lengths: number[] = [];

  /** How many runs. */
  get count(): number {
    return this.#starts.length;
  }

  /** The run at `index`, in [0, count). */
  at(index: number): BlockRun {
    return { start: this.#start(index), length: this.#length(index) };
  }

  /** Adds [start, start + length), of which nothing may be in the set. */
  add(start: number, length: number): void {
    assert(length > 0, 'a run has at least one block');
    const index = this.#firstEndingBehind(start);
    const end = start + length;
    assert(index === this.count || end <= this.#start(index), 'an added run is not in the set');
    const joinsLeft = index > 0 && this.#end(index - 1) === start;
    const joinsRight = index < this.count && this.#start(index) === end;
    this.blocks += length;
    if (joinsLeft && joinsRight) {
      this.#lengths[index - 1] = this.#end(index) - this.#start(index - 1);
      this.#starts.splice(index, 1);
      this.#lengths.splice(index, 1);
    } else if (joinsLeft) {
      this.#lengths[index - 1] = end - this.#start(index - 1);
    } else if (joinsRight) {
      this.#lengths[index] = this.#end(index) - start;
      this.#starts[index] = start;
    } else {
      this.#starts.splice(index, 0, start);
      this.#lengths.splice(index, 0, length);
    }
  }

  /** Removes [start, start + length), all of which must be in the set. */
  remove(start: number, length: number): void {
    assert(length > 0, 'a run has at least one block');
    const index = this.#firstEndingBehind(start);
    const end = start + length;
    assert(this.contains(start, length), 'a removed run is in the set');
    const from = this.#start(index);
    const to = this.#end(index);
    this.blocks -= length;
    if (from < start && end < to) {
      this.#lengths[index] = start - from;
      this.#starts.splice(index + 1, 0, end);
      this.#lengths.splice(index + 1, 0, to - end);
    } else if (from < start) {
      this.#lengths[index] = start - from;
    } else if (end < to) {
      this.#starts[index] = end;
      this.#lengths[index] = to - end;
    } else {
      this.#starts.splice(index, 1);
      this.#lengths.splice(index, 1);
    }
  }

  /** True when all of [start, start + length) is in the set. */
  contains(start: number, length: number): boolean {
    const index = this.#firstEndingBehind(start);
    return index < this.count && this.#start(index) <= start && start + length <= this.#end(index);
  }

  /** True when any of [start, start + length) is in the set. */
  intersects(start: number, length: number): boolean {
    const index = this.#firstEndingBehind(start);
    return index < this.count && this.#start(index) < start + length;
  }

  /** The parts of the runs that lie in [start, start + length), in order. */
  *within(start: number, length: number): Generator<BlockRun> {
    const end = start + length;
    for (let i = this.#firstEndingBehind(start); i < this.count && this.#start(i) < end; i++) {
      const from = Math.max(start, this.#start(i));
      yield { start: from, length: Math.min(end, this.#end(i)) - from };
    }
  }

  /**
   * Where to take `length` blocks: the shortest run that has them all behind its first multiple
   * of `align`, cut there; else the longest run, whole. Undefined when the set is empty.
   */
  bestFit(length: number, align: number): BlockRun | undefined {
    let best = -1;
    let longest = -1;
    for (let i = 0; i < this.count; i++) {
      const size = this.#length(i);
      if (longest < 0 || size > this.#length(longest)) longest = i;
      if (this.#end(i) - this.#aligned(i, align) < length) continue;
      if (best < 0 || size < this.#length(best)) best = i;
    }
    if (best >= 0) return { start: this.#aligned(best, align), length };
    if (longest < 0) return undefined;
    return { start: this.#start(longest), length: Math.min(length, this.#length(longest)) };
  }

  /**
   * Where to take `length` blocks, or the most there are in a row, inside a range: a whole number
   * of `unit` blocks. Undefined when no run has so many there.
   */
  bestFitWithin(length: number, unit: number, range: BlockRange): BlockRun | undefined {
    let best: BlockRun | undefined;
    for (let i = 0; i < this.count; i++) {
      const start = Math.max(this.#start(i), range.from);
      const size = Math.min(this.#end(i), range.to) - start;
      if (size < unit) continue;
      const run = { start, length: size - (size % unit) };
      if (best === undefined || isBetter(run.length, best.length, length)) best = run;
    }
    return best && { start: best.start, length: Math.min(length, best.length) };
  }

  /** How many blocks lie inside a range. */
  blocksWithin({ from, to }: BlockRange): number {
    let blocks = 0;
    for (const { length } of this.within(from, to - from)) blocks += length;
    return blocks;
  }

  /** The shortest run, or undefined when the set is empty. */
  shortest(): BlockRun | undefined {
    let best = 0;
    for (let i = 1; i < this.count; i++) if (this.#length(i) < this.#length(best)) best = i;
    return this.count === 0 ? undefined : this.at(best);
  }

  /** @throws AssertionError when runs are out of order, touch, or miscount. */
  verify(): void {
    let blocks = 0;
    for (let i = 0; i < this.count; i++) {
      assert(this.#length(i) > 0, 'a run has at least one block');
      assert(i === 0 || this.#end(i - 1) < this.#start(i), 'runs are in order and do not touch');
      blocks += this.#length(i);
    }
    assert(blocks === this.blocks, 'the blocks of a run set are those of its runs');
  }

  /** Index of the first run with a block at or behind `block`; `count` when there is none. */
  #firstEndingBehind(block: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#end(middle) > block) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #start(index: number): number {
    return this.#starts[index] as number;
  }

  #length(index: number): number {
    return this.#lengths[index] as number;
  }

  #end(index: number): number {
    return this.#start(index) + this.#length(index);
  }

  #aligned(index: number, align: number): number {
    return Math.ceil(this.#start(index) / align) * align;
  }
}

/** Among runs that have what is wanted the shorter one is better, among others the longer one. */
function isBetter(length: number, than: number, wanted: number): boolean {
  return than >= wanted ? length >= wanted && length < than : length > than;
}
