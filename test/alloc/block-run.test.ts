import test from 'ava';
import {
  type BlockRun,
  contains,
  intersection,
  intersects,
  mergeRuns,
  subtract,
  totalLength,
  touches,
} from '../../src/alloc/block-run.js';

/** Every run within [0, 6). */
function allRuns(): BlockRun[] {
  const runs: BlockRun[] = [];
  for (let start = 0; start < 6; start++) {
    for (let end = start + 1; end <= 6; end++) runs.push({ start, length: end - start });
  }
  return runs;
}

function blocksOf(...runs: readonly BlockRun[]): number[] {
  return runs.flatMap((run) => Array.from({ length: run.length }, (_, i) => run.start + i));
}

test('runs relate as the sets of their blocks do', (t) => {
  for (const a of allRuns()) {
    for (const b of allRuns()) {
      const common = blocksOf(a).filter((block) => blocksOf(b).includes(block));
      const overlap = intersection(a, b);
      t.is(intersects(a, b), common.length > 0);
      t.deepEqual(overlap === undefined ? [] : blocksOf(overlap), common);
      t.is(contains(a, b), common.length === b.length);
      t.deepEqual(
        blocksOf(...subtract(a, b)),
        blocksOf(a).filter((block) => !common.includes(block)),
      );
      t.is(touches(a, b), common.length === 0 && mergeRuns([a, b]).length === 1);
      const union = [...new Set([...blocksOf(a), ...blocksOf(b)])].sort((x, y) => x - y);
      t.deepEqual(blocksOf(...mergeRuns([a, b])), union);
      t.is(totalLength(mergeRuns([b, a])), union.length);
    }
  }
});
