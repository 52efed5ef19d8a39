/** Transactions that are under way together get the room that one after the other would get. */

import test from 'ava';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { storeBed } from '../support/store-fixture.js';

const SEED = seedFromEnvironment();
const OBJECT_BYTES = 34 * 1024;
const OBJECT_ALLOCATED = 36 * 1024;
const IN_FLIGHT = 128;
const OVERWRITES = 500;

test('nine tenths of what was available can be overwritten, 128 in flight', async (t) => {
  t.log(`SEED=${SEED}`);
  const prng = new Prng(SEED);
  const bed = storeBed(t, {
    size: 48 * 2 ** 20,
    scheduler: prng.fork(), // data is under way for a while
    cacheBytes: 64e6, // a checkpoint comes only when room is wanted
  });
  const { store } = bed;
  store.commitSync(store.transaction().createCollection('c'));
  const objects = Math.floor((0.9 * store.statfsSync().available) / OBJECT_ALLOCATED);
  const write = (index: number, fill: number) =>
    store.transaction().write('c', `o ${index}`, 0, Buffer.alloc(OBJECT_BYTES, fill));
  for (let i = 0; i < objects; i++) store.commitSync(write(i, i));
  let left = OVERWRITES;
  const client = async (): Promise<void> => {
    while (left-- > 0) await store.commit(write(prng.below(objects), left));
  };
  await t.notThrowsAsync(Promise.all(Array.from({ length: IN_FLIGHT }, client)));
  t.is(store.collection('c').statSync().objects, objects);
});
