/** The option to keep metadata twice, and what healing may and may not do to a store. */

import test from 'ava';
import { mkfsOn, Store } from '../../src/index.js';
import { metadataPlaces } from '../support/metadata-places.js';
import { sampleRegistry } from '../support/sample-check.js';
import { SimulatedDevice } from '../support/simulated-device.js';

const KiB = 1024;
const MiB = 1024 * KiB;
const SMALL = { blockSize: KiB, nodeSize: KiB, journalBytes: 64 * KiB };

function newDevice(): SimulatedDevice {
  return new SimulatedDevice({ size: 2 * MiB });
}

/** What a store holds, as text; all its nodes are read for it. */
function contentOf(store: Store): string {
  const entries = store.collection('c').object('o').mapEntriesSync({ limit: 1000 });
  const names = store
    .collection('c')
    .listSync()
    .map(({ name }) => `${Buffer.from(name)}`);
  return [...names, ...entries.map((pair) => pair.map((part) => `${Buffer.from(part)}`))].join();
}

/** A store in which every first copy of `role` is bad, or of any node where none is given. */
function damagedStore(): SimulatedDevice {
  const device = newDevice();
  mkfsOn(device, { ...SMALL, metadataCopies: 2 });
  const store = Store.openOnSync(device);
  const entries = Array.from({ length: 90 }, (_, i) => [`key${i}`, 'v'.repeat(40)] as const);
  const build = store.transaction().createCollection('c').touch('c', 'o').mapSet('c', 'o', entries);
  for (let i = 0; i < 30; i++) build.touch('c', `object ${i}`);
  store.commitSync(build);
  store.closeSync();
  const damaged = new SimulatedDevice({ image: device.image() });
  for (const { first, length } of metadataPlaces(damaged, sampleRegistry())) {
    damaged.overwrite(first, new Uint8Array(length));
  }
  return damaged;
}

test('mkfs keeps metadata once, or twice where it is asked to', (t) => {
  for (const metadataCopies of [undefined, 1, 2]) {
    const device = newDevice();
    mkfsOn(device, metadataCopies === undefined ? SMALL : { ...SMALL, metadataCopies });
    const store = Store.openOnSync(device);
    t.is(store.info().metadataCopies, metadataCopies ?? 1);
    store.commitSync(store.transaction().createCollection('c'));
    store.closeSync();
    const again = Store.openOnSync(new SimulatedDevice({ image: device.image() }));
    t.is(again.info().metadataCopies, metadataCopies ?? 1);
    again.closeSync();
  }
});

test('mkfs refuses other numbers of copies, and a device that is too small for two', (t) => {
  for (const metadataCopies of [0, 3, 1.5, -1, Number.NaN]) {
    const device = newDevice();
    t.throws(() => mkfsOn(device, { ...SMALL, metadataCopies }), {
      code: 'E_INVALID_ARGUMENT',
      message: /only 1 or 2/,
    });
    t.is(device.point, 0);
  }
  const device = new SimulatedDevice({ size: 560 * KiB });
  mkfsOn(device, SMALL);
  t.throws(() => mkfsOn(device, { ...SMALL, metadataCopies: 2, force: true }), {
    code: 'E_TOO_SMALL',
  });
});

test('a crash while copies are healed leaves all that was there', (t) => {
  const device = damagedStore();
  const before = contentOf(Store.openOnSync(damagedStore(), { readOnly: true }));
  const from = device.point;
  const store = Store.openOnSync(device, { cacheBytes: 0 });
  t.is(contentOf(store), before);
  const { badCopies, healedCopies } = store.info();
  t.true(healedCopies > 5);
  t.is(badCopies, healedCopies);
  let crashes = 0;
  for (const { device: crashed } of device.crashes(from, device.point)) {
    crashes++;
    const opened = Store.openOnSync(crashed, { cacheBytes: 0 });
    if (contentOf(opened) !== before) t.fail(`after crash ${crashes}`);
  }
  t.true(crashes > healedCopies);
  store.closeSync();
});

test('a copy that cannot be healed poisons nothing', async (t) => {
  const device = damagedStore();
  const store = Store.openOnSync(device, { cacheBytes: 0 });
  const before = store.info();
  device.faults.failAt({ kind: 'write', n: 1, permanent: true });
  const content = contentOf(store);
  t.is(contentOf(store), content);
  t.is(store.info().healedCopies, before.healedCopies);
  t.true(store.info().badCopies > before.badCopies);
  const object = store.collection('c').object('o');
  t.is((await object.mapEntries({ limit: 1000 })).length, 90);
});

test('a poisoned store heals nothing', (t) => {
  const device = damagedStore();
  const store = Store.openOnSync(device, { cacheBytes: 0 });
  device.faults.failAt({ kind: 'write', n: 1, permanent: true });
  t.throws(() => store.commitSync(store.transaction().touch('c', 'x')), { code: 'E_IO' });
  const { point } = device;
  t.throws(() => contentOf(store), { code: 'E_IO' });
  t.is(device.point, point);
});
