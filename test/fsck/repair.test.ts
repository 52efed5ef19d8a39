/**
 * Repair: every fault that the tests of fsck plant is healed, or stays as docs/fsck.md says, and
 * nothing else changes.
 */

import test, { type ExecutionContext } from 'ava';
import type { MemoryDevice } from '../../src/blockdev/memory-device.js';
import { getU48 } from '../../src/format/bytes.js';
import { writeHash } from '../../src/format/checksum.js';
import { RECORD } from '../../src/format/journal-record.js';
import { ROLE } from '../../src/format/role.js';
import { type FindingCode, REMEDIES } from '../../src/fsck/finding.js';
import type { RepairOptions } from '../../src/fsck/repair.js';
import { check, checkpoint, close, commit, linesOf, newStore, open, SMALL } from './fixture.js';
import { faultyJournal, JOURNAL_FAULTS, readPending } from './journal-faults.js';
import { flip, Planter } from './planter.js';
import { contentOf, deepCopy, failing, type Mended, mend } from './repair-fixture.js';
import { ENGINE_FAULTS, faultyStore, SPACE_FAULTS, sharingStore } from './space-faults.js';
import { DROP_FAULTS, FATAL_FAULTS, SUPERBLOCK_FAULTS, smallStore } from './superblock-faults.js';
import { TREE_FAULTS, valueAt } from './tree-faults.js';

/** What is lost by a fault, where it is more than nothing: objects that change. */
const LOSSES: Readonly<Record<string, readonly string[]>> = {
  'a flipped byte in a leaf of a map': ['c/map'],
  'a leaf that counts one entry too many': ['c/map'],
  'two keys in the wrong order': ['c/map'],
  'a key below its separator': ['c/map'],
  'a key above the next separator': ['c/map'],
  'a pointer with unknown flags': ['c/map'],
  'a pointer out of the device': ['c/map'],
  'a pointer into the journal': ['c/map'],
  'a pointer to a node of another tree': ['c/map'],
  'two pointers to the same node': ['c/map'],
  'an onode with unknown flags': ['c/object-009'],
  'an entry of a blob stream at another offset': ['c/large'],
  'a size that is not where the entries end': [],
  'an extent out of the device': ['c/large'],
  'an extent in the place of another': ['c/large'],
  'a flipped byte of data': ['c/large'],
  'a branch with one child': ['c/large'],
};

/** Faults after which a deep check still finds damaged ranges, and nothing else. */
const DAMAGED: ReadonlySet<string> = new Set([
  'an entry of a blob stream at another offset',
  'an extent out of the device',
  'an extent in the place of another',
  'a flipped byte of data',
  'a branch with one child',
]);

/** Repairs, and checks that what is left can't be healed and that the store can be used. */
function mendWhole(
  t: ExecutionContext,
  device: MemoryDevice,
  codes: readonly string[],
  options: Partial<RepairOptions> = {},
): Mended {
  const mended = mend(device, { deep: true, ...options });
  t.deepEqual(mended.codes, codes);
  const isHealable = (code: string): boolean => REMEDIES[code as FindingCode].remedy !== 'none';
  t.is(mended.report.isRepaired, codes.some(isHealable));
  for (const { code } of mended.left) t.false(isHealable(code), `${code} is left`);
  const engine = open(device);
  commit(engine, (tx) => tx.createCollection('new').write('new', 'o', 0, new Uint8Array(50_000)));
  commit(engine, (tx) => tx.dropCollection('new'));
  close(engine);
  t.deepEqual(linesOf(check(device)), [], 'without the damaged ranges that a deep check finds');
  return mended;
}

for (const [name, [codes, plant]] of Object.entries(TREE_FAULTS)) {
  test(`repair() mends ${name}`, (t) => {
    const device = deepCopy();
    const before = contentOf(device);
    const planter = new Planter(device);
    planter.forgetOlder();
    plant(planter);
    planter.write();
    mendWhole(t, device, codes);
    const after = contentOf(device);
    const changed = [...before].filter(([key, value]) => value.join() !== after.get(key)?.join());
    if (name === 'a lost root of objects') {
      for (const [key, value] of before) t.deepEqual(after.get(`lost+found/${key}`), value);
    } else {
      t.deepEqual(
        changed.map(([key]) => key),
        [...(LOSSES[name] ?? [])],
      );
    }
    t.deepEqual(check(device, { deep: true }).codes, DAMAGED.has(name) ? ['data-damaged'] : []);
  });
}

for (const [name, [codes, plant]] of Object.entries(SUPERBLOCK_FAULTS)) {
  test(`repair() mends ${name} in a small store`, (t) => {
    const device = smallStore(plant);
    mendWhole(t, device, codes);
    t.is(contentOf(device).get('c/o')?.length, 5);
  });
}

for (const [name, [codes, plant]] of Object.entries(FATAL_FAULTS)) {
  test(`repair() leaves alone ${name}`, (t) => {
    const device = smallStore(plant);
    const before = new Uint8Array(device.size);
    device.readSync(0, before);
    const { report, codes: found } = mend(device);
    t.deepEqual(found, codes);
    t.false(report.isRepaired);
    const after = new Uint8Array(device.size);
    device.readSync(0, after);
    t.deepEqual(Buffer.compare(before, after), 0);
  });
}

