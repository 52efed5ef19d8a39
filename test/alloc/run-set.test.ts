import test from 'ava';
import { RunSet } from '../../src/alloc/run-set.js';
import { AssertionError } from '../../src/assert.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';

/** Builds a set from pairs of start and length. */
function setOf(...pairs: readonly (readonly [start: number, length: number])[]): RunSet {
  const set = new RunSet();
  for (const [start, length] of pairs) set.add(start, length);
  return set;
}

test('add() and remove() agree with an array of flags', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const set = new RunSet();
  const flags = new Array<boolean>(300).fill(false);
  for (let i = 0; i < 4000; i++) {
    const start = prng.below(flags.length);
    const isIn = flags[start] as boolean;
    let end = start;
    for (let left = prng.between(1, 20); left > 0 && flags[end] === isIn; left--) end++;
    if (isIn) set.remove(start, end - start);
    else set.add(start, end - start);
    flags.fill(!isIn, start, end);
    set.verify();
    const from = prng.below(flags.length);
    const to = prng.between(from + 1, flags.length + 1);
    const slice = flags.slice(from, to);
    t.is(set.contains(from, to - from), !slice.includes(false));
    t.is(set.intersects(from, to - from), slice.includes(true));
    const seen = slice.map(() => false);
    for (const run of set.within(from, to - from)) {
      seen.fill(true, run.start - from, run.start - from + run.length);
    }
    t.deepEqual(seen, slice);
    t.is(set.blocks, flags.filter((flag) => flag).length);
  }
});

test('bestFit() prefers the shortest run that is long enough, else the longest', (t) => {
  const set = setOf([10, 5], [20, 9], [40, 7]);
  t.deepEqual(set.bestFit(6, 1), { start: 40, length: 6 });
  t.deepEqual(set.bestFit(8, 1), { start: 20, length: 8 });
  t.deepEqual(set.bestFit(30, 1), { start: 20, length: 9 });
  t.is(new RunSet().bestFit(1, 1), undefined);
});

test('bestFit() starts at a multiple of the alignment', (t) => {
  const set = setOf([10, 12], [30, 7]);
  t.deepEqual(set.bestFit(4, 8), { start: 32, length: 4 });
  t.deepEqual(set.bestFit(6, 16), { start: 16, length: 6 });
});

test('shortest() gives the shortest run', (t) => {
  t.deepEqual(setOf([10, 5], [20, 2], [40, 7]).shortest(), { start: 20, length: 2 });
  t.is(new RunSet().shortest(), undefined);
});

test('add() of what is there and remove() of what is not are bugs', (t) => {
  const set = setOf([10, 5]);
  t.throws(() => set.add(14, 1), { instanceOf: AssertionError });
  t.throws(() => set.add(8, 3), { instanceOf: AssertionError });
  t.throws(() => set.remove(14, 2), { instanceOf: AssertionError });
  t.throws(() => set.remove(0, 1), { instanceOf: AssertionError });
});
