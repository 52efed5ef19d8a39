/** Conformance, 4: bytes of objects, in small writes. */

import test from 'ava';
import { Prng } from '../support/prng.js';
import {
  C,
  concat,
  filled,
  inCollection,
  object,
  readText,
  remount,
  Shadow,
  sameBytes,
  scaled,
  textOf,
} from './fixture.js';

const A = 'Object 1';

/** Smallest unit in which the store gives space to data. */
const UNIT = 4096;

test('SimpleObjectTest', inCollection, (t, bed) => {
  t.false(object(bed, A).existsSync());
  bed.commit((b) => b.touch(C, A));
  t.true(object(bed, A).existsSync());
  bed.commit((b) => b.remove(C, A).touch(C, A));
  t.true(object(bed, A).existsSync());
  bed.commit((b) => b.remove(C, A).write(C, A, 0, 'abcde'));
  t.is(readText(bed, A, 0, 5), 'abcde');
  bed.commit((b) => b.write(C, A, 5, 'abcde'));
  t.is(readText(bed, A, 0, 10), 'abcdeabcde');
  bed.commit((b) => b.write(C, A, 0, 'abcdeabcde'));
  t.is(readText(bed, A, 0, 10), 'abcdeabcde');
  bed.commit((b) => b.write(C, A, 3, 'abcde'));
  t.is(readText(bed, A, 0, 10), 'abcabcdede');
  bed.commit((b) => b.truncate(C, A, 0).write(C, A, 5, 'fghij'));
  bed.commit((b) => b.write(C, A, 0, 'abcde'));
  t.is(readText(bed, A, 0, 10), 'abcdefghij');
  const hundred = '0123456789'.repeat(10);
  bed.commit((b) => b.write(C, A, 0, hundred));
  t.is(readText(bed, A, 0, 100), hundred);
  t.is(readText(bed, A), hundred, 'without a range: the whole object');
  t.is(readText(bed, A, 0, 0), '', 'a range of nothing is nothing, not all');
  bed.commit((b) => b.truncate(C, A, 0).write(C, A, 4095, `1${'2'.repeat(4096)}`));
  t.is(readText(bed, A, 4095, 1), '1');
  t.is(readText(bed, A, 4096, 4096), '2'.repeat(4096));
  bed.commit((b) => b.write(C, A, 1, '00'));
  const start = concat(filled(0, 1), '00', filled(0, 4092), `1${'2'.repeat(4096)}`);
  sameBytes(t, object(bed, A).readSync(), start);
});

test('SmallBlockWrites', inCollection, (t, bed) => {
  const [a, b, c] = ['a', 'b', 'c'].map((byte) => filled(byte, 4096)) as Uint8Array[];
  const shadow = new Shadow(t, bed, A);
  shadow.write([0, a as Uint8Array]).check();
  t.is(object(bed, A).readSync(0, 16384).length, 4096);
  shadow.write([4096, b as Uint8Array]).check();
  t.is(object(bed, A).readSync(0, 16384).length, 8192);
  shadow.write([12288, c as Uint8Array]).check();
  t.is(object(bed, A).readSync(0, 16384).length, 16384);
  shadow.write([8192, a as Uint8Array]).check();
  shadow.write([0, c as Uint8Array]).check();
});

test('BufferCacheReadTest', inCollection, (t, bed) => {
  const zeros = '\0'.repeat(5);
  bed.commit((b) => b.write(C, A, 0, 'abcde').write(C, A, 10, 'abcde'));
  t.is(readText(bed, A, 0, 15), `abcde${zeros}abcde`);
  bed.commit((b) => b.write(C, A, 0, 'edcba').write(C, A, 10, 'edcba'));
  t.is(readText(bed, A, 0, 15), `edcba${zeros}edcba`);
  bed.commit((b) => b.write(C, A, 20, 'abcdeabcde'));
  t.is(readText(bed, A, 0, 30), `edcba${zeros}edcba${zeros}abcdeabcde`);
  bed.commit((b) => b.write(C, A, 30, 'abcdeabcde').write(C, A, 1, 'DCB').write(C, A, 13, 'BA'));
  const expected = `eDCBa${zeros}edcBA${zeros}${'abcde'.repeat(4)}`;
  t.is(readText(bed, A, 0, 40), expected);
  remount(bed);
  t.is(readText(bed, A, 0, 40), expected);
});

