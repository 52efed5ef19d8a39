/**
 * Free blocks below the new end of a store, by its bitmaps.
 *
 * - Groups are read one by one, as blocks are asked for.
 * - Runs are kept in bins by the power of two in their length: one that is long enough is found
 *   in the bin of its length or, without a search, in any higher one.
 * - What is as long as a stripe begins with one where that costs no room.
 * - Nothing is free again: what is taken is written, and what is in use stays so until the switch.
 */

import type { BlockRun } from '../alloc/block-run.js';
import type { RunSet } from '../alloc/run-set.js';
import type { Io } from '../blockdev/io.js';
import { StoreError } from '../errors.js';
import { BLOCK_HEADER } from '../format/block.js';
import type { GroupSummary } from '../format/group-summary.js';
import type { CheckContext } from '../fsck/context.js';
import type { BlockSource } from '../fsck/repair-context.js';
import { findBitmap, fixedBits } from '../fsck/space-check.js';
import { unsound } from './unsound.js';

/** Runs of the lowest bin that are looked at for one that is long enough. */
const LOOKED_AT_MAX = 64;

export interface FreeRunsOptions {
  /** Of the state whose bitmaps are read; reports nothing. */
  readonly context: CheckContext;
  readonly summaries: ReadonlyMap<number, GroupSummary>;
  /** Blocks at or behind this one are not given. */
  readonly end: number;
  /** Nor are these. */
  readonly reserved: RunSet;
}

export class FreeRuns implements BlockSource {
  readonly touched = new Set<number>();
  readonly #options: FreeRunsOptions;
  readonly #bins: BlockRun[][] = [];
  #next = 0;

  constructor(options: FreeRunsOptions) {
    this.#options = options;
  }

  *take(length: number): Io<number> {
    for (;;) {
      const run = this.#find(length);
      if (run !== undefined) return this.#cut(run, length);
      if (!(yield* this.#more())) {
        throw new StoreError(
          'E_NO_SPACE',
          `Cannot shrink store: no ${length} blocks in a row are free below its new end`,
        );
      }
    }
  }

  /** Takes `length` blocks out of a run, and keeps what is before and behind them. */
  #cut(run: BlockRun, length: number): number {
    const start = this.#startIn(run, length);
    const end = run.start + run.length;
    if (start > run.start) this.#keep(run.start, start - run.start);
    if (end > start + length) this.#keep(start + length, end - start - length);
    this.#touch(start, length);
    return start;
  }

  /** Where a stripe begins, unless the run would then have room for fewer runs of that length. */
  #startIn(run: BlockRun, length: number): number {
    const { stripeBlocks } = this.#options.context.map.groups;
    const start = Math.ceil(run.start / stripeBlocks) * stripeBlocks;
    const behind = run.start + run.length - start - length;
    const isSpare = 1 + Math.floor(behind / length) >= Math.floor(run.length / length);
    return length >= stripeBlocks && behind >= 0 && isSpare ? start : run.start;
  }

  giveBack(start: number, length: number): void {
    this.#keep(start, length);
  }

  /** True when all of a run is free in the bitmaps, whether it was taken or not. */
  *isFree(start: number, length: number): Io<boolean> {
    const { groups } = this.#options.context.map;
    let group = -1;
    let bits: Uint8Array = new Uint8Array(0);
    for (let block = start; block < start + length; block++) {
      if (groups.groupOf(block) !== group) {
        group = groups.groupOf(block);
        bits = yield* this.#bitsOf(group);
      }
      if (isMarked(bits, block - groups.startOf(group))) return false;
    }
    return true;
  }

  #find(length: number): BlockRun | undefined {
    const lowest = binOf(length);
    const near = this.#bins[lowest] ?? [];
    for (let i = near.length - 1; i >= Math.max(0, near.length - LOOKED_AT_MAX); i--) {
      const run = near[i];
      if (run === undefined || run.length < length) continue;
      near[i] = near[near.length - 1] as BlockRun;
      near.pop();
      return run;
    }
    for (let bin = lowest + 1; bin < this.#bins.length; bin++) {
      const run = this.#bins[bin]?.pop();
      if (run !== undefined) return run;
    }
    return near.length > LOOKED_AT_MAX ? this.#findAll(near, length) : undefined;
  }

  /** The same without a limit, when nothing else is left. */
  #findAll(bin: BlockRun[], length: number): BlockRun | undefined {
    const index = bin.findIndex((run) => run.length >= length);
    return index < 0 ? undefined : bin.splice(index, 1)[0];
  }

  #keep(start: number, length: number): void {
    const bin = binOf(length);
    while (this.#bins.length <= bin) this.#bins.push([]);
    this.#bins[bin]?.push({ start, length });
  }

  #touch(start: number, length: number): void {
    const { groups } = this.#options.context.map;
    const last = groups.groupOf(start + length - 1);
    for (let group = groups.groupOf(start); group <= last; group++) this.touched.add(group);
  }

  /** Looks at one more group; false when there is none. */
  *#more(): Io<boolean> {
    const { context, end, reserved } = this.#options;
    const { groups } = context.map;
    const group = this.#next++;
    if (group >= groups.groupCount || groups.startOf(group) >= end) return false;
    const first = groups.startOf(group);
    const bits = yield* this.#bitsOf(group);
    const last = Math.min(end, first + groups.sizeOf(group));
    let from = first;
    for (let block = first; block <= last; block++) {
      const isFree = block < last && !isMarked(bits, block - first) && !reserved.contains(block, 1);
      if (isFree) continue;
      if (block > from) this.#keep(from, block - from);
      from = block + 1;
    }
    return true;
  }

  *#bitsOf(group: number): Io<Uint8Array> {
    const { context, summaries } = this.#options;
    const { groups } = context.map;
    const summary = summaries.get(group);
    if (summary === undefined) {
      return fixedBits(context, groups.startOf(group), groups.sizeOf(group));
    }
    const found = yield* findBitmap(context.map, summary);
    if (!('reason' in found)) return found.page.subarray(BLOCK_HEADER.size);
    const offset = context.map.offsetOf(summary.address);
    throw unsound(`the bitmap of group ${group}`, offset, found);
  }
}

function isMarked(bits: Uint8Array, offset: number): boolean {
  return ((bits[offset >>> 3] as number) & (1 << (offset & 7))) !== 0;
}

function binOf(length: number): number {
  return Math.floor(Math.log2(length));
}
