/**
 * Where the data of transactions goes: claims for what is written ahead, and its writing.
 *
 * - Data ahead is written, not flushed, to blocks that are claimed: no record names them yet, and
 *   nobody else gets them.
 * - With stripes, only whole ones are written ahead. The rest of the data, which would fill a
 *   stripe in part, goes into the record, as long as that stays small; else its stripe is padded.
 * - A refused transaction's claims go back when nothing can be writing to them any more.
 * - What a redeeming transaction has claimed counts as taken from its reservations already; whether
 *   they hold that much is found out when it is applied, so that all claims of such transactions
 *   together take no more than all reservations hold.
 */

import { endOf } from '../alloc/block-run.js';
import type { AllocateOptions } from '../alloc/chooser.js';
import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io, IoStep } from '../blockdev/io.js';
import type { Overtaken } from '../blockdev/overtaken.js';
import type { StoreError } from '../errors.js';
import type { DataGoal, PlacedExtent } from '../onode/context.js';
import { AppendGoals } from './append-goals.js';
import { fillRuns } from './placement.js';
import type { Readers } from './readers.js';
import { heldBlocks } from './reservation.js';
import { piecesOf, zerosFor } from './run-writer.js';
import { type AheadPart, isEntitled } from './sealed-transaction.js';
import type { SpaceKeeper } from './space-keeper.js';
import type { SpacePolicy } from './space-policy.js';
import type { StoreState } from './store-state.js';
import { type Entry, noSpace } from './submission.js';
import type { PlacedRun } from './transaction-record.js';

/** Bytes that are written ahead at once. */
const AHEAD_PIECE_BYTES = 8 * 1024 * 1024;

export interface DataPlacesOptions {
  readonly device: BlockDevice;
  readonly state: StoreState;
  readonly space: SpacePolicy;
  readonly keeper: SpaceKeeper;
  readonly overtaken: Overtaken;
  /** Bytes of a transaction that a record has room for. */
  readonly recordBytesMax: number;
  /** Tries to make room for so many blocks; false when there is none to be had. */
  readonly relieve: (blocks: number, entitled: boolean) => Io<boolean>;
  /** Makes known what is going to be written to. */
  readonly announce: (runs: readonly PlacedRun[]) => Io<void>;
  /** A transaction before this one that is not settled: what it replaces is not freed yet. */
  readonly predecessor: (entry: Entry) => Entry | undefined;
  readonly readers: () => Readers;
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
  readonly #goals: AppendGoals;

  constructor(options: DataPlacesOptions) {
    this.#options = options;
    this.#goals = new AppendGoals(options.state, options.readers);
  }

  /** Gives the transaction's large data its places and writes it, without a flush. */
  *writeAhead(entry: Entry): Io<void> {
    let room = this.#options.recordBytesMax - entry.sealed.length;
    for (const part of entry.sealed.ahead) {
      const tail = this.#tailOf(part.bytes, room);
      room -= tail.length;
      const extents = yield* this.#place(part, part.bytes.length - tail.length, entry);
      entry.ahead.push({ length: part.bytes.length, extents, tail });
    }
    entry.ready = true;
  }

