/**
 * A random workload on a store over a simulated device, and what it may expect after a crash.
 *
 * - Everything of a store happens: small and large transactions, several in flight, `commitSync`
 *   in between, clones, drops, checkpoints, snapshots, reservations, transactions that fail.
 * - `states[i]` is the state after transaction `base + i`, in the order in which the store
 *   accepted them; an acknowledgement is kept with the point of the device's log where it came.
 * - Every transaction leaves its tag in each collection that it names, so that one state is
 *   never taken for another.
 */

import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { hasCode, type Snapshot, type Store, Transaction } from '../../src/index.js';
import { ModelDraft, type ModelState, modelDifference } from './crash-model.js';
import type { Prng } from './prng.js';
import type { SimulatedDevice } from './simulated-device.js';

/** Collections that are there all the time, and names of clones that come and go. */
const COLLECTIONS = ['a', 'b', 'c'];
const CLONES = ['x', 'y'];
const OBJECTS = ['o1', 'o2', 'o3', 'o4', 'o5', 'o6', 'o7'];
const RESERVATIONS = ['r1', 'r2'];

/** Transactions that are not acknowledged at the same time. */
const IN_FLIGHT_MAX = 8;

const SNAPSHOTS_MAX = 2;

interface Acknowledgement {
  readonly point: number;
  readonly transaction: number;
}

/** A transaction and what it does to the model. */
class Change {
  readonly transaction = new Transaction();
  readonly steps: ((draft: ModelDraft) => void)[] = [];
  fails = false;

  applyTo(state: ModelState): ModelState {
    const draft = new ModelDraft(state);
    for (const step of this.steps) step(draft);
    return draft.done();
  }
}

export class CrashWorkload {
  readonly #store: Store;
  readonly #device: SimulatedDevice;
  readonly #prng: Prng;
  readonly #tagPrefix: string;
  /** Transactions that were contained when the workload began. */
  readonly base: number;
  readonly states: ModelState[];
  readonly acknowledged: Acknowledgement[] = [];
  /** Changes that `commitSync` put into the order before the others were heard of. */
  readonly #ahead = new Map<number, Change>();
  readonly #snapshots: { snapshot: Snapshot; transaction: number }[] = [];
  /** The state in the order of submission: what the next transaction will find. */
  #submitted: ModelState;
  #inFlight: Promise<unknown>[] = [];
  #tag = 0;
  #isOff = false;
  #failure: unknown;

  constructor(store: Store, device: SimulatedDevice, state: ModelState, prng: Prng) {
    this.#store = store;
    this.#device = device;
    this.#prng = prng;
    this.#tagPrefix = prng.u32().toString(36);
    this.base = store.info().transaction;
    this.states = [state];
    this.#submitted = state;
  }

  /** Last transaction that was acknowledged before `point` of the device's log. */
  acknowledgedAt(point: number): number {
    let last = this.base;
    for (const one of this.acknowledged) {
      if (one.point <= point) last = Math.max(last, one.transaction);
    }
    return last;
  }

  /** Submits `count` transactions, and stops with some of them under way. */
  async run(count: number): Promise<void> {
    for (const name of COLLECTIONS) {
      if (!this.#submitted.collections.has(name)) await this.#act(() => this.#submit(make(name)));
    }
    for (let i = 0; i < count; i++) await this.#act(() => this.#step());
    for (let i = this.#prng.below(4); i > 0; i--) await turn();
  }

  /** The crash: nothing that is still under way reaches the device, or is heard of. */
  powerOff(): void {
    this.#isOff = true;
    this.#device.powerOff();
  }

  /** Waits for all that is under way, and checks the state once more. */
  async settle(): Promise<void> {
    await Promise.all(this.#inFlight);
    this.#check();
    for (const open of this.#snapshots.splice(0)) this.#compare(open.snapshot, open.transaction);
    this.#compare(this.#store, this.#store.info().transaction);
  }

  async #act(work: () => Promise<void> | void): Promise<void> {
    await work();
    this.#inFlight = this.#inFlight.slice(-IN_FLIGHT_MAX);
    if (this.#inFlight.length === IN_FLIGHT_MAX) await this.#inFlight[0];
    this.#check();
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #step(): Promise<void> {
    const prng = this.#prng;
    const kind = prng.below(100);
    if (kind < 12) this.#commitSync(this.#change());
    else {
      this.#submit(this.#change());
      if (prng.chance(0.4)) await turn();
    }
    if (prng.chance(0.05)) void this.#store.checkpoint().catch((error) => this.#fail(error));
    if (prng.chance(0.02)) this.#store.checkpointSync();
    if (prng.chance(0.02)) await sleep(12); // long enough for a mark
    if (prng.chance(0.06)) this.#snapshot();
  }

  #submit(change: Change): void {
    const { applied, committed } = this.#store.submit(change.transaction);
    if (!change.fails) this.#submitted = change.applyTo(this.#submitted);
    applied.then(
      () => this.#accepted(change),
      (error) => this.#refused(change, error),
    );
    const end = committed.then(
      (transaction) => this.#acknowledge(transaction),
      () => undefined, // `applied` has said so, or the power is off
    );
    this.#inFlight.push(end);
  }

  #commitSync(change: Change): void {
    try {
      const transaction = this.#store.commitSync(change.transaction);
      this.#submitted = change.applyTo(this.#submitted);
      this.#acknowledge(transaction);
      this.#ahead.set(transaction, change);
      this.#takeAhead();
    } catch (error) {
      this.#refused(change, error);
    }
  }

  #acknowledge(transaction: number): void {
    this.acknowledged.push({ point: this.#device.point, transaction });
  }

  /** `applied` promises are heard of in the order of acceptance, but for `commitSync`. */
  #accepted(change: Change): void {
    this.#push(change);
    this.#takeAhead();
  }

  #takeAhead(): void {
    for (;;) {
      const next = this.base + this.states.length;
      const change = this.#ahead.get(next);
      if (change === undefined) return;
      this.#ahead.delete(next);
      this.#push(change);
    }
  }

  #push(change: Change): void {
    if (change.fails) this.#fail(new Error('A transaction was accepted that must fail'));
    this.states.push(change.applyTo(this.states.at(-1) as ModelState));
  }

