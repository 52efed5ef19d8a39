/**
 * A store on a simulated device beside the model of it: what it holds, and what a crash at any
 * point of the device's log may leave.
 *
 * - `states[i]` is the state after transaction `base + i`, in the order in which the store
 *   accepted them; an acknowledgement is kept with the point of the log where it was heard.
 * - The store must accept and refuse what the model does, for the same reasons.
 * - The first thing that goes wrong is kept and thrown by `check`.
 */

import { setImmediate as turn } from 'node:timers/promises';
import { ComparatorRegistry } from '../../src/btree/comparator.js';
import {
  hasCode,
  type OpenOptions,
  PackedTransaction,
  Store,
  StoreError,
} from '../../src/index.js';
import type { ModelState } from '../support/model.js';
import { applyToModel } from '../support/model-apply.js';
import { buildTransaction, type ModelOperation } from '../support/model-operation.js';
import type { SimulatedDevice } from '../support/simulated-device.js';

const COMPARATORS = new ComparatorRegistry();

/** Turns of the event loop without a call of the device after which a store is at rest. */
const QUIET_TURNS = 4;

export interface TrackedOptions {
  /** A transaction may find the store full. */
  readonly mayBeFull?: boolean;
}

/** Turns in which everything must have ended: each call of the device takes one. */
const PATIENCE_TURNS = 20_000;

interface Acknowledgement {
  readonly point: number;
  readonly transaction: number;
}

/** The device, or devices, of a tracked store. */
export interface TrackedDevice {
  /** The point behind all that has happened. */
  readonly point: number;
  /** Asynchronous calls that have not ended. */
  readonly underWayCount: number;
  powerOff(): void;
}

export class TrackedStore<D extends TrackedDevice = SimulatedDevice> {
  readonly store: Store;
  readonly device: D;
  /** Transactions that the store held when it was opened. */
  readonly base: number;
  readonly states: ModelState[];
  readonly #acknowledged: Acknowledgement[] = [];
  readonly #pending = new Set<Promise<void>>();
  #failure: unknown;
  #isOff = false;
  #hasFaults = false;
  readonly #mayBeFull: boolean;
  refused = 0;

  /** `state` is what the store holds now. */
  constructor(
    store: Store,
    device: D,
    state: ModelState,
    { mayBeFull = false }: TrackedOptions = {},
  ) {
    this.store = store;
    this.device = device;
    this.base = store.info().transaction;
    this.states = [state];
    this.#mayBeFull = mayBeFull;
  }

  static openSync(device: SimulatedDevice, state: ModelState, options: OpenOptions): TrackedStore {
    return new TrackedStore(Store.openOnSync(device, options), device, state);
  }

  /** The state after everything that was heard of. */
  get state(): ModelState {
    return this.states.at(-1) as ModelState;
  }

  /** False when a fault has made the store refuse everything. */
  get isUsable(): boolean {
    try {
      this.store.info();
      return true;
    } catch (error) {
      if (this.#hasFaults && hasCode(error, 'E_IO')) return false;
      throw error;
    }
  }

  /** Transactions that are submitted and neither acknowledged nor refused. */
  get pending(): ReadonlySet<Promise<void>> {
    return this.#pending;
  }

  /** Last transaction that was acknowledged before `point` of the device's log. */
  acknowledgedAt(point: number): number {
    let last = this.base;
    for (const one of this.#acknowledged) {
      if (one.point <= point) last = Math.max(last, one.transaction);
    }
    return last;
  }

  /** Submits a transaction, packed as if another thread had built it where it `isPacked`. */
  submit(operations: readonly ModelOperation[], { isPacked = false } = {}): void {
    const built = buildTransaction(operations);
    const { applied, committed } = this.store.submit(
      isPacked ? new PackedTransaction(built.pack()) : built,
    );
    applied.then(
      () => this.#settle(operations, undefined),
      (error) => this.#settle(operations, error),
    );
    const ended: Promise<void> = committed.then(
      (transaction) => this.#acknowledge(transaction),
      () => undefined, // `applied` has said why
    );
    this.#pending.add(ended);
    void ended.then(() => this.#pending.delete(ended));
  }

  /**
   * Commits a transaction synchronously; what was submitted before it is heard of first. When a
   * fault has ended the store meanwhile, it may have happened: then it is the last one.
   */
  async commitSync(operations: readonly ModelOperation[]): Promise<void> {
    let failure: unknown;
    try {
      this.#acknowledge(this.store.commitSync(buildTransaction(operations)));
    } catch (error) {
      failure = error;
    }
    await Promise.resolve();
    if (hasCode(failure, 'E_BUSY'))
      await turn(); // the store wants a turn of the event loop
    else if (hasCode(failure, 'E_IO') && !this.isUsable) this.#mayHaveHappened(operations);
    else this.#settle(operations, failure);
  }

  /** Starts a checkpoint. */
  checkpoint(): void {
    this.store.checkpoint().catch((error) => this.#fail(error));
  }

  checkpointSync(): void {
    try {
      this.store.checkpointSync();
    } catch (error) {
      if (!hasCode(error, 'E_BUSY')) this.#fail(error);
    }
  }

  /** From now on calls of the device fail: what the store then refuses is no fault of its own. */
  expectFaults(): void {
    this.#hasFaults = true;
  }

  /** Lets what is under way go on until nothing is left. @throws what went wrong so far */
  async settle(): Promise<void> {
    let quiet = 0;
    for (let turns = 0; quiet < QUIET_TURNS; turns++) {
      if (turns === PATIENCE_TURNS) throw new Error('What is under way never ends');
      await turn();
      const isQuiet = this.device.underWayCount === 0 && this.#pending.size === 0;
      quiet = isQuiet ? quiet + 1 : 0;
      this.check();
    }
  }

  /** The crash: nothing more reaches the device, or is heard of. */
  powerOff(): void {
    this.#isOff = true;
    this.device.powerOff();
  }

  /** @throws the first thing that went wrong */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #acknowledge(transaction: number): void {
    this.#acknowledged.push({ point: this.device.point, transaction });
  }

  /** The store has ended before it said what became of a transaction. */
  #mayHaveHappened(operations: readonly ModelOperation[]): void {
    if (this.#failure !== undefined) return;
    const outcome = applyToModel(this.state, operations, COMPARATORS);
    if ('state' in outcome) this.states.push(outcome.state);
  }

  #settle(operations: readonly ModelOperation[], error: unknown): void {
    if (this.#failure !== undefined || this.#isExcused(error)) return;
    const outcome = applyToModel(this.state, operations, COMPARATORS);
    const expected = 'code' in outcome ? outcome.code : 'accepted';
    const found = error instanceof StoreError ? error.code : (error ?? 'accepted');
    if (found !== expected) {
      this.#fail(new Error(`The store says ${String(found)}, the model ${expected}`));
    } else if ('state' in outcome) this.states.push(outcome.state);
    else this.refused++;
  }

  #fail(error: unknown): void {
    if (!this.#isExcused(error)) this.#failure ??= error;
  }

  #isExcused(error: unknown): boolean {
    if (error === undefined) return false;
    if (this.#mayBeFull && hasCode(error, 'E_NO_SPACE')) return true;
    return this.#isOff || (this.#hasFaults && hasCode(error, 'E_IO'));
  }
}
