/** Listings that meet damage: they end at it, or go on behind it and tell. */

import test from 'ava';
import {
  CorruptError,
  hasCode,
  type MapEntry,
  mkfsOn,
  Store,
  type StoreError,
  type Transaction,
} from '../../src/index.js';
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

function names(entries: readonly MapEntry[]): string[] {
  return entries.map(([name]) => Buffer.from(name).toString());
}

/** Checks what is left of COUNT entries behind damage: whole, in order, and nothing twice. */
function isMostOf(listed: readonly string[], met: number): boolean {
  const rising = listed.every((name, index) => index === 0 || name > (listed[index - 1] ?? ''));
  return rising && listed.length < COUNT && listed.length >= COUNT - met * LEAF_MAX;
}

function mapOf(transaction: Transaction): void {
  transaction.createCollection('c').touch('c', 'o');
  for (let i = 0; i < COUNT; i++) transaction.mapSet('c', 'o', [[nameOf(i), 'value']]);
}

test('mapEntries() goes on behind damage, in both directions and page by page', async (t) => {
  const store = damagedStore(mapOf, 0, 205, COUNT - 1);
  const object = store.collection('c').object('o');
  t.throws(() => object.mapEntriesSync({ limit: COUNT }), { code: 'E_CORRUPT' });
  await t.throwsAsync(object.mapEntries({ limit: COUNT }), { code: 'E_CORRUPT' });
  for (const limit of [1, 7, Number.POSITIVE_INFINITY]) {
    const met: StoreError[] = [];
    const onDamage = (error: StoreError): number => met.push(error);
    const forward: string[] = [];
    let page = object.mapEntriesSync({ limit, onDamage });
    for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
      forward.push(...names(page));
      if (page.length < limit) break;
      page = object.mapEntriesSync({ limit, onDamage, after: last[0] });
    }
    t.is(met.length, 3);
    t.true(isMostOf(forward, met.length));
    const backward: string[] = [];
    page = await object.mapEntries({ limit, onDamage, reverse: true });
    for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
      backward.push(...names(page));
      if (page.length < limit) break;
      page = await object.mapEntries({ limit, onDamage, reverse: true, to: last[0] });
    }
    t.deepEqual(backward.toReversed(), forward);
    t.is(met.length, 6, 'each is told once in each direction');
  }
  await store.close();
});

test('attributes() of an object and of a collection go on behind damage', async (t) => {
  const store = damagedStore((transaction) => {
    transaction.createCollection('c').touch('c', 'o');
    for (let i = 0; i < COUNT; i++) {
      transaction.setAttribute('c', 'o', nameOf(i), 'value');
      transaction.setCollectionAttribute('c', nameOf(i), 'value');
    }
  }, 205);
  const collection = store.collection('c');
  for (const owner of [collection, collection.object('o')]) {
    t.throws(() => owner.attributesSync(), { code: 'E_CORRUPT' });
    await t.throwsAsync(owner.attributes(), { code: 'E_CORRUPT' });
    const met: StoreError[] = [];
    const onDamage = (error: StoreError): number => met.push(error);
    const listed = owner.attributesSync({ onDamage });
    t.is(met.length, 1);
    t.true(isMostOf(names(listed), 1));
    t.is(names(listed).at(-1), nameOf(COUNT - 1));
    t.deepEqual(await owner.attributes({ onDamage }), listed);
    t.is(met.length, 2);
  }
  await store.close();
});

test('a value that cannot be read leaves its place in the page to another', async (t) => {
  const large = (index: number): Buffer => Buffer.from(nameOf(index).repeat(700));
  const store = damagedStore(
    (transaction) => {
      transaction.createCollection('c').touch('c', 'o');
      for (let i = 0; i < 20; i++) transaction.mapSet('c', 'o', [[`k${i + 10}`, large(i)]]);
    },
    3,
    4,
  );
  const object = store.collection('c').object('o');
  const met: StoreError[] = [];
  const onDamage = (error: StoreError): number => met.push(error);
  const page = object.mapEntriesSync({ limit: 6, onDamage });
  t.deepEqual(names(page), ['k10', 'k11', 'k12', 'k15', 'k16', 'k17']);
  t.is(met.length, 2);
  for (const [index, error] of met.entries()) {
    t.true(error instanceof CorruptError && error.offset > 0);
    const key = new Uint8Array(Buffer.from(`k${13 + index}`));
    if (error instanceof CorruptError)
      t.like(error.place, { tree: 'map', keys: { from: key, to: key } });
    t.regex(error.message, /\(tree map, key "k1[34]", object "o", collection "c"\)/);
  }
  t.deepEqual(await object.mapEntries({ limit: 6, onDamage }), page);
  t.deepEqual(names(object.mapEntriesSync({ onDamage, reverse: true })).length, 18);
  await store.close();
});

test('E_CORRUPT names device offset, tree, range of keys, collection and object', async (t) => {
  const store = damagedStore(mapOf, 0, 205, COUNT - 1);
  const object = store.collection('c').object('o');
  const cases = [
    { key: nameOf(0), hasFrom: false, hasTo: true },
    { key: nameOf(205), hasFrom: true, hasTo: true },
    { key: nameOf(COUNT - 1), hasFrom: true, hasTo: false },
  ];
  for (const { key, hasFrom, hasTo } of cases) {
    for (const error of [
      t.throws(() => object.mapGetSync(key), { instanceOf: CorruptError }),
      await t.throwsAsync(object.mapGet(key), { instanceOf: CorruptError }),
      t.throws(() => object.mapEntriesSync({ from: key }), { instanceOf: CorruptError }),
    ]) {
      t.true(error.offset > 0 && error.offset % KiB === 0);
      const { tree, keys, collection, object: name } = error.place;
      t.is(tree, 'map');
      t.deepEqual([Buffer.from(collection ?? ''), Buffer.from(name ?? '')].map(String), ['c', 'o']);
      t.deepEqual([keys?.from !== undefined, keys?.to !== undefined], [hasFrom, hasTo]);
      if (keys?.from !== undefined) t.true(Buffer.compare(keys.from, Buffer.from(key)) <= 0);
      if (keys?.to !== undefined) t.true(Buffer.compare(keys.to, Buffer.from(key)) > 0);
      t.regex(
        error.message,
        /at device offset \d+.* \(tree map, keys .*, object "o", collection "c"\)$/,
      );
    }
  }
  const intact = nameOf(100);
  t.deepEqual(object.mapGetSync(intact), new Uint8Array(Buffer.from('value')));
  await store.close();
});
