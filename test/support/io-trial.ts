/**
 * A small store that works on a device which fails at one call, and what must come of it:
 *
 * - A failed write or flush poisons the store with the reason: nothing more is written or flushed,
 *   everything answers E_IO, closing ends. A failed read or growth concerns its caller only.
 * - Every promise settles. No read gives less than there is.
 * - Opened again, from what was written and from what a power failure leaves of it, the store is
 *   in the state after some prefix of the transactions that holds all acknowledged ones.
 */

import { AssertionError } from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { ComparatorRegistry } from '../../src/btree/comparator.js';
import { hasCode, mkfsOn, type OpenOptions, Store, StoreError } from '../../src/index.js';
import { fsckFault } from './crash-fsck.js';
import type { MemoryImage } from './memory-image.js';
import { bytesOf, EMPTY_MODEL, type ModelState } from './model.js';
import { applyToModel } from './model-apply.js';
import { compareStore, compareViewAsync } from './model-compare.js';
import { buildTransaction, type ModelOperation } from './model-operation.js';
import type { Prng } from './prng.js';
import { SimulatedDevice } from './simulated-device.js';
import type { FailOptions } from './simulated-faults.js';

const KIB = 1024;

const OPEN: OpenOptions = { cacheBytes: 0, dirtyBytes: 96 * KIB };

/** Bytes of the device of a journal that has one: the least that a store takes. */
const JOURNAL_BYTES = 256 * KIB;

/** Turns of the event loop after which a promise will never settle. */
const TURNS_MAX = 20_000;

export interface TrialOptions {
  readonly mode: 'sync' | 'async';
  /** The device that fails: the store's only one unless given, else that of its journal. */
  readonly on?: 'journal' | undefined;
  readonly prng: Prng;
  readonly faults: readonly FailOptions[];
}

/** What is on the device of a store, and on that of its journal where it has one. */
interface Images {
  readonly data: MemoryImage;
  readonly journal: MemoryImage | undefined;
}

function openOptions(journalDevice: SimulatedDevice | undefined): OpenOptions {
  return journalDevice === undefined ? OPEN : { ...OPEN, journalDevice };
}

/** A transaction. */
type Step = readonly ModelOperation[];

function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + seed * 31) & 255);
}

function write(c: string, name: string, offset: number, data: Uint8Array): ModelOperation {
  return { op: 'write', c, o: { name }, offset, data };
}

const ENTRIES = Array.from({ length: 40 }, (_, i): [string, Uint8Array] => [
  `key ${i}`,
  bytesOf(`${i} `.repeat(12)),
]);

/** Made before the trial begins: something to read, and trees that are not embedded. */
const BEFORE: readonly Step[] = [
  [{ op: 'createCollection', c: 'a', order: 'name', bits: 0 }],
  ...Array.from({ length: 16 }, (_, i) => [write('a', `o${i}`, 0, pattern(200 * i, i))]),
  [{ op: 'mapSet', c: 'a', o: { name: 'o1' }, entries: ENTRIES }],
];

const STEPS: readonly (Step | 'checkpoint' | 'read')[] = [
  [write('a', 'o1', 10, pattern(50, 1))],
  [write('a', 'o2', 100, pattern(3000, 2))],
  [write('a', 'large', 0, pattern(40 * KIB, 3))],
  'read',
  Array.from({ length: 4 }, (_, i) => write('a', 'body', i * 2800, pattern(2800, i))),
  'checkpoint',
  [{ op: 'cloneCollection', c: 'a', to: 'b' }],
  [write('b', 'o3', 0, pattern(700, 4))],
  [
    { op: 'remove', c: 'a', o: { name: 'o4' } },
    { op: 'clone', c: 'a', o: { name: 'o1' }, toC: 'a', toO: { name: 'again' } },
  ],
  'read',
  [{ op: 'dropCollection', c: 'b' }],
  [write('a', 'last', 0, pattern(33 * KIB, 5))],
  'checkpoint',
  [write('a', 'o5', 0, pattern(90, 6))],
];

/** What a store that goes on is asked to commit. */
const TOUCH: Step = [{ op: 'touch', c: 'a', o: { name: 'o1' } }];

export class IoTrial {
  /** States by the number of transactions, from the one that the trial begins with. */
  static readonly #states: ModelState[] = statesOf();
  /** What trials begin with, of one device and of two. */
  static readonly #begins = new Map<boolean, Images>();
  /** The one that fails. */
  readonly device: SimulatedDevice;
  readonly #data: SimulatedDevice;
  readonly #journal: SimulatedDevice | undefined;
  readonly #options: TrialOptions;
  #acknowledged = BEFORE.length;
  #store: Store | undefined;
  /** What failed first, as somebody was told. */
  failure: unknown;
  #callsAtFailure = { write: 0, flush: 0 };

