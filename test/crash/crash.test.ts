/**
 * Crash safety: whatever a power failure leaves, the store opens in the state after some prefix
 * of its transactions that holds all acknowledged ones. Together at least 5000 distinct images.
 */

import test from 'ava';
import { type CrashCounts, CrashRun } from '../support/crash-run.js';
import { CRASH_SHAPES } from '../support/crash-shapes.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';

const STATES_LEAST = 1700;

const seed = seedFromEnvironment();
const totals: CrashCounts[] = [];

for (const [name, shape] of Object.entries(CRASH_SHAPES)) {
  test.serial(`crashes of a ${name} store lose nothing acknowledged`, async (t) => {
    t.timeout(300_000);
    t.log('SEED', seed);
    const run = new CrashRun({ ...shape, prng: new Prng(seed) });
    while (run.counts.states < STATES_LEAST) await run.segment();
    totals.push(run.counts);
    t.log(JSON.stringify(run.counts));
    t.true(run.counts.recoveryStates > 100, 'second crashes during recovery were looked at');
    t.true(run.counts.lostSuperblocks > 30, 'lost superblocks were looked at');
    t.true(run.counts.continued > 100, 'work went on in recovered stores');
  });
}

test.serial('at least 5000 distinct crash states were looked at', (t) => {
  const states = totals.reduce((sum, counts) => sum + counts.states, 0);
  t.log(`${states} distinct crash states`);
  t.true(states >= 5000);
});