  /** What is behind the last whole stripe of `data`, if that is not more than `room`. */
  #tailOf(data: Uint8Array, room: number): Uint8Array {
    const { width } = this.#options.state.stripes;
    const length = width > 0 ? data.length % width : 0;
    return data.subarray(data.length - (length <= room ? length : 0));
  }

  /** Claims blocks for the first `length` bytes of a part and writes them there. */
  *#place(part: AheadPart, length: number, entry: Entry): Io<readonly PlacedExtent[]> {
    if (length === 0) return [];
    const { state, device, check } = this.#options;
    const { blockSize, nodeSize, stripes } = state;
    const blocks = Math.ceil(length / blockSize);
    const goal = yield* this.#goals.goalOf(entry.sealed, part);
    const runs = yield* this.#claim(blocks, goal, entry);
    const padding = behind(blocks, runs);
    const last = runs.at(-1);
    if (last !== undefined) this.#goals.note(entry.sealed, part, endOf(last));
    entry.claims.push(...runs);
    entry.padding.push(...padding);
    if (entry.sealed.redeems) this.#redeeming.add(entry);
    this.countPrepaid(undefined);
    yield* this.#options.announce(runs);
    const data = part.bytes.subarray(0, length);
    const { grownTo } = goal;
    const { extents, pieces } = fillRuns(data, runs, { blockSize, nodeSize, grownTo });
    const pending = [...pieces, ...zerosFor(padding, blockSize)];
    for (const { address, sources, bytes } of piecesOf(pending, stripes, AHEAD_PIECE_BYTES)) {
      const offset = address * blockSize;
      check();
      stripes.note(offset, bytes);
      yield { kind: 'write', device, offset, sources, durable: false };
    }
    return extents;
  }

  /** Blocks for data that is not written ahead; none when there is no room. */
  take(blocks: number, options: AllocateOptions, entry: Entry): readonly PlacedRun[] {
    const redeemed = this.#entitledBlocks(entry);
    return this.#options.keeper.takeForData(blocks, options, isEntitled(entry.sealed), redeemed);
  }

  /** One run of `blocks` blocks, and what they lack to whole stripes if there is room for that. */
  takeInOne(blocks: number): PlacedRun | undefined {
    const { space, state } = this.#options;
    const { allocator } = state;
    const stripe = allocator.geometry.stripeBlocks;
    const padded = Math.ceil(blocks / stripe) * stripe;
    const options = { purpose: 'data', contiguous: true } as const;
    const [whole] =
      stripe > 1 && space.available >= padded
        ? allocator.allocate(padded, { ...options, stripesOnly: true })
        : [];
    return whole ?? allocator.allocate(blocks, options)[0];
  }

  /** Gives up the places that the transaction's data has got, written or not. */
  giveBack(entry: Entry): void {
    this.#refused.push(...entry.claims.splice(0));
    entry.padding = [];
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
    const { space, state } = this.#options;
    space.prepaid = Math.min(blocks, state.counters.heldBlocks);
  }

  /**
   * Claims blocks, but none that are promised to somebody else. One transaction after the other
   * would find what those before it have freed: they are waited for, and nobody takes what one
   * before him has not found enough of. E_NO_SPACE
   */
  *#claim(blocks: number, goal: DataGoal, entry: Entry): Io<readonly PlacedRun[]> {
    try {
      for (;;) {
        const older = this.#olderShort(entry);
        const runs = older === undefined ? this.#tryClaim(blocks, goal, entry) : NO_RUNS;
        if (runs.length > 0) return runs;
        this.#short.add(entry);
        if (older === undefined) yield* this.#makeRoom(blocks, entry);
        else yield this.#untilSettled(older);
      }
    } finally {
      this.#short.delete(entry);
    }
  }

  /**
   * One that was submitted before, has not found enough room and still waits for some: a store
   * that is poisoned refuses all at once. Reserved room is there.
   */
  #olderShort({ number, sealed }: Entry): Entry | undefined {
    if (sealed.redeems) return undefined;
    for (const one of this.#short) if (one.number < number && !one.settled) return one;
    return undefined;
  }

  /** Blocks for data; with stripes as many more as make them whole, where there is room. */
  #tryClaim(blocks: number, goal: DataGoal, entry: Entry): readonly PlacedRun[] {
    const { space, state, keeper } = this.#options;
    const entitled = this.#entitledBlocks(entry);
    const stripe = state.allocator.geometry.stripeBlocks;
    const padded = Math.ceil(blocks / stripe) * stripe;
    const options = { ...keeper.optionsFor(goal), claim: true };
    if (padded > blocks && space.canClaim(padded, entitled)) {
      const runs = this.take(padded, { ...options, stripesOnly: true }, entry);
      if (runs.length > 0) return runs;
    }
    if (!space.canClaim(blocks, entitled)) return NO_RUNS;
    return this.take(blocks, options, entry);
  }

  *#makeRoom(blocks: number, entry: Entry): Io<void> {
    if (yield* this.#options.relieve(blocks, entry.sealed.redeems)) return;
    const before = this.#options.predecessor(entry);
    if (before === undefined) throw this.#noSpace(entry);
    yield this.#untilSettled(before);
  }

  /** A synchronous caller has settled all that came before him: he has nobody to wait for. */
  #untilSettled(entry: Entry): IoStep {
    const force = (): void => {
      if (!entry.settled) throw this.#noSpace(entry);
    };
    return { kind: 'until', start: () => entry.applied.catch(() => undefined), force };
  }

  #noSpace(entry: Entry): StoreError {
    return noSpace(entry.sealed, this.#options.keeper.growth.isHostFull);
  }

  /** Blocks that the transaction may still take from what reservations hold. */
  #entitledBlocks(entry: Entry): number {
    const left = this.#redeemedBlocks(entry) - entry.claimedBlocks;
    return Math.max(0, Math.min(left, this.#options.space.held));
  }

  /** Blocks that reservations hold back for so much as a transaction redeems. */
  #redeemedBlocks({ sealed }: Entry): number {
    return heldBlocks(sealed.redeemed, this.#options.state);
  }
}

/** What of `runs` is behind their first `blocks` blocks. */
function behind(blocks: number, runs: readonly PlacedRun[]): PlacedRun[] {
  const rest: PlacedRun[] = [];
  let left = blocks;
  for (const { start, length } of runs) {
    const used = Math.min(left, length);
    if (used < length) rest.push({ start: start + used, length: length - used });
    left -= used;
  }
  return rest;
}
