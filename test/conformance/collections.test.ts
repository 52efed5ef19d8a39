/** Conformance, 2: collections. */

import test, { type ExecutionContext } from 'ava';
import type { Transaction } from '../../src/txn/transaction.js';
import type { StoreBed } from '../support/store-fixture.js';
import {
  C,
  equalTexts,
  listAll,
  listedText,
  remount,
  removeEverything,
  scenario,
} from './fixture.js';

test('SimpleMetaColTest', scenario, (t, bed) => {
  for (let round = 0; round < 2; round++) {
    bed.commit((b) => b.createCollection(C));
    t.true(bed.store.collection(C).existsSync());
    bed.commit((b) => b.removeCollection(C));
    t.false(bed.store.collection(C).existsSync());
  }
});

test('SimplePGColTest', scenario, (t, bed) => {
  for (let round = 0; round < 2; round++) {
    bed.commit((b) => b.createCollection('2.1', { order: 'hash', bits: 4 }));
    const { order, bits } = bed.store.collection('2.1').statSync();
    t.deepEqual({ order, bits }, { order: 'hash', bits: 4 });
    bed.commit((b) => b.removeCollection('2.1'));
  }
});

test('SimpleColPreHashTest', scenario, (t, bed) => {
  bed.commit((b) =>
    b.createCollection('15.17', { order: 'hash', bits: 5 }).collectionHint('15.17'),
  );
  t.is(bed.store.collection('15.17').statSync().bits, 5);
  bed.commit((b) => b.removeCollection('15.17'));
});

test('collection_empty', scenario, async (t, bed) => {
  bed.commit((b) => b.createCollection(C));
  t.true(bed.store.collection(C).isEmptySync());
  bed.commit((b) => b.touch(C, 'a'));
  t.false(await bed.store.collection(C).isEmpty());
});

test('open_collection of one that does not exist', scenario, async (t, bed) => {
  const none = bed.store.collection('none');
  t.false(none.existsSync());
  t.false(await none.exists());
  t.throws(() => none.listSync(), { code: 'E_NOT_FOUND' });
  t.throws(() => none.isEmptySync(), { code: 'E_NOT_FOUND' });
  await t.throwsAsync(none.object('a').read(), { code: 'E_NOT_FOUND' });
});

interface SplitShape {
  readonly count: number;
  readonly bits: number;
  readonly clones: boolean;
}

/** Makes the objects of a split test: twice `count`, half of them clones if asked for. */
function fillForSplit(bed: StoreBed, { count, bits, clones }: SplitShape): void {
  const rounds = clones ? count : 2 * count;
  let b = bed.store.transaction();
  for (let i = 0; i < rounds; i++) {
    const hash = (i << bits) >>> 0;
    b.write('52.0', { name: `obj${i}`, hash }, 0, 'small');
    if (clones) b.clone('52.0', { name: `obj${i}`, hash }, { name: `obj${i}-clone`, hash });
    if (i % 100 !== 99) continue;
    bed.store.commitSync(b);
    b = bed.store.transaction();
  }
  bed.store.commitSync(b);
}

function countOfBit(bed: StoreBed, collection: string, bits: number, bit: 0 | 1): number {
  const listed = listAll(bed.store.collection(collection));
  return listed.filter(({ hash = 0 }) => ((hash >>> bits) & 1) === bit).length;
}

function splitAndMerge(t: ExecutionContext, bed: StoreBed, shape: SplitShape): void {
  const { count, bits, clones } = shape;
  const child = `52.${2 ** bits}`;
  bed.commit((b) => b.createCollection('52.0', { order: 'hash', bits }));
  fillForSplit(bed, shape);
  const total = 2 * count;
  const ones = clones ? 2 * Math.floor(count / 2) : count;
  bed.commit((b) =>
    b
      .createCollection(child, { order: 'hash', bits: bits + 1 })
      .splitCollection('52.0', child, bits + 1, 2 ** bits),
  );
  for (const again of [false, true]) {
    if (again) remount(bed);
    t.is(bed.store.collection('52.0').statSync().objects, total - ones);
    t.is(countOfBit(bed, '52.0', bits, 0), total - ones);
    t.is(bed.store.collection(child).statSync().objects, ones);
    t.is(countOfBit(bed, child, bits, 1), ones);
    t.is(bed.store.collection(child).statSync().bits, bits + 1);
  }
  bed.commit((b) => b.mergeCollection(child, '52.0', bits));
  t.is(listAll(bed.store.collection('52.0')).length, total);
  t.false(bed.store.collection(child).existsSync());
  t.is(bed.store.collection('52.0').statSync().bits, bits);
  const { size } = bed.store
    .collection('52.0')
    .object({ name: 'obj1', hash: 2 ** bits })
    .statSync();
  t.is(size, 5);
}

for (const [name, shape] of Object.entries({
  ColSplitTest0: { count: 10, bits: 5, clones: false },
  ColSplitTest1: { count: 10_000, bits: 11, clones: false },
  ColSplitTest1Clones: { count: 10_000, bits: 11, clones: true },
  ColSplitTest2: { count: 100, bits: 7, clones: false },
  ColSplitTest2Clones: { count: 100, bits: 7, clones: true },
})) {
  test(name, scenario, (t, bed) => splitAndMerge(t, bed, shape));
}

