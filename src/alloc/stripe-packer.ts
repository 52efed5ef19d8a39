/**
 * Packs small things into whole stripes: a stripe that was wholly free is *open* until its
 * generation ends, and is then written once, with zeros where nothing was put.
 *
 * - Open blocks are held back: nothing but `pack` hands them out, so that nobody else ever writes
 *   into an open stripe.
 * - What is kept twice is packed twice: into stripes of one half of the device, and of the other.
 * - Only wholly free stripes are opened; those that the pool holds when no other is left.
 * - `close` ends the generation: what was not handed out of a used stripe is padding, and goes to
 *   limbo, so that it is nobody's until the stripe has been written.
 */

import { type BlockRun, endOf } from './block-run.js';
import type { BlockStates, PieceAction } from './block-states.js';
import type { BlockRange, Half } from './group-geometry.js';
import type { GroupTable } from './group-table.js';
import type { Placement } from './placement.js';

export interface PackOptions {
  /** Blocks of what is put there one by one: `length` is a multiple, and so is every run. */
  readonly unit: number;
  /** It may open stripes. */
  readonly mayOpen: boolean;
  /** Only stripes that begin in this half of the device. */
  readonly half?: Half;
}

export class StripePacker {
  /** Whole stripes that were opened and put to use, ever. */
  opened = 0;
  readonly #table: GroupTable;
  readonly #placement: Placement;
  readonly #states: BlockStates;
  readonly #exchange: (length: number, range: BlockRange) => boolean;
  /** Behind the stripe that was opened last, so that stripes of a generation follow each other. */
  readonly #cursors: Record<Half | 'any', number> = { low: 0, high: 0, any: 0 };

  /** `exchange` makes whole stripes of a range free that the pool holds; false when it can't. */
  constructor(
    table: GroupTable,
    placement: Placement,
    states: BlockStates,
    exchange: (length: number, range: BlockRange) => boolean,
  ) {
    this.#table = table;
    this.#placement = placement;
    this.#states = states;
    this.#exchange = exchange;
  }

  /**
   * Takes `length` blocks out of open stripes. They are in no state yet.
   * @returns none when there are no whole stripes for them
   * @throws what the source throws, with nothing handed out
   */
  pack(length: number, options: PackOptions): BlockRun[] {
    const { open } = this.#states;
    const packed: BlockRun[] = [];
    let rest = length;
    try {
      while (rest > 0) {
        const run = this.#openRun(rest, options);
        if (run === undefined) {
          if (options.mayOpen && this.#openFor(rest, options)) continue;
          break;
        }
        open.remove(run.start, run.length);
        packed.push(run);
        rest -= run.length;
      }
    } finally {
      if (rest > 0) for (const run of packed) open.add(run.start, run.length);
    }
    return rest > 0 ? [] : packed;
  }

  /** Ends the open stripes. @returns the padding, which is in limbo now */
  close(): BlockRun[] {
    const { open } = this.#states;
    const stripe = this.#table.geometry.stripeBlocks;
    const padding: BlockRun[] = [];
    for (let run = open.shortest(); run !== undefined; run = open.shortest()) {
      const end = endOf(run);
      const first = Math.min(end, Math.ceil(run.start / stripe) * stripe);
      const last = Math.max(first, end - (end % stripe));
      if (first > run.start) padding.push({ start: run.start, length: first - run.start });
      if (end > last) padding.push({ start: last, length: end - last });
      this.#each(run.start, first, this.#states.pad);
      this.#each(first, last, this.#states.unopen); // stripes that nothing was put into
      this.opened -= (last - first) / stripe;
      this.#each(last, end, this.#states.pad);
    }
    return padding;
  }

  /** An open run for as much of `rest` as possible. */
  #openRun(rest: number, { unit, half }: PackOptions): BlockRun | undefined {
    return this.#states.open.bestFitWithin(rest, unit, this.#rangeOf(half));
  }

  /** Opens stripes for `blocks`, all in a row if that is the unit; else at least one. */
  #openFor(blocks: number, { unit, half }: PackOptions): boolean {
    const stripe = this.#table.geometry.stripeBlocks;
    const least = Math.ceil(Math.min(unit, blocks) / stripe) * stripe;
    for (let length = Math.ceil(blocks / stripe) * stripe; ; ) {
      if (this.#open(length, half)) return true;
      if (length === least) break;
      length = Math.max(least, Math.floor(length / 2 / stripe) * stripe);
    }
    return this.#exchange(least, this.#rangeOf(half)) && this.#open(least, half);
  }

  /** Opens whole stripes of `length` blocks in a row: behind the last ones, else anywhere. */
  #open(length: number, half: Half | undefined): boolean {
    const { stripeBlocks } = this.#table.geometry;
    const range = this.#rangeOf(half);
    const lane = half ?? 'any';
    for (const hint of [Math.max(this.#cursors[lane], range.from), range.from]) {
      const start = this.#placement.find(length, hint, stripeBlocks);
      if (start < range.from || start >= range.to || start % stripeBlocks !== 0) continue;
      this.#placement.takeRun(start, length);
      this.#each(start, start + length, this.#states.openTaken);
      this.#cursors[lane] = start + length;
      this.opened += length / stripeBlocks;
      return true;
    }
    return false;
  }

  #rangeOf(half: Half | undefined): BlockRange {
    const { geometry } = this.#table;
    return half === undefined ? { from: 0, to: geometry.blockCount } : geometry.rangeOf(half);
  }

  #each(start: number, end: number, action: PieceAction): void {
    if (end > start) this.#states.each({ start, length: end - start }, action);
  }
}
