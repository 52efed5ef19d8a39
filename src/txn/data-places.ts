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
import type { Io } from '../blockdev/io.js';
import type { Overtaken } from '../blockdev/overtaken.js';
import { fillRuns } from './placement.js';
import { heldBlocks } from './reservation.js';
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
  /** @throws StoreError when nothing may be written any more */
  readonly check: () => void;
}

export class DataPlaces {
  readonly #options: DataPlacesOptions;
  /** Claims of refused transactions whose data may still be under way. */
  #refused: PlacedRun[] = [];
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
    const { deleting, redeems } = entry.sealed;
    const redeemed = this.#redeemedBlocks(entry);
    return this.#options.keeper.takeForData(blocks, options, deleting || redeems, redeemed);
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

  /** Claims blocks, but none that are promised to somebody else. E_NO_SPACE */
  *#claim(blocks: number, entry: Entry): Io<readonly PlacedRun[]> {
    for (;;) {
      const entitled = Math.max(0, this.#redeemedBlocks(entry) - entry.claimedBlocks);
      if (this.#options.space.canClaim(blocks, entitled)) {
        const runs = this.take(blocks, { purpose: 'data', claim: true }, entry);
        if (runs.length > 0) return runs;
      }
      if (!(yield* this.#options.relieve(blocks, entry.sealed.redeems))) throw noSpace();
    }
  }

  /** Blocks that the reservations hold back for what a transaction redeems. */
  #redeemedBlocks({ sealed }: Entry): number {
    const { blockSize, nodeSize } = this.#options.state;
    return heldBlocks(sealed.redeemed, blockSize, nodeSize);
  }
}