test('MergeSkewed', scenario, (t, bed) => {
  const long = 'a'.repeat(200);
  const make = (collection: string, count: number, seed: number): string[] => {
    const made: string[] = [];
    bed.commit((b) => {
      b.createCollection(collection, { order: 'hash', bits: 5 });
      for (let i = 0; i < count; i++) {
        const hash = ((i << 5) | seed) >>> 0;
        b.touch(collection, { name: `${long}${i}`, hash });
        made.push(`${hash}:${long}${i}`);
      }
    });
    return made;
  };
  const expected = [...make('7.f', 1000, 0xf), ...make('7.1f', 10, 0x1f)].sort();
  bed.commit((b) => b.mergeCollection('7.1f', '7.f', 4));
  remount(bed);
  const listed = listAll(bed.store.collection('7.f'));
  t.true(equalTexts(listed.map(listedText).sort(), expected), 'exactly the union');
  for (const { name, hash = 0 } of listed) {
    t.is(bed.store.collection('7.f').object({ name, hash }).statSync().size, 0);
  }
  removeEverything(bed);
});

test('TwoHash', scenario, (t, bed) => {
  const b1 = (i: number) => ({ name: '', hash: ((i << 16) | 0xb1) >>> 0 });
  const a1 = (i: number) => ({ name: '', hash: ((i << 16) | 0xa1) >>> 0 });
  bed.commit((b) => b.createCollection('c', { order: 'hash' }));
  for (let i = 0; i < 360; i++) {
    bed.commit((b) => (i < 8 ? b.touch('c', b1(i)).touch('c', a1(i)) : b.touch('c', b1(i))));
  }
  for (let i = 1; i < 8; i++) bed.commit((b) => b.remove('c', a1(i)));
  const collection = bed.store.collection('c');
  t.true(collection.object(a1(0)).existsSync());
  for (let i = 1; i < 8; i++) t.false(collection.object(a1(i)).existsSync());
  t.is(collection.statSync().objects, 361);
  bed.commit((b) => {
    for (let i = 0; i < 360; i++) b.remove('c', b1(i)).remove('c', a1(i));
    b.removeCollection('c');
  });
});

test(
  'an object whose hash does not fit the bits of its collection is refused',
  scenario,
  (t, bed) => {
    const at = (hash: number) => ({ name: 'o', hash });
    bed.commit((b) => b.createCollection('1.3', { order: 'hash', bits: 4 }).touch('1.3', at(0x13)));
    bed.commit((b) => b.createCollection('any', { order: 'hash' }).touch('any', at(0x14)));
    const refused: ((b: Transaction) => Transaction)[] = [
      (b) => b.create('1.3', at(0x14)),
      (b) => b.touch('1.3', at(0x14)),
      (b) => b.write('1.3', at(0x14), 0, 'data'),
      (b) => b.clone('1.3', at(0x13), at(0x12)),
      (b) => b.cloneRange('1.3', at(0x13), at(0x12), 0, 0, 0),
      (b) => b.moveRename('any', at(0x14), '1.3', at(0x14)),
      (b) => b.moveRename('1.3', at(0x13), '1.3', at(0x23)).touch('1.3', at(0x14)),
      (b) => b.mergeCollection('any', '1.3', 4),
      (b) => b.mergeCollection('any', '1.3', 1),
      (b) => b.touch('any', at(0x13)).setCollectionBits('any', 1),
      (b) => b.touch('any', at(0x13)).cloneCollection('any', 'x').setCollectionBits('x', 32),
      (b) =>
        b
          .touch('any', at(0x13))
          .touch('any', at(0x15))
          .createCollection('x', { order: 'hash' })
          .splitCollection('any', 'x', 2, 1),
    ];
    for (const build of refused) t.throws(() => bed.commit(build), { code: 'E_INVALID' });
    t.deepEqual(listAll(bed.store.collection('1.3')).map(listedText), ['19:o']);
    t.deepEqual(listAll(bed.store.collection('any')).map(listedText), ['20:o']);
    // What counts is how the transaction leaves it.
    bed.commit((b) => b.touch('1.3', at(0x14)).remove('1.3', at(0x13)));
    bed.commit((b) =>
      b.remove('any', at(0x14)).touch('any', at(3)).mergeCollection('any', '1.3', 0),
    );
    t.is(bed.store.collection('1.3').statSync().objects, 2);
  },
);

test('a collection is split in four by one transaction', scenario, (t, bed) => {
  bed.commit((b) => {
    b.createCollection('1.0', { order: 'hash', bits: 3 });
    for (let i = 0; i < 64; i++) b.touch('1.0', { name: '', hash: i << 3 });
  });
  bed.commit((b) => {
    for (const child of [8, 16, 24]) {
      b.createCollection(`1.${child}`, { order: 'hash', bits: 5 });
      b.splitCollection('1.0', `1.${child}`, 5, child);
    }
  });
  for (const child of [0, 8, 16, 24]) {
    const listed = listAll(bed.store.collection(`1.${child}`));
    t.is(listed.length, 16);
    t.true(listed.every(({ hash = 0 }) => hash % 32 === child));
  }
});
