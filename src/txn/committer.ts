/**
 * Group commit: applied transactions gather while a journal record is being written, and the
 * next record takes them all.
 *
 * - Records are written one at a time, in sequence order; each is one durable write, or, when
 *   data was written ahead for it, its write and then one flush: of both devices, side by side,
 *   where the journal has one of its own.
 * - `force` makes everything durable synchronously: it writes again, to the same places, what is
 *   under way, and whoever was waiting for that finds it done.
 * - Some time after the last record, with nothing following it, a mark follows that says that it
 *   was durable; nobody waits for it.
 */

import type { BlockRun } from '../alloc/block-run.js';
import { assert } from '../assert.js';
import type { BlockDevice } from '../blockdev/block-device.js';
import type { IoStep } from '../blockdev/io.js';
import { stepAsync, stepSync } from '../blockdev/io.js';
import type { Overtaken } from '../blockdev/overtaken.js';
import { ByteWriter } from '../format/bytes.js';
import {
  type BodyRun,
  encodeGroups,
  RECORD,
  RECORD_TYPE,
  sealBody,
} from '../format/journal-record.js';
import type { Environment } from './environment.js';
import type { AppendedRecord, Journal } from './journal.js';

/** A record takes no more transactions once its body has this many bytes. */
export const GROUP_BYTES_MAX = 1024 * 1024;

/** Buffers of bodies that are kept for later records. */
const SPARE_BODIES_MAX = 2;

/** Idle time after which a mark follows the last record. */
const MARK_DELAY_MS = 10;

/** A transaction that was applied, as its record takes it. */
export interface AppliedTransaction {
  readonly sequence: number;
  /** Data was written ahead for it. */
  readonly flush: boolean;
  /** Blocks for the record's body, when it is large. */
  readonly bodyRun: BlockRun | undefined;
}

/** Somebody who waits for a transaction to be durable. */
export interface Waiter {
  /** It is durable. */
  commit(): void;
  /** It will never be known whether it is. */
  lose(error: unknown): void;
}

interface QueuedRecord {
  readonly record: AppendedRecord;
  /** Holds the body until the record is durable and nothing of it is being written. */
  readonly writer: ByteWriter | undefined;
  underWay: boolean;
  readonly body: { readonly offset: number; readonly sources: readonly Uint8Array[] } | undefined;
  /** Data was written ahead for it: it takes a flush of the device. */
  readonly flush: boolean;
  /** It is durable before anything behind it is written. */
  readonly isAhead: boolean;
  readonly waiters: readonly Waiter[];
  readonly last: number; // transaction sequence
  /** Called when it is durable, or never will be known to be. */
  readonly ended: (() => void)[];
}

interface SpilledBody {
  readonly offset: number; // bytes
  readonly sources: readonly Uint8Array[];
  readonly run: BodyRun;
}

export interface CommitterOptions {
  readonly journal: Journal;
  readonly device: BlockDevice;
  readonly environment: Environment;
  readonly blockSize: number;
  readonly storeTag: number;
  readonly epoch: () => number;
  /** Groups of the run that have to be announced before it is written to. */
  readonly unannounced: (run: BlockRun) => readonly number[];
  /** Where a write that `force` overtakes is noted. */
  readonly overtaken: Overtaken;
  /** A write or flush failed: nothing is acknowledged from now on. */
  readonly failed: (error: unknown) => void;
}

export class Committer {
  readonly #options: CommitterOptions;
  readonly #journal: Journal;
  #body = new ByteWriter();
  /** Where the transaction that is being encoded begins in the body. */
  #openAt = 0;
  readonly #spareBodies: ByteWriter[] = [];
  #waiters: Waiter[] = [];
  #flush = false;
  #bodyRun: BlockRun | undefined;
  #count = 0;
  #first = 0;
  readonly #queue: QueuedRecord[] = [];
  #writing = false;
  /** The asynchronous write of the first record, while it is under way. */
  #underWay: Promise<void> | undefined;
  #stopped = false;
  #cancelMark: () => void = () => undefined;
  #idle: (() => void)[] = [];
  /** Last transaction that is durable. */
  durableTransaction: number;

  constructor(options: CommitterOptions, lastTransaction: number) {
    this.#options = options;
    this.#journal = options.journal;
    this.durableTransaction = lastTransaction;
  }

  /** Bytes of transactions that are in no record yet. */
  get gatheredBytes(): number {
    return this.#body.at;
  }

  /** True while something is not durable. */
  get isBusy(): boolean {
    return this.#count > 0 || this.#queue.length > 0;
  }

  /** True while a record that names groups is not durable. */
  get isAnnouncing(): boolean {
    return this.#queue.some((queued) => queued.isAhead);
  }

