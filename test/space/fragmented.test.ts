/**
 * Free blocks that lie one here and one there are of no use for nodes of two: metadata must not
 * be accepted that no checkpoint could place.
 */

import test from 'ava';
import { hasCode } from '../../src/index.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { fsckFindings, put, remove, removeAll, smallStore } from './fixture.js';

/** Bytes of data that take one block. */
const ONE_BLOCK = 2000;

test('metadata is refused, not lost, where only single blocks are free', async (t) => {
  t.timeout(60_000);
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const bed = smallStore();
  const { store } = bed;
  const names: string[] = [];
  for (;;) {
    const name = `o${names.length}`;
    if (!put(store, name, prng.bytes(ONE_BLOCK))) break;
    names.push(name);
  }
  for (let i = 0; i < names.length; i += 2) remove(store, names[i] as string);

  const attribute = 'x'.repeat(900);
  const add = (i: number): void => {
    const transaction = store.transaction().touch('c', `m${i}`);
    store.commitSync(transaction.setAttribute('c', `m${i}`, 'a', attribute));
  };
  let added = 0;
  const error = t.throws(() => {
    for (;;) add(added++);
  });
  t.true(hasCode(error, 'E_NO_SPACE'), String(error));
  t.log(`${added} objects of metadata only, then: ${error?.message}`);

  // Data has its single blocks, deleting works, and what it gives back is used again.
  for (let i = 0; i < 50; i++) {
    remove(store, `m${i}`);
    t.true(put(store, `x${i}`, prng.bytes(ONE_BLOCK)));
  }
  store.checkpointSync();
  removeAll(store);
  store.closeSync();
  t.deepEqual(await fsckFindings(bed), []);
});

test('a transaction larger than a generation is refused as a whole', async (t) => {
  const bed = smallStore();
  const { store } = bed;
  const transaction = store.transaction();
  for (let i = 0; i < 20_000; i++) transaction.touch('c', `a name of some length ${i}`);
  for (let i = 0; i < 3000; i++)
    transaction.setAttribute('c', `a name of some length ${i}`, 'a', 'x'.repeat(900));
  const error = t.throws(() => store.commitSync(transaction));
  t.true(hasCode(error, 'E_NO_SPACE'), String(error));
  t.is(store.statfsSync().objects, 0);
  t.true(put(store, 'o', new Uint8Array(100_000)));
  store.closeSync();
  t.deepEqual(await fsckFindings(bed), []);
});
