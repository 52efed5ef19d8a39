/**
 * What continuous integration looks at of the sweep (`npm run sweep`): every sequence of one step
 * and a choice of longer ones, until this many distinct images were opened, compared and checked.
 */

import test from 'ava';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { allSequences, SequenceSweep } from './sequence-sweep.js';
import { STEP_KINDS } from './step-kinds.js';

const STATES_LEAST = 20_000;

test('short sequences of steps: no crash loses anything acknowledged', async (t) => {
  t.timeout(600_000);
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  t.true(Object.keys(STEP_KINDS).length >= 20);
  const sweep = new SequenceSweep();
  const { counts } = sweep.tally;
  const longer = [2, 3].map((length) => prng.shuffle([...allSequences(length)]));
  for (const sequence of allSequences(1)) await sweep.run(sequence);
  for (let i = 0; counts.states < STATES_LEAST; i++) {
    const sequence = longer[i % 2]?.pop();
    if (sequence === undefined) throw new Error('there are too few sequences');
    await sweep.run(sequence);
  }
  t.log(`${sweep.sequences} sequences`, JSON.stringify(counts));
  t.is(counts.states, sweep.tally.seen.size);
  t.true(counts.secondCrashes > STATES_LEAST / 2, 'crashes during recovery were looked at');
  t.true(counts.lostSuperblocks > 100, 'lost superblocks were looked at');
  t.true(counts.continued > 100, 'work went on in recovered stores');
  t.true(counts.checked > STATES_LEAST / 2, 'fsck looked at what was opened');
});
