/**
 * Repair that is cut off: at any write, the store is not worse than before, and running it again
 * completes it.
 */

import test from 'ava';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import type { SimulatedDevice } from '../support/simulated-device.js';
import { check, linesOf } from './fixture.js';
import { faultyJournal, JOURNAL_FAULTS } from './journal-faults.js';
import { Planter } from './planter.js';
import { contentOf, deepCopy, mend, simulated } from './repair-fixture.js';
import { TREE_FAULTS } from './tree-faults.js';

/** Crashes that are tried of each repair. */
const ROUNDS = Number(process.env['OPS'] ?? 12);

const FAULTS = [
  'a flipped byte in a leaf of a map',
  'a lost root of objects',
  'an extent out of the device',
] as const;

/** Cuts a repair of `device` off in many places; repairs what is left there. */
function cutOff(
  device: SimulatedDevice,
  prng: Prng,
  see: (crashed: SimulatedDevice) => void,
): number {
  const start = device.point;
  mend(device);
  const points = [...device.crashPoints()].filter((point) => point > start);
  for (let round = 0; round < ROUNDS; round++) {
    see(device.randomCrash(prng, prng.pick(points)).device);
  }
  return points.length;
}

for (const name of FAULTS) {
  test(`repair() of ${name} can be cut off anywhere and run again`, (t) => {
    const prng = new Prng(seedFromEnvironment());
    t.log('SEED', prng.seed);
    const source = deepCopy();
    const planter = new Planter(source);
    TREE_FAULTS[name]?.[1](planter);
    planter.write();
    const whole = simulated(source);
    mend(whole);
    const expected = contentOf(whole);
    const points = cutOff(simulated(source), prng, (crashed) => {
      mend(crashed);
      t.deepEqual(contentOf(crashed), expected);
      t.deepEqual(linesOf(check(crashed)), []);
    });
    t.log(points, 'points');
  });
}

test('repair() of a damaged journal can be cut off anywhere and run again', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const [, , plant] = JOURNAL_FAULTS['a record with another number of transactions'] ?? [];
  if (plant === undefined) throw new RangeError('the fault is known');
  const source = simulated(faultyJournal(plant));
  cutOff(source, prng, (crashed) => {
    mend(crashed);
    t.deepEqual([...contentOf(crashed).keys()], ['c/a', 'c/b', 'c/z']);
    t.deepEqual(linesOf(check(crashed, { deep: true })), []);
  });
});
