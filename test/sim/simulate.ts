/**
 * Simulations of whole stores, one seed after the other.
 *
 * A seed that fails is shortened and printed, and ends the run with 1; `--seed` with it fails in
 * the same way again.
 */

import { milliseconds } from '../support/budget.js';
import { ScriptOptions } from '../support/script-options.js';
import { CrashTally } from './crash-checker.js';
import { explain } from './explain.js';
import { planOf } from './script.js';
import { play } from './simulation.js';

const USAGE = `Usage: npm run simulate -- [OPTION]...

Plays whole stores from seeds, each with crashes and faults, and compares them with a model.

  --seed N      the first one (1)
  --budget TIME how long it goes on: 90s, 10m, 2h (1m)
  --samples N   crashes of each life that are looked at (20)

A seed that fails is shortened and printed, and ends the run with 1.
`;

const options = ScriptOptions.read(USAGE, { seed: '1', budget: '1m', samples: '20' });
const samples = options.count('samples');
const ends = Date.now() + options.parsed('budget', milliseconds);
const tally = new CrashTally();
let seed = options.count('seed');
do {
  const { name, shape, script } = planOf(seed);
  const played = { seed, shape, samples, tally };
  try {
    const outcome = await play(script, played);
    process.stdout.write(`seed ${seed} (${name}): ${JSON.stringify(outcome)}\n`);
  } catch (error) {
    process.stdout.write(`seed ${seed} (${name}) FAILED: ${error}\n`);
    const { script: shortest, text } = await explain(script, played);
    process.stdout.write(`${shortest.length} of ${script.length} actions: ${text}\n`);
    process.exitCode = 1;
    break;
  }
  seed++;
} while (Date.now() < ends);
process.stdout.write(`all: ${JSON.stringify(tally.counts)}\n`);
