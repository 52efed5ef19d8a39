/**
 * Random work on a store that erases, with crashes and kills in between: of all markers that were
 * ever put in, those that can be read are found on the device, and no others.
 */

import test, { type ExecutionContext } from 'ava';
import { mkfsOn, Store, StoreError, type Transaction } from '../../src/index.js';
import { fsckFault } from '../support/crash-fsck.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { SimulatedDevice } from '../support/simulated-device.js';
import { SimulatedEnvironment } from '../support/simulated-environment.js';

const OPERATIONS = Number(process.env['OPS'] ?? 150);
const SIZE = 12 * 1024 * 1024;
const MARKER = /<m\d{8}-{20}>/g;

/** A random transaction may meet these. */
const REFUSALS: ReadonlySet<string> = new Set(['E_NO_SPACE', 'E_NOT_FOUND', 'E_EXISTS']);

class Work {
  readonly #prng: Prng;
  readonly #scheduled: boolean;
  #count = 0;
  device: SimulatedDevice;
  store: Store;

  constructor(prng: Prng, scheduled: boolean) {
    this.#prng = prng;
    this.#scheduled = scheduled;
    this.device = new SimulatedDevice({ size: SIZE });
    mkfsOn(this.device, {
      eraseFreed: true,
      blockSize: 1024,
      nodeSize: prng.pick([1024, 4096]),
      metadataCopies: prng.pick([1, 2]),
      journalBytes: 128 * 1024,
    });
    this.store = this.#open();
    this.store.commitSync(this.store.transaction().createCollection('c0'));
  }

