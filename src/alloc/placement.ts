/**
 * Where free blocks are taken: near a hint, on stripe boundaries, in long runs.
 *
 * - A search begins at the hint, goes on to the end of the hint's group, then through the rest of
 *   that group, then through the groups behind it that can have such a run, and wraps.
 * - A chosen run lies in one group.
 * - Alignment is a wish: it decides among places, and never makes a request fail.
 * - So is keeping out of windows in which objects grow: where nothing else is left, they yield.
 */

import type { AppendWindows } from './append-windows.js';
import type { BlockRun } from './block-run.js';
import type { Group } from './group.js';
import type { GroupCache } from './group-cache.js';
import type { BlockRange } from './group-geometry.js';
import type { GroupRanking } from './group-ranking.js';
import type { GroupTable } from './group-table.js';

/**
 * Groups that one call searches in vain for an aligned run before it does without. Right after
 * an open nothing is known of stripes, and each group searched may be a read: 64 reads are a few
 * milliseconds, and what they told stays known.
 */
const ALIGNED_PROBES_MAX = 64;

/** Windows that one call passes by before it does without: some microseconds each. */
const WINDOWS_PASSED_MAX = 64;

export interface PlacementRequest {
  /** Block where the search begins. */
  readonly hint: number;
  /** Starts are multiples of this where possible; 1 for anywhere. */
  readonly align: number;
  /** Pieces shorter than `align` may start anywhere. */
  readonly wholeOnly: boolean;
  /** One run or none. */
  readonly contiguous: boolean;
  /** A contiguous run begins here or there is none; the hint is where the range begins. */
  readonly within?: BlockRange;
  /** Nothing but runs that start at a multiple of `align`. */
  readonly strict?: boolean;
}

export class Placement {
  readonly #table: GroupTable;
  readonly #cache: GroupCache;
  readonly #windows: AppendWindows;
  /** The present search keeps out of windows. */
  #isClear = false;
  /** Windows that it may still pass by. */
  #passesLeft = 0;

  constructor(table: GroupTable, cache: GroupCache, windows: AppendWindows) {
    this.#table = table;
    this.#cache = cache;
    this.#windows = windows;
  }

