import test, { type ExecutionContext } from 'ava';
import {
  compareGhobjects,
  formatGhobject,
  type Ghobject,
  ghobject,
  hasCode,
  isTemporaryCollection,
  mkfsSync,
  PgCollection,
  parseGhobject,
  Store,
} from '../../src/index.js';
import { fsckFileFault } from '../support/crash-fsck.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { temporaryPath } from '../support/temp-directory.js';

/** An open store that is closed and checked at the end. */
function newStore(t: ExecutionContext): Store {
  const path = temporaryPath(t);
  mkfsSync(path, { size: 256 * 1024 * 1024, journalBytes: 4 * 1024 * 1024 });
  const store = Store.openSync(path);
  t.teardown(() => {
    store.closeSync();
    const fault = fsckFileFault(path);
    if (fault !== undefined) throw new Error(fault);
  });
  return store;
}

/** Makes a PG with these objects, each with its own text as data. */
function fillPg(
  store: Store,
  name: string,
  bits: number,
  objects: readonly Ghobject[],
): PgCollection {
  const pg = new PgCollection(name);
  const transaction = store.transaction();
  pg.create(transaction, bits);
  for (const one of objects) {
    const { collection, object } = pg.place(one);
    transaction.write(collection, object, 0, formatGhobject(one));
  }
  store.commitSync(transaction);
  return pg;
}

function texts(objects: readonly Ghobject[]): string[] {
  return objects.map(formatGhobject);
}

/** Objects of pool 7, a fifth of them temporary, with hashes whose low `bits` are 0. */
function randomObjects(prng: Prng, count: number, bits = 0): Ghobject[] {
  return Array.from({ length: count }, (_, i) =>
    ghobject({
      pool: prng.chance(0.2) ? -9 : 7,
      hash: ((prng.chance(0.5) ? prng.below(8) : prng.u32()) << bits) >>> 0,
      name: `o${i}`,
    }),
  );
}

test('PgCollection lists in the order of Ceph, temporary objects first, page by page', async (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const store = newStore(t);
  const objects = randomObjects(prng, 300);
  const pg = fillPg(store, '7.0_head', 0, objects);
  const expected = texts([...objects].sort(compareGhobjects));
  t.deepEqual(texts(pg.listSync(store).objects), expected);
  for (const limit of [1, 7, 50, 299, 300, 301]) {
    const listed: string[] = [];
    let page = await pg.list(store, { limit });
    listed.push(...texts(page.objects));
    while (page.next !== undefined) {
      t.is(page.objects.length, limit);
      page = await pg.list(store, { limit, from: page.next });
      listed.push(...texts(page.objects));
    }
    t.deepEqual(listed, expected);
  }
});

test('PgCollection.list() stops before `to`, and says where to go on', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const store = newStore(t);
  const objects = randomObjects(prng, 40).sort(compareGhobjects);
  const pg = fillPg(store, '7.0_head', 0, objects);
  const expected = texts(objects);
  for (let i = 0; i < objects.length; i++) {
    for (let j = i + 1; j <= objects.length; j++) {
      const to = objects[j];
      const from = objects[i] as Ghobject;
      const next = to === undefined ? undefined : formatGhobject(to);
      for (const options of [
        { from, limit: j - i },
        { from, ...(to && { to }) },
      ]) {
        const page = pg.listSync(store, options);
        t.deepEqual(texts(page.objects), expected.slice(i, j));
        t.is(page.next && formatGhobject(page.next), next);
      }
    }
  }
});

test('PgCollection keeps objects of the last hash and of an empty name, in meta too', (t) => {
  const store = newStore(t);
  for (const [name, pool] of [
    ['meta', -1],
    ['1.0_head', 1],
  ] as const) {
    const objects = [
      ghobject({ pool, hash: 0, name: '' }),
      ghobject({ pool, hash: 0xffff_ffff, namespace: 'ns', name: '' }),
    ];
    const pg = fillPg(store, name, 0, objects);
    t.deepEqual(texts(pg.listSync(store).objects), texts(objects));
  }
});

test('a PG is one collection of Ceph and two of the store; meta is one', (t) => {
  const store = newStore(t);
  fillPg(store, '2.1s2_head', 3, []);
  fillPg(store, 'meta', 0, []);
  const names = store.listCollectionsSync().map((name) => Buffer.from(name).toString());
  t.deepEqual(names, ['2.1s2_TEMP', '2.1s2_head', 'meta']);
  t.deepEqual(
    names.filter((name) => !isTemporaryCollection(name)),
    ['2.1s2_head', 'meta'],
  );
});

