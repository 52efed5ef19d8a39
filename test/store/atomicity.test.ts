/**
 * Transactions happen all or not at all; each operation's answer to missing and existing things;
 * guards.
 */

import test from 'ava';
import type { ErrorCode } from '../../src/errors.js';
import { StoreError } from '../../src/errors.js';
import { Transaction } from '../../src/txn/transaction.js';
import { type StoreBed, storeBed } from '../support/store-fixture.js';

type Build = (transaction: Transaction) => unknown;

const UNITS = { bytes: 4096, operations: 1, keys: 1 };

/** Every operation that changes an object `o` of `c`, on what `fill` has made. */
const CHANGES: readonly Build[] = [
  (t) => t.create('c', 'new'),
  (t) => t.touch('c', 'o'),
  (t) => t.write('c', 'o', 3, 'changed'),
  (t) => t.write('c', 'o', 0, Buffer.alloc(10_000, 7)),
  (t) => t.write('c', 'o', 0, Buffer.alloc(100_000, 8)),
  (t) => t.zero('c', 'o', 0, 5),
  (t) => t.truncate('c', 'o', 2),
  (t) => t.remove('c', 'p'),
  (t) => t.setAttribute('c', 'o', 'a', 'other'),
  (t) => t.removeAttribute('c', 'o', 'b'),
  (t) => t.removeAttributes('c', 'q'),
  (t) => t.clone('c', 'o', 'copy'),
  (t) => t.cloneRange('c', 'o', 'q', 0, 2, 7),
  (t) => t.moveRename('c', 'q', 'd', 'moved'),
  (t) => t.tryRename('c', 'o', 'renamed'),
  (t) => t.mapSet('c', 'renamed', [['k', 'other']]),
  (t) => t.mapRemove('c', 'renamed', ['l']),
  (t) => t.mapRemoveRange('c', 'renamed', 'm'),
  (t) => t.mapSetHeader('c', 'renamed', 'head'),
  (t) => t.mapClear('c', 'renamed'),
  (t) => t.formatMap('c', 'renamed', { comparator: 'reverse' }),
  (t) => t.setAllocationHint('c', 'renamed', 1, 1),
  (t) => t.reserve('r', UNITS),
  (t) => t.redeem('r', { bytes: 1, operations: 0, keys: 0 }),
  (t) => t.cancelReservation('r'),
  (t) => t.setCollectionAttribute('c', 'x', 'y'),
  (t) => t.removeCollectionAttribute('c', 'kept'),
  (t) => t.cloneCollection('c', 'e'),
  (t) => t.renameCollection('e', 'f'),
  (t) => t.dropCollection('f'),
  (t) => t.createCollection('h', { order: 'hash', bits: 0 }),
  (t) => t.createCollection('i', { order: 'hash', bits: 0 }),
  (t) => t.touch('h', 'one').touch('h', 'two'),
  (t) => t.splitCollection('h', 'i', 1, 1),
  (t) => t.mergeCollection('i', 'h', 0),
  (t) => t.createCollection('g', { order: 'hash' }).setCollectionBits('g', 3),
];

function fill(bed: StoreBed): void {
  bed.commit((t) => {
    t.createCollection('c').createCollection('d');
    t.setCollectionAttribute('c', 'kept', 'value');
    for (const name of ['o', 'p', 'q']) {
      t.write('c', name, 0, `bytes of ${name}`);
      t.setAttributes('c', name, [
        ['a', '1'],
        ['b', Buffer.alloc(5000, 2)],
      ]);
      t.mapSet('c', name, [
        ['k', 'v'],
        ['l', 'w'],
        ['m', Buffer.alloc(50_000, 1)],
      ]);
    }
  });
}

/** Everything that can be read, as one value. */
function contents({ store }: StoreBed): unknown {
  const { objects, stored, reserved } = store.statfsSync();
  const collections = store.listCollectionsSync().map((name) => {
    const collection = store.collection(name);
    const listed = collection.listSync().map((one) => {
      const object = collection.object(
        one.hash === undefined ? one.name : { name: one.name, hash: one.hash },
      );
      const { id, version, size } = object.statSync();
      return [
        Buffer.from(one.name).toString(),
        { id, version, size },
        object.readSync(),
        object.attributesSync(),
        object.mapEntriesSync(),
        object.mapHeaderSync(),
      ];
    });
    return [name, collection.statSync(), collection.attributeNamesSync(), listed];
  });
  return { objects, stored, reserved, collections, reservations: store.reservationsSync() };
}