  constructor(options: TrialOptions) {
    this.#options = options;
    const { data, journal } = IoTrial.#beginOf(options.on !== undefined);
    const scheduled = options.mode === 'async' && { scheduler: options.prng.fork() };
    this.#data = new SimulatedDevice({ image: data, ...scheduled });
    this.#journal = journal && new SimulatedDevice({ image: journal, ...scheduled });
    this.device = this.#journal ?? this.#data;
    for (const fault of options.faults) this.device.faults.failAt(fault);
  }

  static #beginOf(isSeparate: boolean): Images {
    const begin = IoTrial.#begins.get(isSeparate) ?? firstImages(isSeparate);
    IoTrial.#begins.set(isSeparate, begin);
    return begin;
  }

  /** Works until the end or until something fails, then looks at what is left. */
  async run(): Promise<void> {
    const isSync = this.#options.mode === 'sync';
    try {
      this.#store = isSync
        ? Store.openOnSync(this.#data, openOptions(this.#journal))
        : await settled(Store.openOn(this.#data, openOptions(this.#journal)));
      if (isSync) this.#workSync(this.#store);
      else await this.#work(this.#store);
    } catch (error) {
      this.#fail(error);
    }
    if (this.#store !== undefined) await this.#checkFailed(this.#store);
    await this.#close();
    for (const device of this.#devices) {
      if (!device.isClosed) throw new Error('a device was not given back');
    }
    this.#checkQuiet();
    this.#checkLeft();
  }

  #fail(error: unknown): void {
    if (!(error instanceof StoreError)) throw error;
    if (this.failure !== undefined) return;
    this.failure = error;
    this.#callsAtFailure = this.#calls;
  }

  get #devices(): readonly SimulatedDevice[] {
    return this.#journal === undefined ? [this.#data] : [this.#data, this.#journal];
  }

  /** Calls of all devices. */
  get #calls(): { readonly write: number; readonly flush: number } {
    let [writes, flushes] = [0, 0];
    for (const { calls } of this.#devices) {
      writes += calls.write;
      flushes += calls.flush;
    }
    return { write: writes, flush: flushes };
  }

  #workSync(store: Store): void {
    let at = BEFORE.length;
    for (const step of STEPS) {
      if (step === 'checkpoint') store.checkpointSync();
      else if (step === 'read') this.#compare(store, at);
      else {
        store.commitSync(buildTransaction(step));
        this.#acknowledged = ++at;
      }
    }
  }

  async #work(store: Store): Promise<void> {
    const waiting: Promise<unknown>[] = [];
    let at = BEFORE.length;
    for (const step of STEPS) {
      if (step === 'checkpoint') waiting.push(store.checkpoint());
      else if (step === 'read') {
        await settled(Promise.all(waiting.splice(0)));
        await this.#readAll(store, at);
      } else {
        const number = ++at;
        const { applied, committed } = store.submit(buildTransaction(step));
        waiting.push(
          applied,
          committed.then(() => this.#acknowledge(number)),
        );
      }
      for (const one of waiting) one.catch((error: unknown) => this.#note(error));
      await turn();
    }
    const ends = await settled(Promise.allSettled(waiting));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }

  #note(error: unknown): void {
    if (error instanceof StoreError) this.#fail(error);
  }

  #acknowledge(number: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, number);
  }

  #compare(store: Store, transactions: number): void {
    compareStore(store, this.#stateOf(transactions), this.#whole);
  }

  /** Reads everything, off-thread. */
  async #readAll(store: Store, transactions: number): Promise<void> {
    await settled(compareViewAsync(store, this.#stateOf(transactions), this.#whole));
  }

  get #whole() {
    return { prng: this.#options.prng.fork(), part: 1 };
  }

  #stateOf(transactions: number): ModelState {
    return IoTrial.#states[transactions - BEFORE.length] as ModelState;
  }

  /** Who failed for good answers so; who did not goes on. */
  async #checkFailed(store: Store): Promise<void> {
    const [fault] = this.#options.faults;
    if (this.failure === undefined || fault === undefined) return;
    if (fault.kind === 'write' || fault.kind === 'flush') {
      this.#checkPoisoned(store);
      return;
    }
    if (fault.permanent === true) return;
    await turn();
    store.commitSync(buildTransaction(TOUCH));
    store.collection('a').listSync();
  }

  #checkPoisoned(store: Store): void {
    const actions: readonly (() => unknown)[] = [
      () => store.commitSync(store.transaction().touch('a', 'x')),
      () => store.submit(store.transaction().touch('a', 'x')),
      () => store.collection('a').listSync(),
      () => store.statfsSync(),
      () => store.checkpointSync(),
    ];
    for (const action of actions) {
      try {
        action();
      } catch (error) {
        if (hasCode(error, 'E_IO') && /reopen the store/.test(error.message)) continue;
        throw error;
      }
      throw new Error(`A store whose device failed goes on after ${String(this.failure)}`);
    }
  }

  async #close(): Promise<void> {
    if (this.#store === undefined) return;
    try {
      if (this.#options.mode === 'sync') this.#store.closeSync();
      else await settled(this.#store.close());
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
  }

  /** After a failed write or flush the device is left alone. */
  #checkQuiet(): void {
    const [fault] = this.#options.faults;
    if (this.failure === undefined || fault?.kind === 'read' || fault?.kind === 'grow') return;
    const calls = this.#calls;
    const { write: writes, flush } = this.#callsAtFailure;
    if (calls.write > writes) throw new Error(`${calls.write - writes} writes after the failure`);
    if (calls.flush > flush) throw new Error(`${calls.flush - flush} flushes after the failure`);
  }

  #checkLeft(): void {
    const crashed = (device: SimulatedDevice): MemoryImage =>
      device.randomCrash(this.#options.prng, device.point).device.image();
    this.#checkImages({ data: this.#data.image(), journal: this.#journal?.image() });
    for (let i = 0; i < 3; i++) {
      const data = crashed(this.#data);
      this.#checkImages({ data, journal: this.#journal && crashed(this.#journal) });
    }
  }

  #checkImages({ data, journal }: Images): void {
    const [fault] = this.#options.faults;
    const mayTouch =
      this.failure !== undefined && (fault?.kind === 'read' || fault?.kind === 'grow');
    const device = new SimulatedDevice({ image: data });
    const journalDevice = journal && new SimulatedDevice({ image: journal });
    const store = Store.openOnSync(device, openOptions(journalDevice));
    const number = store.info().transaction;
    if (number < this.#acknowledged) {
      throw new Error(`Transaction ${this.#acknowledged} was acknowledged, ${number} is the last`);
    }
    const state = IoTrial.#states[number - BEFORE.length];
    const before = IoTrial.#states[number - BEFORE.length - 1];
    const states = [state, mayTouch && before !== undefined ? after(before, TOUCH) : undefined];
    const faults = states.map((one) => this.#difference(store, one));
    if (!faults.includes(undefined)) throw new Error(`after ${number}: ${faults.join(', or ')}`);
    store.closeSync();
    const found = fsckFault(data, journal);
    if (found !== undefined) throw new Error(found);
  }

  /** What of the store is not as in `state`; undefined when nothing is. */
  #difference(store: Store, state: ModelState | undefined): string | undefined {
    if (state === undefined) return 'no such state';
    try {
      compareStore(store, state, this.#whole);
      return undefined;
    } catch (error) {
      if (error instanceof AssertionError) return error.message;
      throw error;
    }
  }
}

/** The state after a transaction, which must be a good one. */
function after(state: ModelState, step: Step): ModelState {
  const outcome = applyToModel(state, step, new ComparatorRegistry());
  if ('code' in outcome) throw new Error(`The model refuses a step: ${outcome.code}`);
  return outcome.state;
}

/** The promise, which has to settle within many turns of the event loop. */
async function settled<T>(promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const note = (): void => {
    isSettled = true;
  };
  promise.then(note, note);
  for (let turns = 0; !isSettled; turns++) {
    if (turns > TURNS_MAX) throw new Error('A promise does not settle');
    await turn();
  }
  return await promise;
}

function statesOf(): ModelState[] {
  const states = [BEFORE.reduce(after, EMPTY_MODEL)];
  for (const step of STEPS) {
    if (typeof step !== 'string') states.push(after(states.at(-1) ?? EMPTY_MODEL, step));
  }
  return states;
}

/** A store that was killed, on one device or on two. */
function firstImages(isSeparate: boolean): Images {
  const device = new SimulatedDevice({ size: 2048 * KIB });
  const journalDevice = isSeparate ? new SimulatedDevice({ size: JOURNAL_BYTES }) : undefined;
  const place = journalDevice === undefined ? { journalBytes: 64 * KIB } : { journalDevice };
  mkfsOn(device, { blockSize: KIB, nodeSize: KIB, ...place });
  const store = Store.openOnSync(device, openOptions(journalDevice));
  for (const step of BEFORE) store.commitSync(buildTransaction(step));
  device.powerOff();
  journalDevice?.powerOff();
  return { data: device.image(), journal: journalDevice?.image() };
}
