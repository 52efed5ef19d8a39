/**
 * Conformance, 11: accounting and damage, what of the field's ideas concerns us. `stored` is the
 * sum of sizes, holes included; what data takes is `allocatedBytes` of its object.
 */

import test, { type ExecutionContext } from 'ava';
import { Prng } from '../support/prng.js';
import type { StoreBed } from '../support/store-fixture.js';
import {
  C,
  concat,
  filled,
  inCollection,
  object,
  remount,
  removeEverything,
  sameBytes,
} from './fixture.js';

const K = 1024;
const M = K * K;
const UNIT = 64 * K;
const UNITS = { blockSize: UNIT, size: 128 * M };

/** Stored bytes of the store, and blocks of the object's data. */
function figures(bed: StoreBed, name = 'a'): { stored: number; allocated: number } {
  return {
    stored: bed.store.statfsSync().stored,
    allocated: object(bed, name).statSync().allocatedBytes,
  };
}

/** Bytes in use once nothing is waiting to be freed. */
function settled(bed: StoreBed): number {
  for (let i = 0; i < 6; i++) bed.store.checkpointSync();
  return bed.store.statfsSync().allocated;
}

function checkSound(bed: StoreBed): void {
  remount(bed);
  bed.store.checkpointSync();
  bed.audit();
}

test(
  'BluestoreStatFSTest',
  inCollection,
  (t, bed) => {
    const { total, available } = bed.store.statfsSync();
    t.is(total, 128 * M);
    t.true(available > 0 && available < total);
    bed.commit((b) => b.touch(C, 'a'));
    t.deepEqual(figures(bed), { stored: 0, allocated: 0 });
    bed.commit((b) => b.write(C, 'a', 0, 'abcde'));
    t.deepEqual(figures(bed), { stored: 5, allocated: 0 }, 'a few bytes are in the record');
    const large = 3 * UNIT;
    bed.commit((b) => b.write(C, 'a', 0, filled('a', large)));
    t.deepEqual(figures(bed), { stored: large, allocated: large });
    bed.commit((b) => b.zero(C, 'a', 1, 3).zero(C, 'a', UNIT + 5, 9));
    t.deepEqual(figures(bed), { stored: large, allocated: large }, 'small holes free no block');
    bed.commit((b) => b.write(C, 'a', 0, filled('b', large)));
    t.deepEqual(figures(bed), { stored: large, allocated: large }, 'written over');
    checkSound(bed);
    bed.commit((b) => b.zero(C, 'a', 0, large));
    t.deepEqual(figures(bed), { stored: large, allocated: 0 }, 'all of it a hole');
    bed.commit((b) => b.write(C, 'a', 0, filled('c', large)));
    const before = settled(bed);
    bed.commit((b) => b.clone(C, 'a', 'b'));
    t.is(bed.store.statfsSync().stored, 2 * large, 'a clone doubles what is stored');
    t.true(settled(bed) - before <= 4 * UNIT, 'and takes no space for data');
    bed.commit((b) => b.createCollection('temp').moveRename(C, 'b', 'temp', 'b'));
    t.is(bed.store.statfsSync().stored, 2 * large);
    t.is(bed.store.collection('temp').statSync().storedBytes, large);
    t.is(bed.store.collection(C).statSync().storedBytes, large);
    checkSound(bed);
    removeEverything(bed);
    const { stored, objects } = bed.store.statfsSync();
    t.deepEqual({ stored, objects }, { stored: 0, objects: 0 });
    t.true(settled(bed) <= before - large, 'what was removed is free again');
  },
  UNITS,
);

