/**
 * A small store that works on a device which fails at one call, and what must come of it:
 *
 * - A failed write or flush poisons the store with the reason: nothing more is written or flushed,
 *   everything answers E_IO, closing ends. A failed read or growth concerns its caller only.
 * - Every promise settles. No read gives less than there is.
 * - Opened again, from what was written and from what a power failure leaves of it, the store is
 *   in the state after some prefix of the transactions that holds all acknowledged ones.
 */

import { setImmediate as turn } from 'node:timers/promises';
import {
  hasCode,
  mkfsOn,
  type OpenOptions,
  Store,
  StoreError,
  type Transaction,
} from '../../src/index.js';
import { fsckFault } from './crash-fsck.js';
import { EMPTY_MODEL, ModelDraft, type ModelState, storeDifference } from './crash-model.js';
import type { MemoryImage } from './memory-image.js';
import type { Prng } from './prng.js';
import { SimulatedDevice } from './simulated-device.js';
import type { FailOptions } from './simulated-faults.js';

const KIB = 1024;

const OPEN: OpenOptions = { cacheBytes: 0, dirtyBytes: 96 * KIB };

/** Turns of the event loop after which a promise will never settle. */
const TURNS_MAX = 20_000;

export interface TrialOptions {
  readonly mode: 'sync' | 'async';
  readonly prng: Prng;
  readonly faults: readonly FailOptions[];
}

/** A transaction, and what it does to the model. */
interface Step {
  readonly build: (tx: Transaction) => unknown;
  readonly model: (draft: ModelDraft) => void;
}

function bytesOf(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + seed * 31) & 255);
}

function write(collection: string, name: string, offset: number, bytes: Uint8Array): Step {
  return {
    build: (tx) => tx.write(collection, name, offset, bytes),
    model: (draft) => draft.write(collection, name, offset, bytes),
  };
}

const KEYS = Array.from({ length: 40 }, (_, i) => [`key ${i}`, `${i} `.repeat(12)] as const);

/** Made before the trial begins: something to read, and trees that are not embedded. */
const BEFORE: readonly Step[] = [
  { build: (tx) => tx.createCollection('a'), model: (draft) => draft.createCollection('a') },
  ...Array.from({ length: 16 }, (_, i) => write('a', `o${i}`, 0, bytesOf(200 * i, i))),
  {
    build: (tx) => tx.mapSet('a', 'o1', KEYS),
    model: (draft) => draft.change('a', 'o1', { map: new Map(KEYS) }),
  },
];

const STEPS: readonly (Step | 'checkpoint' | 'read')[] = [
  write('a', 'o1', 10, bytesOf(50, 1)),
  write('a', 'o2', 100, bytesOf(3000, 2)),
  write('a', 'large', 0, bytesOf(40 * KIB, 3)),
  'read',
  {
    build: (tx) => {
      for (let i = 0; i < 4; i++) tx.write('a', 'body', i * 2800, bytesOf(2800, i));
    },
    model: (draft) => {
      for (let i = 0; i < 4; i++) draft.write('a', 'body', i * 2800, bytesOf(2800, i));
    },
  },
  'checkpoint',
  {
    build: (tx) => tx.cloneCollection('a', 'b'),
    model: (draft) => draft.cloneCollection('a', 'b'),
  },
  write('b', 'o3', 0, bytesOf(700, 4)),
  {
    build: (tx) => tx.remove('a', 'o4').clone('a', 'o1', 'again'),
    model: (draft) => {
      draft.remove('a', 'o4');
      draft.clone('a', 'o1', 'again');
    },
  },
  'read',
  { build: (tx) => tx.dropCollection('b'), model: (draft) => draft.dropCollection('b') },
  write('a', 'last', 0, bytesOf(33 * KIB, 5)),
  'checkpoint',
  write('a', 'o5', 0, bytesOf(90, 6)),
];

export class IoTrial {
  /** States by the number of transactions, from the one that the trial begins with. */
  static readonly #states: ModelState[] = statesOf();
  static #image: MemoryImage | undefined;
  readonly device: SimulatedDevice;
  readonly #options: TrialOptions;
  #acknowledged = BEFORE.length;
  #store: Store | undefined;
  /** What failed first, as somebody was told. */
  failure: unknown;
  #callsAtFailure = { write: 0, flush: 0 };

  constructor(options: TrialOptions) {
    this.#options = options;
    IoTrial.#image ??= firstImage();
    this.device = new SimulatedDevice({
      image: IoTrial.#image,
      ...(options.mode === 'async' && { scheduler: options.prng.fork() }),
    });
    for (const fault of options.faults) this.device.faults.failAt(fault);
  }

