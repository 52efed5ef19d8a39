import test from 'ava';
import type { Allocator } from '../../src/alloc/allocator.js';
import { type BlockRun, endOf, totalLength } from '../../src/alloc/block-run.js';
import { groupBlocksFor } from '../../src/alloc/group-geometry.js';
import { AssertionError } from '../../src/assert.js';
import { CorruptError } from '../../src/errors.js';
import type { GroupSummary } from '../../src/format/group-summary.js';
import { allocatorContract } from './contract.js';
import { emptyAllocator, Miss, StoredGroups } from './stored-groups.js';

allocatorContract('many small groups', { blockCount: 128 * 6 + 40 });
allocatorContract('one short group', { blockCount: 100 });
allocatorContract('one loaded group', { blockCount: 128 * 4, bitmapBytesMax: 1000 });
allocatorContract('stripes', { blockCount: 120 * 4 + 30, stripeBlocks: 8 });
allocatorContract('fixed places', {
  blockCount: 128 * 5,
  fixed: [
    { start: 0, length: 1 },
    { start: 100, length: 300 },
    { start: 128 * 5 - 1, length: 1 },
  ],
});
allocatorContract('blocks of 4 KiB', { blockSize: 4096, blockCount: 33_000 });

test('groupBlocksFor() gives whole stripes that fit one block', (t) => {
  t.is(groupBlocksFor(4096, 0), 32384);
  t.is(groupBlocksFor(4096, 64), 32384);
  t.is(groupBlocksFor(4096, 48), 32352);
  t.is(groupBlocksFor(512, 7), 3710);
  t.throws(() => groupBlocksFor(512, 4000), { code: 'E_INVALID_ARGUMENT' });
});

test('a large request is served over group borders, as one run where they join', (t) => {
  const allocator = emptyAllocator({ blockCount: 128 * 10 });
  t.deepEqual(allocator.allocate(128 * 4 + 5, { purpose: 'data' }), [
    { start: 128, length: 128 * 4 + 5 },
  ]);
});

test('a request that fits no run is served by few runs, longest first', (t) => {
  const allocator = emptyAllocator({ blockCount: 1280 });
  const all = allocator.allocate(allocator.freeBlocks, { purpose: 'data', claim: true });
  const holes = [4, 30, 9, 17, 2].map((length, i) => ({ start: 140 + 200 * i, length }));
  t.is(totalLength(all), 1279);
  for (const hole of holes) allocator.unclaim(hole);
  t.deepEqual(allocator.allocate(31, { purpose: 'data', contiguous: true }), []);
  t.deepEqual(allocator.allocate(45, { purpose: 'data', claim: true }), [
    holes[1],
    { start: 740, length: 15 },
  ]);
});

test('large data starts at a stripe boundary as long as a whole stripe is free', (t) => {
  const stripe = 8;
  const allocator = emptyAllocator({ blockCount: 120 * 5, stripeBlocks: stripe });
  allocator.allocate(allocator.freeBlocks, { purpose: 'data', claim: true });
  for (let start = 1; start < 560; start += 23) allocator.unclaim({ start, length: 17 });
  const wholeStripes = () => {
    let count = 0;
    for (let at = 0; at < allocator.totalBlocks; at += stripe) {
      const states = Array.from({ length: stripe }, (_, i) => allocator.stateOf(at + i));
      if (states.every((state) => state === 'free')) count++;
    }
    return count;
  };
  for (let left = wholeStripes(); left > 0; left = wholeStripes()) {
    const [run] = allocator.allocate(stripe, { purpose: 'data' }) as [BlockRun];
    t.is(run.start % stripe, 0);
    t.is(run.length, stripe);
  }
  t.true(allocator.freeBlocks > stripe);
  const runs = allocator.allocate(stripe, { purpose: 'data' });
  t.is(totalLength(runs), stripe);
  allocator.verify();
});

test('a request of several stripes without one run gets whole stripes', (t) => {
  const allocator = emptyAllocator({ blockCount: 120 * 2, stripeBlocks: 8 });
  allocator.allocate(allocator.freeBlocks, { purpose: 'data', claim: true });
  for (const start of [15, 60, 150]) allocator.unclaim({ start, length: 20 });
  const runs = allocator.allocate(35, { purpose: 'data' });
  t.deepEqual(
    runs.slice(0, -1).map((run) => [run.start % 8, run.length % 8]),
    runs.slice(0, -1).map(() => [0, 0]),
  );
  t.is(totalLength(runs), 35);
});

test('the pool is filled with whole stripes', (t) => {
  const allocator = emptyAllocator({ blockCount: 120 * 3, stripeBlocks: 8 });
  allocator.allocate(3, { purpose: 'metadata' });
  t.is(allocator.fillPool(20), 24);
  for (let at = 0; at < allocator.totalBlocks; at += 8) {
    const states = Array.from({ length: 8 }, (_, i) => allocator.stateOf(at + i));
    const pooled = states.filter((state) => state === 'pool').length;
    t.true(pooled === 0 || pooled === 8);
  }
});