test('a transaction that fails at any position leaves nothing of it', (t) => {
  const bed = storeBed(t);
  fill(bed);
  const before = contents(bed);
  for (let position = 0; position <= CHANGES.length; position++) {
    t.throws(
      () =>
        bed.commit((transaction) => {
          for (const change of CHANGES.slice(0, position)) change(transaction);
          transaction.mustExist('c', 'nobody');
          for (const change of CHANGES.slice(position)) change(transaction);
        }),
      { code: 'E_GUARD' },
    );
    t.deepEqual(contents(bed), before);
  }
  bed.reopen();
  t.deepEqual(contents(bed), before);
  bed.commit((transaction) => {
    for (const change of CHANGES) change(transaction);
  });
  const after = contents(bed);
  t.notDeepEqual(after, before);
  bed.kill();
  t.deepEqual(contents(bed), after);
});

test('a refused transaction leaves nothing in its asynchronous form either', async (t) => {
  const bed = storeBed(t);
  fill(bed);
  const before = contents(bed);
  const transaction = new Transaction().write('c', 'o', 0, Buffer.alloc(200_000, 1));
  const { applied, committed } = bed.store.submit(transaction.create('c', 'o'));
  await t.throwsAsync(applied, { code: 'E_EXISTS' });
  await t.throwsAsync(committed, { code: 'E_EXISTS' });
  t.deepEqual(contents(bed), before);
});

/** What each operation answers when the object is missing; none: it is fine. */
const ON_MISSING_OBJECT: readonly [title: string, code: ErrorCode | undefined, build: Build][] = [
  ['create', undefined, (t) => t.create('c', 'x')],
  ['touch', undefined, (t) => t.touch('c', 'x')],
  ['write', undefined, (t) => t.write('c', 'x', 0, 'a')],
  ['zero', undefined, (t) => t.zero('c', 'x', 0, 1)],
  ['truncate', undefined, (t) => t.truncate('c', 'x', 1)],
  ['remove', undefined, (t) => t.remove('c', 'x')],
  ['setAttribute', 'E_NOT_FOUND', (t) => t.setAttribute('c', 'x', 'a', 'b')],
  ['removeAttribute', 'E_NOT_FOUND', (t) => t.removeAttribute('c', 'x', 'a')],
  ['removeAttributes', undefined, (t) => t.removeAttributes('c', 'x')],
  ['clone', 'E_NOT_FOUND', (t) => t.clone('c', 'x', 'o')],
  ['cloneRange', 'E_NOT_FOUND', (t) => t.cloneRange('c', 'x', 'o', 0, 0, 0)],
  ['moveRename', 'E_NOT_FOUND', (t) => t.moveRename('c', 'x', 'c', 'y')],
  ['tryRename', undefined, (t) => t.tryRename('c', 'x', 'o')],
  ['setAllocationHint', undefined, (t) => t.setAllocationHint('c', 'x', 1, 1)],
  ['formatMap', 'E_NOT_FOUND', (t) => t.formatMap('c', 'x', {})],
  ['mapSet', 'E_NOT_FOUND', (t) => t.mapSet('c', 'x', [])],
  ['mapRemove', 'E_NOT_FOUND', (t) => t.mapRemove('c', 'x', [])],
  ['mapRemoveRange', 'E_NOT_FOUND', (t) => t.mapRemoveRange('c', 'x', '')],
  ['mapClear', undefined, (t) => t.mapClear('c', 'x')],
  ['mapSetHeader', 'E_NOT_FOUND', (t) => t.mapSetHeader('c', 'x', 'h')],
  ['ifVersion', 'E_GUARD', (t) => t.ifVersion('c', 'x', 0)],
  ['mustExist', 'E_GUARD', (t) => t.mustExist('c', 'x')],
  ['mustNotExist', undefined, (t) => t.mustNotExist('c', 'x')],
];

test('each operation answers to a missing object as it says', (t) => {
  for (const [title, code, build] of ON_MISSING_OBJECT) {
    const bed = storeBed(t);
    fill(bed);
    t.is(codeOf(bed, build), code, title);
    const made = ['create', 'touch', 'write', 'zero'].includes(title);
    t.is(bed.store.collection('c').object('x').existsSync(), made, title);
    t.is(Buffer.from(bed.store.collection('c').object('o').readSync()).toString(), 'bytes of o');
  }
});

