import test from 'ava';
import { givePage, takePage } from '../../src/btree/page-pool.js';

/** A size that no tree of these tests uses, so that the pool is empty at first. */
const SIZE = 32 * 1024;

/** More than the pool keeps of one size. */
const COUNT = 1024;

function takePages(count: number): Uint8Array[] {
  return Array.from({ length: count }, () => takePage(SIZE));
}

function buffersOf(pages: readonly Uint8Array[]): Set<ArrayBufferLike> {
  return new Set(pages.map(({ buffer }) => buffer));
}

test.serial(
  'pages that are given back here and there are used again before there are new ones',
  (t) => {
    const pages = takePages(COUNT);
    const slabs = buffersOf(pages);
    const isKept = (_: Uint8Array, index: number): boolean => index % 4 === 0;
    for (let round = 0; round < 3; round++) {
      const given = pages.filter((page, index) => !isKept(page, index));
      for (const page of given) givePage(page);
      const taken = takePages(given.length);
      const expected = new Set(given);
      t.true(taken.every((page) => expected.delete(page)));
      t.true([...buffersOf(taken)].every((slab) => slabs.has(slab)));
    }
    for (const page of pages) givePage(page);
  },
);

test.serial('what nobody uses any more is kept up to a limit', (t) => {
  const pages = takePages(COUNT);
  const slabs = buffersOf(pages);
  for (const page of pages) givePage(page);
  const again = takePages(COUNT);
  const old = again.filter(({ buffer }) => slabs.has(buffer)).length * SIZE;
  t.true(old >= 7 * 1024 ** 2, `${old} bytes were kept`);
  t.true(old <= 9 * 1024 ** 2, `${old} bytes were kept`);
  t.is(new Set(again).size, COUNT);
  for (const page of again) givePage(page);
});

test.serial('a page has the size asked for, and no two pages overlap', (t) => {
  const pages = [4096, 8192, 65536, 1024 ** 2].flatMap((size) => [takePage(size), takePage(size)]);
  pages.forEach((page, index) => {
    page.fill(index);
  });
  pages.forEach((page, index) => {
    t.true(page.every((byte) => byte === index));
  });
  for (const page of pages) givePage(page);
});
