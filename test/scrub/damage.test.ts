/**
 * Damage of every kind is found, once, and named by its place.
 */

import test from 'ava';
import { ROLE, ROLE_NAMES } from '../../src/format/role.js';
import { Store } from '../../src/index.js';
import { Planter } from '../fsck/planter.js';
import {
  BLOCK,
  copyOf,
  filledDevice,
  flipByte,
  HookedDevice,
  newDevice,
  pattern,
  scrubOf,
} from './fixture.js';

/** Roles of which the filled store has nodes of their own. */
const ROLES = [
  ROLE.collections,
  ROLE.objects,
  ROLE.attributes,
  ROLE.blob,
  ROLE.map,
  ROLE.references,
  ROLE.drops,
  ROLE.reservations,
];

const filled = filledDevice();

test('scrub() of a store without damage finds nothing', async (t) => {
  const report = await scrubOf(copyOf(filled));
  t.deepEqual(report.findings, []);
  t.true(report.isComplete);
  t.is(report.position, undefined);
  t.true(report.bytesVerified > 300_000);
  t.is(report.collections, 33);
});

for (const role of ROLES) {
  const name = ROLE_NAMES[role];
  test(`scrub() finds each damaged node of ${name}, and names it`, async (t) => {
    const device = copyOf(filled);
    const planter = new Planter(device);
    const levels = Array.from({ length: 8 }, (_, level) => planter.nodes(role, level));
    t.true(levels.flat().length > 0);
    const store = Store.openOnSync(device, { readOnly: true });
    // Those of one level at a time: none of them hides another.
    for (const nodes of levels.filter(({ length }) => length > 0)) {
      for (const address of nodes) flipByte(device, address * BLOCK + 700);
      const { findings } = await store.scrub();
      const places = findings.map(({ code, tree, offset }) => `${code} ${tree} ${offset}`);
      const expected = nodes.map((address) => `node-damaged ${name} ${address * BLOCK}`);
      t.deepEqual(places.sort(), expected.sort());
      for (const address of nodes) flipByte(device, address * BLOCK + 700);
    }
  });
}

/** Byte offset on the device of the second piece of the large object, of which there is no clone. */
function secondPiece(device: HookedDevice): number {
  const store = Store.openOnSync(device, { readOnly: true });
  const extents = store.collection('c').object('large').extentsSync();
  return extents.find(({ offset }) => offset === 3000)?.deviceOffset ?? -1;
}

test('scrub() finds each damaged bitmap', async (t) => {
  const device = copyOf(filled);
  const bitmaps = new Planter(device).bitmaps();
  t.true(bitmaps.length > 0);
  for (const address of bitmaps) flipByte(device, address * BLOCK + 100);
  const { findings } = await scrubOf(device);
  const places = findings.map(({ code, offset }) => `${code} ${offset}`).sort();
  t.deepEqual(places, bitmaps.map((address) => `bitmap-damaged ${address * BLOCK}`).sort());
});

test('scrub() finds each damaged superblock slot', async (t) => {
  for (const offset of new Planter(copyOf(filled)).slots()) {
    const device = copyOf(filled);
    const store = Store.openOnSync(device, { readOnly: true });
    flipByte(device, offset + 50);
    const { findings, warnings } = await store.scrub();
    t.deepEqual(
      findings.map(({ code, offset: at }) => [code, at]),
      [['superblock-slot', offset]],
    );
    t.is(warnings, 1);
  }
});

test('scrub() finds a damaged journal record', async (t) => {
  const device = newDevice();
  const store = Store.openOnSync(device);
  store.commitSync(store.transaction().createCollection('c'));
  store.checkpointSync();
  for (let i = 0; i < 5; i++) store.commitSync(store.transaction().write('c', `o${i}`, 0, 'small'));
  const copy = copyOf(device);
  const reader = Store.openOnSync(copy, { readOnly: true });
  t.deepEqual((await reader.scrub()).findings, []);
  const { superblock } = new Planter(copy);
  flipByte(copy, superblock.journalOffset + superblock.journalStart.head + 40);
  const { findings } = await reader.scrub();
  t.deepEqual(
    findings.map(({ code }) => code),
    ['journal-damaged'],
  );
});

