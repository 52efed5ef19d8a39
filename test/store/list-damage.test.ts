/** Listings that meet damage: they end at it, or go on behind it and tell. */

import test from 'ava';
import { hasCode, mkfsOn, Store, type StoreError, type Transaction } from '../../src/index.js';
import { SimulatedDevice } from '../support/simulated-device.js';

const KiB = 1024;
const COUNT = 400;

/** More records than a leaf of these has. */
const LEAF_MAX = 60;

function nameOf(index: number): string {
  return `o${String(index).padStart(5, '0')}`;
}

/** A store of small nodes in which every one with these names is damaged. */
function damagedStore(fill: (transaction: Transaction) => void, ...named: number[]): Store {
  const device = new SimulatedDevice({ size: 2048 * KiB });
  mkfsOn(device, { blockSize: KiB, nodeSize: KiB, journalBytes: 256 * KiB });
  const store = Store.openOnSync(device);
  const transaction = store.transaction();
  fill(transaction);
  store.commitSync(transaction);
  store.closeSync();
  const bytes = Buffer.from(device.bytes());
  const damaged = new SimulatedDevice({ image: device.image() });
  for (const needle of named.map(nameOf)) {
    for (let at = bytes.indexOf(needle); at >= 0; at = bytes.indexOf(needle, at + 1)) {
      damaged.corrupt(at);
    }
  }
  return Store.openOnSync(damaged, { readOnly: true });
}

function objects(order: 'name' | 'hash'): (transaction: Transaction) => void {
  return (transaction) => {
    transaction.createCollection('c', { order });
    for (let i = 0; i < COUNT; i++) transaction.touch('c', nameOf(i));
  };
}

for (const order of ['name', 'hash'] as const) {
  test(`list() of a ${order}-ordered collection goes on behind damage`, async (t) => {
    const store = damagedStore(objects(order), 0, 205, COUNT - 1);
    const collection = store.collection('c');
    t.throws(() => collection.listSync(), { code: 'E_CORRUPT' });
    await t.throwsAsync(collection.list(), { code: 'E_CORRUPT' });
    const whole = damagedStore(objects(order)).collection('c').listSync();
    for (const limit of [1, 7, 1000]) {
      const met: StoreError[] = [];
      const onDamage = (error: StoreError): number => met.push(error);
      const listed: string[] = [];
      let page = collection.listSync({ limit, onDamage });
      for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
        listed.push(...page.map(({ name }) => Buffer.from(name).toString()));
        if (page.length < limit) break;
        const { name, hash } = last;
        const after = hash === undefined ? name : { name, hash };
        page = collection.listSync({ limit, onDamage, after });
      }
      t.true(met.every((error) => hasCode(error, 'E_CORRUPT')));
      t.true(met.length > 0 && met.length <= 3, `${met.length} leaves`);
      t.true(listed.length >= COUNT - met.length * LEAF_MAX && listed.length < COUNT);
      const expected = whole.map(({ name }) => Buffer.from(name).toString());
      t.deepEqual(
        listed,
        expected.filter((name) => listed.includes(name)),
        'the order stays',
      );
      t.is(new Set(listed).size, listed.length, 'nothing comes twice');
      for (const index of [0, 205, COUNT - 1]) t.false(listed.includes(nameOf(index)));
    }
    const met: StoreError[] = [];
    const onDamage = (error: StoreError): number => met.push(error);
    const off = await collection.list({ limit: Number.POSITIVE_INFINITY, onDamage });
    t.is(off.length, collection.listSync({ onDamage: () => undefined }).length);
    t.true(met.length > 0 && met.length <= 3, 'each is told once, whatever was read off-thread');
    await store.close();
  });
}

test('listCollections() goes on behind damage', async (t) => {
  const fill = (transaction: Transaction): void => {
    for (let i = 0; i < COUNT; i++) transaction.createCollection(nameOf(i));
  };
  const store = damagedStore(fill, 205);
  t.throws(() => store.listCollectionsSync(), { code: 'E_CORRUPT' });
  const met: StoreError[] = [];
  const onDamage = (error: StoreError): number => met.push(error);
  const names = (await store.listCollections({ onDamage })).map((name) => `${Buffer.from(name)}`);
  t.is(met.length, 1);
  t.true(names.length < COUNT && names.length > COUNT - LEAF_MAX, `${names.length} names`);
  t.is(names.at(-1), nameOf(COUNT - 1));
  await store.close();
});