test('ManySmallWrite', inCollection, (t, bed) => {
  const prng = new Prng(1);
  const first = new Shadow(t, bed, 'Object 1');
  const second = new Shadow(t, bed, 'Object 2');
  for (let i = 0; i < 100; i++) first.write([i * 4096, filled(i + 1, 4096)]);
  for (let i = 0; i < 100; i++) second.write([prng.below(1024) * 4096, filled(i + 1, 4096)]);
  first.check();
  second.check();
});

test('MultiSmallWriteSameBlock', inCollection, async (t, bed) => {
  const { store } = bed;
  const expected = new Uint8Array(11_005);
  const submit = (letter: string, offsets: readonly number[]) => {
    const b = store.transaction();
    for (const offset of offsets) {
      b.write(C, A, offset, letter.repeat(5));
      expected.set(Buffer.from(letter.repeat(5)), offset);
    }
    return store.submit(b);
  };
  // What the field queues as two transactions in one call is one transaction here.
  const first = submit('a', [0, 5, 4094, 9000, 10, 7000]);
  const second = submit('b', [40, 45, 4094, 6000, 610, 11_000]);
  const third = submit('c', [610, 3]);
  await Promise.all([first.committed, second.committed, third.committed]);
  sameBytes(t, object(bed, A).readSync(0, 16_000), expected);
});

test('SmallSkipFront', inCollection, (t, bed) => {
  bed.commit((b) => b.touch(C, A).truncate(C, A, 3000));
  bed.commit((b) => b.write(C, A, 4096, filled(1, 4096)));
  sameBytes(t, object(bed, A).readSync(0, 8192), concat(filled(0, 4096), filled(1, 4096)));
});

test('AppendDeferredVsTailCache', inCollection, (t, bed) => {
  const third = Math.floor(UNIT / 3);
  const shadow = new Shadow(t, bed, A).write([0, filled(1, third)]);
  remount(bed);
  shadow
    .write([third, filled(2, third)])
    .write([2 * third, filled(3, third)])
    .check();
});

test('AppendZeroTrailingSharedBlock', inCollection, (t, bed) => {
  const third = Math.floor(UNIT / 3);
  const shadow = new Shadow(t, bed, A).write([0, concat(filled(1, third), 'BADBADBADBAD')]);
  shadow.truncate(third);
  bed.commit((b) => b.clone(C, A, 'snapshot'));
  shadow.write([3 * UNIT, filled(2, third)]).check();
  remount(bed);
  shadow.check();
  sameBytes(t, object(bed, 'snapshot').readSync(), filled(1, third));
});

test('SmallSequentialUnaligned', inCollection, (t, bed) => {
  const shadow = new Shadow(t, bed, A);
  for (let i = 0; i < 1000; i++) shadow.write([i * 1000, filled(i, 1000)]);
  shadow.check();
});

test('ZeroVsObjectSize', inCollection, (t, bed) => {
  const shadow = new Shadow(t, bed, A).write([0, 'abcde']);
  t.is(object(bed, A).statSync().size, 5);
  shadow.zero(1, 2).check();
  t.is(object(bed, A).statSync().size, 5);
  shadow.zero(3, 200).check();
  t.is(object(bed, A).statSync().size, 203);
  shadow.zero(100_000, 200).check();
  t.is(object(bed, A).statSync().size, 100_200);
});

test('ZeroLengthWrite', inCollection, (t, bed) => {
  bed.commit((b) => b.touch(C, A).write(C, A, 2 ** 20, ''));
  t.is(object(bed, A).statSync().size, 0);
  t.is(readText(bed, A), '');
  bed.commit((b) => b.write(C, 'made by it', 2 ** 20, ''));
  t.is(object(bed, 'made by it').statSync().size, 0);
});

test('ZeroLengthZero', inCollection, (t, bed) => {
  bed.commit((b) => b.touch(C, A).zero(C, A, 2 ** 20, 0));
  t.is(object(bed, A).statSync().size, 0);
  t.is(readText(bed, A), '');
  bed.commit((b) => b.zero(C, 'made by it', 2 ** 20, 0));
  t.is(object(bed, 'made by it').statSync().size, 0);
});

