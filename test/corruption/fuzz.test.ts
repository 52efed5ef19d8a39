/**
 * Stores that were forged, every checksum right: a slice of what `npm run fuzz` does for longer.
 * `OPS=` sets the number of rounds.
 */

import test from 'ava';
import { FuzzRun } from '../support/fuzz-run.js';
import { seedFromEnvironment } from '../support/prng.js';
import { sampleStore } from '../support/sample-store.js';

const ROUNDS = Number(process.env['OPS'] ?? 60);

test('a forged store gives typed errors, in bounded work and memory', async (t) => {
  t.timeout(600_000);
  const seed = seedFromEnvironment();
  t.log('SEED', seed);
  const run = new FuzzRun(await sampleStore(seed), seed);
  for (let round = 0; round < ROUNDS; round++) t.is(run.round(round), undefined);
  t.log(JSON.stringify(run.counts));
  t.true(Object.keys(run.counts.refused).length > 2, 'some stores were refused');
});

/** Rounds that have found something, by seed: owners, records and gaps that nobody counted on. */
const FOUND: Readonly<Record<number, readonly number[]>> = {
  5: [618], // an owner that is no number
  71: [174], // data written ahead that is shorter than it says
  72: [108, 116, 260, 502], // a gap in a shared leaf, data of nobody, runs of 32 blocks, lying bitmaps
};

for (const [seed, rounds] of Object.entries(FOUND)) {
  test(`what fuzzing has found stays mended: seed ${seed}`, async (t) => {
    t.timeout(600_000);
    const run = new FuzzRun(await sampleStore(Number(seed)), Number(seed));
    for (const round of rounds) t.is(run.round(round), undefined);
  });
}
