/** Conformance, 3: listing, paging and the order of objects. */

import test from 'ava';
import type { ObjectName } from '../../src/txn/transaction.js';
import {
  C,
  checkListing,
  equalTexts,
  filled,
  listAll,
  listedText,
  listPages,
  nameOf,
  scaled,
  scenario,
} from './fixture.js';
import { compareIds, fullName, hashedName, type ObjectId } from './object-id.js';

/** Identity of an object that is named with a hash, as `listedText` gives it. */
function textOfName(name: ObjectName): string {
  if (typeof name === 'string' || name instanceof Uint8Array) throw new TypeError('no hash');
  return `${name.hash}:${Buffer.from(name.name).toString('latin1')}`;
}

test('Sort', scenario, async (t, bed) => {
  const ids: ObjectId[] = [
    { name: 'a', hash: 0, pool: 1 },
    { name: 'b', hash: 0, pool: 1 },
    { name: 'a', hash: 0, pool: 2 },
    { name: 'b', hash: 0, pool: 2 },
    { name: 'a', hash: 0, pool: 3 },
    { name: 'a', hash: 0, pool: -3 },
    { name: 'a', hash: 0x8000_0000, pool: 1 },
    { name: 'a', hash: 1, pool: 1 },
    { name: 'a', hash: 0, pool: 1, shard: 0 },
    { name: 'z', hash: 0, pool: 1, namespace: 'n' },
    { name: 'z', hash: 0, pool: 1, key: 'a' },
    { name: 'a', hash: 0, pool: 1, snap: 4 },
    { name: 'a', hash: 0, pool: 1, generation: 4 },
    { name: Uint8Array.of(0x61, 0), hash: 0, pool: 1 },
  ];
  const sorted = [...ids].sort(compareIds).map(fullName);
  bed.commit((b) => {
    b.createCollection(C);
    for (const id of ids) b.touch(C, fullName(id));
  });
  const listed = (await listPages(t, bed.store.collection(C), 3)).flat();
  t.deepEqual(
    listed.map(({ name }) => Buffer.from(name).toString('hex')),
    sorted.map((name) => Buffer.from(name).toString('hex')),
  );
});

test('SimpleListTest', scenario, async (t, bed) => {
  const names = Array.from({ length: 200 }, (_, i) =>
    hashedName({ name: `object_${i}`, hash: (i * 0x9e37_79b1) >>> 0, shard: 1 }),
  );
  bed.commit((b) => {
    b.createCollection(C, { order: 'hash' });
    for (const name of names) b.touch(C, name);
  });
  const pages = await listPages(t, bed.store.collection(C), 50);
  t.deepEqual(
    pages.map((page) => page.length),
    [50, 50, 50, 50],
  );
  await checkListing(t, bed.store.collection(C), names.map(textOfName), 50);
});

test('ListEndTest', scenario, async (t, bed) => {
  for (const order of ['name', 'hash'] as const) {
    bed.commit((b) => {
      b.createCollection(order, { order });
      for (let i = 0; i < 200; i++) b.touch(order, `object_${i}`);
    });
    const collection = bed.store.collection(order);
    const all = listAll(collection).map(listedText);
    const listed = collection.listSync({ to: 'object_100', limit: 500 });
    t.false(listed.some(({ name }) => Buffer.from(name).toString() === 'object_100'));
    t.deepEqual(listed.map(listedText), all.slice(0, listed.length));
    t.deepEqual((await collection.list({ from: 'object_100', limit: 1 })).map(listedText), [
      all[listed.length],
    ]);
    t.deepEqual(collection.listSync({ from: 'object_100', to: 'object_100' }), []);
  }
});

for (const [title, collection, pool] of [
  ['List_0xfffffff_Hash_Test_in_meta', 'meta', -1],
  ['List_0xfffffff_Hash_Test_in_PG', '1.0', 1],
] as const) {
  test(title, scenario, async (t, bed) => {
    const id = hashedName({ name: 'obj', hash: 0xffff_ffff, pool, namespace: 'nspace' });
    bed.commit((b) => b.createCollection(collection, { order: 'hash' }).touch(collection, id));
    await checkListing(t, bed.store.collection(collection), [textOfName(id)], 50);
    t.is(
      bed.store.collection(collection).listSync({ from: { name: '', hash: 0xffff_ffff } }).length,
      1,
    );
  });
}

test('MultipoolListTest', scenario, async (t, bed) => {
  const pool = 4373;
  const ids = Array.from({ length: 200 }, (_, i) => ({
    name: `object_${i}`,
    hash: (i * 0x85eb_ca6b) >>> 0,
    pool: i % 2 === 0 ? pool : -2 - pool,
  }));
  const names = ids.map(hashedName);
  bed.commit((b) => {
    b.createCollection('4373.0', { order: 'hash' });
    for (const name of names) b.touch('4373.0', name);
  });
  await checkListing(t, bed.store.collection('4373.0'), names.map(textOfName), 50);
});

