/**
 * Whole stripes only, whatever the array looks like: small and large units, widths that are no power
 * of two, stripes smaller than a node or larger than an object, metadata kept once or twice, journals
 * of both kinds. One shape a run; more with SHAPES=n.
 */

import test from 'ava';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { StripeLoad, type StripeLoadOptions } from '../support/stripe-load.js';

const KiB = 1024;
const MiB = 1024 * KiB;
const SEED = seedFromEnvironment();
const SHAPES = Number(process.env['SHAPES'] ?? 1);

/** Transactions before it is looked at. */
const COUNT = 250;

/** Stripes of the device, at least: on fewer, one generation takes a good part of all. */
const STRIPES_MIN = 384;

function shapeOf(random: Prng): StripeLoadOptions {
  const unit = random.pick([4, 8, 8, 12, 16, 16, 64]) * KiB;
  const parityDisks = random.pick([1, 2] as const);
  const dataDisks = random.pick([2, 3, 4, 5, 7, 8]);
  const size = Math.max(64 * MiB, STRIPES_MIN * dataDisks * unit);
  return {
    dataDisks,
    parityDisks,
    unit,
    size,
    aware: true,
    fill: random.pick([0.7, 0.8, 0.9]),
    seed: random.below(1000),
    objectMax: size / 64,
    metadataCopies: random.pick([1, 2]),
    separateJournal: random.below(3) === 0,
  };
}

for (let i = 0; i < SHAPES; i++) {
  test(`an array of any shape gets whole stripes only, ${i}`, async (t) => {
    const options = shapeOf(new Prng(SEED + i));
    t.log(`SEED=${SEED + i} ${JSON.stringify(options)}`);
    const load = new StripeLoad(options);
    await load.fillUp();
    await load.run(COUNT);
    load.store.checkpointSync();
    t.log(JSON.stringify(load.store.statfsSync().stripes));
    t.like(load.outside, { readModifyWrites: 0, reconstructWrites: 0, diskReads: 0 });
    t.is(load.store.statfsSync().stripes?.partialWrites, 0);
    load.verify();
    load.close();
    t.is(load.device.badRow(), -1);
    t.deepEqual(load.errors(), []);
  });
}

test('stripes of no whole number of nodes get no partial writes', async (t) => {
  const shape = { dataDisks: 5, parityDisks: 1, unit: 4 * KiB, size: 64 * MiB } as const;
  const load = new StripeLoad({ ...shape, aware: true, fill: 0.9, seed: 1, objectMax: MiB });
  await load.fillUp();
  await load.run(COUNT);
  t.is(load.store.statfsSync().stripes?.partialWrites, 0);
  load.close();
});

test('few whole stripes are shared out over generations: no partial write in a small store', async (t) => {
  const shape = { dataDisks: 8, parityDisks: 2, unit: 16 * KiB, size: 64 * MiB } as const;
  const load = new StripeLoad({ ...shape, aware: true, fill: 0.9, seed: 4, objectMax: MiB });
  await load.fillUp();
  await load.run(2 * COUNT);
  t.is(load.store.statfsSync().stripes?.partialWrites, 0);
  load.close();
});
