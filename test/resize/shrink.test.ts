/** Shrinking stores that nobody has open. */

import test from 'ava';
import { runSync } from '../../src/blockdev/io.js';
import { ComparatorRegistry } from '../../src/btree/comparator.js';
import { hasCode, type StoreError } from '../../src/errors.js';
import { ROLE } from '../../src/format/role.js';
import { Store } from '../../src/index.js';
import { resizeOn } from '../../src/resize/resize.js';
import { readSuperblocks } from '../../src/txn/superblock-slots.js';
import { BY_LENGTH, check } from '../fsck/fixture.js';
import { Planter } from '../fsck/planter.js';
import { contentOf, deepCopy } from '../fsck/repair-fixture.js';
import { TREE_FAULTS } from '../fsck/tree-faults.js';
import { metadataPlaces } from '../support/metadata-places.js';
import type { SimulatedDevice } from '../support/simulated-device.js';
import {
  type AgedOptions,
  again,
  agedStore,
  crumbledStore,
  faultsOf,
  leastSize,
  resize,
} from './fixture.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Stores of all kinds, each shrunk to a part of its size. */
const KINDS: Readonly<Record<string, AgedOptions>> = {
  'small nodes and deep trees': { bytes: 12 * MIB, blockSize: KIB, nodeSize: KIB },
  'metadata kept twice': { bytes: 12 * MIB, blockSize: KIB, nodeSize: KIB, metadataCopies: 2 },
  'nodes of 64 KiB': { bytes: 48 * MIB, nodeSize: 64 * KIB, rounds: 15 },
  'blocks of 4 KiB': { bytes: 24 * MIB, rounds: 20 },
  'an odd size': { bytes: 13 * MIB + 512, blockSize: KIB, nodeSize: 4 * KIB, rounds: 20 },
  'a file that has grown': { bytes: 24 * MIB, initialBytes: 0, rounds: 20 },
  stripes: { bytes: 24 * MIB, geometry: { unit: 16 * KIB, width: 64 * KIB }, rounds: 20 },
};

/** Bytes that the store uses. */
function usedBytes(device: SimulatedDevice): number {
  const store = Store.openOnSync(again(device), { readOnly: true, comparators: [BY_LENGTH] });
  return store.statfsSync().allocated;
}

for (const [name, options] of Object.entries(KINDS)) {
  test(`shrink() keeps all that a store holds: ${name}`, (t) => {
    const device = agedStore(options);
    t.deepEqual(faultsOf(device), []);
    const content = contentOf(device);
    const used = usedBytes(device);
    const size = Math.floor(device.size * 0.55) + 777;
    const report = resize(device, size);
    t.true(report.movedBytes > 0 && report.movedNodes > 0);
    t.deepEqual(faultsOf(device), []);
    t.deepEqual(contentOf(device), content);
    t.true(usedBytes(device) <= used + 64 * KIB, 'what was shared is shared still');
    const store = Store.openOnSync(again(device), { comparators: [BY_LENGTH] });
    t.true(store.statfsSync().total <= size);
    store.commitSync(store.transaction().write('c', 'new', 0, new Uint8Array(100 * KIB)));
    store.closeSync();
    t.deepEqual(resize(device, size).movedNodes, 0, 'nothing is left to do');
  });
}

test('shrink() says the least size that is possible, and reaches it', (t) => {
  const device = agedStore({ bytes: 12 * MIB, blockSize: KIB, nodeSize: KIB });
  const content = contentOf(device);
  const error = t.throws<StoreError>(() => resize(device, 3 * MIB));
  t.true(hasCode(error, 'E_NO_SPACE'), error?.message);
  const least = leastSize(error);
  t.log(`${usedBytes(device)} bytes are used, ${least} are the least`);
  t.true(least > 3 * MIB && least < 10 * MIB);
  t.deepEqual(contentOf(device), content);
  t.deepEqual(faultsOf(device), []);
  resize(device, least);
  t.deepEqual(contentOf(device), content);
  t.deepEqual(faultsOf(device), []);
});

for (const geometry of [
  { unit: 0, width: 0 },
  { unit: 16 * KIB, width: 48 * KIB },
]) {
  test(`shrink() cuts extents where nothing as long is free, stripes of ${geometry.width}`, (t) => {
    const { device, large } = crumbledStore({
      geometry,
      bytes: 32 * MIB,
      small: 160,
      large: 3 * MIB,
    });
    const content = contentOf(device);
    const used = usedBytes(device);
    t.true(large > 12 * MIB);
    resize(device, large - (large % MIB));
    t.deepEqual(faultsOf(device), []);
    t.deepEqual(contentOf(device), content);
    t.true(usedBytes(device) <= used + 128 * KIB, 'what was shared is shared still');
    const store = Store.openOnSync(again(device));
    t.true([...store.collection('c').object('large').extentsSync()].length > 20);
    store.closeSync();
  });
}

test('shrink() refuses a store that has to be repaired first, and changes nothing', (t) => {
  const device = deepCopy();
  const planter = new Planter(device);
  TREE_FAULTS['a lost root of objects']?.[1](planter);
  planter.write();
  const codes = check(device).codes;
  const error = t.throws<StoreError>(() => runSync(resizeOn(device, 9 * MIB)));
  t.true(hasCode(error, 'E_CORRUPT'), error?.message);
  t.regex(error?.message ?? '', /repair the store first/);
  t.deepEqual(check(device).codes, codes);
});

test('shrink() says that a place cannot be read, not that it is damaged', (t) => {
  const aged = agedStore({ bytes: 12 * MIB, blockSize: KIB, nodeSize: KIB, rounds: 20 });
  const registry = new ComparatorRegistry();
  registry.register(BY_LENGTH);
  const { journalOffset, journalBytes } = runSync(readSuperblocks(aged)).newest;
  const journal = { first: journalOffset, length: journalBytes, role: 'journal' };
  const refused = new Set<number | string>();
  for (const { first, length, role } of [...metadataPlaces(aged, registry), journal]) {
    const device = again(aged);
    device.faults.makeUnreadable(first, length);
    let failure: unknown;
    try {
      resize(device, 5 * MIB);
    } catch (error) {
      failure = error;
      t.true(hasCode(error, 'E_IO'), String(error));
      t.regex(String(error), /medium error/);
      refused.add(role);
    }
    device.faults.clear();
    if (failure !== undefined) t.deepEqual(faultsOf(device), []);
  }
  // Bitmaps have role 0.
  for (const role of [0, ROLE.objects, ROLE.blob, 'journal']) t.true(refused.has(role), `${role}`);
});

test('shrink() of a device to sizes that no store can have', (t) => {
  const device = agedStore({ bytes: 12 * MIB, blockSize: KIB, nodeSize: KIB, rounds: 5 });
  for (const size of [0, -1, 1.5, Number.NaN, 2 ** 60]) {
    t.throws(() => resize(device, size), { code: 'E_INVALID_ARGUMENT' });
  }
  t.true(
    hasCode(
      t.throws(() => resize(device, 5000)),
      'E_NO_SPACE',
    ),
  );
  t.deepEqual(faultsOf(device), []);
});
