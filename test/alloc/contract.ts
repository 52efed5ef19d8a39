/**
 * What every allocator does, whatever its geometry: run for each by allocator.test.ts.
 */

import test from 'ava';
import type { Allocator } from '../../src/alloc/allocator.js';
import { type BlockRun, endOf, mergeRuns, totalLength } from '../../src/alloc/block-run.js';
import type { AllocateOptions } from '../../src/alloc/chooser.js';
import { AssertionError } from '../../src/assert.js';
import { CorruptError } from '../../src/errors.js';
import { StoredGroups, type StoredOptions } from './stored-groups.js';

const DATA: AllocateOptions = { purpose: 'data' };

/** The one run of an allocation that must not be split. */
function one(allocator: Allocator, length: number, options: AllocateOptions = DATA): BlockRun {
  const [run] = allocator.allocate(length, { ...options, contiguous: true });
  if (run === undefined) throw new Error(`no run of ${length} blocks`);
  return run;
}

function numbersOf(allocator: Allocator): number[] {
  const { freeBlocks, claimedBlocks, limboBlocks, poolBlocks, usedBlocks } = allocator;
  return [freeBlocks, claimedBlocks, limboBlocks, poolBlocks, usedBlocks];
}

/** Every block's state: what must be the same after a rewind. */
function statesOf(allocator: Allocator): string {
  const states = Array.from({ length: allocator.totalBlocks }, (_, i) => allocator.stateOf(i)[0]);
  return states.join('');
}