test('scrub() finds every damaged chunk of data once, and names whose it is', async (t) => {
  const device = newDevice();
  const store = Store.openOnSync(device);
  const tx = store.transaction().createCollection('c');
  for (let i = 0; i < 20; i++) tx.write('c', `o${i}`, 0, pattern(9000, i * 7919));
  tx.setAttribute('c', 'o0', 'large', pattern(9000, 1e6));
  store.commitSync(tx);
  store.commitSync(store.transaction().cloneCollection('c', 'd').clone('c', 'o3', 'clone'));
  const extents = store.collection('c').object('o7').extentsSync();
  store.checkpointSync();
  const copy = copyOf(device);
  const image = new Uint8Array(copy.size);
  copy.readSync(0, image);
  let chunks = 0;
  for (let i = 0; i < 21; i++) {
    const data = pattern(9000, i < 20 ? i * 7919 : 1e6);
    for (let at = 0; at < data.length; at += 4096, chunks++) {
      const found = Buffer.from(image.buffer).lastIndexOf(data.subarray(at, at + 64));
      t.true(found > 0);
      flipByte(copy, found);
    }
  }
  const { findings } = await scrubOf(copy);
  t.is(findings.length, chunks);
  t.true(findings.every(({ code }) => code === 'data-damaged'));
  const third = findings.filter(({ object }) => object === '"o7"');
  t.deepEqual(
    third.map(({ collection, objectOffset, objectLength }) => [
      collection,
      objectOffset,
      objectLength,
    ]),
    [
      ['"c"', 0, 4096],
      ['"c"', 4096, 4096],
      ['"c"', 8192, 808],
    ],
  );
  t.is(third[0]?.offset, extents[0]?.deviceOffset);
  t.is(findings.filter(({ value }) => value === '"large"').length, 3);
});

test('scrub() goes on behind a damaged node: all else is verified', async (t) => {
  const device = copyOf(filled);
  const whole = await scrubOf(device);
  const planter = new Planter(device);
  const [, leaf] = planter.nodes(ROLE.map, 0);
  flipByte(device, (leaf as number) * BLOCK + 600);
  const { findings, nodes, bytesVerified } = await scrubOf(device, { partBytes: 2000 });
  t.is(findings.length, 1);
  t.is(bytesVerified, whole.bytesVerified);
  t.true(nodes >= whole.nodes - 1);
});

test('scrub() reads the medium: what only the cache has wrong or right does not count', async (t) => {
  const device = copyOf(filled);
  const data = pattern(3000, 1e6 + 104_729);
  const image = new Uint8Array(device.size);
  device.readSync(0, image);
  const offset = secondPiece(device);
  const store = Store.openOnSync(device, { readOnly: true });
  device.hook = {
    after(from, target) {
      if (from <= offset && offset < from + target.length) target[offset - from] = 0;
    },
  };
  const { findings } = await store.scrub();
  t.deepEqual(
    findings.map(({ code, object, offset: at }) => [code, object, at]),
    [['data-damaged', '"large"', offset]],
  );
  t.deepEqual(store.collection('c').object('large').readSync(3000, 3000), data);
  device.hook = { after: (from, target) => target.set(image.subarray(from, from + target.length)) };
  flipByte(device, offset);
  t.deepEqual((await store.scrub()).findings, []);
  t.throws(() => store.collection('c').object('large').readSync(3000, 3000), { code: 'E_CORRUPT' });
});

test('a place that the device fails to read is a finding, and poisons nothing', async (t) => {
  const device = copyOf(filled);
  const store = Store.openOnSync(device);
  const [node] = new Planter(device).nodes(ROLE.map, 0);
  const bad = [(node as number) * BLOCK];
  bad.push(secondPiece(device));
  device.hook = {
    before(offset, length) {
      const isBad = bad.some((at) => offset <= at && at < offset + length);
      if (isBad) throw HookedDevice.failure(offset);
    },
  };
  const { findings, isComplete } = await store.scrub();
  t.true(isComplete);
  const places = findings.map(({ code, offset }) => `${code} ${offset}`).sort();
  t.deepEqual(places, bad.map((at) => `unreadable ${at}`).sort());
  store.commitSync(store.transaction().write('c', 'after', 0, 'still here'));
  await store.close();
});
