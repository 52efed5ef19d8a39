/**
 * The gatherer: objects that grow by small pieces in turn have few runs with stripes too, nothing
 * else changes, and any crash is survived.
 */

import { setImmediate as turn } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { Store } from '../../src/index.js';
import { faultsOf } from '../resize/fixture.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { type BedOptions, type StoreBed, storeBed } from '../support/store-fixture.js';

const KiB = 1024;
const MiB = 1024 * KiB;
const SEED = seedFromEnvironment();
/** Crashes that are tried; more of them find rarer things. */
const CRASHES = Number(process.env['OPS'] ?? 20);
const GEOMETRY = { unit: 8 * KiB, width: 32 * KiB };
const OBJECTS = 12;

/** Objects that grow in turn by pieces of random bytes, and what they hold. */
class Growing {
  readonly bed: StoreBed;
  readonly #random = new Prng(SEED);
  readonly #bytes: Uint8Array[] = Array.from({ length: OBJECTS }, () => new Uint8Array(0));

  constructor(t: ExecutionContext, options: BedOptions = {}) {
    t.log(`SEED=${SEED}`);
    this.bed = storeBed(t, { geometry: GEOMETRY, dirtyBytes: 512 * KiB, ...options });
    this.bed.commit((transaction) => transaction.createCollection('c'));
  }

  async grow(pieces: number, piece: number): Promise<void> {
    const { store } = this.bed;
    for (let i = 0; i < pieces; i++) {
      for (const [index, old] of this.#bytes.entries()) {
        const data = this.#random.bytes(piece);
        await store.commit(store.transaction().write('c', `${index}`, old.length, data.slice()));
        this.#bytes[index] = Buffer.concat([old, data]);
        await turn();
      }
    }
    for (let i = 0; i < 100; i++) await turn();
  }

  /** Writes over a piece of each object, in its place. */
  overwrite(piece: number): void {
    const { store } = this.bed;
    const transaction = store.transaction();
    for (const [index, bytes] of this.#bytes.entries()) {
      const count = Math.floor(bytes.length / piece);
      if (count === 0) continue;
      const at = piece * this.#random.between(Math.floor(count / 2), count - 1);
      const data = this.#random.bytes(piece);
      transaction.write('c', `${index}`, at, data.slice());
      bytes.set(data, at);
    }
    store.commitSync(transaction);
  }

  /** Runs of each object. */
  get runs(): number[] {
    const collection = this.bed.store.collection('c');
    return this.#bytes.map((_, index) => collection.object(`${index}`).statSync().extents);
  }

  verify(t: ExecutionContext, collection = 'c', length?: number): void {
    for (const [index, bytes] of this.#bytes.entries()) {
      const object = this.bed.store.collection(collection).object(`${index}`);
      const wanted = bytes.subarray(0, length ?? bytes.length);
      t.is(Buffer.compare(object.readSync(), wanted), 0, `object ${index}`);
    }
  }
}

for (const piece of [4 * KiB, 16 * KiB, 12 * KiB - 100]) {
  for (const erases of [false, true]) {
    test(`appends of ${piece} bytes are gathered, erasing: ${erases}`, async (t) => {
      const growing = new Growing(t, { eraseFreed: erases });
      await growing.grow((512 * KiB) / piece, piece);
      const { runs, bed } = growing;
      t.log(runs);
      const { stripes } = bed.store.statfsSync();
      t.is(stripes?.partialWrites, 0);
      if (piece % KiB === 0) t.true((stripes?.moved ?? 0) > 256 * KiB * OBJECTS);
      growing.verify(t);
      // What is behind the last whole stripe lies about; an edge within a piece is not cut there.
      const most = piece % KiB === 0 ? 2 + GEOMETRY.width / piece : 512;
      t.true(runs.every((count) => count <= most));
      bed.reopen();
      growing.verify(t);
    });
  }
}

test('what is written over while it is read is not gathered as it was', async (t) => {
  const piece = 4 * KiB;
  const growing = new Growing(t);
  const { device, store } = growing.bed;
  const read = device.read.bind(device);
  let overwrites = 0;
  device.read = async (offset, target) => {
    await read(offset, target);
    if (++overwrites % 3 === 0) growing.overwrite(piece);
  };
  await growing.grow(64, piece);
  t.log(`${overwrites} reads`);
  t.true(overwrites > 30);
  t.true((store.statfsSync().stripes?.moved ?? 0) > 64 * KiB);
  growing.verify(t);
});

