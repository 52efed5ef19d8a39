/**
 * Packs small things into whole stripes: a stripe that was wholly free is *open* until its
 * generation ends, and is then written once, with zeros where nothing was put.
 *
 * - Open blocks are held back: nothing but `pack` hands them out, so that nobody else ever writes
 *   into an open stripe.
 * - Only wholly free stripes are opened; those that the pool holds when no other is left.
 * - `close` ends the generation: what was not handed out of a used stripe is padding, and goes to
 *   limbo, so that it is nobody's until the stripe has been written.
 */

import { type BlockRun, endOf } from './block-run.js';
import type { BlockStates, PieceAction } from './block-states.js';
import type { GroupTable } from './group-table.js';
import type { Placement } from './placement.js';

export class StripePacker {
  readonly #table: GroupTable;
  readonly #placement: Placement;
  readonly #states: BlockStates;
  readonly #exchange: (length: number) => boolean;
  /** Behind the stripe that was opened last, so that stripes of a generation follow each other. */
  #cursor = 0;

  /** `exchange` makes whole stripes free that the pool holds; false when it can't. */
  constructor(
    table: GroupTable,
    placement: Placement,
    states: BlockStates,
    exchange: (length: number) => boolean,
  ) {
    this.#table = table;
    this.#placement = placement;
    this.#states = states;
    this.#exchange = exchange;
  }

  /**
   * Takes `length` blocks, a multiple of `unit`, out of open stripes, in runs of whole units. They
   * are in no state yet. `mayOpen` lets it open stripes.
   * @returns none when there are no whole stripes for them
   * @throws what the source throws, with nothing handed out
   */
  pack(length: number, unit: number, mayOpen: boolean): BlockRun[] {
    const { open } = this.#states;
    const packed: BlockRun[] = [];
    let rest = length;
    try {
      while (rest > 0) {
        const run = this.#openRun(rest, unit);
        if (run === undefined) {
          if (mayOpen && this.#openFor(rest, unit)) continue;
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
      this.#each(last, end, this.#states.pad);
    }
    return padding;
  }

  /** An open run for as much of `rest` as possible. */
  #openRun(rest: number, unit: number): BlockRun | undefined {
    const run = this.#states.open.bestFit(rest, 1);
    if (run === undefined) return undefined;
    const length = run.length - (run.length % unit);
    return length === 0 ? undefined : { start: run.start, length };
  }

  /** Opens stripes for `blocks`, all in a row if that is the unit; else at least one. */
  #openFor(blocks: number, unit: number): boolean {
    const stripe = this.#table.geometry.stripeBlocks;
    const least = Math.ceil(Math.min(unit, blocks) / stripe) * stripe;
    for (let length = Math.ceil(blocks / stripe) * stripe; ; ) {
      if (this.#openAt(this.#placement.find(length, this.#cursor, stripe), length)) return true;
      if (length === least) break;
      length = Math.max(least, Math.floor(length / 2 / stripe) * stripe);
    }
    if (!this.#exchange(least)) return false;
    return this.#openAt(this.#placement.find(least, this.#cursor, stripe), least);
  }

  #openAt(start: number, length: number): boolean {
    const { geometry } = this.#table;
    if (start < 0 || start % geometry.stripeBlocks !== 0) return false;
    this.#placement.takeRun(start, length);
    this.#each(start, start + length, this.#states.openTaken);
    this.#cursor = start + length;
    return true;
  }

  #each(start: number, end: number, action: PieceAction): void {
    if (end > start) this.#states.each({ start, length: end - start }, action);
  }
}