test('align is kept where it can be', (t) => {
  const allocator = emptyAllocator({ blockCount: 128 * 3 });
  for (const align of [2, 10, 64]) {
    const [run] = allocator.allocate(5, { purpose: 'data', align }) as [BlockRun];
    t.is(run.start % align, 0);
  }
  allocator.allocate(allocator.freeBlocks, { purpose: 'data', claim: true });
  allocator.unclaim({ start: 201, length: 9 });
  t.deepEqual(allocator.allocate(6, { purpose: 'data', align: 64 }), [{ start: 201, length: 6 }]);
});

/** A device of ten groups, all written and half full, and a new allocator over it. */
function reopened(): { stored: StoredGroups; allocator: Allocator; runs: BlockRun[] } {
  const stored = new StoredGroups({ blockCount: 1280, bitmapBytesMax: 1000 });
  const first = stored.open();
  const runs: BlockRun[] = [];
  for (let group = 0; group < 10; group++) {
    runs.push(...first.allocate(60, { purpose: 'data', hint: group * 128 }));
  }
  stored.checkpoint(first);
  stored.loads = 0;
  return { stored, allocator: stored.open(), runs };
}

test('open loads no bitmap, free() neither, allocate() one', (t) => {
  const { stored, allocator, runs } = reopened();
  t.is(stored.loads, 0);
  for (const run of runs) allocator.free(run);
  t.is(stored.loads, 0);
  t.deepEqual(allocator.unloadedDirtyGroups().length, 10);
  allocator.allocate(5, { purpose: 'data', hint: 300 });
  t.is(stored.loads, 1);
  t.deepEqual(allocator.unloadedDirtyGroups().length, 9);
  stored.checkpoint(allocator);
  t.is(stored.loads, 10);
  t.is(allocator.trim(), 9);
  t.is(allocator.loadedGroupCount, 1);
});

test('a double free in a group that is not loaded is found by freeze()', (t) => {
  const { allocator, runs } = reopened();
  allocator.free(runs[3] as BlockRun);
  allocator.free(runs[3] as BlockRun);
  t.throws(() => allocator.freeze(), { instanceOf: CorruptError });
});

test('free() of what is free, fixed or behind the device is E_CORRUPT and can be rewound', (t) => {
  const allocator = emptyAllocator({ blockCount: 1280 });
  const [run] = allocator.allocate(9, { purpose: 'data' }) as [BlockRun];
  allocator.keep();
  const runs = [
    { start: endOf(run), length: 4 },
    { start: 0, length: 1 },
    { start: 1279, length: 2 },
    { start: 2 ** 40, length: 1 },
  ];
  for (const wrong of runs) {
    t.throws(() => allocator.free(wrong), { instanceOf: CorruptError });
    allocator.rewind(0);
  }
  allocator.free(run);
  t.throws(() => allocator.free(run), { instanceOf: CorruptError });
  allocator.rewind(0);
  t.is(allocator.stateOf(run.start), 'referenced');
  allocator.verify();
});

test('freeze() that misses changes nothing and can be repeated', (t) => {
  const { stored, allocator, runs } = reopened();
  for (const run of runs) allocator.free(run);
  stored.misses = () => stored.loads === 4;
  t.throws(() => allocator.freeze(), { instanceOf: Miss });
  t.is(allocator.generation, 0);
  t.is(allocator.dirtyGroupCount, 10);
  stored.misses = () => false;
  t.is(allocator.freeze(), 0);
});

test('an evicted group comes back with its limbo', (t) => {
  const { stored, allocator, runs } = reopened();
  for (const run of runs) allocator.free(run);
  const generation = stored.freeze(allocator);
  stored.settle(allocator, generation);
  t.is(allocator.trim(), 10);
  const loads = stored.loads;
  t.is(allocator.stateOf((runs[0] as BlockRun).start), 'limbo');
  t.is(allocator.stateOf((runs[9] as BlockRun).start), 'limbo');
  t.true(stored.loads > loads);
  allocator.trim();
  t.is(allocator.releaseLimbo(generation), 10 * 60 + 10);
  t.is(allocator.stateOf((runs[5] as BlockRun).start), 'free');
  allocator.verify();
});

test('limbo of an evicted group is found by its length as soon as it is released', (t) => {
  for (const stripeBlocks of [0, 12]) {
    const stored = new StoredGroups({ blockCount: 1200, stripeBlocks, bitmapBytesMax: 0 });
    const allocator = stored.open();
    const runs = allocator.allocate(allocator.freeBlocks - 60, { purpose: 'data' });
    stored.checkpoint(allocator);
    const start = allocator.geometry.startOf(3);
    t.true(runs.some((run) => run.start <= start && endOf(run) >= start + 96));
    allocator.free({ start: start + 2, length: 40 });
    allocator.free({ start: start + 42, length: 31 });
    const generation = stored.freeze(allocator);
    stored.settle(allocator, generation);
    allocator.trim();
    t.is(allocator.loadedGroupCount, 0);
    allocator.releaseLimbo(generation);
    const { loads } = stored;
    const found = allocator.allocate(71, { purpose: 'data', contiguous: true });
    t.deepEqual(found, [{ start: start + 2, length: 71 }]);
    t.is(stored.loads, loads + 1);
    allocator.verify();
  }
});

