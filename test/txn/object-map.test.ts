/** The map of open objects, against one of the language's own. */

import test from 'ava';
import { ObjectMap } from '../../src/txn/object-map.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';

/** So many that some share a hash of 31 bits: the chance that none do is one in a million. */
const KEYS = 250_000;

function keyOf(i: number): Uint8Array {
  return Buffer.from(`object.${i.toString(36)}`);
}

test('what was set is found, also where hashes are alike, until it is deleted', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const map = new ObjectMap<number>();
  const first = prng.below(1_000_000);
  for (let i = 0; i < KEYS; i++) map.set(i % 3, keyOf(first + i), i);
  t.is(map.size, KEYS);
  let wrong = 0;
  for (let i = 0; i < KEYS; i++) {
    if (map.get(i % 3, keyOf(first + i)) !== i) wrong++;
    if (i % 2 === 0) map.delete(i % 3, keyOf(first + i));
  }
  t.is(wrong, 0);
  t.is(map.size, KEYS / 2);
  for (let i = 0; i < KEYS; i++) {
    if (map.get(i % 3, keyOf(first + i)) !== (i % 2 === 0 ? undefined : i)) wrong++;
  }
  t.is(wrong, 0);
});

test('the same key in another collection is another one', (t) => {
  const map = new ObjectMap<string>();
  const key = Buffer.from('one');
  map.set(1, key, 'a');
  map.set(2, key, 'b');
  map.set(1, Buffer.from('one'), 'c');
  t.is(map.get(1, key), 'c');
  t.is(map.get(2, key), 'b');
  map.delete(3, key);
  t.is(map.size, 2);
  map.clear();
  t.is(map.get(1, key), undefined);
  t.is(map.size, 0);
});