  /** True when a transaction of at most `bytes` has room in the ring behind what has gathered. */
  hasRoom(bytes: number): boolean {
    const inline = Math.min(bytes, this.#journal.inlineBytesMax); // it may be less than it could
    // It may go into a record of its own: then both need their header and padding.
    const { align = this.#options.blockSize } = this.#journal.ring;
    return this.#journal.fits(this.#body.at + inline + RECORD.size + 2 * align);
  }

  /** True when a record with `bytes` of body needs a run of blocks of its own. */
  isLarge(bytes: number): boolean {
    return bytes > this.#journal.inlineBytesMax;
  }

  /** Gives what a transaction of at most `bytes` is encoded to; then `add` or `abandon`. */
  open(bytes: number): ByteWriter {
    const most = Math.min(GROUP_BYTES_MAX, this.#journal.inlineBytesMax);
    if (this.#body.at + bytes > most) this.close();
    this.#openAt = this.#body.at;
    return this.#body;
  }

  /** Bytes encoded since `open`. */
  get openBytes(): number {
    return this.#body.at - this.#openAt;
  }

  /** Forgets what was encoded since `open`. */
  abandon(): void {
    this.#body.at = this.#openAt;
  }

  /** Takes what was encoded since `open`; a large one brings the run for its record's body. */
  add({ sequence, flush, bodyRun }: AppliedTransaction, waiter: Waiter): void {
    assert(bodyRun === undefined || this.#openAt === 0, 'a large body is one transaction');
    if (this.#count === 0) this.#first = sequence;
    this.#bodyRun = bodyRun;
    this.#count++;
    this.#flush ||= flush;
    this.#waiters.push(waiter);
    if (bodyRun !== undefined) this.close();
  }

  /** Writes what has gathered as soon as the record under way is durable. */
  start(): void {
    if (!this.#writing && !this.#stopped) void this.#run();
  }

  /** Puts what has gathered into a record, so that the journal's position is behind it. */
  close(): void {
    if (this.#count === 0) return;
    const writer = this.#body;
    const bytes = writer.done();
    const waiters = this.#waiters;
    const last = this.#first + this.#count - 1;
    const groups = this.#bodyRun === undefined ? [] : this.#options.unannounced(this.#bodyRun);
    if (groups.length > 0) this.#appendGroups(groups);
    const body = this.#bodyRun === undefined ? undefined : this.#spill(bytes, this.#bodyRun);
    this.#bodyRun = undefined;
    const record = this.#journal.append({
      type: RECORD_TYPE.transactions,
      body: body === undefined ? [bytes] : [],
      epoch: this.#options.epoch(),
      firstTransaction: this.#first,
      transactionCount: this.#count,
      ...(body !== undefined && { bodyRun: body.run }),
    });
    this.#queue.push({
      record,
      writer,
      underWay: false,
      body,
      flush: this.#flush || body !== undefined,
      isAhead: false,
      waiters,
      last,
      ended: [],
    });
    this.#body = this.#spareBodies.pop() ?? new ByteWriter();
    this.#waiters = [];
    this.#flush = false;
    this.#count = 0;
    this.#cancelMark();
  }

  /**
   * Puts a record into the queue that names allocation groups; false when it has no room. It is
   * durable when `settled` resolves, and before any later record is begun.
   */
  announce(groups: readonly number[]): boolean {
    this.close();
    return this.#appendGroups(groups);
  }

  #appendGroups(groups: readonly number[]): boolean {
    const body = encodeGroups(groups);
    if (!this.#journal.fits(body.length, RECORD_TYPE.groups)) return false;
    const record = this.#journal.append({
      type: RECORD_TYPE.groups,
      body: [body],
      epoch: this.#options.epoch(),
      firstTransaction: 0,
      transactionCount: 0,
    });
    this.#queue.push({
      record,
      writer: undefined,
      underWay: false,
      body: undefined,
      flush: false,
      isAhead: true,
      waiters: [],
      last: 0,
      ended: [],
    });
    this.#cancelMark();
    return true;
  }

