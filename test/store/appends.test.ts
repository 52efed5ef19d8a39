/** Objects that grow in turn: where their bytes lie, and that they are what was written. */

import { setImmediate as turn } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { hasCode } from '../../src/index.js';
import { PackedTransaction, packTransaction } from '../../src/txn/packed-transaction.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { type BedOptions, type StoreBed, storeBed } from '../support/store-fixture.js';

const KiB = 1024;
const MiB = 1024 * KiB;
const SEED = seedFromEnvironment();

/** The one that is looked at, and others. */
const OBJECTS = 25;

/** Those that come to the ends of spans. */
const FEW = 3;

/** Appends are in flight side by side, as they are when programs don't wait for each other. */
class Growth {
  readonly bed: StoreBed;
  readonly #seed: number;
  size = 0;

  constructor(t: ExecutionContext, options: BedOptions = {}) {
    t.log(`SEED=${SEED}`);
    this.bed = storeBed(t, { size: 192 * MiB, ...options });
    this.bed.commit((transaction) => transaction.createCollection('c'));
    this.#seed = SEED;
  }

  /** What [from, to) of object `index` holds, in words of which none is like another. */
  #bytes(index: number, from: number, to: number): Uint8Array {
    const words = new Uint32Array((to - from) / 4);
    for (let i = 0; i < words.length; i++) {
      words[i] = Math.imul(from / 4 + i + 1, 0x9e37_79b1) ^ (this.#seed + index);
    }
    return new Uint8Array(words.buffer);
  }

  async growTo(size: number, piece: number, round = OBJECTS): Promise<void> {
    for (; this.size < size; this.size += piece) {
      const under: Promise<unknown>[] = [];
      for (let i = 0; i < round; i++) {
        const data = this.#bytes(i, this.size, this.size + piece);
        const { store } = this.bed;
        under.push(store.commit(store.transaction().write('c', `o${i}`, this.size, data)));
      }
      await Promise.all(under);
    }
  }

  /** Lets housekeeping do what it has to do; `index` is appended to, so that it begins. */
  async rest(index: number): Promise<void> {
    const { store } = this.bed;
    await store.commit(store.transaction().setAttribute('c', `o${index}`, 'rests', 'yes'));
    for (let i = 0; i < 4000; i++) await turn();
  }

