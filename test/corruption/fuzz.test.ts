/**
 * Stores that were forged, every checksum right: a slice of what `npm run fuzz` does for longer.
 * `OPS=` sets the number of rounds.
 */

import test from 'ava';
import { FuzzRun } from '../support/fuzz-run.js';
import { seedFromEnvironment } from '../support/prng.js';
import { sampleStore } from '../support/sample-store.js';

const ROUNDS = Number(process.env['OPS'] ?? 80);

test('a forged store gives typed errors, in bounded work and memory', async (t) => {
  t.timeout(600_000);
  const seed = seedFromEnvironment();
  t.log('SEED', seed);
  const run = new FuzzRun(await sampleStore(seed), seed);
  for (let round = 0; round < ROUNDS; round++) t.is(run.round(round), undefined);
  t.log(JSON.stringify(run.counts));
  t.true(Object.keys(run.counts.refused).length > 2, 'some stores were refused');
});
