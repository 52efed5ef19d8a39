/**
 * Where the data of transactions goes: claims for what is written ahead, and its writing.
 *
 * - Data ahead is written, not flushed, to blocks that are claimed: no record names them yet, and
 *   nobody else gets them.
 * - A refused transaction's claims go back when nothing can be writing to them any more.
 * - What a redeeming transaction has claimed counts as taken from its reservations already.
 */

import type { AllocateOptions } from '../alloc/chooser.js';
import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io, IoStep } from '../blockdev/io.js';
import type { Overtaken } from '../blockdev/overtaken.js';
import { fillRuns } from './placement.js';
import { heldBlocks } from './reservation.js';
import { isEntitled } from './sealed-transaction.js';
import type { SpaceKeeper } from './space-keeper.js';
import type { SpacePolicy } from './space-policy.js';
import type { StoreState } from './store-state.js';
import { type Entry, noSpace } from './submission.js';
import type { PlacedRun } from './transaction-record.js';

export interface DataPlacesOptions {
  readonly device: BlockDevice;
  readonly state: StoreState;
  readonly space: SpacePolicy;
  readonly keeper: SpaceKeeper;
  readonly overtaken: Overtaken;
  /** Tries to make room for so many blocks; false when there is none to be had. */
  readonly relieve: (blocks: number, entitled: boolean) => Io<boolean>;
  /** Makes known what is going to be written to. */
  readonly announce: (runs: readonly PlacedRun[]) => Io<void>;
  /** A transaction before this one that is not settled: what it replaces is not freed yet. */
  readonly predecessor: (entry: Entry) => Entry | undefined;
  /** @throws StoreError when nothing may be written any more */
  readonly check: () => void;
}

const NO_RUNS: readonly PlacedRun[] = [];

export class DataPlaces {
  readonly #options: DataPlacesOptions;
  /** Claims of refused transactions whose data may still be under way. */
  #refused: PlacedRun[] = [];
  /** Transactions that have not found enough room yet. */
  readonly #short = new Set<Entry>();
  /** Transactions that redeem, have claimed blocks and are not accepted yet. */
  readonly #redeeming = new Set<Entry>();

  constructor(options: DataPlacesOptions) {
    this.#options = options;
  }

  /** Gives the transaction's large data its places and writes it, without a flush. */
  *writeAhead(entry: Entry): Io<void> {
    const { state, device, check } = this.#options;
    const { blockSize, nodeSize } = state;
    for (const data of entry.sealed.ahead) {
      const runs = yield* this.#claim(Math.ceil(data.length / blockSize), entry);
      entry.claims.push(...runs);
      if (entry.sealed.redeems) this.#redeeming.add(entry);
      this.countPrepaid(undefined);
      yield* this.#options.announce(runs);
      const filled = fillRuns(data, runs, blockSize, nodeSize, false);
      for (const { extent, bytes } of filled) {
        const offset = extent.address * blockSize;
        check();
        yield { kind: 'write', device, offset, sources: [bytes], durable: false };
      }
      entry.ahead.push({ length: data.length, extents: filled.map(({ extent }) => extent) });
    }
    entry.ready = true;
  }

  /** Blocks for data that is not written ahead; none when there is no room. */
  take(blocks: number, options: AllocateOptions, entry: Entry): readonly PlacedRun[] {
    const redeemed = this.#redeemedBlocks(entry);
    return this.#options.keeper.takeForData(blocks, options, isEntitled(entry.sealed), redeemed);
  }

  /** Gives up the places that the transaction's data has got, written or not. */
  giveBack(entry: Entry): void {
    this.#refused.push(...entry.claims.splice(0));
    this.#redeeming.delete(entry);
    if (this.#options.overtaken.isEmpty) this.releaseRefused();
    this.countPrepaid(undefined);
  }

  /** Frees what refused transactions had claimed: nothing is being written there any more. */
  releaseRefused(): void {
    for (const run of this.#refused.splice(0)) this.#options.state.allocator.unclaim(run);
  }

  /** The transaction is accepted: what it has claimed is part of the state. */
  settle(entry: Entry): void {
    this.#redeeming.delete(entry);
  }

  /** Counts what waiting transactions have claimed of their reservations, but for `one`. */
  countPrepaid(one: Entry | undefined): void {
    let blocks = 0;
    for (const entry of this.#redeeming) {
      if (entry !== one) blocks += Math.min(entry.claimedBlocks, this.#redeemedBlocks(entry));
    }
    this.#options.space.prepaid = blocks;
  }

  /**
   * Claims blocks, but none that are promised to somebody else. One transaction after the other
   * would find what those before it have freed: they are waited for, and nobody takes what one
   * before him has not found enough of. E_NO_SPACE
   */
  *#claim(blocks: number, entry: Entry): Io<readonly PlacedRun[]> {
    try {
      for (;;) {
        const older = this.#olderShort(entry);
        const runs = older === undefined ? this.#tryClaim(blocks, entry) : NO_RUNS;
        if (runs.length > 0) return runs;
        this.#short.add(entry);
        if (older === undefined) yield* this.#makeRoom(blocks, entry);
        else yield untilSettled(older);
      }
    } finally {
      this.#short.delete(entry);
    }
  }

  /** One that was submitted before and has not found enough room; reserved room is there. */
  #olderShort({ number, sealed }: Entry): Entry | undefined {
    if (sealed.redeems) return undefined;
    for (const one of this.#short) if (one.number < number) return one;
    return undefined;
  }

  #tryClaim(blocks: number, entry: Entry): readonly PlacedRun[] {
    const entitled = Math.max(0, this.#redeemedBlocks(entry) - entry.claimedBlocks);
    if (!this.#options.space.canClaim(blocks, entitled)) return [];
    return this.take(blocks, { purpose: 'data', claim: true }, entry);
  }

  *#makeRoom(blocks: number, entry: Entry): Io<void> {
    if (yield* this.#options.relieve(blocks, entry.sealed.redeems)) return;
    const before = this.#options.predecessor(entry);
    if (before === undefined) throw noSpace(entry.sealed);
    yield untilSettled(before);
  }

  /** Blocks that the reservations hold back for what a transaction redeems. */
  #redeemedBlocks({ sealed }: Entry): number {
    return heldBlocks(sealed.redeemed, this.#options.state);
  }
}

/** A synchronous caller has settled all that came before him: he has nobody to wait for. */
function untilSettled(entry: Entry): IoStep {
  const force = (): void => {
    if (!entry.settled) throw noSpace(entry.sealed);
  };
  return { kind: 'until', start: () => entry.applied.catch(() => undefined), force };
}
