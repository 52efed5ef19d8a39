/**
 * Accepts transactions: applies one under a savepoint, charges it for what it took, and hands its
 * record to the committer, in one synchronous step; or an error and nothing.
 *
 * - Numbers are given in the order of acceptance.
 */

import type { BlockRun } from '../alloc/block-run.js';
import type { Overtaken } from '../blockdev/overtaken.js';
import { bodyRunBlocks } from '../format/journal-record.js';
import { applyTransaction } from './apply.js';
import type { Committer } from './committer.js';
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

export class Acceptor {
  /** Last transaction that was accepted. */
  transaction: number;
  readonly #options: AcceptorOptions;

  /** `transaction` is the last one that the state contains. */
  constructor(options: AcceptorOptions, transaction: number) {
    this.#options = options;
    this.transaction = transaction;
  }

  /** Accepts a transaction: all of it, or an error and nothing. */
  attempt(entry: Entry): void {
    if (entry.settled) return;
    const { state, space, keeper, places, committer, overtaken } = this.#options;
    const { sealed, claims, padding, ahead } = entry;
    const { nextObject: firstObject, nextCollection: firstCollection } = state.counters;
    const placements: (readonly PlacedRun[])[] = [];
    const placer: Placer = {
      place: (blocks, goal) => {
        const runs = places.take(blocks, keeper.optionsFor(goal), entry);
        if (runs.length === 0) throw new Shortage(blocks);
        placements.push(runs);
        return runs;
      },
    };
    let bodyRun: BlockRun | undefined;
    const { deficit } = space;
    const record = committer.open(this.#recordBytesMax(entry));
    state.begin(placer);
    try {
      for (const run of claims) state.allocator.adopt(run);
      for (const run of padding) state.allocator.free(run, false);
      record.varint(sealed.length);
      const from = record.at;
      sealed.writeTo(record);
      applyTransaction(state, record.bytes.subarray(from, record.at), ahead, { replay: false });
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
    // Data written ahead is the caller's again when it has committed: nothing may read it then.
    committer.add(
      { sequence, flush, bodyRun },
      {
        resolve: () => (flush ? overtaken.after(() => entry.commit()) : entry.commit()),
        reject: (error) => entry.lose(error),
      },
    );
    sealed.release();
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
  #aheadBytes(entry: Entry): number {
    let bytes = 0;
    for (const { extents, tail } of entry.ahead) {
      bytes += tail.length + Math.ceil(tail.length / 8) + RECORD_OVERHEAD_MAX;
      for (const { checksums } of extents) bytes += checksums.length + 40;
    }
    return bytes;
  }
}
