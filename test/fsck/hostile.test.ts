/**
 * Images that nobody wrote on purpose, and devices that fail: fsck always ends, with findings.
 */

import test from 'ava';
import { runAsync } from '../../src/blockdev/io.js';
import { BODY_START } from '../../src/btree/node-format.js';
import { BLOCK_HEADER, BLOCK_TYPE } from '../../src/format/block.js';
import { getU48, setU48 } from '../../src/format/bytes.js';
import { POINTER } from '../../src/format/pointer.js';
import { ROLE } from '../../src/format/role.js';
import { SUPERBLOCK, SUPERBLOCK_SIZE } from '../../src/format/superblock.js';
import type { FsckProgress } from '../../src/fsck/context.js';
import type { Finding } from '../../src/fsck/finding.js';
import { fsck } from '../../src/fsck/fsck.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { check, deepStore, linesOf, registry } from './fixture.js';
import { Planter, sealSlot } from './planter.js';
import { copyOf, failing } from './repair-fixture.js';

/** Images tried with one fault each. */
const ROUNDS = Number(process.env['OPS'] ?? 60);

test('fsck() ends with findings whatever a node with a right checksum holds', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const device = deepStore();
  const original = new Planter(device);
  const addresses = [1, 2, 3, 4, 5].flatMap((role) =>
    [0, 1].flatMap((level) => original.nodes(role, level)),
  );
  for (let round = 0; round < ROUNDS; round++) {
    const copy = copyOf(device);
    const planter = new Planter(copy);
    const address = prng.pick(addresses);
    const page = planter.page(address);
    for (let count = prng.pick([1, 1, 2, 30]); count > 0; count--) {
      page[prng.between(BODY_START, page.length)] = prng.pick([0, 1, 255, prng.below(256)]);
    }
    planter.seal(address);
    planter.write();
    t.notThrows(() => check(copy, { deep: true }), `node ${address} in round ${round}`);
  }
});

test('fsck() ends with findings whatever a superblock with a right checksum holds', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const device = deepStore();
  for (let round = 0; round < ROUNDS; round++) {
    const copy = copyOf(device);
    const planter = new Planter(copy);
    const from = prng.pick([SUPERBLOCK.label, SUPERBLOCK.journalOffset, SUPERBLOCK.size]);
    const at = prng.between(from, SUPERBLOCK.size + 300);
    const byte = prng.pick([0, 1, 7, 255, prng.below(256)]);
    for (const offset of planter.slots()) {
      const slot = planter.image.subarray(offset, offset + SUPERBLOCK_SIZE);
      slot[at] = byte;
      sealSlot(slot);
    }
    planter.write();
    t.notThrows(() => check(copy, { deep: true }), `byte ${at} is ${byte} in round ${round}`);
  }
});

test('fsck() ends when a branch is its own child', (t) => {
  const device = deepStore();
  const planter = new Planter(device);
  const branch = planter.nodes(ROLE.map, 1)[0] as number;
  const [first] = planter.entries(branch);
  const { value } = planter.entries(branch)[1] ?? {};
  // Its checksum would have to contain itself: the pointer is wrong in one way or another.
  first?.value.set(value ?? []);
  if (first !== undefined) setU48(first.value, POINTER.address, branch);
  planter.seal(branch);
  planter.write();
  t.deepEqual(check(device).codes, ['doubly-used', 'node-damaged', 'space-unknown']);
});

test('fsck() finds unreadable nodes, bitmaps and journals, and goes on', (t) => {
  const device = deepStore();
  const planter = new Planter(device);
  const leaf = planter.nodes(ROLE.map, 0)[3] as number;
  t.deepEqual(check(failing(device, leaf)).codes, ['space-unknown', 'unreadable']);
  const bitmap = planter.bitmaps()[0] as number;
  t.is(planter.page(bitmap)[BLOCK_HEADER.type], BLOCK_TYPE.bitmap);
  t.deepEqual(check(failing(device, bitmap)).codes, ['unreadable']);
  const { journalOffset, blockSize } = planter.superblock;
  t.deepEqual(check(failing(device, journalOffset / blockSize)).codes, ['unreadable']);
});

test('fsck({ deep }) finds unreadable data', (t) => {
  const device = deepStore();
  const planter = new Planter(device);
  const leaf = planter.nodes(ROLE.blob, 0)[0] as number;
  const address = getU48(planter.entries(leaf)[2]?.value ?? new Uint8Array(13), 7);
  const checked = check(failing(device, address), { deep: true });
  t.deepEqual(checked.codes, ['unreadable'], linesOf(checked).join('\n'));
});

test('fsck() finds the same when it is driven asynchronously, and reports progress', async (t) => {
  const device = deepStore();
  const planter = new Planter(device);
  planter.page(planter.nodes(ROLE.map, 0)[2] as number).fill(0);
  planter.write();
  const findings: Finding[] = [];
  const progress: FsckProgress[] = [];
  const report = await runAsync(
    fsck(device, {
      comparators: registry(),
      onFinding: (finding) => findings.push(finding),
      onProgress: (one) => progress.push(one),
    }),
  );
  const checked = check(device);
  t.deepEqual(findings, [...checked.findings]);
  t.deepEqual(report, checked.report);
  t.true(report.isIncomplete);
  t.is(progress.at(-1)?.phase, 'space');
  t.is(progress.at(-1)?.nodes, report.nodes);
});
