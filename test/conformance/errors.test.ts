/**
 * Conformance: what operations answer on what is missing or there already. Where the field ends
 * the process we give a typed error, and nothing of the transaction has happened.
 */

import test from 'ava';
import type { ErrorCode } from '../../src/errors.js';
import type { Transaction } from '../../src/txn/transaction.js';
import { C, inCollection, object } from './fixture.js';

type Build = (b: Transaction) => Transaction;

/** Operations that make the object. */
const MAKING: Readonly<Record<string, Build>> = {
  create: (b) => b.create(C, 'o'),
  touch: (b) => b.touch(C, 'o'),
  write: (b) => b.write(C, 'o', 0, 'x'),
  zero: (b) => b.zero(C, 'o', 0, 1),
  'clone to it': (b) => b.clone(C, 'there', 'o'),
  'cloneRange to it': (b) => b.cloneRange(C, 'there', 'o', 0, 1, 0),
};

/** Operations that a missing object does not concern. */
const TOLERANT: Readonly<Record<string, Build>> = {
  truncate: (b) => b.truncate(C, 'o', 5),
  remove: (b) => b.remove(C, 'o'),
  removeAttributes: (b) => b.removeAttributes(C, 'o'),
  mapClear: (b) => b.mapClear(C, 'o'),
  setAllocationHint: (b) => b.setAllocationHint(C, 'o', 1, 1),
  tryRename: (b) => b.tryRename(C, 'o', 'p'),
};

/** Operations that need the object. */
const NEEDING: Readonly<Record<string, Build>> = {
  clone: (b) => b.clone(C, 'o', 'p'),
  cloneRange: (b) => b.cloneRange(C, 'o', 'p', 0, 0, 0),
  moveRename: (b) => b.moveRename(C, 'o', C, 'p'),
  setAttribute: (b) => b.setAttribute(C, 'o', 'a', 'v'),
  setAttributes: (b) => b.setAttributes(C, 'o', [['a', 'v']]),
  removeAttribute: (b) => b.removeAttribute(C, 'o', 'a'),
  mapSet: (b) => b.mapSet(C, 'o', [['k', 'v']]),
  'mapSet of no keys': (b) => b.mapSet(C, 'o', []),
  mapRemove: (b) => b.mapRemove(C, 'o', ['k']),
  mapRemoveRange: (b) => b.mapRemoveRange(C, 'o', 'a', 'b'),
  mapSetHeader: (b) => b.mapSetHeader(C, 'o', 'h'),
  formatMap: (b) => b.formatMap(C, 'o', {}),
};

for (const [name, build] of Object.entries(MAKING)) {
  test(`a missing object: ${name} makes it`, inCollection, (t, bed) => {
    bed.commit((b) => b.write(C, 'there', 0, 'data'));
    bed.commit(build);
    t.true(object(bed, 'o').existsSync());
  });
}

for (const [name, build] of Object.entries(TOLERANT)) {
  test(
    `a missing object: ${name} does nothing, the transaction goes on`,
    inCollection,
    (t, bed) => {
      bed.commit((b) => build(b).touch(C, 'behind it'));
      t.true(object(bed, 'behind it').existsSync());
      t.false(object(bed, 'o').existsSync());
      t.false(object(bed, 'p').existsSync());
    },
  );
}

for (const [name, build] of Object.entries(NEEDING)) {
  test(
    `a missing object: ${name} is E_NOT_FOUND, nothing has happened`,
    inCollection,
    async (t, bed) => {
      t.throws(() => bed.commit((b) => build(b.touch(C, 'before it'))), { code: 'E_NOT_FOUND' });
      const { applied, committed } = bed.store.submit(build(bed.store.transaction().touch(C, 'q')));
      await t.throwsAsync(applied, { code: 'E_NOT_FOUND' });
      await t.throwsAsync(committed, { code: 'E_NOT_FOUND' });
      t.true(bed.store.collection(C).isEmptySync());
      bed.kill();
      t.true(bed.store.collection(C).isEmptySync());
    },
  );
}

