/** The cache of verified data by itself: what it takes in, what it gives back, and how much it takes. */

import test from 'ava';
import { writeHash } from '../../src/format/checksum.js';
import { ENTRY_KIND, type ExtentEntry, sliceEntry } from '../../src/onode/extent-entry.js';
import { DataCache } from '../../src/txn/data-cache.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';

const BLOCK = 4096;
const MIB = 1024 * 1024;

/** The entry of an extent of whole chunks of 2^shift bytes, with the checksums of `bytes`. */
function extentOf(bytes: Uint8Array, address: number, shift = 12): ExtentEntry {
  const chunk = 2 ** shift;
  const checksums = new Uint8Array(Math.ceil(bytes.length / chunk) * 8);
  for (let at = 0, slot = 0; at < bytes.length; at += chunk, slot += 8) {
    writeHash(checksums, slot, bytes, at, Math.min(bytes.length, at + chunk));
  }
  const { length } = bytes;
  const blocks = length / BLOCK;
  return { kind: ENTRY_KIND.extent, birth: 1, length, shift, skip: 0, blocks, address, checksums };
}

/** Offers an extent as two reads of it would. */
function offerTwice(cache: DataCache, entry: ExtentEntry, bytes: Uint8Array): void {
  cache.offer(entry, bytes);
  cache.offer(entry, bytes);
}

/** What the cache has for an entry; undefined when that isn't all of it. */
function taken(cache: DataCache, entry: ExtentEntry): Uint8Array | undefined {
  const target = new Uint8Array(entry.length + 2).fill(7);
  if (!cache.copyTo(entry, target, 1)) return undefined;
  if (target[0] !== 7 || target.at(-1) !== 7) throw new Error('it wrote beside its place');
  return target.slice(1, -1);
}

/** A part of an extent. */
function part(entry: ExtentEntry, from: number, to: number): ExtentEntry {
  const slice = sliceEntry(entry, from, to, BLOCK);
  if (slice.kind !== ENTRY_KIND.extent) throw new Error('a part of an extent is one');
  return slice;
}

test('a chunk is kept when it was read twice', (t) => {
  const cache = new DataCache(4 * MIB, BLOCK);
  const bytes = new Prng(1).bytes(5 * BLOCK);
  const entry = extentOf(bytes, 100);
  t.is(cache.bytes, 0);
  cache.offer(entry, bytes);
  t.is(taken(cache, entry), undefined);
  cache.offer(entry, bytes);
  t.deepEqual(taken(cache, entry), bytes);
});

test('parts of it are found, in large chunks and small ones', (t) => {
  for (const shift of [12, 14, 16]) {
    const cache = new DataCache(16 * MIB, BLOCK);
    const bytes = new Prng(shift).bytes(37 * BLOCK);
    const entry = extentOf(bytes, 5000, shift);
    offerTwice(cache, entry, bytes);
    const ranges = [
      [0, 1],
      [BLOCK - 1, BLOCK + 1],
      [17, 30 * BLOCK + 5],
      [36 * BLOCK + 1, 37 * BLOCK],
    ] as const;
    for (const [from, to] of ranges) {
      t.deepEqual(taken(cache, part(entry, from, to)), bytes.slice(from, to));
    }
  }
});

test('nothing is found for blocks that hold something else now', (t) => {
  const cache = new DataCache(4 * MIB, BLOCK);
  const bytes = new Prng(2).bytes(2 * BLOCK);
  const entry = extentOf(bytes, 100);
  offerTwice(cache, entry, bytes);
  const newer = bytes.slice();
  newer[BLOCK] = ~(newer[BLOCK] as number);
  t.is(taken(cache, extentOf(newer, 100)), undefined, 'another checksum of its second chunk');
  t.is(taken(cache, extentOf(bytes, 101)), undefined, 'another address');
  t.is(taken(cache, extentOf(bytes, 100 + 2 ** 32)), undefined, 'one with the same low bits');
  const longer = { ...part(entry, 0, BLOCK), shift: 13, blocks: 2, length: 2 * BLOCK };
  t.is(taken(cache, longer), undefined, 'another length, as only a forger would write it');
  t.deepEqual(taken(cache, entry), bytes);
});

