/**
 * Chooses the runs that answer one request: from the pool where it may, then from what is free.
 *
 * - All or nothing: a request that can't be served, or whose bitmaps can't be loaded, leaves
 *   pool and free blocks as they were.
 * - Requests without a hint go on where the last one of their purpose ended; data and metadata
 *   begin in different groups. Small metadata thus stays together.
 */

import type { WindowWish } from './append-windows.js';
import type { Appender } from './appender.js';
import { type BlockRun, endOf, totalLength } from './block-run.js';
import type { Half } from './group-geometry.js';
import type { GroupTable } from './group-table.js';
import type { Placement, PlacementRequest } from './placement.js';
import type { RunSet } from './run-set.js';

/** Who asks: data and metadata are placed apart; `pool` draws on the pool first. */
export type Purpose = 'data' | 'metadata' | 'pool';

export interface AllocateOptions {
  readonly purpose: Purpose;
  /** Block near which to look first, the best being the one behind the object's last extent. */
  readonly hint?: number;
  /** One run or none; at most `geometry.groupBlocks`. */
  readonly contiguous?: boolean;
  /** Hands out claimed blocks, to be adopted or unclaimed. */
  readonly claim?: boolean;
  /**
   * Wish: starts are multiples of this many blocks. Without it, requests of a stripe or more
   * start at stripe boundaries and less may start anywhere.
   */
  readonly align?: number;
  /** Wish of what is kept twice: from this half of the device, as far as the pool has it there. */
  readonly half?: Half;
  /** Blocks of what is put there one by one: of a half only whole numbers of them are taken. */
  readonly unit?: number;
  /** Whole stripes, of which `length` is a multiple, or none. */
  readonly stripesOnly?: boolean;
  /**
   * The request appends to an object that ends at the hint: it goes on there, and the blocks of the
   * window are left to the object as long as others find a place elsewhere. With stripes that
   * counts for requests of whole ones only: small things are packed, whatever they belong to.
   */
  readonly window?: WindowWish;
  /** None rather than blocks that are in no window of the object. */
  readonly windowOnly?: boolean;
}

/** What a request gets; the blocks are busy, and in no state yet. */
export interface Choice {
  /** Taken out of the pool. */
  readonly drawn: readonly BlockRun[];
  /** Taken from the free blocks. */
  readonly taken: readonly BlockRun[];
}

interface ChooserRequest extends PlacementRequest {
  readonly window?: WindowWish | undefined;
  readonly windowOnly?: boolean;
}

export class Chooser {
  readonly #table: GroupTable;
  readonly #placement: Placement;
  readonly #appender: Appender;
  readonly #pool: RunSet;
  #dataCursor: number;
  #metadataCursor = 0;

  constructor(table: GroupTable, placement: Placement, appender: Appender, pool: RunSet) {
    this.#table = table;
    this.#placement = placement;
    this.#appender = appender;
    this.#pool = pool;
    this.#dataCursor = table.geometry.dataStart;
  }

  /** Blocks for a request, undefined when there aren't enough. @throws what the source throws */
  choose(length: number, options: AllocateOptions): Choice | undefined {
    const mayDraw = options.purpose === 'pool';
    const available = this.#table.freeBlocks + (mayDraw ? this.#pool.blocks : 0);
    if (length > available) return undefined;
    const drawn = mayDraw ? this.#draw(length, options) : [];
    const request = this.#requestFor(length, options);
    const taken = this.#take(length - totalLength(drawn), request, drawn);
    const last = taken?.at(-1);
    if (last !== undefined && options.hint === undefined) this.#goOnFrom(options, endOf(last));
    return taken && { drawn, taken };
  }

  /**
   * `length` free blocks or all there are, whole stripes first. With a `unit` above 1, runs of whole
   * units only, long ones first, and no more than there are of these. With a `half` only from there.
   * @throws what the source throws
   */
  chooseForPool(length: number, unit: number, half?: Half): readonly BlockRun[] {
    if (unit > 1 || half !== undefined) return this.#chooseUnits(length, unit, half);
    const request = {
      hint: this.#metadataCursor,
      align: this.#table.geometry.stripeBlocks,
      wholeOnly: true,
      contiguous: false,
    };
    return this.#take(Math.min(length, this.#table.freeBlocks), request, []) ?? [];
  }