test('every operation on a missing collection is E_NOT_FOUND', (t) => {
  const bed = storeBed(t);
  const onCollections: Build[] = [
    (b) => b.removeCollection('c'),
    (b) => b.dropCollection('c'),
    (b) => b.renameCollection('c', 'd'),
    (b) => b.cloneCollection('c', 'd'),
    (b) => b.setCollectionAttribute('c', 'a', 'b'),
    (b) => b.removeCollectionAttribute('c', 'a'),
    (b) => b.setCollectionBits('c', 1),
    (b) => b.splitCollection('c', 'd', 1, 0),
    (b) => b.mergeCollection('c', 'd', 1),
    (b) => b.collectionHint('c'),
    (b) => b.cancelReservation('r'),
    (b) => b.redeem('r', UNITS),
  ];
  for (const build of [...ON_MISSING_OBJECT.map(([, , one]) => one), ...onCollections]) {
    t.is(codeOf(bed, build), 'E_NOT_FOUND', String(build));
  }
  t.deepEqual(bed.store.listCollectionsSync(), []);
  t.throws(() => bed.store.collection('c').listSync(), { code: 'E_NOT_FOUND' });
  t.throws(() => bed.store.collection('c').object('x').readSync(), { code: 'E_NOT_FOUND' });
  t.false(bed.store.collection('c').existsSync());
});

const REFUSED: readonly [code: ErrorCode, build: Build][] = [
  ['E_EXISTS', (t) => t.create('c', 'o')],
  ['E_EXISTS', (t) => t.touch('c', 'x').create('c', 'x')],
  ['E_EXISTS', (t) => t.moveRename('c', 'o', 'c', 'p')],
  ['E_EXISTS', (t) => t.tryRename('c', 'o', 'p')],
  ['E_EXISTS', (t) => t.createCollection('c')],
  ['E_EXISTS', (t) => t.cloneCollection('c', 'd')],
  ['E_EXISTS', (t) => t.renameCollection('c', 'd')],
  ['E_EXISTS', (t) => t.renameCollection('c', 'c')],
  ['E_NOT_EMPTY', (t) => t.removeCollection('c')],
  ['E_NOT_EMPTY', (t) => t.touch('d', 'x').removeCollection('d')],
  ['E_NOT_EMPTY', (t) => t.formatMap('c', 'o', { comparator: 'u64' })],
  ['E_INVALID', (t) => t.splitCollection('c', 'd', 1, 0)],
  ['E_INVALID', (t) => t.mergeCollection('c', 'c', 0)],
  ['E_INVALID', (t) => t.mergeCollection('d', 'd', 0)],
  ['E_INVALID', (t) => t.touch('d', 'n').touch('d', 'oo').mergeCollection('d', 'c', 0)],
  ['E_INVALID', (t) => t.cloneRange('c', 'o', 'p', 5, 100, 0)],
  ['E_INVALID', (t) => t.reserve('r', UNITS).redeem('r', { ...UNITS, keys: 2 })],
  ['E_COMPARATOR', (t) => t.formatMap('c', 'o', { comparator: 'nobody' })],
  ['E_COMPARATOR', (t) => t.formatMap('c', 'o', { comparator: 'u64', comparatorVersion: 2 })],
  ['E_GUARD', (t) => t.mustNotExist('c', 'o')],
  ['E_GUARD', (t) => t.ifVersion('c', 'o', 7)],
];

test('what can not be done is refused with its code', (t) => {
  const bed = storeBed(t);
  fill(bed);
  const before = contents(bed);
  for (const [code, build] of REFUSED) t.is(codeOf(bed, build), code, String(build));
  t.deepEqual(contents(bed), before);
});

test('operations find what earlier ones of the same transaction did', (t) => {
  const bed = storeBed(t);
  fill(bed);
  bed.commit((b) => {
    b.mustExist('c', 'o').remove('c', 'o').mustNotExist('c', 'o').create('c', 'o');
    b.write('c', 'o', 0, 'new').cloneCollection('c', 'e').write('e', 'o', 3, 'er');
    b.dropCollection('d').createCollection('d').moveRename('c', 'p', 'd', 'p');
    b.renameCollection('d', 'g').mustExist('g', 'p');
  });
  const read = (collection: string, object: string): string =>
    Buffer.from(bed.store.collection(collection).object(object).readSync()).toString();
  t.is(read('c', 'o'), 'new');
  t.is(read('e', 'o'), 'newer');
  t.is(read('g', 'p'), 'bytes of p');
  t.is(read('e', 'p'), 'bytes of p');
});