test('objects go on in their place after a close and a kill', async (t) => {
  const growing = new Growing(t);
  await growing.grow(40, 4 * KiB);
  growing.bed.reopen();
  await growing.grow(40, 4 * KiB);
  growing.bed.kill();
  await growing.grow(48, 4 * KiB);
  t.log(growing.runs);
  t.true(growing.runs.every((count) => count <= 40));
  growing.verify(t);
});

test('what is shared stays where it is, and stays shared', async (t) => {
  const growing = new Growing(t);
  await growing.grow(7, 4 * KiB);
  const { store } = growing.bed;
  await store.commit(store.transaction().cloneCollection('c', 'd'));
  store.checkpointSync();
  const { allocated } = store.statfsSync();
  await growing.grow(5, 4 * KiB);
  store.checkpointSync();
  t.true(store.statfsSync().allocated < allocated + OBJECTS * 24 * KiB + 256 * KiB);
  growing.verify(t);
  growing.verify(t, 'd', 28 * KiB);
});

/** One object after each transaction, and where the device's log was when that was durable. */
interface Moment {
  readonly point: number;
  readonly bytes: readonly Uint8Array[];
}

/** Grows, overwrites, clones and cuts objects, with the gatherer at work in between. */
async function history(bed: StoreBed, random: Prng): Promise<Moment[]> {
  const { store, device } = bed;
  const bytes: Uint8Array[] = Array.from({ length: 3 }, () => new Uint8Array(0));
  const moments: Moment[] = [];
  for (let i = 0; i < 240; i++) {
    const index = i % bytes.length;
    const old = bytes[index] as Uint8Array;
    const change = random.below(40);
    const transaction = store.transaction();
    if (change === 0) {
      bytes[index] = old.slice(0, random.below(old.length + 1));
      transaction.truncate('c', `${index}`, (bytes[index] as Uint8Array).length);
    } else {
      const data = random.bytes(KiB * (3 + random.below(6)));
      const offset = change < 4 ? random.below(old.length + 1) : old.length;
      transaction.write('c', `${index}`, offset, data.slice());
      const next = new Uint8Array(Math.max(old.length, offset + data.length));
      next.set(old);
      next.set(data, offset);
      bytes[index] = next;
    }
    if (change === 39) transaction.remove('c', 'clone').clone('c', `${index}`, 'clone');
    await store.commit(transaction);
    moments.push({ point: device.point, bytes: [...bytes] });
    await turn();
  }
  return moments;
}

test('stores that gather keep what was committed over crashes', async (t) => {
  t.log(`SEED=${SEED}`);
  const random = new Prng(SEED);
  const bed = storeBed(t, {
    geometry: GEOMETRY,
    dirtyBytes: 128 * KiB,
    size: 24 * MiB,
    history: true,
  });
  bed.commit((tx) => {
    tx.createCollection('c').touch('c', 'clone');
    for (let i = 0; i < 3; i++) tx.touch('c', `${i}`);
  });
  const begun = bed.device.point;
  const moments = await history(bed, random);
  const moved = bed.store.statfsSync().stripes?.moved ?? 0;
  t.log(`${moved} bytes were moved`);
  t.true(moved > 256 * KiB);
  const points = [...bed.device.crashPoints(begun)];
  for (let i = 0; i < CRASHES; i++) {
    const point = random.pick(points);
    const crashed = bed.device.randomCrash(random, point).device;
    const store = Store.openOnSync(crashed);
    const found = [0, 1, 2].map((index) => store.collection('c').object(`${index}`).readSync());
    store.closeSync();
    const durable = moments.filter((one) => one.point <= point).length;
    const states = moments.slice(Math.max(0, durable - 1), durable + 1);
    const isOne = states.some(({ bytes }) => bytes.every((one, at) => areSame(one, found[at])));
    const isEmpty = durable === 0 && found.every(({ length }) => length === 0);
    t.true(isOne || isEmpty, `crash at ${point}, behind transaction ${durable}`);
    t.deepEqual(faultsOf(crashed), [], `crash at ${point}`);
  }
});

function areSame(one: Uint8Array, other: Uint8Array | undefined): boolean {
  return other !== undefined && Buffer.compare(one, other) === 0;
}