  verify(t: ExecutionContext, round = OBJECTS): void {
    const collection = this.bed.store.collection('c');
    for (let i = 0; i < round; i++) {
      const found = collection.object(`o${i}`).readSync(0, this.size);
      t.deepEqual(Buffer.compare(found, this.#bytes(i, 0, this.size)), 0, `object ${i}`);
    }
  }

  /** Most runs of any object. */
  get runs(): number {
    return Math.max(...this.#allRuns());
  }

  /** Most runs that the first `length` bytes of the first few objects lie in. */
  runsWithin(length: number): number {
    const collection = this.bed.store.collection('c');
    const counts = Array.from({ length: FEW }, (_, i) => {
      let end: number | undefined;
      let count = 0;
      for (const extent of collection.object(`o${i}`).extentsSync(0, length)) {
        if (!('deviceOffset' in extent)) continue;
        if (extent.deviceOffset !== end) count++;
        end = (extent.deviceOffset ?? 0) + extent.length;
      }
      return count;
    });
    return Math.max(...counts);
  }

  /** Where the entries of the first `round` objects lie, in bytes. */
  placesOf(round: number): (number | undefined)[][] {
    const collection = this.bed.store.collection('c');
    return Array.from({ length: round }, (_, i) =>
      collection
        .object(`o${i}`)
        .extentsSync()
        .map((extent) => ('deviceOffset' in extent ? extent.deviceOffset : undefined)),
    );
  }

  /** The median of them. */
  get usualRuns(): number {
    return this.#allRuns().sort((a, b) => a - b)[OBJECTS >> 1] ?? 0;
  }

  #allRuns(): number[] {
    const collection = this.bed.store.collection('c');
    return Array.from({ length: OBJECTS }, (_, i) => collection.object(`o${i}`).statSync().extents);
  }

  /** Entries of the object that has most. */
  get entries(): number {
    const collection = this.bed.store.collection('c');
    const counts = Array.from(
      { length: OBJECTS },
      (_, i) => collection.object(`o${i}`).extentsSync().length,
    );
    return Math.max(...counts);
  }
}

for (const [name, piece] of [
  ['by way of the journal', 4 * KiB],
  ['written ahead', 64 * KiB],
] as const) {
  test(`appends ${name}: a run for each 4 MiB, and one`, async (t) => {
    const growth = new Growth(t);
    await growth.growTo(2 * MiB, piece);
    t.true(growth.runs <= 2, `${growth.runs} runs`);
    growth.verify(t);
  });

  test(`appends ${name} go on in their places after a close and after a kill`, async (t) => {
    const growth = new Growth(t);
    await growth.growTo(512 * KiB, piece);
    growth.bed.reopen();
    await growth.growTo(768 * KiB, piece);
    growth.bed.kill();
    await growth.growTo(MiB, piece);
    // What an open and a close put down knows of no window: it may stand in somebody's way.
    t.true(growth.usualRuns <= 2, `${growth.usualRuns} runs`);
    t.true(growth.runs <= 4, `${growth.runs} runs`);
    growth.verify(t);
  });

  test(`appends ${name} in a file that grows: runs become longer as objects do`, async (t) => {
    const growth = new Growth(t, { initialSize: 32 * MiB });
    await growth.growTo(MiB, piece);
    // One more than windows that double make: nobody waits for one while the file is growing.
    t.true(growth.runs <= 8, `${growth.runs} runs`);
    growth.verify(t);
  });
}

test('appends by way of the journal and ahead of it, mixed: one place for both', async (t) => {
  const growth = new Growth(t);
  for (let size = 0; size < MiB; size += 128 * KiB) {
    await growth.growTo(size + 64 * KiB, 4 * KiB);
    await growth.growTo(size + 128 * KiB, 64 * KiB);
  }
  t.true(growth.runs <= 3, `${growth.runs} runs`);
  growth.verify(t);
});

test('whole stripes that are appended: a run for each 4 MiB, and one; small things are packed', async (t) => {
  const growth = new Growth(t, { geometry: { unit: 16 * KiB, width: 64 * KiB } });
  await growth.growTo(2 * MiB, 128 * KiB);
  t.true(growth.runs <= 2, `${growth.runs} runs`);
  growth.bed.reopen();
  await growth.growTo(3 * MiB, 128 * KiB);
  t.true(growth.runs <= 2, `${growth.runs} runs`);
  const { stripes } = growth.bed.store.statfsSync();
  t.is(stripes?.partialWrites, 0);
  growth.verify(t);
});

for (const [name, options] of [
  ['on a device', {}],
  ['in a file that grows', { initialSize: 32 * MiB }],
  ['with stripes', { geometry: { unit: 16 * KiB, width: 64 * KiB } }],
  [
    'with stripes, in a file that grows',
    { initialSize: 32 * MiB, geometry: { unit: 16 * KiB, width: 64 * KiB } },
  ],
] as const) {
  for (const piece of [16 * KiB, 96 * KiB]) {
    test(`objects that grew by ${piece} bytes ${name}: a run for each 4 MiB`, async (t) => {
      const growth = new Growth(t, options);
      const whole = 4 * MiB - ((4 * MiB) % piece) + piece;
      await growth.growTo(whole, piece, FEW);
      await growth.rest(0);
      // With stripes what fills none waits for the next span; in a file that grows a short run may
      // be left in front of a long one.
      const waiting = name === 'on a device' ? 0 : 1;
      const first = growth.runsWithin(4 * MiB);
      t.true(first <= 1 + waiting, `${first} runs`);
      growth.verify(t, FEW);
      growth.bed.reopen();
      await growth.growTo(8 * MiB, piece, FEW);
      await growth.rest(0);
      const both = growth.runsWithin(8 * MiB);
      t.true(both <= 2 + waiting, `${both} runs`);
      t.is(growth.bed.store.statfsSync().stripes?.partialWrites ?? 0, 0);
      growth.verify(t, FEW);
      growth.bed.reopen();
      growth.verify(t, FEW);
    });
  }
}

test('what an object had before it grew is moved in front of the rest, and nothing else', async (t) => {
  const growth = new Growth(t, {});
  await growth.growTo(4 * MiB, 64 * KiB, FEW);
  const places = growth.placesOf(FEW);
  await growth.rest(0);
  for (const [index, [first, second, ...more]] of growth.placesOf(FEW).entries()) {
    const [, before, ...rest] = places[index] ?? [];
    t.is(first, (second ?? 0) - 64 * KiB);
    t.deepEqual([second, ...more], [before, ...rest]);
  }
  growth.verify(t, FEW);
});

test('runs that continue each other are one entry, as far as its checksums go', async (t) => {
  const growth = new Growth(t);
  await growth.growTo(2 * MiB, 64 * KiB);
  // One with chunks of 4 KiB, one of 16 KiB and one of 64 KiB; the first piece lies elsewhere.
  t.true(growth.entries <= 4, `${growth.entries} entries`);
  growth.verify(t);
});

test('a clone keeps what it shares with an object that is appended to', async (t) => {
  const growth = new Growth(t, { size: 64 * MiB });
  await growth.growTo(128 * KiB, 16 * KiB);
  const { bed } = growth;
  bed.commit((transaction) => transaction.clone('c', 'o0', 'copy'));
  const before = bed.store
    .collection('c')
    .object('copy')
    .readSync(0, 128 * KiB);
  await growth.growTo(256 * KiB, 16 * KiB);
  growth.verify(t);
  bed.commit((transaction) => transaction.remove('c', 'o0'));
  bed.store.checkpointSync();
  t.deepEqual(
    bed.store
      .collection('c')
      .object('copy')
      .readSync(0, 128 * KiB),
    before,
  );
  bed.commit((transaction) => transaction.remove('c', 'copy'));
});

test('objects that are cut and grow again are what was written', (t) => {
  const random = new Prng(SEED);
  t.log(`SEED=${SEED}`);
  const bed = storeBed(t, { dirtyBytes: 256 * KiB });
  bed.commit((transaction) => transaction.createCollection('c'));
  const models = Array.from({ length: 6 }, (): Buffer => Buffer.alloc(0));
  for (let i = 0; i < 400; i++) {
    const index = random.below(models.length);
    const model = models[index] as Buffer;
    const name = `o${index}`;
    if (random.chance(0.15)) {
      const size = random.below(model.length + 1);
      bed.commit((transaction) => transaction.truncate('c', name, size));
      models[index] = model.subarray(0, size);
    } else {
      const offset = random.chance(0.1) ? random.below(model.length + 1) : model.length;
      const unit = random.pick([1000, 4096, 16_384, 65_536]);
      const data = random.bytes(unit * random.between(1, 3));
      bed.commit((transaction) => transaction.write('c', name, offset, data));
      const end = model.subarray(Math.min(model.length, offset + data.length));
      models[index] = Buffer.concat([model.subarray(0, offset), data, end]);
    }
    if (random.chance(0.05)) bed.reopen();
    if (random.chance(0.05)) bed.kill();
  }
  for (const [index, model] of models.entries()) {
    if (model.length === 0) continue;
    const found = bed.store
      .collection('c')
      .object(`o${index}`)
      .readSync(0, model.length + 1);
    t.is(Buffer.compare(found, model), 0, `object ${index}`);
  }
});

test('a store takes appends until nothing is left, and then says so', (t) => {
  const bed = storeBed(t, { size: 24 * MiB, journalBytes: MiB });
  bed.commit((transaction) => transaction.createCollection('c'));
  const { available } = bed.store.statfsSync();
  let written = 0;
  try {
    for (let size = 0; ; size += 32 * KiB) {
      for (let i = 0; i < 8; i++) {
        const data = new Uint8Array(32 * KiB).fill(i + 1);
        bed.commit((transaction) => transaction.write('c', `o${i}`, size, data));
        written += data.length;
      }
    }
  } catch (error) {
    if (!hasCode(error, 'E_NO_SPACE')) throw error;
  }
  t.true(written > 0.9 * available, `${written} of ${available} bytes`);
});

test('a packed transaction says what it appends to', async (t) => {
  const bed = storeBed(t);
  bed.commit((transaction) => transaction.createCollection('c'));
  const piece = new Uint8Array(64 * KiB).fill(3);
  for (let i = 0; i < 8; i++) {
    for (const name of ['one', 'other']) {
      const built = bed.store
        .transaction()
        .write('c', name, i * piece.length, piece)
        .seal();
      const packed = packTransaction(built, (length) => new Uint8Array(length));
      await bed.store.commit(new PackedTransaction(packed));
    }
  }
  t.is(bed.store.collection('c').object('other').statSync().extents, 2);
});