test('versions count the transactions that changed an object', (t) => {
  const bed = storeBed(t);
  fill(bed);
  const object = bed.store.collection('c').object('o');
  t.is(object.statSync().version, 1);
  const { id } = object.statSync();
  bed.commit((b) =>
    b.write('c', 'o', 0, 'a').setAttribute('c', 'o', 'a', 'b').ifVersion('c', 'o', 1),
  );
  t.is(object.statSync().version, 2);
  bed.commit((b) =>
    b.mustExist('c', 'o').removeAttribute('c', 'o', 'none').mapRemove('c', 'o', ['z']),
  );
  t.is(object.statSync().version, 2);
  bed.commit((b) => b.moveRename('c', 'o', 'd', 'o'));
  t.is(bed.store.collection('d').object('o').statSync().id, id);
  bed.commit((b) => b.remove('d', 'o').create('d', 'o'));
  t.not(bed.store.collection('d').object('o').statSync().id, id);
  t.is(bed.store.collection('d').object('o').statSync().version, 1);
});

test('a transaction is submitted once', (t) => {
  const { store } = storeBed(t);
  const transaction = store.transaction().createCollection('c');
  store.commitSync(transaction);
  t.throws(() => store.commitSync(transaction), { code: 'E_INVALID_ARGUMENT' });
  t.throws(() => store.submit(transaction), { code: 'E_INVALID_ARGUMENT' });
  t.throws(() => transaction.createCollection('d'), { code: 'E_INVALID_ARGUMENT' });
});

test('a builder whose operation throws is as it was', (t) => {
  const bed = storeBed(t);
  bed.commit((b) => {
    b.createCollection('c').write('c', 'o', 0, 'good');
    t.throws(() => b.setAttribute('c', 'o', 'a', Buffer.alloc(64 * 1024 * 1024 + 1)), {
      code: 'E_TOO_BIG',
    });
    t.throws(
      () =>
        b.mapSet('c', 'o', [
          ['k', 'v'],
          ['x'.repeat(5000), 'v'],
        ]),
      {
        code: 'E_TOO_BIG',
      },
    );
    t.throws(() => b.write('c', 'o', -1, 'x'), { code: 'E_INVALID_ARGUMENT' });
    t.throws(() => b.zero('c', 'o', 0, -1), { code: 'E_INVALID_ARGUMENT' });
    t.throws(() => b.truncate('c', 'o', 0.5), { code: 'E_INVALID_ARGUMENT' });
    t.throws(() => b.splitCollection('c', 'd', 1, 2), { code: 'E_INVALID_ARGUMENT' });
    t.is(b.operationCount, 2);
  });
  t.is(Buffer.from(bed.store.collection('c').object('o').readSync()).toString(), 'good');
  t.deepEqual(bed.store.collection('c').object('o').attributesSync(), []);
});

test('transactions of one collection apply in the order of submission', async (t) => {
  const bed = storeBed(t);
  const { store } = bed;
  bed.commit((b) => b.createCollection('c').createCollection('d'));
  const submit = (build: Build) => {
    const transaction = new Transaction();
    build(transaction);
    return store.submit(transaction);
  };
  const order: string[] = [];
  const large = submit((b) => b.write('c', 'o', 0, Buffer.alloc(300_000, 1)));
  const small = submit((b) => b.write('c', 'o', 0, 'second'));
  const other = submit((b) => b.write('d', 'o', 0, 'elsewhere'));
  for (const [name, one] of Object.entries({ large, small, other })) {
    void one.applied.then(() => order.push(name));
  }
  await Promise.all([large.committed, small.committed, other.committed]);
  t.true(order.indexOf('large') < order.indexOf('small'));
  const bytes = store.collection('c').object('o').readSync(0, 6);
  t.is(Buffer.from(bytes).toString(), 'second');
});

function codeOf(bed: StoreBed, build: Build): ErrorCode | undefined {
  try {
    bed.commit(build);
    return undefined;
  } catch (error) {
    if (error instanceof StoreError) return error.code;
    throw error;
  }
}