  /** Works until the end or until something fails, then looks at what is left. */
  async run(): Promise<void> {
    const isSync = this.#options.mode === 'sync';
    try {
      this.#store = isSync
        ? Store.openOnSync(this.device, OPEN)
        : await settled(Store.openOn(this.device, OPEN));
      if (isSync) this.#workSync(this.#store);
      else await this.#work(this.#store);
    } catch (error) {
      this.#fail(error);
    }
    if (this.#store !== undefined) await this.#checkFailed(this.#store);
    await this.#close();
    if (!this.device.isClosed) throw new Error('the device was not given back');
    this.#checkQuiet();
    this.#checkLeft();
  }

  #fail(error: unknown): void {
    if (!(error instanceof StoreError)) throw error;
    if (this.failure !== undefined) return;
    this.failure = error;
    const { write: writes, flush } = this.device.calls;
    this.#callsAtFailure = { write: writes, flush };
  }

  #workSync(store: Store): void {
    let at = BEFORE.length;
    for (const step of STEPS) {
      if (step === 'checkpoint') store.checkpointSync();
      else if (step === 'read') this.#compare(store, at);
      else {
        const tx = store.transaction();
        step.build(tx);
        store.commitSync(tx);
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
        const tx = store.transaction();
        step.build(tx);
        const number = ++at;
        const { applied, committed } = store.submit(tx);
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
    const fault = storeDifference(store, this.#stateOf(transactions));
    if (fault !== undefined) throw new Error(`A read gives another state: ${fault}`);
  }

  /** Pages through everything, off-thread. */
  async #readAll(store: Store, transactions: number): Promise<void> {
    for (const [name, objects] of this.#stateOf(transactions).collections) {
      const collection = store.collection(name);
      const listed = await settled(collection.list());
      if (listed.length !== objects.size) throw new Error(`A list of ${name} ended silently`);
      for (const [object, { data, map }] of objects) {
        const handle = collection.object(object);
        const found = await settled(handle.read());
        if (Buffer.compare(found, data) !== 0) throw new Error(`Data of ${object} is not its own`);
        const entries = await settled(handle.mapEntries());
        if (entries.length !== map.size) throw new Error(`A map of ${object} ended silently`);
      }
    }
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
    store.commitSync(store.transaction().touch('a', 'o1'));
    store.collection('a').listSync();
  }

  #checkPoisoned(store: Store): void {
    const actions: readonly (() => unknown)[] = [
      () => store.commitSync(store.transaction().touch('a', 'x')),
      () => store.submit(store.transaction().touch('a', 'x')),
      () => store.collection('a').listSync(),
      () => store.statfs(),
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
    const { calls } = this.device;
    const { write: writes, flush } = this.#callsAtFailure;
    if (calls.write > writes) throw new Error(`${calls.write - writes} writes after the failure`);
    if (calls.flush > flush) throw new Error(`${calls.flush - flush} flushes after the failure`);
  }

  #checkLeft(): void {
    const images = [this.device.image()];
    for (let i = 0; i < 3; i++) {
      const { point } = this.device;
      images.push(this.device.randomCrash(this.#options.prng, point).device.image());
    }
    for (const image of images) this.#checkImage(image);
  }

  #checkImage(image: MemoryImage): void {
    const [fault] = this.#options.faults;
    const mayTouch =
      this.failure !== undefined && (fault?.kind === 'read' || fault?.kind === 'grow');
    const store = Store.openOnSync(new SimulatedDevice({ image }), OPEN);
    const number = store.info().transaction;
    if (number < this.#acknowledged) {
      throw new Error(`Transaction ${this.#acknowledged} was acknowledged, ${number} is the last`);
    }
    const state = IoTrial.#states[number - BEFORE.length];
    const before = IoTrial.#states[number - BEFORE.length - 1];
    const faults = [state, mayTouch ? before : state].map((one) =>
      one === undefined ? 'no such state' : storeDifference(store, one),
    );
    if (!faults.includes(undefined)) throw new Error(`after ${number}: ${faults[0]}`);
    store.closeSync();
    const found = fsckFault(image);
    if (found !== undefined) throw new Error(found);
  }
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
  let state = EMPTY_MODEL;
  const advance = ({ model }: Step): ModelState => {
    const draft = new ModelDraft(state);
    model(draft);
    state = draft.done();
    return state;
  };
  for (const step of BEFORE) advance(step);
  const states = [state];
  for (const step of STEPS) if (typeof step !== 'string') states.push(advance(step));
  return states;
}

function firstImage(): MemoryImage {
  const device = new SimulatedDevice({ size: 2048 * KIB });
  mkfsOn(device, { blockSize: KIB, nodeSize: KIB, journalBytes: 64 * KIB });
  const store = Store.openOnSync(device, OPEN);
  for (const step of BEFORE) {
    const tx = store.transaction();
    step.build(tx);
    store.commitSync(tx);
  }
  device.powerOff();
  return device.image();
}
