/**
 * Runs random transactions on a store and on the model side by side.
 *
 * - What is submitted is applied to the model when the store says that it was applied or refused:
 *   the order of acceptance is the store's to choose, within its promises.
 * - After a kill, the store says which transaction is its last; the model goes back to the state
 *   behind that one, which must not be older than what was acknowledged.
 */

import { ok, strictEqual } from 'node:assert/strict';
import { type Comparator, ComparatorRegistry } from '../../src/btree/comparator.js';
import { type ErrorCode, hasCode, StoreError } from '../../src/errors.js';
import type { Snapshot, Store } from '../../src/store/store.js';
import type { Medium } from './medium.js';
import { MediumBed } from './medium-bed.js';
import { EMPTY_MODEL, type ModelState } from './model.js';
import { applyToModel } from './model-apply.js';
import { compareNamed, compareStore, compareView, compareViewAsync } from './model-compare.js';
import { buildTransaction, type ModelOperation } from './model-operation.js';
import type { Prng } from './prng.js';
import { type BedOptions, simulatedMedium } from './store-fixture.js';
import { type TransactionSource, Workload, type WorkloadOptions } from './workload.js';

export interface ModelRunOptions {
  readonly bed: BedOptions;
  /** Where the store lies; in memory unless given, as `bed` says. */
  readonly medium?: Medium;
  readonly workload: WorkloadOptions | ((prng: Prng) => TransactionSource);
  /** Transactions between two comparisons. */
  readonly every: number;
  /** Comparisons after which the next end of the store is followed by an audit. */
  readonly audits: number;
  /** Most transactions in flight. */
  readonly inFlight: number;
  /** The store is so small that a transaction may find it full. */
  readonly mayBeFull?: boolean;
  /** Compares all of what a transaction named, when it was committed synchronously. */
  readonly readsBack?: boolean;
}

/** States that may come back after a kill: the first is the last acknowledged one or older. */
interface PastState {
  readonly sequence: number;
  readonly state: ModelState;
}

export class ModelRun {
  readonly bed: MediumBed;
  readonly #prng: Prng;
  readonly #options: ModelRunOptions;
  readonly #workload: TransactionSource;
  readonly #comparators = new ComparatorRegistry();
  #past: PastState[] = [{ sequence: 0, state: EMPTY_MODEL }];
  #acknowledged = 0;
  /** Raised by each kill: promises of an older life say nothing any more. */
  #life = 0;
  /** The device is off: what is refused now is refused for that. */
  #isDying = false;
  #failure: unknown;
  #pending = new Set<Promise<unknown>>();
  #checks = 0;
  #snapshots: { snapshot: Snapshot; state: ModelState }[] = [];
  transactions = 0;
  refused = 0;
  /** Transactions for which there was no room. */
  full = 0;
  kills = 0;
  /** Transactions that had been applied, and were gone after a kill. */
  lost = 0;

  constructor(prng: Prng, options: ModelRunOptions) {
    this.#prng = prng;
    this.#options = options;
    const { workload } = options;
    this.#workload =
      typeof workload === 'function' ? workload(prng.fork()) : new Workload(prng.fork(), workload);
    for (const one of options.bed.comparators ?? []) this.#comparators.register(one as Comparator);
    this.bed = new MediumBed(options.medium ?? simulatedMedium(options.bed), options.bed);
  }

  get #state(): ModelState {
    return (this.#past.at(-1) as PastState).state;
  }