test('ManyObjectTest', scenario, async (t, bed) => {
  const names = Array.from({ length: 2000 }, (_, i) => `${i}${'a'.repeat(500)}`);
  bed.commit((b) => b.createCollection(C));
  for (const name of names) bed.commit((b) => b.touch(C, name));
  const collection = bed.store.collection(C);
  for (const name of names) t.is(collection.object(name).statSync().size, 0);
  await checkListing(
    t,
    collection,
    names.map((name) => `:${name}`),
    50,
  );
  t.deepEqual(collection.listSync({ from: filled(255, 4096) }), [], 'behind all names');
  for (const name of names) bed.commit((b) => b.remove(C, name));
  t.true(collection.isEmptySync());
});

test('HashCollisionTest', scenario, async (t, bed) => {
  const perNamespace = scaled(1000, 300);
  const names: ObjectName[] = [];
  bed.commit((b) => b.createCollection('11.0', { order: 'hash' }));
  for (let n = 0; n < 10; n++) {
    bed.commit((b) => {
      for (let i = 0; i < perNamespace; i++) {
        const name = `${i}${'a'.repeat(500)}`;
        names.push(hashedName({ name, hash: 0, pool: 11, namespace: `n${n}` }));
        b.touch('11.0', names.at(-1) as ObjectName);
      }
    });
  }
  await checkListing(t, bed.store.collection('11.0'), names.map(textOfName), 60);
  for (const name of names) bed.commit((b) => b.remove('11.0', name));
  t.true(bed.store.collection('11.0').isEmptySync());
});

test('HashCollisionSorting', scenario, (t, bed) => {
  const groups: [hash: number, names: number[][]][] = [
    [
      121664318,
      [
        [18, 137, 135, 145],
        [19, 127, 135, 32],
        [19, 138, 15, 19],
        [28, 27, 140, 143],
        [28, 27, 141, 132],
      ],
    ],
    [
      121666222,
      [
        [18, 137, 135, 155],
        [127, 0, 1, 1],
        [128, 0, 1, 1],
        [255, 255, 255],
        [255, 255, 255, 0],
      ],
    ],
  ];
  const ids = groups.flatMap(([hash, names]) =>
    names.map((bytes) => ({ name: Uint8Array.from(bytes), hash })),
  );
  bed.commit((b) => {
    b.createCollection('c', { order: 'hash' });
    for (const id of [...ids].reverse()) b.touch('c', hashedName(id));
  });
  const sorted = [...ids].sort(compareIds).map(hashedName);
  const collection = bed.store.collection('c');
  const texts = sorted.map(textOfName);
  t.deepEqual(listAll(collection).map(listedText), texts);
  for (let i = 0; i < sorted.length; i++) {
    for (let j = i + 1; j <= sorted.length; j++) {
      const from = sorted[i] as ObjectName;
      const part = collection.listSync({ from, limit: j - i });
      t.deepEqual(part.map(listedText), texts.slice(i, j), 'as many as asked for');
      const next = collection.listSync({ after: sorted[j - 1] as ObjectName, limit: 1 });
      t.deepEqual(next.map(listedText), texts.slice(j, j + 1), 'the next one');
      const to = sorted[j];
      const range = to === undefined ? { from } : { from, to };
      t.deepEqual(collection.listSync(range).map(listedText), texts.slice(i, j), 'up to the end');
    }
  }
});

test('ScrubTest', scenario, async (t, bed) => {
  const ids: ObjectId[] = Array.from({ length: 1000 }, (_, i) => ({
    name: `object_${i}`,
    hash: i,
    shard: 1,
  }));
  for (const generation of [-1, 1, 2]) ids.push({ name: 'same', hash: 1, shard: 1, generation });
  const names = ids.map(hashedName);
  bed.commit((b) => {
    b.createCollection('c', { order: 'hash' });
    for (const name of names) b.touch('c', name);
  });
  const collection = bed.store.collection('c');
  await checkListing(t, collection, names.map(textOfName), 60);
  const seen = new Set<string>();
  let from: ObjectName = { name: '', hash: 0 };
  for (;;) {
    const page = collection.listSync({ from, limit: 60 });
    for (const one of page) seen.add(listedText(one));
    const last = page.at(-1);
    if (last === undefined || page.length < 60) break;
    // The boundary of an object: the same name before all its snapshots and generations.
    from = { name: last.name.subarray(0, last.name.length - 16), hash: last.hash ?? 0 };
    if (listedText(page[0] ?? last) === listedText(last)) from = nameOf(last);
  }
  t.true(equalTexts([...seen].sort(), names.map(textOfName).sort()));
});
