import test from 'ava';
import { GroupBitmap, hasZeroTail } from '../../src/alloc/group-bitmap.js';
import { AssertionError } from '../../src/assert.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';

/** One entry per block: true = used. The plain truth that a bitmap is compared with. */
type Plain = boolean[];

function bitmapOf(plain: Plain): GroupBitmap {
  const bytes = new Uint8Array(Math.ceil(plain.length / 8));
  plain.forEach((isUsed, i) => {
    if (isUsed) bytes[i >>> 3] = (bytes[i >>> 3] as number) | (1 << (i & 7));
  });
  return GroupBitmap.fromBytes(bytes, plain.length);
}

function plainOf(bitmap: GroupBitmap): Plain {
  return Array.from({ length: bitmap.size }, (_, i) => bitmap.isUsed(i, 1));
}

function freeRuns(plain: Plain): { start: number; end: number }[] {
  const runs: { start: number; end: number }[] = [];
  for (let i = 0; i < plain.length; i++) {
    if (plain[i]) continue;
    const last = runs.at(-1);
    if (last?.end === i) last.end++;
    else runs.push({ start: i, end: i + 1 });
  }
  return runs;
}

function findPlain(plain: Plain, from: number, length: number, align = 1, first = 0): number {
  for (let at = from; at + length <= plain.length; at++) {
    if ((at - first) % align !== 0 || at < first) continue;
    if (!plain.slice(at, at + length).includes(true)) return at;
  }
  return -1;
}

function randomPlain(prng: Prng, size: number): Plain {
  const plain: Plain = [];
  const longest = prng.pick([2, 8, 40, 200]);
  while (plain.length < size) {
    const isUsed = prng.chance(0.5);
    for (let i = prng.between(1, longest); i > 0 && plain.length < size; i--) plain.push(isUsed);
  }
  return plain;
}

const SIZES = [1, 2, 31, 32, 33, 63, 64, 65, 127, 1000, 1023, 1024, 1025, 1056, 3000];

test('set() and clear() change every range at word borders and nothing else', (t) => {
  const size = 132;
  const edges = [0, 1, 15, 31, 32, 33, 63, 64, 65, 95, 96, 97, 127, 128, 131, 132];
  for (const start of edges) {
    for (const end of edges.filter((edge) => edge > start)) {
      const bitmap = new GroupBitmap(size);
      const expected = Array.from({ length: size }, (_, i) => i >= start && i < end);
      bitmap.set(start, end - start);
      t.deepEqual(plainOf(bitmap), expected);
      t.is(bitmap.used, end - start);
      bitmap.verify();
      const inverse = new GroupBitmap(size);
      inverse.set(0, size);
      inverse.clear(start, end - start);
      t.deepEqual(
        plainOf(inverse),
        expected.map((isUsed) => !isUsed),
      );
      t.is(inverse.free, end - start);
      inverse.verify();
    }
  }
});

test('findRun() finds every length at every size', (t) => {
  for (const size of [1, 31, 32, 33, 64, 95, 130]) {
    const bitmap = new GroupBitmap(size);
    for (let length = 1; length <= size; length++) t.is(bitmap.findRun(0, length), 0);
    t.is(bitmap.findRun(0, size + 1), -1);
    for (let from = 0; from <= size; from++) {
      const rest = size - from;
      if (rest > 0) t.is(bitmap.findRun(from, rest), from);
      t.is(bitmap.findRun(from, rest + 1), -1);
    }
  }
});

test('findRun() finds a hole of any length at any place', (t) => {
  const size = 200;
  for (let length = 1; length <= 70; length++) {
    for (let start = 0; start + length <= size; start += 7) {
      const bitmap = new GroupBitmap(size);
      bitmap.set(0, size);
      bitmap.clear(start, length);
      t.is(bitmap.findRun(0, length), start);
      t.is(bitmap.findRun(start, length), start);
      t.is(bitmap.findRun(start + 1, length), -1);
      t.is(bitmap.findRun(0, length + 1), -1);
      t.is(bitmap.longestFree(), length);
    }
  }
});

