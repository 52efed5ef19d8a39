import test from 'ava';
import { GroupRanking } from '../../src/alloc/group-ranking.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';

test('next() agrees with a walk over an array', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  for (const count of [1, 2, 3, 7, 8, 9, 100]) {
    const figures = Array.from({ length: count }, () => prng.below(20));
    const ranking = new GroupRanking(count, (group) => figures[group] as number);
    for (let i = 0; i < 300; i++) {
      const group = prng.below(count);
      figures[group] = prng.below(20);
      ranking.set(group, figures[group]);
      const from = prng.below(count + 1);
      const minimum = prng.between(1, 22);
      const expected = figures.findIndex((figure, at) => at >= from && figure >= minimum);
      t.is(ranking.next(from, minimum), expected);
      t.is(ranking.at(group), figures[group]);
      t.is(ranking.max, Math.max(...figures));
    }
    ranking.verify();
  }
});
