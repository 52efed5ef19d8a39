/**
 * Second copies of metadata: places that can't be, bad copies by name, and their repair.
 */

import test from 'ava';
import type { MemoryDevice } from '../../src/blockdev/memory-device.js';
import { getU48, setU48 } from '../../src/format/bytes.js';
import { POINTER } from '../../src/format/pointer.js';
import { ROLE } from '../../src/format/role.js';
import { type MetadataPlace, metadataPlaces } from '../support/metadata-places.js';
import { check, deepStore, linesOf, registry } from './fixture.js';
import { Planter } from './planter.js';
import { contentOf, mend } from './repair-fixture.js';
import { type Fault, second, valueAt } from './tree-faults.js';

/** A pointer to a leaf of a map, in the branch above it, which is sealed afterwards. */
function changePointer(planter: Planter, change: (pointer: Uint8Array) => void): void {
  const branch = planter.nodes(ROLE.map, 1)[0] as number;
  change(valueAt(planter, branch, 1));
  planter.seal(branch);
}

const FAULTS: Readonly<Record<string, Fault>> = {
  'a copy out of the device': [
    ['copy-place'],
    (planter) => changePointer(planter, (pointer) => setU48(pointer, POINTER.copy, 2 ** 40)),
  ],
  'a copy in the journal': [
    ['copy-place'],
    (planter) => {
      const { journalOffset, blockSize } = planter.superblock;
      const block = journalOffset / blockSize;
      changePointer(planter, (pointer) => setU48(pointer, POINTER.copy, block));
    },
  ],
  'a copy over the first one': [
    ['copy-place'],
    (planter) =>
      changePointer(planter, (pointer) =>
        setU48(pointer, POINTER.copy, getU48(pointer, POINTER.address)),
      ),
  ],
  'a copy that is another node': [
    ['copy-damaged', 'doubly-used'],
    (planter) => {
      const other = second(planter, ROLE.blob, 0);
      changePointer(planter, (pointer) => setU48(pointer, POINTER.copy, other));
    },
  ],
  'a copy in free blocks': [
    ['copy-damaged', 'used-but-free'],
    (planter) => {
      const free = planter.superblock.deviceBlocks - 1000;
      changePointer(planter, (pointer) => setU48(pointer, POINTER.copy, free));
    },
  ],
  'a store that keeps two copies and has one': [
    ['copy-place'],
    (planter) => planter.putSuperblock({ metadataCopies: 2 }),
  ],
};

for (const [name, [codes, plant]] of Object.entries(FAULTS)) {
  test(`fsck() reports ${name} as ${codes.join(', ')}, and repair() mends it`, (t) => {
    const device = deepStore();
    const before = contentOf(device);
    const planter = new Planter(device);
    plant(planter);
    planter.write();
    const checked = check(device, { deep: true });
    t.deepEqual(checked.codes, [...codes].sort(), linesOf(checked).join('\n'));
    t.deepEqual(check(device, { deep: true, windowBlocks: 1 }).codes, [...codes].sort());
    t.deepEqual(mend(device, { deep: true }).left, []);
    t.deepEqual(contentOf(device), before);
  });
}

const places = metadataPlaces(deepStore(2), registry());

/** Overwrites some places of a store. */
function damage(device: MemoryDevice, offsets: readonly number[], length: number): void {
  for (const offset of offsets) device.writeSync(offset, [new Uint8Array(length).fill(0xa5)]);
}

function placesOf(role: number): MetadataPlace[] {
  return places.filter((place) => place.role === role);
}

test('repair() writes bad copies anew in their places, and nothing else', (t) => {
  const device = deepStore(2);
  const before = contentOf(device);
  const bad = places.flatMap(({ first, second }, i) => (i % 2 === 0 ? first : second));
  damage(device, bad, 1024);
  const checked = check(device);
  t.deepEqual(checked.codes, ['copy-damaged']);
  t.deepEqual(
    checked.findings.map(({ offset = 0 }) => offset).sort((a, b) => a - b),
    [...bad].sort((a, b) => a - b),
  );
  t.deepEqual(contentOf(device), before);
  const { left, report } = mend(device);
  t.true(report.isRepaired);
  t.deepEqual(left, []);
  t.deepEqual(metadataPlaces(device, registry()).length, places.length);
  t.deepEqual(contentOf(device), before);
});

test('repair() moves what has a bad copy where a tree has to be mended too', (t) => {
  const device = deepStore(2);
  const [lost, ...others] = placesOf(ROLE.map);
  damage(device, [lost?.first ?? 0, lost?.second ?? 0], 1024);
  damage(device, others.map(({ first }) => first).slice(0, 3), 1024);
  damage(device, [placesOf(0)[0]?.first ?? 0], 1024);
  t.deepEqual(check(device).codes, ['copy-damaged', 'node-damaged', 'space-unknown']);
  t.deepEqual(mend(device, { deep: true }).left, []);
  const after = metadataPlaces(device, registry());
  t.true(after.every(({ second }) => second > 0));
});

test('repair() makes a superblock for two copies where blocks lie twice', (t) => {
  const device = deepStore(2);
  const { slots } = { slots: new Planter(device).slots() };
  for (const offset of slots) damage(device, [offset], 4096);
  const { left } = mend(device, { deep: true, rebuildSuperblock: true });
  t.deepEqual(left, []);
  t.true(metadataPlaces(device, registry()).every(({ second }) => second > 0));
  t.is(contentOf(device).size, contentOf(deepStore()).size);
});