test('mergeRegionTest', inCollection, (t, bed) => {
  const K = 1024;
  const cases: Record<string, [offset: number, length: number][]> = {
    'same block': [
      [0, 5],
      [5, 5],
      [100, 5],
      [0, 3],
    ],
    'adjacent blocks': [
      [0, 4 * K],
      [4 * K, 4 * K],
      [8 * K, 4 * K],
    ],
    'in front': [
      [4 * K, 4 * K],
      [0, 4 * K],
    ],
    behind: [
      [0, 4 * K],
      [4 * K - 1, 4 * K],
    ],
    'overlapping, unaligned': [
      [3 * K + 17, 6 * K],
      [K + 3, 3 * K],
    ],
  };
  for (const [name, ranges] of Object.entries(cases)) {
    const shadow = new Shadow(t, bed, name);
    shadow.write(...ranges.map(([offset, length], i) => [offset, filled(i + 1, length)] as const));
    shadow.check();
  }
});

test('SmallWriteOnShardedExtents', inCollection, (t, bed) => {
  const K = 1024;
  const shadow = new Shadow(t, bed, A).write([0, filled('a', 512 * K)]).zero(0x719e0, 0x75b0);
  shadow.write([0, filled('b', 448 * K)]).zero(0, 320 * K);
  remount(bed);
  shadow.write([0x71c00, filled('c', 0x6520)]).check();
  sameBytes(
    t,
    object(bed, A).readSync(0x70000, 0x9c00),
    concat(
      filled('a', 0x19e0),
      filled(0, 0x220),
      filled('c', 0x6520),
      filled(0, 0xe70),
      filled('a', 0xc70),
    ),
  );
});

test('BlobReuseOnOverwrite', inCollection, (t, bed) => {
  const shadow = new Shadow(t, bed, A).write([0, filled('a', 2 * UNIT)]).check();
  shadow.write([0, filled('b', UNIT)]).check();
  shadow.write([2 * UNIT, filled('c', 2 * UNIT)]).check();
  shadow.write([6 * UNIT, filled('d', 2 * UNIT)]).check();
  shadow.write([7 * UNIT, filled('e', 2 * UNIT)]).check();
  shadow.write([4 * UNIT, filled('f', 2 * UNIT)]).check();
  remount(bed);
  shadow.check();
});

test('BlobReuseOnOverwriteReverse', inCollection, (t, bed) => {
  const shadow = new Shadow(t, bed, A);
  for (let i = 9; i >= 0; i--) shadow.write([i * 2 * UNIT, filled(`${i}`, 2 * UNIT + 100)]).check();
  shadow
    .write([3 * UNIT, filled('x', UNIT)])
    .write([UNIT, filled('y', 3 * UNIT)])
    .check();
  remount(bed);
  shadow.check();
});

test('BlobReuseOnSmallOverwrite', inCollection, (t, bed) => {
  const shadow = new Shadow(t, bed, A).write([0, filled('a', UNIT)]);
  shadow
    .write([3 * UNIT, filled('b', UNIT)])
    .write([2 * UNIT + 7, 'xyz'])
    .check();
  t.is(readText(bed, A, 2 * UNIT + 6, 5), '\0xyz\0');
});

test('ZipperPatternSharded', inCollection, (t, bed) => {
  const count = scaled(1000, 400);
  const shadow = new Shadow(t, bed, A);
  shadow.write([2 * count * UNIT, 'end']);
  for (let i = 0; i < count; i++) shadow.write([i * 2 * UNIT, filled('a', UNIT)]);
  for (let i = 0; i < count; i++) shadow.write([i * 2 * UNIT + 1, filled('b', UNIT)]);
  shadow.check();
});

test('DeferredDifferentChunks', inCollection, (t, bed) => {
  for (let hint = 1024; hint <= 65536; hint *= 2) {
    const name = `Object ${hint}`;
    const shadow = new Shadow(t, bed, name);
    bed.commit((b) => b.touch(C, name).setAllocationHint(C, name, 2 ** 20, hint));
    shadow.write([0, filled('h', 2 ** 20)]);
    shadow.write([2 ** 20 - 8193, filled('z', 4098)]);
    remount(bed);
    shadow.check();
  }
});

test('DeferredWrite then read of the same bytes by both forms', inCollection, async (t, bed) => {
  bed.commit((b) => b.write(C, A, 0, filled('a', 3 * UNIT)));
  bed.commit((b) => b.write(C, A, UNIT + 10, 'bcd'));
  t.is(textOf(await object(bed, A).read(UNIT + 9, 5)), 'abcda');
  t.is(readText(bed, A, UNIT + 9, 5), 'abcda');
});