  /**
   * Takes `length` blocks, at most those that are free, and appends their runs to `taken`.
   * @returns false when they are not all there in one run as asked
   * @throws what the source throws. In both cases `taken` says what is to be given back.
   */
  take(length: number, request: PlacementRequest, taken: BlockRun[]): boolean {
    let rest = length;
    let { hint } = request;
    while (rest > 0) {
      const first = taken.length;
      if (!this.#takeSome(rest, hint, request, taken)) return false;
      for (let i = first; i < taken.length; i++) {
        const run = taken[i] as BlockRun;
        rest -= run.length;
        hint = run.start + run.length;
      }
    }
    return true;
  }

  /** Gives back everything in `taken`. */
  giveBack(taken: readonly BlockRun[]): void {
    for (const run of taken) {
      const group = this.#groupOf(run.start);
      this.#table.give(group, run.start - group.start, run.length);
    }
  }

  /** First block of `length` free ones in a row, near `hint`, at a multiple of `align`; or -1. */
  find(length: number, hint: number, align: number): number {
    const clear = this.findClear(length, hint, align);
    if (clear >= 0 || this.#windows.count === 0) return clear;
    this.#isClear = false;
    this.#passesLeft = WINDOWS_PASSED_MAX;
    const start = this.#search(length, hint, align);
    if (start >= 0) this.#windows.yieldTo({ start, length });
    return start;
  }

  /** The same of blocks that are in no window. */
  findClear(length: number, hint: number, align: number): number {
    this.#isClear = this.#windows.count > 0;
    this.#passesLeft = WINDOWS_PASSED_MAX;
    return this.#search(length, hint, align);
  }

  /** A free block of one group, near `hint`, in no window if there is one; or -1. */
  findInGroup(index: number, hint: number): number {
    const offset = hint - this.#table.geometry.startOf(index);
    this.#isClear = this.#windows.count > 0;
    this.#passesLeft = WINDOWS_PASSED_MAX;
    const clear = this.#findIn(index, 1, offset, 1);
    if (clear >= 0 || !this.#isClear) return clear;
    this.#isClear = false;
    return this.#findIn(index, 1, offset, 1);
  }

  #search(length: number, hint: number, align: number): number {
    const { geometry } = this.#table;
    const ranking = this.#rankingFor(align);
    if (ranking.max < length) return -1;
    const start = hint < geometry.blockCount ? hint : 0;
    const home = geometry.groupOf(start);
    if (ranking.at(home) >= length) {
      const found = this.#findIn(home, length, start - geometry.startOf(home), align);
      if (found >= 0) return found;
    }
    let probes = align === 1 ? Number.POSITIVE_INFINITY : ALIGNED_PROBES_MAX;
    let group = this.#nextOf(ranking, home + 1, length);
    const seen = group;
    while (group >= 0 && probes-- > 0 && this.#passesLeft > 0) {
      const found = this.#findIn(group, length, 0, align);
      if (found >= 0) return found;
      group = this.#nextOf(ranking, group + 1, length);
      if (group === seen) return -1;
    }
    return -1;
  }

  /** Makes free blocks of one group busy. */
  takeRun(start: number, length: number): void {
    const group = this.#groupOf(start);
    this.#table.take(group, start - group.start, length);
  }

  /** First block of the free run that ends at `block`; `block` itself when there is none. */
  beginningOfFree(block: number): number {
    if (block === 0) return block;
    const group = this.#cache.peek(this.#table.geometry.groupOf(block - 1));
    if (group === undefined) return block;
    return group.start + group.busy.previousUsed(block - group.start) + 1;
  }

  #takeSome(rest: number, hint: number, request: PlacementRequest, taken: BlockRun[]): boolean {
    const { align, wholeOnly, contiguous, strict = false } = request;
    const isLarge = rest >= align;
    if (align > 1 && (isLarge || !wholeOnly)) {
      const start = this.find(rest, hint, align);
      if (start >= 0 && isWithin(start, request.within)) return this.#takeAll(start, rest, taken);
      if (!contiguous && isLarge && this.#takeLongest(rest, hint, align, taken)) return true;
    }
    if (strict) return false;
    const start = this.find(rest, hint, 1);
    if (start >= 0 && !isWithin(start, request.within)) return false;
    if (start >= 0) return this.#takeAll(start, rest, taken);
    return !contiguous && this.#takeLongest(rest, hint, 1, taken);
  }

  #takeAll(start: number, length: number, taken: BlockRun[]): boolean {
    this.takeRun(start, length);
    taken.push({ start, length });
    return true;
  }

  /**
   * Takes the longest free run, and in the same group whatever is at least half as long: so a
   * request on a device of crumbs is served in a few passes per group, not one per crumb.
   * With `align` only whole multiples of it count.
   */
  #takeLongest(rest: number, hint: number, align: number, taken: BlockRun[]): boolean {
    if (align > 1 && align !== this.#table.geometry.stripeBlocks) return false;
    const group = this.#longestGroup(hint, align);
    if (group === undefined) return false;
    const longest = this.#rankingFor(align).at(group.index);
    if (longest < align) return false;
    const enough = Math.max(align, Math.ceil(longest / 2));
    let left = rest;
    let at = 0;
    while (left >= align) {
      const offset = group.busy.findRun(at, Math.min(enough, left), align, 0);
      if (offset < 0) break;
      at = group.busy.nextUsed(offset, Math.min(group.size, offset + left));
      const length = at - offset < left ? at - offset - ((at - offset) % align) : left;
      this.takeRun(group.start + offset, length);
      taken.push({ start: group.start + offset, length });
      left -= length;
    }
    return left < rest;
  }

  /** The group with the longest free run, its bound exact; undefined when nothing is free. */
  #longestGroup(hint: number, align: number): Group | undefined {
    const { geometry } = this.#table;
    const ranking = this.#rankingFor(align);
    const home = hint < geometry.blockCount ? geometry.groupOf(hint) : 0;
    let probes = align === 1 ? Number.POSITIVE_INFINITY : ALIGNED_PROBES_MAX;
    while (ranking.max > 0 && probes-- > 0) {
      const bound = ranking.max;
      const group = this.#cache.get(this.#nextOf(ranking, home, bound));
      this.#table.tighten(group);
      if (ranking.at(group.index) === bound) return group;
    }
    return undefined;
  }

  /** `find` in one group, from `offset` on and wrapping; a vain search makes its bounds exact. */
  #findIn(index: number, length: number, offset: number, align: number): number {
    const group = this.#cache.get(index);
    const passes = this.#passesLeft;
    let found = this.#clearRun(group, offset, length, align);
    if (found < 0 && offset > 0) found = this.#clearRun(group, 0, length, align);
    if (found >= 0) return group.start + found;
    if (this.#passesLeft === passes) this.#table.tighten(group);
    return -1;
  }

  /** Offset of a run at or behind `from` that is in no window, as long as that is minded; or -1. */
  #clearRun(group: Group, from: number, length: number, align: number): number {
    const { start, index, busy, size } = group;
    const first = align === 1 ? 0 : this.#table.geometry.alignedOffset(index, align);
    for (let at = from; at < size; ) {
      const found = busy.findRun(at, length, align, first);
      if (found < 0 || !this.#isClear) return found;
      const end = this.#windows.endOver(start + found, length);
      if (end === 0) return found;
      if (--this.#passesLeft <= 0) return -1;
      at = end - start;
    }
    return -1;
  }

  /** First group at or behind `from`, wrapping, that ranks at least `minimum`; or -1. */
  #nextOf(ranking: GroupRanking, from: number, minimum: number): number {
    const group = ranking.next(from, minimum);
    return group >= 0 || from === 0 ? group : ranking.next(0, minimum);
  }

  #rankingFor(align: number): GroupRanking {
    const { geometry, aligned, longest } = this.#table;
    return align === geometry.stripeBlocks ? aligned : longest;
  }

  #groupOf(block: number): Group {
    return this.#cache.get(this.#table.geometry.groupOf(block));
  }
}

function isWithin(block: number, range: BlockRange | undefined): boolean {
  return range === undefined || (block >= range.from && block < range.to);
}