for (const [code, store] of Object.entries(DROP_FAULTS)) {
  test(`repair() mends ${code}`, (t) => {
    mendWhole(t, store(), [code]);
  });
}

for (const code of Object.keys(ENGINE_FAULTS)) {
  test(`repair() mends ${code}`, (t) => {
    const device = faultyStore(code);
    const before = contentOf(device);
    mendWhole(t, device, [code]);
    t.deepEqual(contentOf(device), before);
  });
}

for (const [name, [codes, plant]] of Object.entries(SPACE_FAULTS)) {
  test(`repair() mends ${name}`, (t) => {
    const device = sharingStore();
    const before = contentOf(device);
    const planter = new Planter(device);
    plant(planter);
    planter.write();
    mendWhole(t, device, codes, { windowBlocks: 1 });
    t.deepEqual(contentOf(device), before);
  });
}

for (const [name, [codes, pending, plant]] of Object.entries(JOURNAL_FAULTS)) {
  test(`repair() takes ${name} in the journal`, (t) => {
    const device = faultyJournal(plant);
    const { report } = mendWhole(t, device, codes);
    const isHealed = report.isRepaired;
    t.is(report.replayed, isHealed ? pending : 0);
    const objects = [...contentOf(device)].filter(([, content]) => content.length > 0);
    t.is(objects.length, 1 + pending, 'what was not lost is there');
  });
}

test('repair() walks round nodes and bitmaps that the device fails to read', (t) => {
  const source = deepCopy();
  const planter = new Planter(source);
  const leaf = planter.nodes(ROLE.map, 0)[3] as number;
  for (const address of [leaf, planter.bitmaps()[0] as number]) {
    const device = failing(source, address);
    const { codes, left } = mend(device, { deep: true });
    t.deepEqual(codes, address === leaf ? ['space-unknown', 'unreadable'] : ['unreadable']);
    t.deepEqual(left, []);
    t.deepEqual(check(device, { deep: true }).codes, []);
  }
});

test('repair() leaves data that the device fails to read', (t) => {
  const source = deepCopy();
  const planter = new Planter(source);
  const leaf = planter.nodes(ROLE.blob, 0)[0] as number;
  const device = failing(source, getU48(valueAt(planter, leaf, 2), 7));
  const { left } = mend(device, { deep: true });
  t.deepEqual(
    left.map(({ code }) => code),
    ['unreadable'],
  );
});

test('repair() touches no tree when the journal cannot be read', (t) => {
  const source = deepCopy();
  const planter = new Planter(source);
  flip(planter.page(planter.nodes(ROLE.map, 0)[3] as number), 600);
  planter.write();
  const { journalOffset, blockSize } = planter.superblock;
  const device = failing(source, journalOffset / blockSize);
  const codes = check(device).codes;
  t.throws(() => mend(device), { code: 'E_IO', message: /journal/ });
  t.deepEqual(check(device).codes, codes);
});

test('repair() finds room in a store that is full', (t) => {
  const device = newStore({ ...SMALL, size: 8 * 1024 * 1024 });
  const engine = open(device);
  commit(engine, (tx) => tx.createCollection('c'));
  const fill = (): void => {
    for (let i = 0; ; i++) {
      commit(engine, (tx) => tx.write('c', `object-${i}`, 0, new Uint8Array(9000).fill(i)));
    }
  };
  t.throws(fill, { code: 'E_NO_SPACE' });
  close(engine);
  const before = contentOf(device);
  const planter = new Planter(device);
  planter.page(planter.nodes(ROLE.objects, 0)[5] as number).fill(0);
  planter.write();
  const { left } = mend(device, { deep: true });
  t.deepEqual(left, []);
  const after = contentOf(device);
  // Nothing but what was in the leaf is lost, and nothing comes back twice.
  for (const [name, content] of after) t.deepEqual(content, before.get(name), name);
  t.true(after.size < before.size && after.size > before.size - 20);
});

test('a pending transaction whose placement is too short for its data is refused, or skipped', (t) => {
  const device = newStore();
  const engine = open(device);
  commit(engine, (tx) => tx.createCollection('c').touch('c', 'o'));
  checkpoint(engine);
  commit(engine, (tx) => tx.write('c', 'o', 0, new Uint8Array(3000).fill(7)));
  const { planter, records, bytes } = readPending(device);
  const record = bytes(0);
  const end = RECORD.size + (records[0]?.bodyLength ?? 0);
  t.is(record[end - 1], 3, 'the body ends with the length of the only run');
  record[end - 1] = 2;
  writeHash(record, RECORD.bodyChecksum, record, RECORD.size, end);
  writeHash(record, RECORD.checksum, record, RECORD.magic, RECORD.size);
  planter.putSuperblock({ number: planter.superblock.number + 2 });
  planter.write();
  t.throws(() => open(device), { code: 'E_CORRUPT', message: /placement/ });
  const { report, left } = mend(device, { deep: true });
  t.is(report.skipped, 1);
  t.deepEqual(left, []);
  t.deepEqual(contentOf(device).get('c/o'), []);
});
