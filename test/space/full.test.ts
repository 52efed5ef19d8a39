/** A full store: E_NO_SPACE is an answer, deleting works, and what was deleted comes back. */

import test from 'ava';
import { hasCode, type Store } from '../../src/index.js';
import { roundsOn, testOnMedia } from '../support/media-test.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { fill, fsckFindings, put, remove, removeAll, SMALL_SIZE, smallStore } from './fixture.js';

const KiB = 1024;
const ROUNDS = 1000;

/** Snapshots, one after the other, during the rounds. */
const CYCLES = 20;

const SIZES = [100 * KiB, 20 * KiB];

const seed = seedFromEnvironment();

/** Further deletions that must be enough for a node more than before. */
const FURTHER_MAX = 5;

/**
 * Deletes objects and writes as much again in a full store. Where a leaf splits, or what was free
 * is in more pieces, a node more is needed: then a few further deletions must be enough.
 *
 * @returns in how many rounds that was so
 */
function rounds(store: Store, names: string[], count: number, prng: Prng, prefix = 'r'): number {
  let refused = 0;
  for (let round = 0; round < count; round++) {
    const index = prng.below(names.length);
    const name = names[index] as string;
    const { size } = store.collection('c').object(name).statSync();
    remove(store, name);
    const again = `${prefix}${round}`;
    names[index] = again;
    for (let further = 0; !put(store, again, prng.bytes(size)); further++) {
      if (further === 0) refused++;
      if (further === FURTHER_MAX) throw new Error(`no room for ${size} bytes in round ${round}`);
      remove(store, names.splice(names.indexOf(again) === 0 ? 1 : 0, 1)[0] as string);
    }
  }
  return refused;
}

testOnMedia(
  'a full store takes again what was deleted, again and again',
  { size: SMALL_SIZE },
  async (t, medium) => {
    t.timeout(120_000);
    t.log('SEED', seed);
    const prng = new Prng(seed);
    const bed = smallStore(medium);
    const { store } = bed;
    const names = fill(store, 'f', prng, SIZES);
    t.log(`${names.length} objects, ${JSON.stringify(store.statfsSync())}`);
    const count = roundsOn(medium, ROUNDS);
    const refused = rounds(store, names, count, prng);
    t.log(`${refused} of ${count} rounds needed a further deletion`);
    t.true(refused <= Math.ceil(count / 50));
    removeAll(store);
    t.is(store.statfsSync().objects, 0);
    store.closeSync();
    t.deepEqual(await fsckFindings(bed), []);
  },
);

testOnMedia(
  'a full store with a clone of everything lets everything be deleted',
  { size: SMALL_SIZE },
  async (t, medium) => {
    t.timeout(120_000);
    t.log('SEED', seed);
    const prng = new Prng(seed);
    const bed = smallStore(medium);
    const { store } = bed;
    const half = fill(store, 'f', prng, SIZES);
    for (const name of half.splice(0, half.length >> 1)) remove(store, name);
    store.commitSync(store.transaction().cloneCollection('c', 'clone'));
    const names = [...half, ...fill(store, 'g', prng, SIZES)];
    const count = roundsOn(medium, ROUNDS);
    let refused = 0;
    for (let round = 0; round < count && names.length > 3; round++) {
      const index = prng.below(names.length);
      const name = names[index] as string;
      try {
        remove(store, name); // gives nothing back where the clone has it too
      } catch (error) {
        t.true(hasCode(error, 'E_NO_SPACE'), String(error)); // the delete floor is used up
        refused++;
        store.commitSync(store.transaction().dropCollection('clone'));
        store.commitSync(store.transaction().cloneCollection('c', 'clone'));
        continue;
      }
      const again = `r${round}`;
      if (put(store, again, prng.bytes(5000))) names[index] = again;
      else names.splice(index, 1);
    }
    t.log(`${refused} deletions refused for lack of floor`);
    store.commitSync(store.transaction().dropCollection('clone'));
    removeAll(store);
    t.is(store.statfsSync().objects, 0);
    store.closeSync();
    t.deepEqual(await fsckFindings(bed), []);
  },
);

testOnMedia(
  'a snapshot in a full store stays or expires, and the work goes on',
  { size: SMALL_SIZE },
  async (t, medium) => {
    t.timeout(120_000);
    t.log('SEED', seed);
    const prng = new Prng(seed);
    const bed = smallStore(medium);
    const { store } = bed;
    const names = fill(store, 'f', prng, SIZES);
    let expired = 0;
    const cycles = roundsOn(medium, CYCLES);
    for (let cycle = 0; cycle < cycles; cycle++) {
      const snapshot = store.snapshot();
      const name = names[0] as string;
      const before = store.collection('c').object(name).readSync();
      rounds(store, names, ROUNDS / CYCLES, prng, `r${cycle}-`);
      try {
        t.deepEqual(snapshot.collection('c').object(name).readSync(), before);
      } catch (error) {
        t.true(hasCode(error, 'E_SNAPSHOT_EXPIRED'), String(error));
        expired++;
      }
      snapshot.close();
      names.push(...fill(store, `c${cycle}-`, prng, SIZES));
    }
    t.log(`${expired} of ${cycles} snapshots expired`);
    removeAll(store);
    store.closeSync();
    t.deepEqual(await fsckFindings(bed), []);
  },
);

test('nothing leaks: an emptied store allocates what a new one does', (t) => {
  const prng = new Prng(seed);
  const { store } = smallStore();
  put(store, 'first', prng.bytes(50 * KiB)); // a group that was never used has no bitmap
  remove(store, 'first');
  for (let i = 0; i < 4; i++) store.checkpointSync();
  const empty = store.statfsSync();
  fill(store, 'f', prng, [50 * KiB]);
  removeAll(store);
  for (let i = 0; i < 4; i++) store.checkpointSync();
  const again = store.statfsSync();
  t.is(again.allocated, empty.allocated);
  t.is(again.available, empty.available);
  t.is(again.stored, 0);
  store.closeSync();
});

test('a refused transaction leaves nothing of itself', async (t) => {
  const prng = new Prng(seed);
  const bed = smallStore();
  const { store } = bed;
  fill(store, 'f', prng, [50 * KiB]);
  const before = store.statfsSync();
  const transaction = store.transaction().touch('c', 'x').write('c', 'y', 0, prng.bytes(300_000));
  const error = t.throws(() => store.commitSync(transaction));
  t.true(hasCode(error, 'E_NO_SPACE'));
  t.false(store.collection('c').object('x').existsSync());
  t.is(store.statfsSync().objects, before.objects);
  store.closeSync();
  t.deepEqual(await fsckFindings(bed), []);
});
