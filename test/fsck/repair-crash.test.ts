/**
 * Repair that is cut off: at any write, the store is not worse than before, and running it again
 * completes it.
 */

import test from 'ava';
import { SUPERBLOCK_SIZE } from '../../src/format/superblock.js';
import type { RepairOptions } from '../../src/fsck/repair.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import type { SimulatedDevice } from '../support/simulated-device.js';
import { check, linesOf } from './fixture.js';
import { faultyJournal, JOURNAL_FAULTS } from './journal-faults.js';
import { Planter } from './planter.js';
import { contentOf, deepCopy, mend, simulated, worse } from './repair-fixture.js';
import { TREE_FAULTS } from './tree-faults.js';

/** Crashes that are tried of each repair. */
const ROUNDS = Number(process.env['OPS'] ?? 6);

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
  options: Partial<RepairOptions> = {},
): void {
  const start = device.point;
  mend(device, options);
  const points = [...device.crashPoints()].filter((point) => point > start);
  for (let round = 0; round < ROUNDS; round++) {
    see(device.randomCrash(prng, prng.pick(points)).device);
  }
}

for (const name of FAULTS) {
  test(`repair() of ${name} can be cut off anywhere and run again`, (t) => {
    const prng = new Prng(seedFromEnvironment());
    t.log('SEED', prng.seed);
    const source = deepCopy();
    const planter = new Planter(source);
    TREE_FAULTS[name]?.[1](planter);
    planter.write();
    const before = contentOf(source);
    const mended = simulated(source);
    mend(mended);
    const expected = contentOf(mended);
    cutOff(simulated(source), prng, (crashed) => {
      t.deepEqual(worse(before, contentOf(crashed)), []);
      mend(crashed);
      t.deepEqual(contentOf(crashed), expected);
      t.deepEqual(linesOf(check(crashed)), []);
    });
  });
}

test('repair() that makes a superblock can be cut off anywhere and run again', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const source = deepCopy();
  const before = contentOf(source);
  const planter = new Planter(source);
  for (const offset of planter.slots()) planter.image.fill(0, offset, offset + SUPERBLOCK_SIZE);
  planter.write();
  const options = { rebuildSuperblock: true };
  const see = (crashed: SimulatedDevice): void => {
    mend(crashed, options);
    t.deepEqual([...contentOf(crashed).values()], [...before.values()]);
    t.deepEqual(linesOf(check(crashed)), []);
  };
  cutOff(simulated(source), prng, see, options);
});

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
