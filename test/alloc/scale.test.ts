/** Sizes and speeds: memory is asserted with much room, times are only printed. */

import test from 'ava';
import type { Allocator } from '../../src/alloc/allocator.js';
import type { BlockRun } from '../../src/alloc/block-run.js';
import type { GroupSummary } from '../../src/format/group-summary.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { emptyAllocator, StoredGroups } from './stored-groups.js';

const TIB_16 = 2 ** 44 / 4096; // blocks

function usedMemory(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function* halfFull(groups: number): Generator<readonly [number, GroupSummary]> {
  for (let group = 1; group < groups; group++) {
    const address = group * 32_384;
    yield [
      group,
      {
        free: 16_192,
        longest: 1000 + (group % 5000),
        address,
        copy: 0,
        birth: 9,
        low: 1,
        high: 2,
        unerased: false,
      },
    ];
  }
}

/** A half full group: its first block, the bitmap's, and every other run of 64 blocks. */
function stripedBits(free: number, longest: number): Uint8Array {
  const bits = new Uint8Array(4048);
  for (let i = 0; i < bits.length; i++) bits[i] = 0xff;
  bits.fill(0, 8, 8 + Math.floor(longest / 8));
  let cleared = Math.floor(longest / 8) * 8;
  for (let i = 4047; cleared < free; i -= 2) {
    bits[i] = 0;
    cleared += 8;
  }
  return bits;
}

test('a 16 TiB device opens in a few megabytes, and finds a group at once', (t) => {
  const before = usedMemory();
  const from = performance.now();
  const stored = new StoredGroups({ blockSize: 4096, blockCount: TIB_16 });
  const allocator = stored.open({
    summaries: halfFull(132_626),
    source: { load: () => stripedBits(16_192, 1000) },
  });
  const opened = performance.now() - from;
  const bytes = process.memoryUsage().arrayBuffers;
  t.is(allocator.geometry.groupCount, 132_627);
  t.log(`opened in ${opened.toFixed(0)} ms`);
  t.log(`memory ${((usedMemory() - before) / 2 ** 20).toFixed(1)} MiB, buffers ${bytes}`);
  t.true(bytes < 10e6);
  const start = performance.now();
  const [run] = allocator.allocate(512, { purpose: 'data', hint: 2 ** 31 }) as [BlockRun];
  t.log(`first allocation in ${(performance.now() - start).toFixed(3)} ms`);
  t.is(allocator.geometry.groupOf(run.start), allocator.geometry.groupOf(2 ** 31));
});

/** Fills a device of `groups` groups to `fill` with random extents, frees and fills again. */
function aged(
  prng: Prng,
  groups: number,
  fill: number,
): { allocator: Allocator; runs: BlockRun[] } {
  const allocator = emptyAllocator({ blockSize: 4096, blockCount: groups * 32_384 });
  const runs: BlockRun[] = [];
  const isBelow = () => allocator.freeBlocks > allocator.totalBlocks * (1 - fill);
  const put = () => {
    const length = prng.pick([1, 1, 2, 4, 16, 64]);
    runs.push(...allocator.allocate(length, { purpose: 'data' }));
  };
  while (isBelow()) put();
  for (let round = 0; round < 3; round++) {
    prng.shuffle(runs);
    const half = runs.splice(0, runs.length >>> 1);
    for (const run of half) allocator.free(run);
    const generation = allocator.freeze();
    allocator.settle(generation);
    allocator.releaseLimbo(generation);
    while (isBelow()) put();
    allocator.keep();
  }
  return { allocator, runs };
}

test('an aged device allocates quickly', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  for (const fill of [0.5, 0.9, 0.97]) {
    const { allocator, runs } = aged(prng, 8, fill);
    t.log(`${fill * 100} % full, fragmentation ${allocator.fragmentation().toFixed(3)}`);
    for (const length of [1, 16, 256]) {
      const mark = allocator.mark();
      const hints = Array.from({ length: 1000 }, () => prng.pick(runs).start);
      let count = 0;
      let pieces = 0;
      const from = performance.now();
      for (const hint of hints) {
        const found = allocator.allocate(length, { purpose: 'data', hint });
        if (found.length === 0) break;
        count++;
        pieces += found.length;
      }
      const us = ((performance.now() - from) * 1000) / count;
      t.log(
        `  ${count} x ${length} blocks: ${us.toFixed(2)} us, ${(pieces / count).toFixed(2)} runs`,
      );
      allocator.rewind(mark);
    }
  }
  t.pass();
});

test('an empty device hands out blocks in a row quickly', (t) => {
  const allocator = emptyAllocator({ blockSize: 4096, blockCount: 8 * 32_384 });
  const count = 200_000;
  const from = performance.now();
  for (let i = 0; i < count; i++) allocator.allocate(1, { purpose: 'metadata' });
  const ns = ((performance.now() - from) * 1e6) / count;
  t.log(`${ns.toFixed(0)} ns a block`);
  const undo = performance.now();
  allocator.rewind(0);
  t.log(`${(((performance.now() - undo) * 1e6) / count).toFixed(0)} ns to undo one`);
  allocator.verify();
  t.is(allocator.usedBlocks, 1);
});