  get #store(): Store {
    return this.bed.store;
  }

  /** Runs about `count` transactions, with comparisons, reopening and kills in between. */
  async run(count: number): Promise<void> {
    while (this.transactions < count) {
      await this.#burst();
      if (this.#prng.chance(0.3)) await this.#upset();
      this.#checks++;
    }
    await this.#quiet();
    this.#closeSnapshots();
    await this.bed.close();
    this.bed.open();
    this.#compare(1);
    await this.bed.close();
    this.bed.audit();
  }

  /** Some transactions, then a comparison. */
  async #burst(): Promise<void> {
    const prng = this.#prng;
    const { every, inFlight } = this.#options;
    this.#leaveRoom();
    const reading = this.#readSnapshot();
    for (let left = every; left > 0; left--) {
      const operations = this.#workload.transaction(this.#state);
      if (prng.chance(0.4)) await this.#commitSync(operations);
      else this.#submit(operations);
      if (this.#pending.size >= inFlight) await Promise.race(this.#pending);
      if (prng.chance(0.01)) this.#store.checkpointSync();
    }
    if (prng.chance(0.7)) await this.#quiet();
    else await this.#tick();
    await reading;
    this.#compare(0.3);
  }

  /** Reads a snapshot asynchronously, while transactions go on. */
  async #readSnapshot(): Promise<void> {
    if (this.#snapshots.length === 0) return;
    const { snapshot, state } = this.#prng.pick(this.#snapshots);
    try {
      await compareViewAsync(snapshot, state, { prng: this.#prng.fork(), part: 0.2 });
    } catch (error) {
      this.#checkExpired(error);
    }
  }

  #submit(operations: ModelOperation[]): void {
    const life = this.#life;
    const { applied, committed } = this.#store.submit(buildTransaction(operations));
    applied.then(
      () => this.#settle(life, operations, undefined),
      (error) => this.#settle(life, operations, error),
    );
    const done = committed.then(
      (sequence) => this.#acknowledge(life, sequence),
      () => undefined,
    );
    this.#pending.add(done);
    void done.finally(() => this.#pending.delete(done));
  }

  async #commitSync(operations: ModelOperation[]): Promise<void> {
    let sequence = 0;
    let failure: unknown;
    try {
      sequence = this.#store.commitSync(buildTransaction(operations));
    } catch (error) {
      failure = error;
    }
    await Promise.resolve(); // what was applied before this one is heard of first
    if (hasCode(failure, 'E_BUSY')) {
      await this.#tick(); // the store wants a turn of the event loop first
      return;
    }
    this.#settle(this.#life, operations, failure);
    if (this.#failure !== undefined) throw this.#failure;
    if (failure === undefined) {
      strictEqual(sequence, this.#past.at(-1)?.sequence, 'sequence number');
      this.#acknowledge(this.#life, sequence);
    }
    if (this.#options.readsBack === true) {
      compareNamed(this.#store, this.#state, operations, this.#prng);
    }
  }

  /** The store has accepted or refused a transaction: so must the model, for the same reason. */
  #settle(life: number, operations: ModelOperation[], error: unknown): void {
    if (life !== this.#life || this.#failure !== undefined) return;
    if (this.#isDying && error !== undefined) return;
    this.transactions++;
    if (this.#options.mayBeFull === true && hasCode(error, 'E_NO_SPACE')) {
      this.full++;
      return;
    }
    const outcome = applyToModel(this.#state, operations, this.#comparators);
    const expected = 'code' in outcome ? outcome.code : undefined;
    try {
      strictEqual(codeOf(error), expected, 'outcome of a transaction');
    } catch (cause) {
      this.#failure = new Error(`${String(cause)}\n${describe(operations)}`, { cause: error });
      return;
    }
    if ('code' in outcome) this.refused++;
    else {
      const sequence = (this.#past.at(-1) as PastState).sequence + 1;
      this.#past.push({ sequence, state: outcome.state });
    }
  }

  #acknowledge(life: number, sequence: number): void {
    if (life !== this.#life) return;
    this.#acknowledged = Math.max(this.#acknowledged, sequence);
    if (this.#past.length < 1000) return;
    this.#past = this.#past.filter((one) => one.sequence >= this.#acknowledged);
  }

  /** Waits until everything submitted is settled and durable. */
  async #quiet(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
    await this.#tick();
  }

  async #tick(): Promise<void> {
    await turn();
    if (this.#failure !== undefined) throw this.#failure;
  }

  #compare(part: number): void {
    if (this.#failure !== undefined) throw this.#failure;
    compareStore(this.#store, this.#state, { prng: this.#prng, part });
  }

  /** Something beside transactions: a new life of the store, a snapshot, a checkpoint. */
  async #upset(): Promise<void> {
    const roll = this.#prng.below(10);
    if (roll < 2) {
      await this.#quiet();
      this.#closeSnapshots();
      await this.bed.close();
      this.#auditWhenDue();
      this.bed.open();
      strictEqual(this.#store.recovery.replayed, 0, 'a closed store replays nothing');
    } else if (roll < 4) await this.#kill();
    else if (roll < 7) this.#snapshot();
    else if (roll < 8) await this.#store.checkpoint();
    else this.#closeSnapshots();
    await this.#tick();
    this.#compare(0.3);
  }

  async #kill(): Promise<void> {
    this.#closeSnapshots();
    await this.#submitSome();
    this.#isDying = true;
    await this.bed.cut();
    await turn(); // what was applied before is heard of
    this.#isDying = false;
    this.#life++;
    this.#pending.clear();
    this.#auditWhenDue();
    this.bed.open();
    const { transaction } = this.#store.info();
    ok(transaction >= this.#acknowledged, 'what was acknowledged is there');
    const found = this.#past.find(({ sequence }) => sequence === transaction);
    ok(found !== undefined, `transaction ${transaction} was applied`);
    this.kills++;
    this.lost += (this.#past.at(-1) as PastState).sequence - transaction;
    this.#past = [found];
    this.#acknowledged = transaction;
    this.#compare(1);
  }

  /** Leaves some transactions in flight, further or less far on their way. */
  async #submitSome(): Promise<void> {
    for (let left = this.#prng.below(this.#options.inFlight); left > 0; left--) {
      this.#submit(this.#workload.transaction(this.#state));
    }
    for (let turns = this.#prng.below(4); turns > 0; turns--) await this.#tick();
  }

  #snapshot(): void {
    const snapshot = this.#store.snapshot();
    this.#snapshots.push({ snapshot, state: this.#state });
    if (this.#snapshots.length > 3) this.#closeSnapshots();
  }

  #closeSnapshots(): void {
    for (const { snapshot, state } of this.#snapshots.splice(0)) {
      try {
        compareView(snapshot, state, { prng: this.#prng, part: 1 });
      } catch (error) {
        this.#checkExpired(error);
      }
      snapshot.close();
    }
  }

  /**
   * Closes snapshots that hold half the device: the store would end them before it refused anybody
   * for want of room, and where it is never to be full none may be ended.
   */
  #leaveRoom(): void {
    if (this.#options.mayBeFull === true || this.#snapshots.length === 0) return;
    const { pending, total } = this.#store.statfsSync();
    if (pending > total / 2) this.#closeSnapshots();
  }

  /** A snapshot may be ended by the store, but only for want of room. */
  #checkExpired(error: unknown): void {
    const mayExpire = this.#options.mayBeFull === true;
    if (!mayExpire || !hasCode(error, 'E_SNAPSHOT_EXPIRED')) throw error;
  }

  /** Audits what the end of the store has left. */
  #auditWhenDue(): void {
    if (this.#checks < this.#options.audits) return;
    this.#checks = 0;
    this.bed.audit();
  }
}

/** Lets the event loop run. */
async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

function codeOf(error: unknown): ErrorCode | undefined {
  if (error === undefined) return undefined;
  if (error instanceof StoreError) return error.code;
  throw error;
}

function describe(operations: readonly ModelOperation[]): string {
  return JSON.stringify(operations, (_key, value: unknown) => {
    if (value instanceof Uint8Array) return `${value.length} bytes`;
    return typeof value === 'string' && value.length > 40 ? `${value.length} characters` : value;
  });
}