test('searches agree with a plain array', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  for (const size of SIZES) {
    for (let round = 0; round < 12; round++) {
      const plain = randomPlain(prng, size);
      const bitmap = bitmapOf(plain);
      const runs = freeRuns(plain);
      bitmap.verify();
      t.is(bitmap.used, plain.filter((isUsed) => isUsed).length);
      t.is(bitmap.longestFree(), Math.max(0, ...runs.map((run) => run.end - run.start)));
      for (let i = 0; i < 8; i++) {
        const at = prng.below(size);
        const length = prng.between(1, prng.pick([3, 40, 120]));
        const free = plain.indexOf(false, at);
        const used = plain.indexOf(true, at);
        t.is(bitmap.nextFree(at), free < 0 ? size : free);
        t.is(bitmap.nextUsed(at), used < 0 ? size : used);
        t.is(bitmap.previousUsed(at), at === 0 ? -1 : plain.lastIndexOf(true, at - 1));
        t.is(bitmap.findRun(at, length), findPlain(plain, at, length));
        const align = prng.between(2, 40);
        const first = prng.below(align);
        const aligned = findPlain(plain, at, length, align, first);
        t.is(bitmap.findRun(at, length, align, first), aligned);
        const longest = runs.map(
          (run) => run.end - (first + Math.ceil(Math.max(0, run.start - first) / align) * align),
        );
        t.is(bitmap.longestAligned(align, first), Math.max(0, ...longest));
      }
    }
  }
});

test('random set() and clear() keep summaries and count', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const size = 2500;
  const bitmap = new GroupBitmap(size);
  const plain: Plain = new Array(size).fill(false);
  for (let i = 0; i < 3000; i++) {
    const at = prng.below(size);
    const isUsed = plain[at] as boolean;
    const limit = isUsed ? bitmap.nextFree(at) : bitmap.nextUsed(at);
    const length = prng.between(1, limit - at + 1);
    if (isUsed) bitmap.clear(at, length);
    else bitmap.set(at, length);
    plain.fill(!isUsed, at, at + length);
    if (i % 100 === 0) bitmap.verify();
  }
  bitmap.verify();
  t.deepEqual(plainOf(bitmap), plain);
});

test('writeTo() gives the bytes that fromBytes() took, LSB first, zeros behind', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  for (const size of SIZES) {
    const plain = randomPlain(prng, size);
    const target = new Uint8Array(Math.ceil(size / 8) + 5).fill(0xff);
    bitmapOf(plain).writeTo(target);
    plain.forEach((isUsed, i) => {
      t.is(((target[i >>> 3] as number) >>> (i & 7)) & 1, isUsed ? 1 : 0);
    });
    t.true(hasZeroTail(target, size));
    t.deepEqual(plainOf(GroupBitmap.fromBytes(target, size)), plain);
  }
});

test('resized() keeps the bits and adds free ones', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  for (const size of SIZES) {
    const plain = randomPlain(prng, size);
    for (const added of [0, 1, 31, 32, 1000]) {
      const bitmap = bitmapOf(plain).resized(size + added);
      bitmap.verify();
      t.deepEqual(plainOf(bitmap), [...plain, ...new Array<boolean>(added).fill(false)]);
    }
  }
});

test('hasZeroTail() sees a bit right behind the size', (t) => {
  t.true(hasZeroTail(Uint8Array.of(0xff, 0x01), 9));
  t.false(hasZeroTail(Uint8Array.of(0xff, 0x02), 9));
  t.false(hasZeroTail(Uint8Array.of(0xff, 0x01, 0x80), 9));
  t.true(hasZeroTail(Uint8Array.of(0xff), 8));
});

test('set() of a used block and clear() of a free one are bugs', (t) => {
  const bitmap = new GroupBitmap(64);
  bitmap.set(10, 10);
  t.throws(() => bitmap.set(5, 6), { instanceOf: AssertionError });
  t.throws(() => bitmap.clear(15, 6), { instanceOf: AssertionError });
  t.throws(() => bitmap.set(60, 5), { instanceOf: AssertionError });
  t.is(bitmap.used, 10);
});