const ALL = { ...MAKING, ...TOLERANT, ...NEEDING };

test(
  'a missing collection is E_NOT_FOUND for every operation on an object',
  inCollection,
  (t, bed) => {
    bed.commit((b) => b.removeCollection(C));
    for (const [name, build] of Object.entries(ALL)) {
      t.throws(() => bed.commit(build), { code: 'E_NOT_FOUND' }, name);
    }
    bed.commit((b) => b.createCollection(C));
  },
);

test('what is missing inside an object that is there is no error', inCollection, (t, bed) => {
  bed.commit((b) => b.touch(C, 'o'));
  const { version } = object(bed, 'o').statSync();
  bed.commit((b) => {
    b.removeAttribute(C, 'o', 'none').mapRemove(C, 'o', ['none', 'nor this']);
    b.removeCollectionAttribute(C, 'none');
  });
  t.is(object(bed, 'o').statSync().version, version, 'and no change');
  bed.commit((b) => b.mapRemoveRange(C, 'o', 'a', 'b').removeAttributes(C, 'o').mapClear(C, 'o'));
  t.is(object(bed, 'o').statSync().version, version + 1);
});

test('what is there already', inCollection, (t, bed) => {
  bed.commit((b) => b.write(C, 'o', 0, 'old').write(C, 'p', 0, 'other').createCollection('d'));
  const refused: [build: Build, code: ErrorCode][] = [
    [(b) => b.create(C, 'o'), 'E_EXISTS'],
    [(b) => b.moveRename(C, 'o', C, 'p'), 'E_EXISTS'],
    [(b) => b.tryRename(C, 'o', 'p'), 'E_EXISTS'],
    [(b) => b.createCollection('d'), 'E_EXISTS'],
    [(b) => b.renameCollection(C, 'd'), 'E_EXISTS'],
    [(b) => b.cloneCollection(C, 'd'), 'E_EXISTS'],
    [(b) => b.removeCollection(C), 'E_NOT_EMPTY'],
    [(b) => b.remove(C, 'o').removeCollection(C), 'E_NOT_EMPTY'],
  ];
  for (const [build, code] of refused) t.throws(() => bed.commit(build), { code });
  bed.commit((b) => b.touch(C, 'o').clone(C, 'p', 'o'));
  t.is(Buffer.from(object(bed, 'o').readSync()).toString(), 'other', 'a clone takes the place');
  bed.commit((b) => b.clone(C, 'o', 'o').moveRename(C, 'o', C, 'o').tryRename(C, 'o', 'o'));
  t.is(Buffer.from(object(bed, 'o').readSync()).toString(), 'other', 'onto itself: nothing');
});

test('reads of a missing object are E_NOT_FOUND, by both forms', inCollection, async (t, bed) => {
  const none = object(bed, 'none');
  const gone = { code: 'E_NOT_FOUND' };
  t.false(none.existsSync());
  t.false(await none.exists());
  for (const read of [
    () => none.statSync(),
    () => none.readSync(),
    () => none.readSync(0, 0),
    () => none.readRangesSync([[0, 1]]),
    () => none.extentsSync(),
    () => none.getAttributeSync('a'),
    () => none.attributesSync(),
    () => none.mapGetSync('k'),
    () => none.mapEntriesSync(),
    () => none.mapHeaderSync(),
    () => none.mapCountSync(),
  ]) {
    t.throws(read, gone);
  }
  for (const read of [
    none.stat(),
    none.read(),
    none.readRanges([[0, 1]]),
    none.extents(),
    none.getAttribute('a'),
    none.attributes(),
    none.mapGet('k'),
    none.mapEntries(),
    none.mapHeader(),
    none.mapCount(),
  ]) {
    await t.throwsAsync(read, gone);
  }
});