export function allocatorContract(name: string, options: StoredOptions): void {
  const open = () => new StoredGroups(options).open();

  test(`${name}: allocate() hands out every free block once, then nothing`, (t) => {
    const allocator = open();
    const free = allocator.freeBlocks;
    const runs: BlockRun[] = [];
    while (allocator.freeBlocks >= 7) runs.push(...allocator.allocate(7, DATA));
    while (allocator.freeBlocks > 0) runs.push(...allocator.allocate(1, DATA));
    t.is(totalLength(runs), free);
    t.is(totalLength(mergeRuns(runs)), free);
    t.deepEqual(allocator.allocate(1, DATA), []);
    t.is(allocator.usedBlocks, allocator.totalBlocks);
    allocator.verify();
  });

  test(`${name}: allocate() gives everything in one call, and one more block nothing`, (t) => {
    const allocator = open();
    const before = statesOf(allocator);
    t.deepEqual(allocator.allocate(allocator.freeBlocks + 1, DATA), []);
    t.is(statesOf(allocator), before);
    const runs = allocator.allocate(allocator.freeBlocks, DATA);
    t.is(totalLength(runs), totalLength(mergeRuns(runs)));
    t.is(allocator.freeBlocks, 0);
    allocator.verify();
  });

  test(`${name}: allocate() at the end of the last extent goes on there`, (t) => {
    const allocator = open();
    let run = one(allocator, 3);
    for (let i = 0; i < 10; i++) {
      const next = one(allocator, 2, { purpose: 'data', hint: endOf(run) });
      t.is(next.start, endOf(run));
      run = next;
    }
  });

  test(`${name}: allocate() finds a freed hole again once it is released`, (t) => {
    const stored = new StoredGroups(options);
    const allocator = stored.open();
    const runs = allocator.allocate(allocator.freeBlocks - 30, DATA);
    const hole = { start: (runs[0] as BlockRun).start + 3, length: 9 };
    while (allocator.freeBlocks > 20) allocator.allocate(1, { purpose: 'metadata' });
    allocator.free(hole);
    t.is(allocator.limboBlocks, 9);
    const generation = stored.freeze(allocator);
    t.deepEqual(allocator.allocate(allocator.freeBlocks + 1, DATA), []);
    stored.settle(allocator, generation);
    t.is(allocator.releaseLimbo(generation), allocator.generation === 1 ? 9 : 0);
    const found = one(allocator, 9, { purpose: 'data', hint: hole.start });
    t.deepEqual(found, hole);
    allocator.verify();
  });

  test(`${name}: a claim becomes referenced by adopt() and free by unclaim()`, (t) => {
    const allocator = open();
    const [run] = allocator.allocate(5, { purpose: 'data', claim: true }) as [BlockRun];
    t.is(allocator.claimedBlocks, 5);
    t.is(allocator.dirtyGroupCount, 0);
    t.is(allocator.stateOf(run.start), 'claimed');
    allocator.adopt({ start: run.start, length: 2 });
    t.is(allocator.stateOf(run.start + 1), 'referenced');
    t.is(allocator.dirtyGroupCount, 1);
    allocator.unclaim({ start: run.start + 2, length: 3 });
    t.is(allocator.stateOf(run.start + 2), 'free');
    allocator.unadopt({ start: run.start, length: 2 });
    allocator.unclaim({ start: run.start, length: 2 });
    t.is(allocator.claimedBlocks, 0);
    allocator.verify();
  });

  test(`${name}: claim() takes free and claimed blocks, and none when one is in use`, (t) => {
    const allocator = open();
    const run = one(allocator, 4);
    allocator.free(run);
    const behind = { start: endOf(run), length: 3 };
    t.true(allocator.claim(behind));
    t.true(allocator.claim({ start: behind.start, length: 5 }));
    t.is(allocator.claimedBlocks, 5);
    const before = statesOf(allocator);
    t.false(allocator.claim({ start: endOf(run) - 1, length: 9 }));
    t.is(statesOf(allocator), before);
    allocator.verify();
  });

  test(`${name}: rewind() takes back exactly what was done since the mark`, (t) => {
    const stored = new StoredGroups(options);
    const allocator = stored.open();
    const kept = one(allocator, 12);
    const claimed = one(allocator, 6, { purpose: 'data', claim: true });
    allocator.fillPool(8);
    stored.checkpoint(allocator);
    allocator.free({ start: kept.start, length: 3 });
    const before = { states: statesOf(allocator), numbers: numbersOf(allocator) };
    const dirty = [...allocator.dirtyGroups];
    const outer = allocator.mark();
    allocator.allocate(20, DATA);
    const inner = allocator.mark();
    const middle = statesOf(allocator);
    allocator.adopt(claimed);
    allocator.free({ start: kept.start + 4, length: 5 });
    allocator.allocate(9, { purpose: 'pool' });
    allocator.free({ start: claimed.start, length: 2 });
    allocator.moveBitmaps();
    allocator.rewind(inner);
    t.is(statesOf(allocator), middle);
    allocator.verify();
    allocator.rewind(outer);
    t.is(statesOf(allocator), before.states);
    t.deepEqual(numbersOf(allocator), before.numbers);
    t.deepEqual([...allocator.dirtyGroups], dirty);
    allocator.verify();
  });

  test(`${name}: a rewound request gets the same place again`, (t) => {
    const allocator = open();
    allocator.allocate(5, DATA);
    const mark = allocator.mark();
    const first = [allocator.allocate(3, DATA), allocator.allocate(2, { purpose: 'metadata' })];
    allocator.rewind(mark);
    const second = [allocator.allocate(3, DATA), allocator.allocate(2, { purpose: 'metadata' })];
    t.deepEqual(second, first);
  });

  test(`${name}: ordinary requests never touch the pool`, (t) => {
    const allocator = open();
    const held = allocator.fillPool(25);
    t.true(held >= 25 && held < 25 + allocator.geometry.stripeBlocks);
    const pooled = statesOf(allocator).replaceAll(/[^p]/g, '.');
    while (allocator.freeBlocks > 0) allocator.allocate(1, DATA);
    t.deepEqual(allocator.allocate(1, { purpose: 'metadata' }), []);
    t.is(statesOf(allocator).replaceAll(/[^p]/g, '.'), pooled);
    t.is(totalLength(allocator.allocate(held, { purpose: 'pool' })), held);
    t.deepEqual(allocator.allocate(1, { purpose: 'pool' }), []);
    t.is(allocator.poolBlocks, 0);
    allocator.verify();
  });

  test(`${name}: drainPool() gives back as many blocks as asked, at most all`, (t) => {
    const allocator = open();
    const free = allocator.freeBlocks;
    const held = allocator.fillPool(20);
    t.is(allocator.drainPool(6), 6);
    t.is(allocator.poolBlocks, held - 6);
    t.is(allocator.drainPool(1000), held - 6);
    t.is(allocator.freeBlocks, free);
    allocator.verify();
  });

  test(`${name}: a checkpoint's bits and records are what the next open sees`, (t) => {
    const stored = new StoredGroups(options);
    const allocator = stored.open();
    const runs = [3, 10, 1, 25].map((length) => one(allocator, length));
    allocator.allocate(4, { purpose: 'data', claim: true });
    allocator.fillPool(6);
    allocator.free(runs[1] as BlockRun);
    stored.checkpoint(allocator);
    allocator.free(runs[0] as BlockRun);
    allocator.allocate(8, DATA);
    const opened = stored.open();
    opened.verify();
    t.is(opened.stateOf((runs[0] as BlockRun).start), 'referenced');
    t.is(opened.stateOf((runs[1] as BlockRun).start), 'free');
    t.is(opened.claimedBlocks + opened.limboBlocks + opened.poolBlocks, 0);
    const bitmaps = stored.summaries.size;
    const fixed = open().usedBlocks;
    t.is(opened.usedBlocks, fixed + 3 + 1 + 25 + bitmaps);
  });

  test(`${name}: a full device still moves its bitmaps, by the pool`, (t) => {
    const stored = new StoredGroups(options);
    const allocator = stored.open();
    stored.checkpoint(allocator);
    allocator.fillPool(allocator.geometry.groupCount + 2);
    while (allocator.freeBlocks > 0) allocator.allocate(1, DATA);
    const held = allocator.poolBlocks;
    t.true(allocator.moveBitmaps() > 0);
    t.is(allocator.moveBitmaps(), 0);
    t.true(allocator.poolBlocks < held);
    stored.checkpoint(allocator);
    allocator.verify();
    stored.open().verify();
  });

  test(`${name}: moveBitmaps() without a block to be had changes nothing`, (t) => {
    const allocator = open();
    while (allocator.freeBlocks > 0) allocator.allocate(1, DATA);
    const mark = allocator.mark();
    t.throws(() => allocator.moveBitmaps(), { code: 'E_NO_SPACE' });
    t.is(allocator.mark(), mark);
    allocator.verify();
  });

  test(`${name}: limbo is not released before its checkpoint is durable`, (t) => {
    const stored = new StoredGroups(options);
    const allocator = stored.open();
    allocator.free(one(allocator, 2));
    const generation = stored.freeze(allocator);
    t.throws(() => allocator.releaseLimbo(generation), { instanceOf: AssertionError });
    t.throws(() => allocator.settle(generation + 1), { instanceOf: AssertionError });
  });

  test(`${name}: free() of a free, freed or fixed block is damage, adopting or unclaiming it a bug`, (t) => {
    const allocator = open();
    const run = one(allocator, 4);
    allocator.free(run);
    const damage = { instanceOf: CorruptError };
    t.throws(() => allocator.free(run), damage);
    t.throws(() => allocator.free({ start: endOf(run), length: 1 }), damage);
    t.throws(() => allocator.free({ start: 0, length: 1 }), damage);
    t.throws(() => allocator.free({ start: allocator.totalBlocks - 1, length: 2 }), damage);
    const bug = { instanceOf: AssertionError };
    t.throws(() => allocator.adopt(run), bug);
    t.throws(() => allocator.unclaim(run), bug);
  });

  test(`${name}: runsOf() walks over what is free, busy and referenced`, (t) => {
    const allocator = open();
    allocator.allocate(17, DATA);
    allocator.allocate(4, { purpose: 'data', claim: true });
    allocator.fillPool(5);
    for (let group = 0; group < allocator.geometry.groupCount; group++) {
      const start = allocator.geometry.startOf(group);
      const seen = { free: [] as number[], busy: [] as number[], referenced: [] as number[] };
      for (const which of ['free', 'busy', 'referenced'] as const) {
        for (const run of allocator.runsOf(group, which)) {
          for (let block = run.start; block < endOf(run); block++) seen[which].push(block);
        }
      }
      const all = Array.from({ length: allocator.geometry.sizeOf(group) }, (_, i) => start + i);
      const has = (state: string) => (block: number) => allocator.stateOf(block) === state;
      t.deepEqual(seen.free, all.filter(has('free')));
      t.deepEqual(seen.referenced, all.filter(has('referenced')));
      t.deepEqual(
        [...seen.free, ...seen.busy].sort((a, b) => a - b),
        all,
      );
    }
  });

  test(`${name}: grow() adds free blocks, and the next open finds them`, (t) => {
    const stored = new StoredGroups(options);
    const allocator = stored.open();
    allocator.allocate(allocator.freeBlocks - 20, DATA);
    stored.checkpoint(allocator);
    const free = allocator.freeBlocks;
    const blockCount = allocator.totalBlocks + allocator.geometry.groupBlocks + 9;
    const added = blockCount - allocator.totalBlocks;
    allocator.grow(blockCount);
    t.is(allocator.freeBlocks, free + added);
    allocator.verify();
    t.is(totalLength(allocator.allocate(added, DATA)), added);
    stored.checkpoint(allocator);
    allocator.verify();
    const opened = stored.open({ blockCount });
    for (let block = 0; block < blockCount; block++) opened.stateOf(block);
    opened.verify();
    t.is(opened.usedBlocks, allocator.usedBlocks);
  });
}
