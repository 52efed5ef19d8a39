/**
 * What continuous integration looks at of the sweep (`npm run sweep`): every sequence of one step
 * and a choice of longer ones, until so many distinct images were opened, compared and checked;
 * `OPS=` says how many.
 */

import test from 'ava';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { SequenceSweep, sequenceAt, sequenceCount, shuffledSequences } from './sequence-sweep.js';
import { STEP_KINDS } from './step-kinds.js';

const STATES_LEAST = Number(process.env['OPS'] ?? 20_000);

test('short sequences of steps: no crash loses anything acknowledged', async (t) => {
  t.timeout(600_000);
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  t.true(Object.keys(STEP_KINDS).length >= 20);
  const sweep = new SequenceSweep();
  const { counts } = sweep.tally;
  for (const sequence of shuffledSequences(1, prng)) await sweep.run(sequence);
  while (counts.states < STATES_LEAST) {
    const length = prng.pick([2, 3]);
    await sweep.run(sequenceAt(length, prng.below(sequenceCount(length))));
  }
  t.log(`${sweep.sequences} sequences`, JSON.stringify(counts));
  t.is(counts.states, sweep.tally.seen.size);
  t.true(counts.secondCrashes > STATES_LEAST / 2, 'crashes during recovery were looked at');
  t.true(counts.thirdCrashes > STATES_LEAST / 50, 'and during the recovery after such a crash');
  t.true(counts.lostSuperblocks > STATES_LEAST / 200, 'lost superblocks were looked at');
  t.true(counts.continued > STATES_LEAST / 1000, 'work went on in recovered stores');
  t.true(counts.checked > STATES_LEAST / 2, 'fsck looked at what was opened');
});
