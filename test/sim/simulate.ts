/**
 * Simulations of whole stores, one seed after the other:
 *
 *     node dist/test/sim/simulate.js [--seed N] [--budget 1m] [--samples 20]
 *
 * A seed that fails is shortened and printed, and ends the run with 1; `--seed` with it fails in
 * the same way again.
 */

import { parseArgs } from 'node:util';
import { milliseconds } from './budget.js';
import { CrashTally } from './crash-checker.js';
import { explain } from './explain.js';
import { planOf } from './script.js';
import { play } from './simulation.js';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    budget: { type: 'string', default: '1m' },
    samples: { type: 'string', default: '20' },
  },
});

const ends = Date.now() + milliseconds(values.budget);
const tally = new CrashTally();
let seed = Number(values.seed);
do {
  const { name, shape, script } = planOf(seed);
  const options = { seed, shape, samples: Number(values.samples), tally };
  try {
    const outcome = await play(script, options);
    process.stdout.write(`seed ${seed} (${name}): ${JSON.stringify(outcome)}\n`);
  } catch (error) {
    process.stdout.write(`seed ${seed} (${name}) FAILED: ${error}\n`);
    const { script: shortest, text } = await explain(script, options);
    process.stdout.write(`${shortest.length} of ${script.length} actions: ${text}\n`);
    process.exitCode = 1;
    break;
  }
  seed++;
} while (Date.now() < ends);
process.stdout.write(`all: ${JSON.stringify(tally.counts)}\n`);
