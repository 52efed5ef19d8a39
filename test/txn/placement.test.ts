/** Laying data out over runs: what is written, its checksums, and what is copied for it. */

import test from 'ava';
import { matchesHash } from '../../src/format/checksum.js';
import { DataPages } from '../../src/txn/data-pages.js';
import { fillRuns } from '../../src/txn/placement.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';

const BLOCK = 4096;
const OPTIONS = { blockSize: BLOCK, nodeSize: 8192, grownTo: 0 };

/** Runs with gaps that together have `blocks` blocks. */
function randomRuns(prng: Prng, blocks: number): { start: number; length: number }[] {
  const runs = [];
  for (let left = blocks, start = 10; left > 0; ) {
    const length = prng.between(1, left + 1);
    runs.push({ start, length });
    start += length + prng.between(1, 5);
    left -= length;
  }
  return runs;
}

test('fillRuns() gives all bytes, padded to blocks, where the extents are, with their checksums', (t) => {
  const seed = seedFromEnvironment();
  t.log('SEED', seed);
  const prng = new Prng(seed);
  for (let round = 0; round < 200; round++) {
    const data = prng.bytes(prng.between(1, 2 ** prng.between(1, 22)));
    const runs = randomRuns(prng, Math.ceil(data.length / BLOCK));
    const pages = prng.chance(0.5) ? { pages: new DataPages() } : {};
    const { extents, pieces } = fillRuns(data, runs, { ...OPTIONS, ...pages });
    const device = new Map<number, Uint8Array>();
    for (const { address, bytes } of pieces) {
      for (let at = 0; at < bytes.length; at += BLOCK) {
        t.false(device.has(address + at / BLOCK));
        device.set(address + at / BLOCK, bytes.subarray(at, at + BLOCK));
      }
    }
    let from = 0;
    for (const { address, blocks, length, shift, checksums } of extents) {
      const parts = Array.from({ length: blocks }, (_, i) => device.get(address + i));
      const written = Buffer.concat(parts.map((part) => part ?? new Uint8Array(0)));
      const expected = Buffer.alloc(blocks * BLOCK);
      expected.set(data.subarray(from, from + length));
      t.true(written.equals(expected));
      for (let at = 0, slot = 0; at < written.length; at += 2 ** shift, slot += 8) {
        const end = Math.min(written.length, at + 2 ** shift);
        t.true(matchesHash(checksums, slot, written, at, end));
      }
      from += length;
    }
    t.is(from, data.length);
    t.is(
      device.size,
      runs.reduce((sum, { length }) => sum + length, 0),
    );
  }
});

test('fillRuns() without pages copies the last chunk at most', (t) => {
  for (const length of [BLOCK, BLOCK - 1, BLOCK + 1, 2 ** 20, 2 ** 20 - 1, 2 ** 20 + 1]) {
    const data = new Uint8Array(length);
    const runs = [{ start: 1, length: Math.ceil(length / BLOCK) }];
    const { extents, pieces } = fillRuns(data, runs, OPTIONS);
    const copied = pieces
      .filter(({ bytes }) => bytes.buffer !== data.buffer)
      .reduce((sum, { bytes }) => sum + bytes.length, 0);
    const chunk = 2 ** (extents.at(-1)?.shift ?? 0);
    t.is(copied > 0, length % BLOCK > 0);
    t.true(copied <= chunk);
  }
});
