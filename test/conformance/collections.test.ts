/** Conformance, 2: collections. */

import test, { type ExecutionContext } from 'ava';
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
