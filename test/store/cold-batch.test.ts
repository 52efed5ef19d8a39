import test from 'ava';
import { Prng } from '../support/prng.js';
import { storeBed, TINY } from '../support/store-fixture.js';

const SEED = Number(process.env['SEED'] ?? 11);
const OBJECTS = 1500;
const KEYS = 2000;
const BATCH = 300;

function nameOf(index: number): string {
  return `object ${(index * 7919) % OBJECTS}`;
}

function keyOf(index: number): string {
  return `key ${(index * 7919) % KEYS}`;
}

test('large transactions whose nodes are not in memory do all they say, sizes and maps', async (t) => {
  t.log(`SEED=${SEED}`);
  const prng = new Prng(SEED);
  const bed = storeBed(t, { ...TINY, size: 128 * 1024 ** 2 });
  const values = new Map<string, string>();
  const entries = new Map<string, string>();
  const fill = bed.store.transaction().createCollection('c').touch('c', 'map');
  bed.store.commitSync(fill);

  const commitOne = async (count: number, pick: (limit: number, i: number) => number) => {
    const transaction = bed.store.transaction();
    const put: [string, string][] = [];
    const removed = new Set<string>();
    for (let i = 0; i < count; i++) {
      const name = nameOf(pick(OBJECTS, i));
      const text = `value ${prng.below(1e9)}`;
      if (prng.below(4) === 0) {
        transaction.remove('c', name);
        values.delete(name);
      } else {
        transaction.write('c', name, 0, text).truncate('c', name, text.length);
        values.set(name, text);
      }
      const key = keyOf(pick(KEYS, i));
      if (prng.below(3) === 0) removed.add(key);
      else put.push([key, text]);
    }
    for (const [key, text] of put) entries.set(key, text);
    for (const key of removed) entries.delete(key);
    await bed.store.commit(transaction.mapSet('c', 'map', put).mapRemove('c', 'map', [...removed]));
  };

  await commitOne(KEYS, (_, i) => i);
  for (let round = 0; round < 6; round++) {
    await bed.store.checkpoint();
    await commitOne(BATCH, (limit) => prng.below(limit));
  }
  const collection = bed.store.collection('c');
  for (let i = 0; i < OBJECTS; i++) {
    const found = collection.object(nameOf(i)).tryReadSync();
    t.is(found && Buffer.from(found).toString(), values.get(nameOf(i)));
  }
  const map = collection.object('map');
  for (let i = 0; i < KEYS; i++) {
    const found = map.mapGetSync(keyOf(i));
    t.is(found && Buffer.from(found).toString(), entries.get(keyOf(i)));
  }
});
