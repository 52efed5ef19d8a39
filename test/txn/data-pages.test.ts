import test from 'ava';
import { DataPages } from '../../src/txn/data-pages.js';
import { PendingData } from '../../src/txn/pending-data.js';

const SLAB = 256 * 1024;
const PAGE = 4096;

test('copyOf() pads with zeros, in memory that was used before too', (t) => {
  const pages = new DataPages();
  const count = SLAB / PAGE;
  for (let round = 0; round < 3; round++) {
    const given = Array.from({ length: count }, () =>
      pages.copyOf(new Uint8Array(PAGE).fill(7), PAGE),
    );
    for (const bytes of given) pages.giveBack(bytes);
  }
  const bytes = pages.copyOf(new Uint8Array([1, 2, 3]), PAGE);
  t.deepEqual([...bytes.subarray(0, 4)], [1, 2, 3, 0]);
  t.true(bytes.subarray(3).every((byte) => byte === 0));
});

test('copyOf() uses a slab again when all of it was given back, and no earlier', (t) => {
  const pages = new DataPages();
  const take = (): Uint8Array => pages.copyOf(new Uint8Array(PAGE), PAGE);
  const first = Array.from({ length: SLAB / PAGE }, take);
  const [kept, ...others] = first;
  const second = take(); // begins another slab
  for (const bytes of others) pages.giveBack(bytes);
  const third = Array.from({ length: SLAB / PAGE }, take);
  const used = new Set([second, ...third].map(({ buffer }) => buffer));
  t.false(used.has(first[0]?.buffer as ArrayBuffer), 'one page of it is still taken');
  if (kept !== undefined) pages.giveBack(kept);
  const fourth = Array.from({ length: SLAB / PAGE }, take);
  t.true(fourth.some(({ buffer }) => buffer === kept?.buffer));
});

test('a slab of which nothing is taken any more is cut again, whatever was given back when', (t) => {
  const pages = new DataPages();
  const take = (): Uint8Array => pages.copyOf(new Uint8Array(PAGE), PAGE);
  const buffers = new Set<ArrayBufferLike>();
  for (let round = 0; round < (10 * SLAB) / PAGE; round++) {
    const bytes = take();
    buffers.add(bytes.buffer);
    pages.giveBack(bytes);
  }
  t.is(buffers.size, 1);
  const [kept, last] = [take(), take()];
  pages.giveBack(last);
  const others = Array.from({ length: (2 * SLAB) / PAGE }, take);
  t.false(
    others.some(
      ({ buffer, byteOffset }) => buffer === kept.buffer && byteOffset === kept.byteOffset,
    ),
  );
});

test('giveBack() leaves other memory alone', (t) => {
  const pages = new DataPages();
  const own = new Uint8Array(PAGE);
  pages.giveBack(own);
  const large = pages.copyOf(new Uint8Array(PAGE), SLAB);
  pages.giveBack(large);
  t.not(pages.copyOf(own, PAGE).buffer, large.buffer);
});

test('what a rollback takes back can be used again, and nothing else', (t) => {
  const pending = new PendingData(PAGE);
  const put = (address: number, value: number): void =>
    pending.put(address, pending.pages.copyOf(new Uint8Array(PAGE).fill(value), PAGE));
  put(1, 1);
  for (let round = 0; round < 200; round++) {
    const mark = pending.mark();
    put(2, 2);
    put(3, 3);
    pending.rewind(mark);
  }
  const found = new Uint8Array(4 * PAGE).fill(9);
  const rest: [number, number][] = [];
  pending.copyTo(found, 0, 4, (from, to) => rest.push([from, to]));
  t.deepEqual(rest, [
    [0, 1],
    [2, 4],
  ]);
  t.true(found.subarray(PAGE, 2 * PAGE).every((byte) => byte === 1));
  t.true(found.subarray(2 * PAGE).every((byte) => byte === 9));
  const runs = pending.freeze();
  pending.written(runs);
  pending.recycle(runs);
  t.is(pending.bytes, 0);
});