test('it takes no more than its budget, and the oldest makes room', (t) => {
  const budget = 4 * MIB;
  const cache = new DataCache(budget, BLOCK);
  const prng = new Prng(3);
  const extents = Array.from({ length: 200 }, (_, i) => {
    const bytes = prng.bytes(16 * BLOCK);
    return { bytes, entry: extentOf(bytes, i * 16) };
  });
  for (const { bytes, entry } of extents) {
    offerTwice(cache, entry, bytes);
    t.true(cache.bytes <= budget);
  }
  const isHere = extents.map(({ entry }) => taken(cache, entry) !== undefined);
  const first = isHere.indexOf(true);
  t.true(first > 0 && first < 150, `${first} left`);
  t.true(isHere.slice(first).every(Boolean));
});

test('it has half of the budget, and what nodes leave free', (t) => {
  const cache = new DataCache(8 * MIB, BLOCK);
  const prng = new Prng(4);
  const fill = (): void => {
    for (let i = 0; i < 160; i++) {
      const bytes = prng.bytes(16 * BLOCK);
      offerTwice(cache, extentOf(bytes, i * 16), bytes);
    }
  };
  fill();
  t.true(cache.bytes > 7 * MIB);
  cache.trim(3 * MIB);
  t.true(cache.bytes <= 5 * MIB && cache.bytes > 4 * MIB);
  cache.trim(100 * MIB);
  t.true(cache.bytes <= 4 * MIB && cache.bytes > 3 * MIB);
  fill();
  t.true(cache.bytes <= 4 * MIB, 'the limit holds until nodes leave');
  cache.trim(0);
  fill();
  t.true(cache.bytes > 7 * MIB);
});

test('it keeps nothing without a budget, and no chunk that is longer than a segment', (t) => {
  const bytes = new Prng(5).bytes(64 * BLOCK);
  for (const budget of [0, 1000, 100_000]) {
    const cache = new DataCache(budget, BLOCK);
    offerTwice(cache, extentOf(bytes, 0), bytes);
    t.is(cache.bytes, 0);
  }
  const cache = new DataCache(MIB, BLOCK);
  const entry = extentOf(bytes, 0, 18);
  offerTwice(cache, entry, bytes);
  t.is(taken(cache, entry), undefined);
});

test('chunks of many generations at few places: every hit is right', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const cache = new DataCache(MIB, BLOCK);
  const live = new Map<number, { entry: ExtentEntry; bytes: Uint8Array }>();
  let hits = 0;
  for (let round = 0; round < 20_000; round++) {
    const address = prng.below(60) * 16 + (prng.chance(0.1) ? 2 ** 33 : 0);
    let known = live.get(address);
    if (known === undefined || prng.chance(0.02)) {
      const bytes = new Uint8Array(prng.between(1, 17) * BLOCK).fill(prng.u32());
      known = { entry: extentOf(bytes, address, prng.pick([12, 14, 16])), bytes };
      live.set(address, known);
    }
    const { entry, bytes } = known;
    const from = prng.below(bytes.length);
    const to = prng.between(from, bytes.length) + 1;
    const wanted = part(entry, from, to);
    const found = taken(cache, wanted);
    if (found === undefined) {
      const start = (wanted.address - entry.address) * BLOCK;
      cache.offer(wanted, bytes.subarray(start, start + wanted.blocks * BLOCK));
    } else {
      hits++;
      if (!Buffer.from(found).equals(bytes.subarray(from, to))) t.fail(`round ${round}`);
    }
    if (prng.chance(0.01)) cache.trim(prng.below(2 * MIB));
  }
  t.log('hits', hits);
  t.true(hits > 1000);
});