test('bitmaps in memory are as many as the budget holds, one for a group at rest', (t) => {
  const stored = new StoredGroups({ blockCount: 1280, bitmapBytesMax: 10 * 640 });
  const allocator = stored.open();
  for (let group = 0; group < 10; group++) {
    allocator.allocate(60, { purpose: 'data', hint: group * 128 });
  }
  t.true(allocator.bitmapBytes > 10 * 640);
  stored.checkpoint(allocator);
  t.is(allocator.trim(), 0);
  t.true(allocator.bitmapBytes <= 10 * 640);
  allocator.verify();
});

test('a bitmap that is not its summary is corrupt, and nothing is handed out of it', (t) => {
  const flips: [string, (bits: Uint8Array, allocator: Allocator) => void][] = [
    ['a bit more', (bits) => bits.fill(0xff, 15, 16)],
    ['a bit less', (bits) => bits.fill(0, 1, 2)],
  ];
  for (const [name, flip] of flips) {
    const { stored, allocator } = reopened();
    const { address } = allocator.pointerOf(2);
    flip(stored.images.get(address) as Uint8Array, allocator);
    const error = t.throws(() => allocator.allocate(5, { purpose: 'data', hint: 256 }), {
      instanceOf: CorruptError,
    });
    t.is(error?.offset, address * 64, name);
    t.is(allocator.loadedGroupCount, 0);
  }
});

test('a bitmap with a free fixed place, or bits behind its end, is corrupt', (t) => {
  const stored = new StoredGroups({ blockCount: 128 + 20 });
  const first = stored.open();
  for (const hint of [10, 128]) first.allocate(3, { purpose: 'data', hint });
  stored.checkpoint(first);
  const swapped = stored.images.get(first.pointerOf(0).address) as Uint8Array;
  const tail = stored.images.get(first.pointerOf(1).address) as Uint8Array;
  swapped[0] = (swapped[0] as number) & ~1;
  swapped[15] = (swapped[15] as number) | 128;
  tail[3] = 1;
  const opened = stored.open();
  t.throws(() => opened.stateOf(5), { instanceOf: CorruptError, message: /fixed place 0/ });
  t.throws(() => opened.stateOf(130), { instanceOf: CorruptError, message: /behind 20/ });
});

test('summaries that can not be are corrupt', (t) => {
  const good: GroupSummary = {
    free: 10,
    longest: 5,
    address: 40,
    copy: 0,
    birth: 1,
    low: 0,
    high: 0,
    unerased: false,
  };
  const bad: [number, Partial<GroupSummary>][] = [
    [0, { free: 129, longest: 5 }],
    [0, { longest: 11 }],
    [0, { address: 200 }],
    [0, { copy: 200 }],
    [1, { free: 73 }],
    [2, {}],
  ];
  for (const [group, changes] of bad) {
    const summaries = [[group, { ...good, ...changes }]] as const;
    const stored = new StoredGroups({ blockCount: 200 });
    t.throws(() => stored.open({ summaries }), { instanceOf: CorruptError });
  }
  t.notThrows(() => new StoredGroups({ blockCount: 200 }).open({ summaries: [[1, good]] }));
});

test('block 0 must be at a fixed place: a bitmap there would not be one', (t) => {
  t.throws(() => emptyAllocator({ blockCount: 100, fixed: [] }), { instanceOf: AssertionError });
});

test('fragmentation() tells crumbs from long runs', (t) => {
  const allocator = emptyAllocator({ blockCount: 1280 });
  t.true(allocator.fragmentation() < 0.01);
  allocator.allocate(allocator.freeBlocks, { purpose: 'data', claim: true });
  t.is(allocator.fragmentation(), 0);
  for (let start = 1; start < 1280; start += 4) allocator.unclaim({ start, length: 1 });
  t.true(allocator.fragmentation() > 0.9);
});

test('keep() bounds the log and leaves everything as it is', (t) => {
  const allocator = emptyAllocator({ blockCount: 1280 });
  const [run] = allocator.allocate(9, { purpose: 'data' }) as [BlockRun];
  allocator.keep();
  t.is(allocator.mark(), 0);
  allocator.free({ start: run.start, length: 1 });
  allocator.rewind(0);
  t.is(allocator.stateOf(endOf(run) - 1), 'referenced');
  t.is(allocator.stateOf(run.start), 'referenced');
  t.throws(() => allocator.rewind(1), { instanceOf: AssertionError });
});
