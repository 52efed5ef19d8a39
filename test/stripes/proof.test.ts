/**
 * The proof that a store on a parity array writes whole stripes: a device counts. The long form,
 * with larger arrays and a table, is `npm run bench:stripes`; docs/stripes.md.
 */

import test from 'ava';
import { ComparatorRegistry } from '../../src/btree/comparator.js';
import { metadataPlaces } from '../support/metadata-places.js';
import { seedFromEnvironment } from '../support/prng.js';
import { StripeLoad, type StripeLoadOptions } from '../support/stripe-load.js';

const MiB = 1024 * 1024;
const SEED = seedFromEnvironment();

const ARRAYS = {
  'RAID-5': { dataDisks: 4, parityDisks: 1, unit: 16 * 1024 },
  'RAID-6': { dataDisks: 8, parityDisks: 2, unit: 8 * 1024 },
} as const;

/** Transactions before counting begins, and while it lasts. */
const COUNT = 250;

/** Counted from one checkpoint to another: whatever the transactions made it write is in it. */
async function steady(options: StripeLoadOptions): Promise<StripeLoad> {
  const load = new StripeLoad(options);
  await load.fillUp();
  await load.run(COUNT);
  load.store.checkpointSync();
  load.reset();
  await load.run(COUNT);
  load.store.checkpointSync();
  return load;
}

for (const [name, array] of Object.entries(ARRAYS)) {
  const common = { ...array, size: 64 * MiB, objectMax: MiB, seed: SEED };

  test(`${name}, 90 % full: no stripe outside the journal is read to be written`, async (t) => {
    t.log(`SEED=${SEED}`);
    const load = await steady({ ...common, aware: true, fill: 0.9 });
    const { outside } = load;
    t.log(JSON.stringify(outside), JSON.stringify(load.store.statfsSync().stripes));
    t.is(outside.readModifyWrites, 0);
    t.is(outside.reconstructWrites, 0);
    t.is(outside.diskReads, 0);
    t.true(outside.fullStripes > 100);
    t.is(load.device.costsOf('slots').readModifyWrites, 0);
    t.is(load.device.costsOf('slots').reconstructWrites, 0);
    load.verify();
    t.is(load.store.statfsSync().stripes?.partialWrites, 0);
    load.close();
    t.is(load.device.badRow(), -1);
    t.deepEqual(load.errors(), []);
  });

  test(`${name}, 70 % full: half the disk operations of a store that ignores stripes`, async (t) => {
    t.log(`SEED=${SEED}`);
    const aware = await steady({ ...common, aware: true, fill: 0.7 });
    const unaware = await steady({ ...common, aware: false, fill: 0.7, follows: aware });
    const [one, other] = [aware, unaware].map(
      ({ outside }) => outside.diskReads + outside.diskWrites,
    ) as [number, number];
    t.log(JSON.stringify(aware.outside), JSON.stringify(unaware.outside));
    t.true(one <= other / 2, `${one / other} of the operations`);
    t.true(unaware.outside.readModifyWrites > 0, 'the other one does read to write');
    unaware.close();
    aware.close();
  });

  test(`${name}: with disks lost everything reads, and a scrub finds nothing wrong`, async (t) => {
    const load = new StripeLoad({ ...common, size: 32 * MiB, aware: true, fill: 0.5 });
    await load.fillUp();
    await load.run(50);
    load.close();
    for (let disk = 0; disk < array.parityDisks; disk++) load.device.loseDisk(3 * disk);
    load.reopen();
    load.verify();
    t.true(load.device.reconstructedReads > 0);
    const report = await load.store.scrub();
    t.true(report.isComplete);
    t.deepEqual(report.findings, []);
    await load.run(20);
    load.verify();
    load.close();
    t.deepEqual(load.errors(), []);
  });
}

test('metadata kept twice is packed twice, half a device apart', async (t) => {
  t.log(`SEED=${SEED}`);
  const array = { ...ARRAYS['RAID-5'], size: 64 * MiB, objectMax: MiB, seed: SEED };
  const load = await steady({ ...array, aware: true, fill: 0.9, metadataCopies: 2 });
  t.like(load.outside, { readModifyWrites: 0, reconstructWrites: 0 });
  t.is(load.store.statfsSync().stripes?.partialWrites, 0);
  load.close();
  const places = metadataPlaces(load.device, new ComparatorRegistry());
  load.device.reopen();
  const apart = places.filter(({ first, second }) => second - first > load.device.width);
  t.log(`${apart.length} of ${places.length}`);
  t.true(apart.length > 0.95 * places.length, 'few had no whole stripe in their half');
  t.deepEqual(load.errors(), []);
});