  #chooseUnits(length: number, unit: number, half?: Half): readonly BlockRun[] {
    const stripe = this.#table.geometry.stripeBlocks;
    const chosen: BlockRun[] = [];
    try {
      if (stripe > unit && stripe % unit === 0) this.#addUnits(length, stripe, true, chosen, half);
      this.#addUnits(length - totalLength(chosen), unit, false, chosen, half);
    } catch (error) {
      this.#placement.giveBack(chosen);
      throw error;
    }
    return chosen;
  }

  /** Takes up to `length` blocks in runs of whole units, which are stripes if it is `strict`. */
  #addUnits(
    length: number,
    unit: number,
    strict: boolean,
    chosen: BlockRun[],
    half: Half | undefined,
  ): void {
    const { longest, aligned, freeBlocks, geometry } = this.#table;
    const whole = (blocks: number): number => blocks - (blocks % unit);
    const align = geometry.stripeBlocks;
    const within = half && geometry.rangeOf(half);
    const hint = within?.from ?? this.#metadataCursor;
    const place = { hint, align, wholeOnly: true, contiguous: true, strict };
    const request = within === undefined ? place : { ...place, within };
    const bounds = strict ? aligned : longest;
    let rest = whole(Math.min(length, freeBlocks));
    let piece = rest;
    while (rest > 0 && piece > 0) {
      const runs = this.#take(piece, request, []);
      if (runs === undefined) piece = whole(Math.min(piece >> 1, bounds.max));
      else {
        chosen.push(...runs);
        rest -= piece;
        piece = Math.min(piece, rest);
      }
    }
  }

  /** After a rewind: a repeated request is to get the same place again, not the next one. */
  stepBack(): void {
    this.#dataCursor = this.#placement.beginningOfFree(this.#dataCursor);
    this.#metadataCursor = this.#placement.beginningOfFree(this.#metadataCursor);
  }

  /** Takes runs out of the pool; their groups still count them as pooled. */
  #draw(length: number, options: AllocateOptions): BlockRun[] {
    const drawn: BlockRun[] = [];
    const align = this.#alignFor(length, options);
    for (let rest = length; rest > 0; ) {
      const run = this.#inHalf(rest, options) ?? this.#pool.bestFit(rest, align);
      if (run === undefined || (options.contiguous && run.length < length)) return drawn;
      this.#pool.remove(run.start, run.length);
      drawn.push(run);
      rest -= run.length;
    }
    return drawn;
  }

  /** What the pool has in the half that is wished for; of a run that must be whole, all of it. */
  #inHalf(length: number, { half, unit = 1, contiguous }: AllocateOptions): BlockRun | undefined {
    if (half === undefined) return undefined;
    const range = this.#table.geometry.rangeOf(half);
    return this.#pool.bestFitWithin(length, contiguous ? length : unit, range);
  }

  /** Takes free runs; when it can't, gives back those and the drawn ones. */
  #take(
    length: number,
    request: ChooserRequest,
    drawn: readonly BlockRun[],
  ): BlockRun[] | undefined {
    const taken: BlockRun[] = [];
    let isDone = false;
    try {
      isDone = this.#takeAppended(length, request, taken);
    } finally {
      if (!isDone) {
        this.#placement.giveBack(taken);
        for (const run of drawn) this.#pool.add(run.start, run.length);
      }
    }
    return isDone ? taken : undefined;
  }

  /** Takes from windows what is for them, then what is left. */
  #takeAppended(length: number, request: ChooserRequest, taken: BlockRun[]): boolean {
    const { hint, window, align } = request;
    if (window === undefined) return this.#placement.take(length, request, taken);
    this.#appender.take(length, { hint, window, align }, taken);
    const rest = length - totalLength(taken);
    if (rest === 0 || request.windowOnly) return rest === 0;
    const last = taken.at(-1);
    return this.#placement.take(rest, last ? { ...request, hint: endOf(last) } : request, taken);
  }

  #requestFor(length: number, options: AllocateOptions): ChooserRequest {
    const cursor = options.purpose === 'data' ? this.#dataCursor : this.#metadataCursor;
    const isWhole = options.stripesOnly === true || this.#table.geometry.stripeBlocks === 1;
    const mayGrow = isWhole && options.contiguous !== true;
    return {
      hint: options.hint ?? cursor,
      align: this.#alignFor(length, options),
      wholeOnly: options.align === undefined,
      contiguous: options.contiguous ?? false,
      strict: options.stripesOnly ?? false,
      window: mayGrow ? options.window : undefined,
      windowOnly: options.windowOnly ?? false,
    };
  }

  #alignFor(length: number, options: AllocateOptions): number {
    const stripe = this.#table.geometry.stripeBlocks;
    return options.align ?? (length >= stripe ? stripe : 1);
  }

  #goOnFrom(options: AllocateOptions, block: number): void {
    if (options.purpose === 'data') this.#dataCursor = block;
    else this.#metadataCursor = block;
  }
}

/** The runs of a choice in order, those that follow each other made one. */
export function joined({ drawn, taken }: Choice): BlockRun[] {
  const [only] = taken;
  if (only !== undefined && taken.length === 1 && drawn.length === 0) return [only];
  const runs: BlockRun[] = [];
  for (const list of [drawn, taken]) {
    for (const run of list) {
      const last = runs.at(-1);
      if (last === undefined || endOf(last) !== run.start) runs.push(run);
      else runs[runs.length - 1] = { start: last.start, length: last.length + run.length };
    }
  }
  return runs;
}