  #open(): Store {
    const environment = new SimulatedEnvironment();
    return Store.openOnSync(this.device, { cacheBytes: 0, dirtyBytes: 64 * 1024, environment });
  }

  #marker(): string {
    return `<m${String(this.#count++).padStart(8, '0')}${'-'.repeat(20)}>`;
  }

  /** Bytes with markers at some places. */
  #data(): Buffer {
    const prng = this.#prng;
    const length = prng.pick([40, 200, 1500, 6000, 34_000, 120_000, 400_000]);
    const bytes = Buffer.alloc(length, 0x2e);
    for (let i = prng.between(1, 4); i > 0; i--) {
      bytes.write(this.#marker(), prng.below(Math.max(1, length - 32)));
    }
    return bytes;
  }

  #collections(): Buffer[] {
    return this.store.listCollectionsSync().map((name) => Buffer.from(name));
  }

  #objects(collection: Buffer): Buffer[] {
    const listed = this.store.collection(collection).listSync();
    return listed.map(({ name }) => Buffer.from(name));
  }

  /** One random transaction, put into `transaction`. */
  #operation(transaction: Transaction): void {
    const prng = this.#prng;
    const c = prng.pick(this.#collections());
    const objects = this.#objects(c);
    const o = objects.length > 0 && prng.chance(0.8) ? prng.pick(objects) : this.#marker();
    const isThere = typeof o !== 'string';
    const stat = isThere ? this.store.collection(c).object(o).statSync() : undefined;
    const size = stat?.size ?? 0;
    const offset = prng.below(size + 1);
    const keys = isThere
      ? this.store
          .collection(c)
          .object(o)
          .mapEntriesSync({ limit: 100 })
          .map(([key]) => key)
      : [];
    transaction.touch(c, o);
    const kinds: (() => unknown)[] = [
      () => transaction.write(c, o, offset, this.#data()),
      () => transaction.write(c, o, prng.below(size + 1), this.#data()),
      () => transaction.zero(c, o, offset, prng.below(size - offset + 1) + 1),
      () => transaction.truncate(c, o, offset),
      () => transaction.remove(c, o),
      () => transaction.setAttribute(c, o, this.#marker(), this.#data().subarray(0, 6000)),
      () => transaction.setAttribute(c, o, 'same', this.#data().subarray(0, 6000)),
      () => transaction.removeAttributes(c, o),
      () =>
        transaction.mapSet(
          c,
          o,
          Array.from(
            { length: 12 },
            () => [this.#marker(), this.#data().subarray(0, 300)] as const,
          ),
        ),
      () =>
        keys.length > 0 &&
        transaction.mapRemove(
          c,
          o,
          keys.filter(() => prng.chance(0.6)),
        ),
      () =>
        keys.length > 1 &&
        transaction.mapRemoveRange(c, o, keys[0] ?? '', keys[prng.below(keys.length)]),
      () => transaction.mapClear(c, o),
      () => transaction.clone(c, o, this.#marker()),
      () => size > 0 && transaction.cloneRange(c, o, this.#marker(), offset, size - offset, 10),
      () => transaction.tryRename(c, o, this.#marker()),
      () => this.#collections().length < 4 && transaction.cloneCollection(c, this.#marker()),
      () => String(c) !== 'c0' && transaction.dropCollection(c),
    ];
    prng.pick(kinds)();
  }

  async step(): Promise<void> {
    const transaction = this.store.transaction();
    try {
      this.#operation(transaction);
      if (this.#prng.chance(0.5)) this.store.commitSync(transaction);
      else await this.store.commit(transaction);
    } catch (error) {
      if (!(error instanceof StoreError) || !REFUSALS.has(error.code)) {
        throw error;
      }
    }
    if (this.#prng.chance(0.1)) this.store.checkpointSync();
  }

  /** Ends the store in some way, perhaps in the middle of something, and opens it again. */
  async interrupt(): Promise<void> {
    const prng = this.#prng;
    if (prng.chance(0.3)) this.store.closeSync();
    else if (prng.chance(0.7)) {
      const transaction = this.store.transaction();
      this.#operation(transaction);
      this.store.commit(transaction).catch(() => undefined);
      if (prng.chance(0.5)) this.store.checkpoint().catch(() => undefined);
      for (let i = prng.below(20); i > 0; i--) await new Promise((r) => setImmediate(r));
    }
    const { device } = this;
    const point = prng.chance(0.5) ? device.point : prng.between(device.point - 6, device.point);
    const at = Math.max(point, device.log[0]?.index ?? point);
    const image = device.imageAt(at, device.randomCrash(prng, at).choice);
    device.powerOff();
    const options = this.#scheduled ? { image, scheduler: prng.fork() } : { image };
    this.device = new SimulatedDevice(options);
    this.store = this.#open();
  }

  /** All markers that can be read. */
  readable(): Set<string> {
    const texts: string[] = [];
    const add = (bytes: Uint8Array | undefined): unknown =>
      bytes !== undefined && texts.push(Buffer.from(bytes).toString('latin1'));
    for (const c of this.#collections()) {
      add(c);
      const collection = this.store.collection(c);
      for (const name of this.#objects(c)) {
        const object = collection.object(name);
        add(name);
        add(object.readSync());
        for (const [attribute, value] of object.attributesSync()) {
          add(attribute);
          add(value);
        }
        for (const [key, value] of object.mapEntriesSync({ limit: 10_000 })) {
          add(key);
          add(value);
        }
      }
    }
    return new Set(texts.flatMap((text) => text.match(MARKER) ?? []));
  }

  /** All markers that are on the device. */
  found(): Set<string> {
    return new Set(Buffer.from(this.device.bytes()).toString('latin1').match(MARKER) ?? []);
  }
}

async function run(t: ExecutionContext, prng: Prng, isScheduled: boolean): Promise<void> {
  const work = new Work(prng, isScheduled);
  for (let i = 1; i <= OPERATIONS; i++) {
    await work.step();
    if (prng.chance(0.05)) await work.interrupt();
    if (i % 50 !== 0) continue;
    const { isComplete } = await work.store.erase();
    t.true(isComplete);
    const readable = work.readable();
    t.deepEqual(
      [...work.found()].filter((one) => !readable.has(one)),
      [],
      `after ${i}`,
    );
    t.is(work.store.statfsSync().unerased, 0);
  }
  t.true(work.readable().size > 0);
  work.store.closeSync();
  t.is(fsckFault(work.device.image()), undefined);
}

for (const isScheduled of [false, true]) {
  test(`nothing removed is found after erase(), calls ${isScheduled ? 'in any' : 'in'} order`, async (t) => {
    t.timeout(300_000);
    const prng = new Prng(seedFromEnvironment());
    t.log('SEED', prng.seed);
    await run(t, prng, isScheduled);
  });
}
