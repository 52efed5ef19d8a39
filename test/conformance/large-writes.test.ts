/** Conformance, 4: bytes of objects, in large writes and in very many. */

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
  Shadow,
  sameBytes,
  scaled,
} from './fixture.js';

const A = 'Object 1';
const K = 1024;
const M = K * K;

/** Writes and zeros of a huge sparse object, checked at the places that matter. */
class SparseShadow {
  readonly #t: ExecutionContext;
  readonly #bed: StoreBed;
  readonly #ranges: { offset: number; length: number; byte: number }[] = [];

  constructor(t: ExecutionContext, bed: StoreBed) {
    this.#t = t;
    this.#bed = bed;
  }

  write(offset: number, length: number): void {
    const byte = this.#ranges.length + 1;
    this.#bed.commit((b) => b.write(C, A, offset, filled(byte, length)));
    this.#ranges.push({ offset, length, byte });
  }

  zero(offset: number, length: number): void {
    this.#bed.commit((b) => b.zero(C, A, offset, length));
    this.#ranges.push({ offset, length, byte: 0 });
  }

  /** The bytes at and around both ends of every range, and within. */
  check(): void {
    const size = Math.max(...this.#ranges.map(({ offset, length }) => offset + length));
    const found = object(this.#bed, A);
    this.#t.is(found.statSync().size, size);
    for (const { offset, length } of this.#ranges) {
      for (const at of [
        offset - 1,
        offset,
        offset + length / 2,
        offset + length - 1,
        offset + length,
      ]) {
        const place = Math.floor(at);
        if (place < 0 || place >= size) continue;
        this.#t.is(found.readSync(place, 1)[0], this.#byteAt(place), `byte ${place}`);
      }
    }
  }

  #byteAt(place: number): number {
    const last = this.#ranges.findLast(
      ({ offset, length }) => place >= offset && place < offset + length,
    );
    return last?.byte ?? 0;
  }
}

test(
  'ManyBigWrite',
  inCollection,
  (t, bed) => {
    const prng = new Prng(2);
    const count = scaled(10, 4);
    const shadow = new SparseShadow(t, bed);
    for (let i = 0; i < count; i++) shadow.write(i * 4 * 1048586, 4 * M);
    for (let i = 0; i < count; i++) shadow.write(prng.below(256) * 4 * M, 4 * M);
    for (let i = 0; i < count; i++) shadow.write(prng.below(M) * K, 4 * M);
    shadow.check();
    for (let i = 0; i < 10; i++) shadow.zero(prng.below(M) * K, 16 * M);
    shadow.check();
    remount(bed);
    shadow.check();
  },
  { size: 256 * M },
);

test('BigWriteBigZero', inCollection, (t, bed) => {
  const shadow = new Shadow(t, bed, A).write([0, filled('a', M)]).zero(256 * K, 512 * K);
  shadow.write([512 * K, filled('b', 4 * K)]).check();
});

test('MiscFragmentTests', inCollection, (t, bed) => {
  const shadow = new Shadow(t, bed, A).write([0, filled('a', 512 * K)]);
  shadow.write([M, filled('b', 512 * K)]).check();
  sameBytes(t, object(bed, A).readSync(640 * K, K), filled(0, K));
  shadow.write([M - 4 * K, filled('c', 512 * K)]).check();
});

test('ManyManyExtents', inCollection, async (t, bed) => {
  const perTransaction = 512;
  const rounds = scaled(129, 33);
  const count = rounds * perTransaction;
  for (let round = 0; round < rounds; round++) {
    bed.commit((b) => {
      for (let i = 0; i < perTransaction; i++) {
        const index = round * perTransaction + i;
        b.write(C, A, index * 4 * K, Uint8Array.of((index % 255) + 1));
      }
    });
  }
  remount(bed);
  const whole = object(bed, A).readSync();
  t.is(whole.length, (count - 1) * 4 * K + 1);
  let wrong = 0;
  for (let i = 0; i < count; i++) if (whole[i * 4 * K] !== (i % 255) + 1) wrong++;
  t.is(wrong, 0);
  remount(bed);
  const extents = (await object(bed, A).extents()).filter(({ kind }) => kind !== 'hole');
  t.is(extents.length, count);
  const ranges = extents.map(({ offset, length }) => [offset, length] as const);
  const pieces = await object(bed, A).readRanges(ranges);
  const expected = Uint8Array.from({ length: count }, (_, i) => (i % 255) + 1);
  sameBytes(t, concat(...pieces), expected);
});

test('ManyManyExtents2', inCollection, async (t, bed) => {
  const prng = new Prng(3);
  const data = prng.bytes(M);
  bed.commit((b) => b.write(C, A, 0, data));
  const ranges = Array.from({ length: scaled(100_000, 20_000) }, () => [prng.below(M), 1] as const);
  const expected = Uint8Array.from(ranges, ([offset]) => data[offset] ?? 0);
  sameBytes(t, concat(...object(bed, A).readRangesSync(ranges)), expected);
  t.deepEqual(
    await object(bed, A).readRanges([
      [M - 2, 5],
      [M + 7, 3],
    ]),
    [data.slice(M - 2), new Uint8Array(0)],
  );
  t.throws(() => object(bed, A).readRangesSync([[-1, 5]]), { code: 'E_INVALID_ARGUMENT' });
});
