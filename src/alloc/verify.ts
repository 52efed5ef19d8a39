/**
 * The whole-structure check of the allocator: costly, for tests and for STORE_VERIFY=1.
 * Every block of a loaded group must be in exactly one state, and every total a sum.
 */

import { assert } from '../assert.js';
import type { Group } from './group.js';
import type { GroupCache } from './group-cache.js';
import type { GroupTable } from './group-table.js';
import type { Limbo, LimboList } from './limbo.js';
import type { RunSet } from './run-set.js';

export interface AllocatorParts {
  readonly table: GroupTable;
  readonly cache: GroupCache;
  readonly limbo: Limbo;
  readonly pool: RunSet;
  readonly open: RunSet;
  readonly fixed: RunSet;
  readonly claimedBlocks: number;
}

/** @throws AssertionError when the parts contradict themselves or each other. */
export function verifyParts(parts: AllocatorParts): void {
  const { table, cache, limbo, pool, open, fixed } = parts;
  pool.verify();
  open.verify();
  fixed.verify();
  table.longest.verify();
  table.aligned.verify();
  verifyTotals(parts);
  let claimed = 0;
  let pooled = 0;
  for (const group of cache.values()) {
    verifyBits(group, table);
    verifyStates(group, parts);
    claimed += group.claimed?.used ?? 0;
    pooled += group.pooled;
  }
  assert(claimed === parts.claimedBlocks, 'claims are counted');
  assert(pooled === pool.blocks + open.blocks, 'pool and open stripes lie in loaded groups');
  let limboBlocks = limbo.current.blocks;
  for (const list of limbo.frozen) limboBlocks += list.blocks;
  assert(limboBlocks === limbo.blocks, 'limbo is the sum of its lists');
}

function verifyTotals({ table }: AllocatorParts): void {
  let free = 0;
  for (let group = 0; group < table.geometry.groupCount; group++) {
    assert(table.freeOf(group) <= table.geometry.sizeOf(group), 'a group is not freer than large');
    assert(table.longest.at(group) <= table.freeOf(group), 'a free run is part of what is free');
    assert(table.aligned.at(group) <= table.freeOf(group), 'an aligned run is part of it too');
    free += table.freeOf(group);
  }
  assert(free === table.freeBlocks, 'free blocks are the sum of the groups');
}

/** The bitmaps of one group, and what the table says of them. */
function verifyBits(group: Group, table: GroupTable): void {
  const { busy, referenced, claimed, index } = group;
  busy.verify();
  referenced.verify();
  claimed?.verify();
  assert(group.size === table.geometry.sizeOf(index), 'a group is as large as the device says');
  assert(busy.free === table.freeOf(index), 'the free count is that of the bitmap');
  assert(table.longest.at(index) >= busy.longestFree(), 'the longest run is bounded');
  const stripe = table.geometry.stripeBlocks;
  assert(table.aligned.at(index) >= busy.longestAligned(stripe, 0), 'so is the aligned one');
}

/** Each busy block of the group is referenced, claimed, in the pool or in limbo. */
function verifyStates(group: Group, { limbo, pool, open, fixed }: AllocatorParts): void {
  const { referenced, claimed, start, size } = group;
  let states = referenced.used + (claimed?.used ?? 0) + group.pooled;
  verifyRuns(referenced.nextUsed(0), size, group, (at) => referenced.nextUsed(at));
  for (let at = claimed?.nextUsed(0) ?? size; at < size; at = claimed?.nextUsed(at + 1) ?? size) {
    assert(group.busy.isUsed(at, 1), 'a claimed block is busy');
    assert(referenced.isFree(at, 1), 'a claimed block is not referenced');
  }
  let pooled = 0;
  for (const held of [pool, open]) {
    for (const run of held.within(start, size)) {
      verifyHeld(group, run.start - start, run.length);
      pooled += run.length;
    }
  }
  assert(pooled === group.pooled, 'a group counts what pool and open stripes hold in it');
  for (const list of [...limbo.frozen, limbo.current]) states += verifyLimbo(group, list);
  assert(states === group.busy.used, 'a busy block is in one state');
  for (const run of fixed.within(start, size)) {
    assert(referenced.isUsed(run.start - start, run.length), 'fixed places are referenced');
  }
}

function verifyRuns(first: number, size: number, group: Group, next: (at: number) => number): void {
  for (let at = first; at < size; ) {
    const end = group.referenced.nextFree(at);
    assert(group.busy.isUsed(at, end - at), 'a referenced block is busy');
    at = next(end);
  }
}

/** Blocks of one list in this group. */
function verifyLimbo(group: Group, list: LimboList): number {
  let blocks = 0;
  for (let i = list.newestOf(group.index); i >= 0; i = list.previousOf(i)) {
    verifyHeld(group, list.startAt(i) - group.start, list.lengthAt(i));
    blocks += list.lengthAt(i);
  }
  return blocks;
}

/** Blocks in the pool, in limbo or open: busy, and nothing else. */
function verifyHeld(group: Group, offset: number, length: number): void {
  assert(group.busy.isUsed(offset, length), 'a held block is busy');
  assert(group.referenced.isFree(offset, length), 'a held block is not referenced');
  assert(group.claimed?.isFree(offset, length) ?? true, 'a held block is not claimed');
}
