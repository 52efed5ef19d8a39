/** What is kept twice goes to both halves of the device, and comes back from both. */

import test from 'ava';
import { GroupGeometry } from '../../src/alloc/group-geometry.js';
import { SMALL_BLOCK_SIZE, StoredGroups } from './stored-groups.js';

const DOUBLE = { metadataCopies: 2 } as const;

test('a group that is far from another is its counterpart, whatever the number of groups', (t) => {
  for (let groups = 1; groups < 12; groups++) {
    const geometry = new GroupGeometry(SMALL_BLOCK_SIZE, groups * 128 - 5, 0);
    const farOf = (group: number): number => geometry.groupOf(geometry.farFrom(group));
    for (let group = 0; group < groups; group++) {
      const reached = new Set([group]);
      for (let at = farOf(group); !reached.has(at); at = farOf(at)) reached.add(at);
      t.true(reached.size <= 3, `${groups} groups: ${[...reached]}`);
      if (groups > 1) t.not(farOf(group), group);
    }
  }
});

test('the pool is filled in both halves, and drawn from the one that is asked for', (t) => {
  const allocator = new StoredGroups({ blockCount: 1024 }).open(DOUBLE);
  const { to: middle } = allocator.geometry.rangeOf('low');
  t.is(allocator.fillPool(80, 4), 80);
  for (const half of ['low', 'high', 'low', 'high'] as const) {
    const options = { purpose: 'pool', half, unit: 4 } as const;
    const runs = allocator.allocate(20, options);
    t.true(runs.every(({ start }) => start < middle === (half === 'low')));
  }
  t.is(allocator.poolBlocks, 0);
  allocator.verify();
});

test('a half that has nothing left does not fail a request', (t) => {
  const allocator = new StoredGroups({ blockCount: 256 }).open(DOUBLE);
  allocator.fillPool(200, 4);
  const drawn = allocator.allocate(160, { purpose: 'pool', half: 'high', unit: 4 });
  t.is(
    drawn.reduce((sum, { length }) => sum + length, 0),
    160,
  );
  allocator.verify();
});

test('bitmaps get two places in different groups; a rewind takes both back', (t) => {
  const stored = new StoredGroups({ blockCount: 1024 });
  const allocator = stored.open(DOUBLE);
  const before = allocator.usedBlocks;
  const mark = allocator.mark();
  const [run] = allocator.allocate(3, { purpose: 'data' });
  allocator.moveBitmaps();
  t.is(allocator.dirtyGroupCount, 2);
  for (const group of allocator.dirtyGroups) {
    const { address, copy } = allocator.pointerOf(group);
    t.is(allocator.geometry.groupOf(address), group);
    t.is(Math.abs(allocator.geometry.groupOf(copy) - group), 4);
    t.is(allocator.stateOf(copy), 'referenced');
  }
  allocator.rewind(mark);
  t.is(allocator.usedBlocks, before);
  t.deepEqual(allocator.pointerOf(allocator.geometry.groupOf(run?.start ?? 0)).copy, 0);
  allocator.verify();
});

test('moved bitmaps give both of their places back', (t) => {
  const stored = new StoredGroups({ blockCount: 1024 });
  const allocator = stored.open(DOUBLE);
  for (let i = 0; i < 20; i++) {
    const [run] = allocator.allocate(1, { purpose: 'data' });
    stored.checkpoint(allocator);
    if (run !== undefined) allocator.free(run);
    stored.checkpoint(allocator);
  }
  stored.checkpoint(allocator);
  t.true(allocator.usedBlocks <= 1 + 2 * allocator.geometry.groupCount);
  allocator.verify();
});