  /** Makes everything durable now. */
  force(): void {
    this.close();
    const records = this.#queue.slice();
    const last = records.at(-1);
    if (last === undefined) return;
    if (this.#underWay !== undefined) this.#options.overtaken.add(this.#underWay);
    try {
      const single = records.length === 1 && !last.flush;
      for (const queued of records) {
        // What is under way is written again the way it is being written (direct-writer.ts).
        const durable = queued.underWay ? !queued.flush : single;
        for (const step of this.#writes(queued, durable)) stepSync(step);
        if (queued.isAhead) stepSync(this.#flushes());
      }
      if (!single) stepSync(this.#flushes());
    } catch (error) {
      this.#options.failed(error);
      throw error;
    }
    for (const queued of records) this.#done(queued);
    this.#scheduleMark();
  }

  /** Resolves when everything that has been added until now is durable. */
  async settled(): Promise<void> {
    this.close();
    const last = this.#queue.at(-1);
    if (last === undefined) return;
    this.start();
    await new Promise<void>((resolve) => last.ended.push(resolve));
  }

  /** Resolves when everything that was added, now and meanwhile, is durable. */
  idle(): Promise<void> {
    if (!this.isBusy) return Promise.resolve();
    this.start();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Ends all waiting with `error`; nothing is written any more. */
  stop(error: unknown): void {
    this.#stopped = true;
    this.#cancelMark();
    const waiting = [...this.#queue.flatMap((queued) => queued.waiters), ...this.#waiters];
    const ended = this.#queue.flatMap((queued) => queued.ended);
    this.#queue.length = 0;
    this.#waiters = [];
    this.#count = 0;
    this.#body = new ByteWriter();
    for (const waiter of waiting) waiter.lose(error);
    for (const resolve of [...ended, ...this.#idle.splice(0)]) resolve();
  }

  async #run(): Promise<void> {
    this.#writing = true;
    try {
      for (;;) {
        if (this.#queue.length === 0) this.close();
        const [queued] = this.#queue;
        if (queued === undefined || this.#stopped) break;
        queued.underWay = true;
        this.#underWay = this.#write(queued);
        await this.#underWay;
        this.#underWay = undefined;
        queued.underWay = false;
        if (this.#queue[0] === queued) this.#done(queued);
        else this.#giveBack(queued.writer);
      }
    } catch (error) {
      if (!this.#stopped) this.#options.failed(error);
    } finally {
      this.#underWay = undefined;
      this.#writing = false;
    }
    this.#scheduleMark();
  }

  async #write(queued: QueuedRecord): Promise<void> {
    for (const step of this.#writes(queued, !queued.flush)) {
      await stepAsync(step);
      if (this.#queue[0] !== queued) return; // it was overtaken, and its place may be another's
    }
    if (queued.flush) await stepAsync(this.#flushes());
  }

  *#writes(queued: QueuedRecord, durable: boolean): Generator<IoStep> {
    const { device } = this.#options;
    if (queued.body !== undefined) {
      const { offset, sources } = queued.body;
      yield { kind: 'write', device, offset, sources, durable: false };
    }
    const { device: ringDevice } = this.#journal.ring;
    for (const { offset, sources } of queued.record.writes) {
      yield { kind: 'write', device: ringDevice, offset, sources, durable, unread: true };
    }
  }

  /** What makes data written ahead and the record of it durable: a flush of each device. */
  #flushes(): IoStep {
    const { device } = this.#options;
    const { device: ringDevice } = this.#journal.ring;
    const flush: IoStep = { kind: 'flush', device };
    if (ringDevice === device) return flush;
    return { kind: 'together', steps: [flush, { kind: 'flush', device: ringDevice }] };
  }

  #done(queued: QueuedRecord): void {
    this.#queue.splice(this.#queue.indexOf(queued), 1);
    this.#journal.noteDurable(queued.record.sequence);
    if (!queued.underWay) this.#giveBack(queued.writer);
    if (queued.waiters.length > 0) this.durableTransaction = queued.last;
    for (const waiter of queued.waiters) waiter.commit();
    for (const resolve of queued.ended) resolve();
    if (!this.isBusy) for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Keeps the buffer of a body that nothing is written from any more for another record. */
  #giveBack(writer: ByteWriter | undefined): void {
    if (writer === undefined) return;
    const isSpare = this.#spareBodies.length < SPARE_BODIES_MAX;
    if (!isSpare || writer.bytes.length > 2 * GROUP_BYTES_MAX) writer.release();
    else {
      writer.at = 0;
      this.#spareBodies.push(writer);
    }
  }

  /**
   * A body that is too large for the ring, sealed for the run that its transaction brought, and
   * zeros where that is longer.
   */
  #spill(body: Uint8Array, run: BlockRun): SpilledBody {
    const { blockSize, storeTag, epoch } = this.#options;
    const sealed = sealBody([body], {
      address: run.start,
      blockSize,
      epoch: epoch(),
      firstTransaction: this.#first,
      store: storeTag,
    });
    const rest = run.length * blockSize - sealed.page.length;
    const sources = rest > 0 ? [sealed.page, new Uint8Array(rest)] : [sealed.page];
    return { offset: run.start * blockSize, sources, run: sealed.run };
  }

  #scheduleMark(): void {
    if (this.#stopped || this.isBusy) return;
    if (this.#journal.durable < this.#journal.position().sequence - 1) return;
    this.#cancelMark();
    if (this.#markWritten === this.#journal.position().sequence) return;
    this.#cancelMark = this.#options.environment.after(MARK_DELAY_MS, () => this.#mark());
  }

  #markWritten = 0;

  #mark(): void {
    if (this.#stopped || this.isBusy || !this.#journal.fits(0, RECORD_TYPE.mark)) return;
    const record = this.#journal.append({
      type: RECORD_TYPE.mark,
      body: [],
      epoch: this.#options.epoch(),
      firstTransaction: 0,
      transactionCount: 0,
    });
    this.#markWritten = this.#journal.position().sequence;
    this.#queue.push({
      record,
      writer: undefined,
      underWay: false,
      body: undefined,
      flush: false,
      isAhead: false,
      waiters: [],
      last: 0,
      ended: [],
    });
    this.start();
  }
}