test(
  'BluestoreFragmentedBlobTest',
  inCollection,
  (t, bed) => {
    const data = Uint8Array.from({ length: 3 * UNIT }, (_, i) => i / 256 + 1);
    const read = (offset: number, length: number) => object(bed, 'a').readSync(offset, length);
    bed.commit((b) => b.write(C, 'a', 0, data).zero(C, 'a', UNIT, UNIT));
    t.is(figures(bed).allocated, 2 * UNIT);
    const holed = concat(data.subarray(0, UNIT), filled(0, UNIT), data.subarray(2 * UNIT));
    sameBytes(t, read(0, data.length), holed);
    sameBytes(t, read(1, data.length - 2), holed.subarray(1, -1));
    checkSound(bed);
    bed.commit((b) => b.write(C, 'a', 2 * UNIT, 'bbb'));
    holed.set(Buffer.from('bbb'), 2 * UNIT);
    t.is(figures(bed).allocated, 2 * UNIT);
    sameBytes(t, read(2 * UNIT - 1, 21), holed.subarray(2 * UNIT - 1, 2 * UNIT + 20));
    bed.commit((b) => b.write(C, 'a', UNIT + 1, 'aaa'));
    holed.set(Buffer.from('aaa'), UNIT + 1);
    t.true(figures(bed).allocated <= 3 * UNIT);
    sameBytes(t, read(UNIT - 1, UNIT + 22), holed.subarray(UNIT - 1, 2 * UNIT + 21));
    bed.commit((b) => {
      b.write(C, 'a', 0, filled('c', 3 * UNIT))
        .zero(C, 'a', 0, UNIT)
        .zero(C, 'a', 2 * UNIT, UNIT);
    });
    t.is(figures(bed).allocated, UNIT);
    sameBytes(t, read(0, 3 * UNIT), concat(filled(0, UNIT), filled('c', UNIT), filled(0, UNIT)));
    checkSound(bed);
  },
  UNITS,
);

/** Random writes of up to 4 KiB, then the whole object again in blocks. */
function manyWrites(t: ExecutionContext, bed: StoreBed): void {
  const prng = new Prng(5);
  const size = 4 * M;
  const expected = filled('a', size);
  bed.commit((b) => b.write(C, 'a', 0, expected));
  const count = 1000;
  for (let i = 0; i < count; i++) {
    const data = filled(i, 1 + prng.below(4096));
    const offset = prng.below(size - data.length);
    bed.commit((b) => b.write(C, 'a', offset, data));
    expected.set(data, offset);
  }
  sameBytes(t, object(bed, 'a').readSync(), expected);
  const { stored, allocated } = figures(bed);
  t.is(stored, size);
  t.true(allocated <= size + count * 4096, `${allocated}: at most a block for each write`);
  bed.commit((b) => {
    for (let at = 0; at < size; at += 4096) b.write(C, 'a', at, expected.subarray(at, at + 4096));
  });
  t.deepEqual(figures(bed), { stored: size, allocated: size }, 'in whole blocks: no more than it');
  sameBytes(t, object(bed, 'a').readSync(), expected);
}

test('Many4KWritesTest', inCollection, manyWrites);

test('TooManyBlobsTest', inCollection, manyWrites, { blockSize: 1024 });

test('SpuriousReadErrorTest', inCollection, async (t, bed) => {
  bed.commit((b) => b.write(C, 'a', 0, filled('a', 8192)).write(C, 'b', 0, filled('b', 8192)));
  bed.reopen();
  object(bed, 'a').statSync(); // the nodes are in memory: the next read is that of data
  bed.device.faults.flipAt(1, 17);
  t.throws(() => object(bed, 'a').readSync(), { code: 'E_CORRUPT' });
  sameBytes(t, object(bed, 'a').readSync(), filled('a', 8192), 'bytes of the next read');
  bed.device.faults.flipAt(1, 17);
  await t.throwsAsync(object(bed, 'b').read(), { code: 'E_CORRUPT' });
  sameBytes(t, await object(bed, 'b').read(), filled('b', 8192), 'bytes of the next read');
  bed.commit((b) => b.write(C, 'a', 0, 'goes on'));
});

for (const [title, size] of [
  ['fsckOnUnalignedDevice', 64 * M + 512],
  ['fsckOnUnalignedDevice2', 64 * M + UNIT - 512],
] as const) {
  test(
    title,
    inCollection,
    (t, bed) => {
      bed.commit((b) => b.write(C, 'a', 0, filled('a', M)));
      checkSound(bed);
      sameBytes(t, object(bed, 'a').readSync(), filled('a', M));
    },
    { size, blockSize: UNIT },
  );
}
