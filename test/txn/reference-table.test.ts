/** The table of reference counts, against a count for each block. */

import test from 'ava';
import { Tree } from '../../src/btree/tree.js';
import { getU32, getU64BigEndian } from '../../src/format/bytes.js';
import { REFERENCE, ReferenceTable } from '../../src/txn/reference-table.js';
import { STORE_SPECS } from '../../src/txn/store-state.js';
import { makeBed } from '../btree/fixture.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';

const BLOCKS = 400;
const STEPS = 6000;
const RUN_MAX = 40;

interface Run {
  readonly start: number;
  readonly length: number;
  readonly count: number;
}

function runsOf(tree: Tree): Run[] {
  const runs: Run[] = [];
  const cursor = tree.cursor();
  for (cursor.seekFirst(); cursor.valid; cursor.next()) {
    runs.push({
      start: getU64BigEndian(cursor.keyBytes, cursor.keyStart),
      length: getU32(cursor.valueBytes, cursor.valueStart + REFERENCE.length),
      count: getU32(cursor.valueBytes, cursor.valueStart + REFERENCE.count),
    });
  }
  return runs;
}

/** The runs that counts of blocks make: none for one reference, neighbours of equal counts one. */
function runsOfCounts(counts: readonly number[]): Run[] {
  const runs: Run[] = [];
  counts.forEach((count, block) => {
    const last = runs.at(-1);
    if (count < 2) return;
    if (last !== undefined && last.count === count && last.start + last.length === block) {
      runs[runs.length - 1] = { ...last, length: last.length + 1 };
    } else runs.push({ start: block, length: 1, count });
  });
  return runs;
}

test('ReferenceTable holds what was retained and released, as few runs, and frees the rest', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const { forest } = makeBed(512, 4096);
  const tree = new Tree(forest, STORE_SPECS.references);
  const freed = new Set<number>();
  const table = new ReferenceTable(tree, (start, length) => {
    for (let i = start; i < start + length; i++) {
      if (freed.has(i)) t.fail(`block ${i} is freed twice`);
      freed.add(i);
    }
  });
  const counts = new Array<number>(BLOCKS).fill(1);
  for (let step = 0; step < STEPS; step++) {
    const start = prng.below(BLOCKS);
    const length = Math.min(prng.between(1, RUN_MAX), BLOCKS - start);
    const blocks = Array.from({ length }, (_, i) => start + i);
    freed.clear();
    // More often up than down at first, so that many runs come about.
    if (prng.chance(step < STEPS / 2 ? 0.6 : 0.4)) {
      table.retain(start, length);
      for (const block of blocks) counts[block] = (counts[block] as number) + 1;
      t.is(freed.size, 0);
    } else {
      const last = blocks.filter((block) => counts[block] === 1);
      t.is(table.release(start, length), last.length === length);
      t.deepEqual(
        [...freed].sort((a, b) => a - b),
        last,
      );
      for (const block of blocks) counts[block] = Math.max(1, (counts[block] as number) - 1);
    }
    const one = prng.below(BLOCKS);
    t.is(table.count(one), counts[one] as number);
    if (step % 50 === 0) t.deepEqual(runsOf(tree), runsOfCounts(counts));
  }
  t.deepEqual(runsOf(tree), runsOfCounts(counts));
});
