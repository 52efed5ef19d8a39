/** Whole stripes: packing into open ones, the exchange with the pool, and the survey. */

import test from 'ava';
import type { Allocator } from '../../src/alloc/allocator.js';
import { totalLength } from '../../src/alloc/block-run.js';
import { emptyAllocator } from './stored-groups.js';

const STRIPE = 8;

/** Five groups of fifteen stripes. */
function striped(): Allocator {
  return emptyAllocator({ blockCount: 120 * 5, stripeBlocks: STRIPE });
}

/** Leaves nothing free but `runs`. */
function onlyFree(allocator: Allocator, runs: readonly (readonly [number, number])[]): void {
  allocator.allocate(allocator.freeBlocks, { purpose: 'data', claim: true });
  for (const [start, length] of runs) allocator.unclaim({ start, length });
}

test('pack() fills one stripe after the other, and opens no more than it needs', (t) => {
  const allocator = striped();
  const free = allocator.freeBlocks;
  const runs = [3, 2, 3, 1].flatMap((length) => allocator.pack(length, length, true));
  t.deepEqual(
    runs.map(({ start, length }) => [start - (runs[0]?.start ?? 0), length]),
    [
      [0, 3],
      [3, 2],
      [5, 3],
      [8, 1],
    ],
  );
  t.is((runs[0]?.start ?? 1) % STRIPE, 0);
  t.is(allocator.openBlocks, 7);
  t.is(allocator.freeBlocks, free - 2 * STRIPE);
  t.is(allocator.usedBlocks, allocator.totalBlocks - allocator.freeBlocks - 7);
  t.is(allocator.stateOf(runs[3]?.start ?? 0), 'referenced');
  t.is(allocator.stateOf((runs[3]?.start ?? 0) + 1), 'open');
  allocator.verify();
});

test('pack() goes over into the next stripe, and cuts only what may be cut', (t) => {
  const allocator = striped();
  const [first] = allocator.pack(6, 6, true);
  const [second] = allocator.pack(4, 4, true);
  t.is(second?.start, (first?.start ?? 0) + 6);
  t.deepEqual(allocator.pack(7, 7, false), []);
  t.is(allocator.openBlocks, 6);
  t.is(totalLength(allocator.pack(6, 2, false)), 6);
  t.is(allocator.openBlocks, 0);
  allocator.verify();
});

test('nothing but pack() hands out open blocks', (t) => {
  const allocator = striped();
  allocator.pack(1, 1, true);
  const all = allocator.allocate(allocator.freeBlocks, { purpose: 'data', claim: true });
  t.true(all.length > 0);
  t.is(allocator.freeBlocks, 0);
  t.is(allocator.openBlocks, 7);
  t.deepEqual(allocator.allocate(1, { purpose: 'data' }), []);
  t.is(totalLength(allocator.pack(7, 7, false)), 7);
});

test('a rewind makes packed blocks open again', (t) => {
  const allocator = striped();
  allocator.pack(1, 1, true);
  const mark = allocator.mark();
  allocator.pack(4, 4, true);
  allocator.pack(9, 9, true);
  allocator.rewind(mark);
  t.is(allocator.openBlocks, 7 + 2 * STRIPE);
  allocator.verify();
});

test('closeStripes() puts padding into limbo and gives stripes back that were not used', (t) => {
  const allocator = striped();
  const free = allocator.freeBlocks;
  const [run] = allocator.pack(3, 3, true);
  const mark = allocator.mark();
  allocator.pack(20, 20, true);
  allocator.rewind(mark);
  const start = run?.start ?? 0;
  t.deepEqual(allocator.closeStripes(), [{ start: start + 3, length: 5 }]);
  t.is(allocator.openBlocks, 0);
  t.is(allocator.limboBlocks, 5);
  t.is(allocator.freeBlocks, free - STRIPE);
  t.is(allocator.stateOf(start + 3), 'limbo');
  allocator.verify();
  const ended = allocator.freeze();
  allocator.settle(ended);
  allocator.releaseLimbo(ended);
  t.is(allocator.freeBlocks, free - 3);
  t.is(allocator.stateOf(start + 3), 'free');
  allocator.verify();
});

test('without a whole free stripe pack() gives nothing', (t) => {
  const allocator = striped();
  onlyFree(allocator, [
    [121, 7],
    [129, 7],
  ]);
  t.deepEqual(allocator.pack(1, 1, true), []);
  t.deepEqual(allocator.allocate(STRIPE, { purpose: 'data', stripesOnly: true }), []);
  t.is(allocator.openBlocks, 0);
  t.is(allocator.freeBlocks, 14);
  allocator.verify();
});

