/**
 * Whole stores in simulated worlds. A seed that fails is printed; `npm run simulate -- --seed N`
 * fails in the same way and finds out the shortest script that does.
 */

import test from 'ava';
import type { WriteOptions } from '../../src/blockdev/block-device.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { SimulatedDevice } from '../support/simulated-device.js';
import { CrashTally } from './crash-checker.js';
import { explain } from './explain.js';
import { planOf, SIMULATION_SHAPES, scriptOf } from './script.js';
import { shrink } from './shrink.js';
import { play } from './simulation.js';

const SEEDS = 12;
const SAMPLES = 8;

test('simulated stores keep their promises', async (t) => {
  t.timeout(600_000);
  const first = seedFromEnvironment();
  const tally = new CrashTally();
  const names = new Set<string>();
  for (let seed = first; seed < first + SEEDS; seed++) {
    const { name, shape, script } = planOf(seed);
    names.add(name);
    const options = { seed, shape, samples: SAMPLES, tally };
    try {
      await play(script, options);
    } catch (error) {
      t.log(`failed: npm run simulate -- --seed ${seed} --samples ${SAMPLES} (${name})`);
      throw error;
    }
  }
  t.log(`SEED=${first}`, [...names].join(), JSON.stringify(tally.counts));
  t.true(tally.counts.states > SEEDS * SAMPLES);
});

test('play() writes the same log for the same seed, byte for byte, and another for another', async (t) => {
  t.timeout(120_000);
  const { tiny } = SIMULATION_SHAPES;
  const options = { shape: tiny, samples: 0 };
  const script = scriptOf(new Prng(7), tiny, 3);
  const outcome = await play(script, { ...options, seed: 1 });
  t.deepEqual(await play(script, { ...options, seed: 1 }), outcome);
  t.not((await play(script, { ...options, seed: 2 })).logDigest, outcome.logDigest);
  t.true(outcome.transactions > 40);
});

/** Forgets that a write has to be durable when it is a large one: a planted bug. */
class ForgetfulDevice extends SimulatedDevice {
  override write(offset: number, sources: readonly Uint8Array[], options: WriteOptions = {}) {
    return super.write(offset, sources, weakened(sources, options));
  }

  override writeSync(offset: number, sources: readonly Uint8Array[], options: WriteOptions = {}) {
    super.writeSync(offset, sources, weakened(sources, options));
  }
}

function weakened(sources: readonly Uint8Array[], options: WriteOptions): WriteOptions {
  const bytes = sources.reduce((sum, { length }) => sum + length, 0);
  return bytes > 8 * 1024 ? { durable: false } : options;
}

test('explain() shortens the script of a planted bug to what it takes', async (t) => {
  t.timeout(300_000);
  const { lazy } = SIMULATION_SHAPES;
  const options = {
    shape: lazy,
    seed: 3,
    samples: 4,
    makeDevice: (all: ConstructorParameters<typeof SimulatedDevice>[0]) => new ForgetfulDevice(all),
  };
  const script = scriptOf(new Prng(3), lazy, 2);
  await t.throwsAsync(play(script, options));
  const found = await explain(script, options);
  t.log(`${script.length} actions, then ${found.script.length}`);
  t.log(found.text);
  t.true(found.script.length <= 10);
  t.is(found.script.at(-1)?.do, 'crash');
  await t.throwsAsync(play(found.script, options), { message: found.reason });
});

test('shrink() finds the items that a failure needs', async (t) => {
  const items = Array.from({ length: 200 }, (_, i) => i);
  let asked = 0;
  const found = await shrink(items, async (some) => {
    asked++;
    return [17, 18, 140].every((one) => some.includes(one));
  });
  t.deepEqual(found, [17, 18, 140]);
  t.true(asked < 200);
  t.deepEqual(await shrink(items, async () => true), []);
});
