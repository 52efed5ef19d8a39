/**
 * Accepts transactions: applies one under a savepoint, charges it for what it took, and hands its
 * record to the committer, in one synchronous step; or an error and nothing.
 *
 * - Numbers are given in the order of acceptance.
 */

import type { BlockRun } from '../alloc/block-run.js';
import { assert } from '../assert.js';
import type { Overtaken } from '../blockdev/overtaken.js';
import { bodyRunBlocks } from '../format/journal-record.js';
import type { DataGoal } from '../onode/context.js';
import { type ApplyOptions, applyTransaction } from './apply.js';
import type { Committer, Waiter } from './committer.js';
import type { DataPlaces } from './data-places.js';
import { isEntitled, type SealedTransaction } from './sealed-transaction.js';
import type { SpaceKeeper } from './space-keeper.js';
import type { SpacePolicy } from './space-policy.js';
import type { Placer, StoreState } from './store-state.js';
import { type Entry, Shortage } from './submission.js';
import { encodeChoices, type PlacedRun, RECORD_OVERHEAD_MAX } from './transaction-record.js';

export interface AcceptorOptions {
  readonly state: StoreState;
  readonly space: SpacePolicy;
  readonly keeper: SpaceKeeper;
  readonly places: DataPlaces;
  readonly committer: Committer;
  readonly overtaken: Overtaken;
}

const LIVE: ApplyOptions = { replay: false };

export class Acceptor implements Placer {
  /** Last transaction that was accepted. */
  transaction: number;
  readonly #options: AcceptorOptions;
  /** The transaction that is being applied, and what its data got. */
  #current: Entry | undefined;
  readonly #placements: (readonly PlacedRun[])[] = [];

  /** `transaction` is the last one that the state contains. */
  constructor(options: AcceptorOptions, transaction: number) {
    this.#options = options;
    this.transaction = transaction;
  }

  /** Accepts a transaction: all of it, or an error and nothing. */
  attempt(entry: Entry): void {
    if (entry.settled) return;
    const { state, space, places, committer, overtaken } = this.#options;
    const { sealed, claims, padding, ahead } = entry;
    const { nextObject: firstObject, nextCollection: firstCollection } = state.counters;
    const placements = this.#placements;
    while (placements.length > 0) placements.pop(); // a length of 0 would give its memory up
    this.#current = entry;
    let bodyRun: BlockRun | undefined;
    const { deficit } = space;
    const record = committer.open(this.#recordBytesMax(entry));
    state.begin(this);
    try {
      for (const run of claims) state.allocator.adopt(run);
      for (const run of padding) state.allocator.free(run, false);
      record.varint(sealed.length);
      sealed.writeTo(record);
      applyTransaction(state, sealed.open(), ahead, LIVE);
      encodeChoices(record, ahead, { firstObject, firstCollection, placements });
      bodyRun = this.#placeBody(committer.openBytes);
      places.countPrepaid(entry);
      this.#charge(sealed, deficit);
    } catch (error) {
      state.rollback();
      committer.abandon();
      places.countPrepaid(undefined);
      throw error;
    }
    state.commit();
    state.allocator.keep();
    entry.accept(++this.transaction);
    places.settle(entry);
    const { sequence } = entry;
    const flush = claims.length > 0;
    committer.add({ sequence, flush, bodyRun }, flush ? behind(overtaken, entry) : entry);
    sealed.release();
  }

  /** Blocks for data of the transaction that is being applied. @throws Shortage */
  place(blocks: number, goal: DataGoal): readonly PlacedRun[] {
    const { places, keeper } = this.#options;
    assert(this.#current !== undefined, 'data is placed for a transaction');
    const runs = places.take(blocks, keeper.optionsFor(goal), this.#current);
    if (runs.length === 0) throw new Shortage(blocks);
    this.#placements.push(runs);
    return runs;
  }

  /**
   * Charges a transaction that was done for what it took; `before` is the deficit before it. One
   * that is entitled and took no more than it gave back or redeemed is not asked for more.
   * @throws Shortage
   */
  #charge(sealed: SealedTransaction, before: number): void {
    const { space, keeper } = this.#options;
    const isBalanced = isEntitled(sealed) && space.deficit <= before;
    const kept = isBalanced ? 0 : space.keptFrom(sealed);
    const missing = isBalanced ? 0 : Math.max(0, space.deficit + kept);
    if (missing > 0 || space.isCrowded(kept)) throw new Shortage(missing);
    if (!keeper.coverGeneration(isEntitled(sealed))) throw new Shortage(0);
  }

  /** Blocks for the body of a record of `bytes`, if it needs any; they are free again in time. */
  #placeBody(bytes: number): BlockRun | undefined {
    const { state, places, committer } = this.#options;
    if (!committer.isLarge(bytes)) return undefined;
    const length = bodyRunBlocks(bytes, state.blockSize);
    const run = places.takeInOne(length);
    if (run === undefined) throw new Shortage(length);
    state.allocator.free(run);
    return run;
  }

  /** True when the journal has room for the transaction's record. */
  hasRecordRoom(entry: Entry): boolean {
    return this.#options.committer.hasRoom(this.#recordBytesMax(entry));
  }

  /** Upper bound of what the transaction takes in a record. */
  #recordBytesMax(entry: Entry): number {
    const built = entry.sealed.length;
    return built + Math.ceil(built / 8) + this.#aheadBytes(entry) + RECORD_OVERHEAD_MAX;
  }

  /** Upper bound of what the extents of data written ahead take in a record. */
  #aheadBytes({ ahead }: Entry): number {
    let bytes = 0;
    if (ahead.length === 0) return bytes;
    for (const { extents, tail } of ahead) {
      bytes += tail.length + Math.ceil(tail.length / 8) + RECORD_OVERHEAD_MAX;
      for (const { checksums } of extents) bytes += checksums.length + 40;
    }
    return bytes;
  }
}

/**
 * One whose data was written ahead commits when no write of it can be under way any more: the data
 * is the caller's again then.
 */
function behind(overtaken: Overtaken, entry: Entry): Waiter {
  return {
    commit: () => overtaken.after(() => entry.commit()),
    lose: (error) => entry.lose(error),
  };
}