test('the pool gives whole stripes for other blocks, and keeps its size', (t) => {
  const allocator = striped();
  onlyFree(allocator, [
    [128, 4 * STRIPE],
    [201, 7],
    [209, 7],
  ]);
  allocator.fillPool(4 * STRIPE, 2);
  t.is(allocator.poolBlocks, 4 * STRIPE);
  t.true(allocator.exchangeStripes(STRIPE));
  t.is(allocator.poolBlocks, 4 * STRIPE);
  t.is(totalLength(allocator.allocate(STRIPE, { purpose: 'data', stripesOnly: true })), STRIPE);
  t.false(allocator.exchangeStripes(STRIPE), 'there is not enough for another one');
  t.is(allocator.poolBlocks, 4 * STRIPE);
  allocator.verify();
});

test('the pool gives whole stripes that are no multiple of its runs', (t) => {
  const stripeBlocks = 5;
  const allocator = emptyAllocator({ blockCount: 125 * 4, stripeBlocks });
  onlyFree(allocator, [[130, 4 * stripeBlocks]]);
  allocator.fillPool(4 * stripeBlocks, 2);
  for (let start = 205; start < 245; start += stripeBlocks) {
    allocator.unclaim({ start, length: stripeBlocks - 1 });
  }
  const held = allocator.poolBlocks;
  t.true(allocator.exchangeStripes(2 * stripeBlocks));
  t.is(allocator.poolBlocks, held);
  const runs = allocator.allocate(2 * stripeBlocks, { purpose: 'data', stripesOnly: true });
  t.is(runs.length, 1, 'they lie in a row');
  allocator.verify();
});

test('pack() puts what is for a half of the device there, and counts the stripes', (t) => {
  const allocator = striped();
  const { to: middle } = allocator.geometry.rangeOf('low');
  for (let i = 0; i < 6; i++) {
    const low = allocator.pack(6, 2, true, 'low');
    const high = allocator.pack(6, 2, true, 'high');
    t.is(totalLength([...low, ...high]), 12);
    t.true(low.every(({ start }) => start < middle));
    t.true(high.every(({ start }) => start >= middle));
  }
  t.is(allocator.stripesTaken, 10);
  t.is(allocator.openBlocks, 8);
  const [anywhere] = allocator.pack(4, 4, false);
  t.truthy(anywhere, 'what has no half takes what is open in either');
  allocator.verify();
});

test('pack() gives nothing for a half of the device without a whole stripe', (t) => {
  const allocator = striped();
  onlyFree(allocator, [[STRIPE, STRIPE]]);
  t.deepEqual(allocator.pack(2, 2, true, 'high'), []);
  t.is(totalLength(allocator.pack(2, 2, true, 'low')), 2);
  allocator.verify();
});

test('a stripe that is free but for the pool can be had whole', (t) => {
  const allocator = striped();
  onlyFree(allocator, [[128, 6]]);
  allocator.fillPool(6, 2);
  allocator.unclaim({ start: 134, length: 2 });
  allocator.unclaim({ start: 201, length: 7 });
  t.is(allocator.stripes.count().free, 1);
  t.true(allocator.exchangeStripes(STRIPE));
  const [run] = allocator.allocate(STRIPE, { purpose: 'data', stripesOnly: true });
  t.deepEqual(run, { start: 128, length: STRIPE });
  allocator.verify();
});

test('the survey counts stripes and finds the sparse ones', (t) => {
  const allocator = striped();
  onlyFree(allocator, [[128, 2 * STRIPE]]);
  allocator.unclaim({ start: 201, length: 7 });
  const { free, full, partial } = allocator.stripes.count();
  t.is(free, 2);
  t.is(free + full + partial, allocator.totalBlocks / STRIPE);
  const [packed] = allocator.pack(3, 3, true);
  allocator.closeStripes();
  t.deepEqual([...allocator.stripes.sparse(1)], [], 'not before its padding is free');
  const ended = allocator.freeze();
  allocator.settle(ended);
  allocator.releaseLimbo(ended);
  const stripe = (packed?.start ?? 0) / STRIPE;
  t.deepEqual([...allocator.stripes.sparse(1)], [{ stripe, used: 3 }]);
  t.is(allocator.stripes.usedIn(stripe), 3);
});

test('freeStripes() counts the stripes of no more groups than it takes to have enough', (t) => {
  const { stripes } = striped();
  const all = stripes.freeStripes();
  t.true(all > 60);
  t.is(stripes.freeStripes(all), all);
  const enough = stripes.freeStripes(20);
  t.true(enough >= 20 && enough < all / 2, `${enough} of ${all}`);
});