test('PgCollection.split() and merge() move objects of both pools by their low hash bits', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const store = newStore(t);
  const bits = 3;
  const objects = randomObjects(prng, 400, bits);
  const pg = fillPg(store, '7.0_head', bits, objects);
  const child = new PgCollection('7.8_head');
  const split = store.transaction();
  child.create(split, bits + 1);
  pg.split(split, child, bits + 1, 8);
  store.commitSync(split);
  const sorted = [...objects].sort(compareGhobjects);
  const isMoved = ({ hash }: Ghobject): boolean => (hash & 15) === 8;
  t.deepEqual(texts(child.listSync(store).objects), texts(sorted.filter(isMoved)));
  t.deepEqual(texts(pg.listSync(store).objects), texts(sorted.filter((one) => !isMoved(one))));
  for (const name of ['7.0_head', '7.8_head', '7.8_TEMP']) {
    t.is(store.collection(name).statSync().bits, 4);
  }
  const merge = store.transaction();
  child.merge(merge, pg, bits);
  store.commitSync(merge);
  t.deepEqual(texts(pg.listSync(store).objects), texts(sorted));
  t.false(store.collection('7.8_head').existsSync());
  t.false(store.collection('7.8_TEMP').existsSync());
  for (const one of sorted) {
    t.is(Buffer.from(pg.object(store, one).readSync()).toString(), formatGhobject(one));
  }
});

test('PgCollection.split() writes no more for many objects than for few', (t) => {
  const written = [500, 20_000].map((count) => {
    const store = newStore(t);
    const objects = Array.from({ length: count }, (_, i) =>
      ghobject({ pool: 7, hash: Math.imul(i, 0x9e37_79b1) >>> 0, name: `object ${i}` }),
    );
    const pg = fillPg(store, '7.0_head', 0, objects);
    store.checkpointSync();
    const before = store.info().writtenBytes ?? 0;
    const child = new PgCollection('7.1_head');
    const split = store.transaction();
    child.create(split, 1);
    pg.split(split, child, 1, 1);
    store.commitSync(split);
    store.checkpointSync();
    t.true(child.listSync(store, { limit: 1 }).objects.length > 0);
    return (store.info().writtenBytes ?? 0) - before;
  });
  const [few = 0, many = 0] = written;
  t.true(few > 0);
  t.true(many < few + 256 * 1024, `${few} and ${many} bytes`);
});

test('PgCollection.rename() takes everything along, from a temporary object too', (t) => {
  const store = newStore(t);
  const temporary = parseGhobject('1#-4:10000000:::temp_recovering:head#');
  const object = parseGhobject('1#2:10000000:::recovered:head#');
  const pg = fillPg(store, '2.0s1_head', 0, [temporary]);
  const place = pg.place(temporary);
  const fill = store.transaction();
  fill.setAttribute(place.collection, place.object, '_', 'attribute');
  fill.mapSet(place.collection, place.object, [['key', 'value']]);
  fill.mapSetHeader(place.collection, place.object, 'header');
  store.commitSync(fill);
  const rename = store.transaction();
  pg.rename(rename, temporary, object);
  store.commitSync(rename);
  t.deepEqual(texts(pg.listSync(store).objects), texts([object]));
  const moved = pg.object(store, object);
  t.is(Buffer.from(moved.readSync()).toString(), formatGhobject(temporary));
  t.is(Buffer.from(moved.getAttributeSync('_') ?? []).toString(), 'attribute');
  t.is(Buffer.from(moved.mapGetSync('key') ?? []).toString(), 'value');
  t.is(Buffer.from(moved.mapHeaderSync() ?? []).toString(), 'header');
});

test('PgCollection.rename() goes to another PG, and tolerates a missing source', (t) => {
  const store = newStore(t);
  const object = parseGhobject('#2:10000000:::o:head#');
  const target = parseGhobject('#2:90000000:::p:head#');
  const [from, to] = [fillPg(store, '2.0_head', 1, [object]), fillPg(store, '2.1_head', 1, [])];
  for (let i = 0; i < 2; i++) {
    const rename = store.transaction();
    from.rename(rename, object, target, to);
    store.commitSync(rename); // the second time there is nothing to rename
    t.true(from.isEmptySync(store));
    t.deepEqual(texts(to.listSync(store).objects), texts([target]));
  }
  const back = store.transaction();
  const { collection, object: name } = from.place(object);
  back.touch(collection, name);
  from.rename(back, object, target, to);
  const error = t.throws(() => store.commitSync(back));
  t.true(hasCode(error, 'E_EXISTS'));
});

test('PgCollection.remove() refuses while there are objects, temporary ones too', (t) => {
  const store = newStore(t);
  const temporary = parseGhobject('#-4:10000000:::t:head#');
  const pg = fillPg(store, '2.0_head', 0, [temporary]);
  const refused = store.transaction();
  pg.remove(refused);
  t.true(
    hasCode(
      t.throws(() => store.commitSync(refused)),
      'E_NOT_EMPTY',
    ),
  );
  const { collection, object } = pg.place(temporary);
  const accepted = store.transaction().remove(collection, object);
  pg.remove(accepted);
  store.commitSync(accepted);
  t.deepEqual(store.listCollectionsSync(), []);
});

test('PgCollection.split() and merge() of a PG with meta are misuse', (t) => {
  const store = newStore(t);
  const [pg, meta] = [new PgCollection('2.0_head'), new PgCollection('meta')];
  t.throws(() => pg.split(store.transaction(), meta, 1, 1), { code: 'E_INVALID_ARGUMENT' });
  t.throws(() => meta.merge(store.transaction(), pg, 1), { code: 'E_INVALID_ARGUMENT' });
});