  #refused(change: Change, error: unknown): void {
    if (change.fails && hasCode(error, 'E_EXISTS')) return;
    this.#fail(error);
  }

  #fail(error: unknown): void {
    if (this.#failure === undefined && !this.#isOff) this.#failure = error;
  }

  // Snapshots

  #snapshot(): void {
    if (this.#snapshots.length >= SNAPSHOTS_MAX || this.#prng.chance(0.3)) {
      const open = this.#snapshots.shift();
      if (open === undefined) return;
      this.#compare(open.snapshot, open.transaction);
      open.snapshot.close();
      return;
    }
    const { transaction } = this.#store.info();
    this.#snapshots.push({ snapshot: this.#store.snapshot(), transaction });
  }

  #compare(readable: Store | Snapshot, transaction: number): void {
    const state = this.states[transaction - this.base];
    if (state === undefined) return; // accepted, and not heard of yet
    const fault = modelDifference(readable, state);
    if (fault !== undefined) throw new Error(`State after transaction ${transaction}: ${fault}`);
  }

  // Transactions

  #change(): Change {
    const prng = this.#prng;
    const change = new Change();
    const names = [...this.#submitted.collections.keys()];
    const collections = prng.shuffle(names).slice(0, prng.pick([1, 1, 1, 2]));
    const tag = `${this.#tagPrefix}-${this.#tag++}`;
    for (const collection of collections) {
      write(change, collection, 'mark', 0, Buffer.from(tag.padEnd(16)));
      for (let i = prng.pick([1, 1, 2, 5]); i > 0; i--) this.#operation(change, collection);
    }
    if (prng.chance(0.1)) this.#cloneOrDrop(change);
    if (collections.includes('a') && prng.chance(0.1)) this.#reservation(change);
    if (prng.chance(0.05)) {
      change.fails = true;
      change.transaction.createCollection(prng.pick(COLLECTIONS));
    }
    return change;
  }

  #operation(change: Change, collection: string): void {
    const prng = this.#prng;
    const { transaction, steps } = change;
    const name = prng.pick(OBJECTS);
    const other = prng.pick(OBJECTS);
    switch (prng.below(14)) {
      case 0:
      case 1:
        write(change, collection, name, prng.below(300), prng.bytes(prng.below(200)));
        break;
      case 2:
      case 3:
        write(change, collection, name, prng.below(9000), prng.bytes(prng.between(500, 20_000)));
        break;
      case 4: {
        const length = prng.between(32 * 1024, 50 * 1024);
        write(change, collection, name, prng.pick([0, 0, 4096, 777]), prng.bytes(length));
        break;
      }
      case 5: {
        const offset = prng.below(20_000);
        const length = prng.between(1, 20_000);
        transaction.zero(collection, name, offset, length);
        steps.push((draft) => draft.write(collection, name, offset, new Uint8Array(length)));
        break;
      }
      case 6: {
        const size = prng.below(30_000);
        transaction.truncate(collection, name, size);
        steps.push((draft) => draft.truncate(collection, name, size));
        break;
      }
      case 7:
      case 8:
        transaction.remove(collection, name);
        steps.push((draft) => draft.remove(collection, name));
        break;
      case 9:
        this.#attribute(change, collection, name);
        break;
      case 10:
      case 11:
        this.#map(change, collection, name);
        break;
      case 12:
        transaction.touch(collection, name).clone(collection, name, other);
        steps.push((draft) => {
          draft.change(collection, name, {});
          draft.clone(collection, name, other);
        });
        break;
      default:
        this.#move(change, collection, name, other);
    }
  }

  #attribute(change: Change, collection: string, name: string): void {
    const key = `k${this.#prng.below(5)}`;
    const value = 'v'.repeat(this.#prng.pick([3, 40, 400])) + this.#tag;
    change.transaction.touch(collection, name).setAttribute(collection, name, key, value);
    change.steps.push((draft) => {
      const attributes = draft.object(collection, name)?.attributes;
      draft.change(collection, name, { attributes: new Map(attributes).set(key, value) });
    });
  }

  #map(change: Change, collection: string, name: string): void {
    const prng = this.#prng;
    const { transaction, steps } = change;
    transaction.touch(collection, name);
    if (prng.chance(0.3)) {
      const from = `k${prng.below(60)}`;
      const to = `${from}~`;
      transaction.mapRemoveRange(collection, name, from, to);
      steps.push((draft) => {
        const entries = [...(draft.object(collection, name)?.map ?? [])];
        const map = new Map(entries.filter(([key]) => key < from || key >= to));
        draft.change(collection, name, { map });
      });
      return;
    }
    const entries: [string, string][] = [];
    for (let i = prng.pick([1, 3, 30]); i > 0; i--) {
      const value = 'w'.repeat(prng.pick([1, 20, 100, 900])) + this.#tag;
      entries.push([`k${prng.below(60)}/${prng.below(10)}`, value]);
    }
    transaction.mapSet(collection, name, entries).mapSetHeader(collection, name, `h${this.#tag}`);
    const header = `h${this.#tag}`;
    steps.push((draft) => {
      const map = new Map(draft.object(collection, name)?.map);
      for (const [key, value] of entries) map.set(key, value);
      draft.change(collection, name, { map, header });
    });
  }

  /** Renames, or clones a range of the marks: an object that surely is there. */
  #move(change: Change, collection: string, name: string, other: string): void {
    const { transaction, steps } = change;
    if (this.#prng.chance(0.5)) {
      transaction.remove(collection, other).tryRename(collection, name, other);
      steps.push((draft) => {
        draft.remove(collection, other);
        draft.rename(collection, name, other);
      });
      return;
    }
    const size = this.#prng.between(1, 40_000);
    const offset = this.#prng.pick([0, 100, 4096]);
    transaction.touch(collection, name).truncate(collection, name, size);
    transaction.cloneRange(collection, name, other, 0, size, offset);
    steps.push((draft) => {
      draft.change(collection, name, {});
      draft.truncate(collection, name, size);
      const data = draft.object(collection, name)?.data ?? new Uint8Array(0);
      draft.write(collection, other, offset, data.slice());
    });
  }

  #cloneOrDrop(change: Change): void {
    const clone = this.#prng.pick(CLONES);
    const from = this.#prng.pick(COLLECTIONS);
    if (this.#submitted.collections.has(clone)) {
      change.transaction.dropCollection(clone);
      change.steps.push((draft) => draft.dropCollection(clone));
    } else {
      change.transaction.cloneCollection(from, clone);
      change.steps.push((draft) => draft.cloneCollection(from, clone));
    }
  }

  /** Reservations stand in no collection: `a` keeps their transactions in order. */
  #reservation(change: Change): void {
    const name = this.#prng.pick(RESERVATIONS);
    if (this.#submitted.reservations.has(name)) {
      change.transaction.cancelReservation(name);
      change.steps.push((draft) => draft.setReservation(name, undefined));
    } else {
      const units = { bytes: this.#prng.below(5000), operations: 2, keys: 3 };
      change.transaction.reserve(name, units, 'owner');
      change.steps.push((draft) => draft.setReservation(name, `${units.bytes}/2/3`));
    }
  }
}

function make(name: string): Change {
  const change = new Change();
  change.transaction.createCollection(name);
  change.steps.push((draft) => draft.createCollection(name));
  return change;
}

function write(
  { transaction, steps }: Change,
  collection: string,
  name: string,
  offset: number,
  bytes: Uint8Array,
): void {
  transaction.write(collection, name, offset, bytes);
  if (bytes.length > 0) steps.push((draft) => draft.write(collection, name, offset, bytes));
  else steps.push((draft) => draft.change(collection, name, {}));
}
