/** Full stores that keep their metadata twice: what holds of others holds of them. */

import test from 'ava';
import { hasCode } from '../../src/index.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { fill, fsckFindings, put, remove, removeAll, smallMemory, smallStore } from './fixture.js';

const KiB = 1024;
const SIZE = 12 * 1024 * KiB;
const SIZES = [100 * KiB, 20 * KiB];
/** Transactions of metadata that are tried, each larger than the one before. */
const ROUNDS = 14;

const DOUBLE = { metadataCopies: 2 } as const;

const seed = seedFromEnvironment();

for (const nodeSize of [4 * KiB, 32 * KiB]) {
  test(`a full store with nodes of ${nodeSize} bytes, twice, takes again what was deleted`, async (t) => {
    t.timeout(120_000);
    t.log('SEED', seed);
    const prng = new Prng(seed);
    const bed = smallStore(smallMemory(2 * SIZE), { ...DOUBLE, nodeSize });
    const { store } = bed;
    const names = fill(store, 'f', prng, SIZES);
    let refused = 0;
    for (let round = 0; round < 200; round++) {
      const index = prng.below(names.length);
      const name = names[index] as string;
      const { size } = store.collection('c').object(name).statSync();
      remove(store, name);
      names[index] = `r${round}`;
      for (let further = 0; !put(store, `r${round}`, prng.bytes(size)); further++) {
        refused++;
        t.true(further < 5, `no room for ${size} bytes in round ${round}`);
        const other = names.findIndex((one) => one !== `r${round}`);
        remove(store, names.splice(other, 1)[0] as string);
      }
      if (round % 10 === 0) store.checkpointSync();
    }
    t.log(`${names.length} objects, ${refused} further deletions`);
    store.checkpointSync();
    removeAll(store);
    store.closeSync();
    t.deepEqual(await fsckFindings(bed), []);
  });
}

test('metadata is accepted as far as there is room for it twice, and a checkpoint then always fits', async (t) => {
  t.timeout(120_000);
  t.log('SEED', seed);
  const prng = new Prng(seed);
  const bed = smallStore(smallMemory(SIZE), { ...DOUBLE, dirtyBytes: SIZE, cacheBytes: SIZE });
  const { store } = bed;
  const names = fill(store, 'f', prng, SIZES);
  for (const name of names.splice(0, names.length / 2)) remove(store, name);
  let refused = 0;
  // Rising slowly: what is just not refused is nearly all that there is room for.
  for (let round = 0; round < ROUNDS; round++) {
    const keys = Math.floor(9000 * 1.04 ** round);
    const pairs = Array.from(
      { length: keys },
      (_, i) => [`${round}/${i}`, 'v'.repeat(80)] as const,
    );
    try {
      store.commitSync(store.transaction().touch('c', 'map').mapSet('c', 'map', pairs));
    } catch (error) {
      t.true(hasCode(error, 'E_NO_SPACE'), String(error));
      refused++;
    }
    t.notThrows(() => store.checkpointSync());
    if (store.collection('c').object('map').existsSync()) remove(store, 'map');
  }
  t.log(`${refused} refused`);
  t.true(refused > 0 && refused < ROUNDS);
  store.closeSync();
  t.deepEqual(await fsckFindings(bed), []);
});

test('a full store with a clone of everything, twice, lets everything be deleted', async (t) => {
  t.timeout(120_000);
  t.log('SEED', seed);
  const prng = new Prng(seed);
  const bed = smallStore(smallMemory(SIZE), DOUBLE);
  const { store } = bed;
  for (const name of fill(store, 'f', prng, SIZES)) if (prng.chance(0.5)) remove(store, name);
  store.commitSync(store.transaction().cloneCollection('c', 'clone'));
  fill(store, 'g', prng, SIZES);
  for (const { name } of store.collection('c').listSync()) {
    try {
      store.commitSync(store.transaction().remove('c', name));
    } catch (error) {
      t.true(hasCode(error, 'E_NO_SPACE'), String(error)); // the delete floor is used up
      break;
    }
  }
  store.commitSync(store.transaction().dropCollection('clone'));
  removeAll(store);
  t.is(store.statfsSync().objects, 0);
  store.closeSync();
  t.deepEqual(await fsckFindings(bed), []);
});

test('reserved transactions succeed beside a clone of everything in a full store, twice', async (t) => {
  t.timeout(120_000);
  t.log('SEED', seed);
  const prng = new Prng(seed);
  const bed = smallStore(smallMemory(2 * SIZE), DOUBLE);
  const { store } = bed;
  const count = 10;
  const units = { bytes: 5000, operations: 3, keys: 5 };
  store.commitSync(store.transaction().createCollection('pg'));
  for (let i = 0; i < 20; i++) put(store, `o${i}`, prng.bytes(9000), 'pg');
  const all = {
    bytes: count * units.bytes,
    operations: count * units.operations,
    keys: count * units.keys,
  };
  for (let round = 0; round < 10; round++) {
    const reset = store.transaction();
    if (round > 0) reset.dropCollection('pg clone');
    reset.cloneCollection('pg', 'pg clone').reserve('pg', all, 'osd.1');
    store.commitSync(reset);
    const names = fill(store, `g${round}-`, prng, SIZES);
    for (let i = 0; i < count; i++) {
      const name = `o${prng.below(20)}`;
      const keys = [1, 2, 3, 4].map((key) => [`${name}/${key}`, 'v'.repeat(40)] as const);
      const transaction = store.transaction().redeem('pg', units);
      transaction.write('pg', name, 0, prng.bytes(4000)).mapSet('pg', name, keys);
      t.notThrows(() => store.commitSync(transaction), `round ${round}, number ${i}`);
    }
    store.commitSync(store.transaction().cancelReservation('pg'));
    for (const name of names.slice(0, 60)) remove(store, name);
  }
  store.closeSync();
  t.deepEqual(await fsckFindings(bed), []);
});
