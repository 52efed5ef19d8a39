/**
 * Repair of a state that has lost something which the state before it has not: with the journal
 * that one gives all of it.
 */

import test from 'ava';
import { runSync } from '../../src/blockdev/io.js';
import type { MemoryDevice } from '../../src/blockdev/memory-device.js';
import { BLOCK_HEADER } from '../../src/format/block.js';
import { getU64 } from '../../src/format/bytes.js';
import { ROLE } from '../../src/format/role.js';
import { readSuperblocks } from '../../src/txn/superblock-slots.js';
import { check, checkpoint, close, commit, linesOf, newStore, open } from './fixture.js';
import { Planter } from './planter.js';
import { contentOf, copyOf, mend } from './repair-fixture.js';

/** A store in which every tree was changed between the last two checkpoints, and after them. */
function changedStore(): MemoryDevice {
  const device = newStore();
  const engine = open(device);
  for (let i = 0; i < 30; i++) {
    const name = `collection-${i}`;
    commit(engine, (tx) => tx.createCollection(name).write(name, 'o', 0, new Uint8Array(3000)));
  }
  const entries = Array.from({ length: 60 }, (_, k) => [`k${k}`, new Uint8Array(40)] as const);
  for (let i = 0; i < 30; i++) {
    const name = `object-${i}`;
    commit(engine, (tx) => tx.touch('collection-0', name).mapSet('collection-0', name, entries));
  }
  checkpoint(engine);
  for (let i = 0; i < 30; i++) {
    const [source, target] = [`object-${i}`, `clone-${i}`];
    commit(engine, (tx) => tx.clone('collection-0', source, target));
    commit(engine, (tx) => tx.mapSet('collection-0', source, [[`k${i}`, new Uint8Array(45)]]));
    commit(engine, (tx) => tx.write(`collection-${i}`, 'o', i * 50, new Uint8Array(40_000)));
  }
  checkpoint(engine);
  commit(engine, (tx) => tx.write('collection-1', 'last', 0, new Uint8Array(5000).fill(5)));
  return device;
}

test('repair() goes on from the older superblock where a node of the newest state is damaged', (t) => {
  const sound = changedStore();
  const before = contentOf(sound);
  const planter = new Planter(sound);
  const { older } = runSync(readSuperblocks(sound));
  const roles = [ROLE.collections, ROLE.objects, ROLE.references, ROLE.map, ROLE.groups];
  const tops = roles.flatMap((role) =>
    [3, 2, 1, 0].flatMap((level) => planter.nodes(role, level).slice(0, 2)),
  );
  const birthOf = (node: number): number => getU64(planter.page(node), BLOCK_HEADER.birth);
  const young = tops.filter((node) => birthOf(node) > (older?.epoch ?? 0));
  t.true(young.length > 4, `${young.length} of ${tops.length}`);
  for (const node of young) {
    const device = copyOf(sound);
    const planted = new Planter(device);
    planted.page(node).fill(0);
    planted.write();
    const { report, left } = mend(device, { deep: true });
    t.deepEqual(left, []);
    t.true(report.isOlderState, `node ${node}`);
    t.deepEqual(contentOf(device), before);
    const engine = open(device);
    commit(engine, (tx) => tx.write('collection-2', 'new', 0, new Uint8Array(50_000)));
    close(engine);
    t.deepEqual(linesOf(check(device, { deep: true })), []);
  }
});

test('repair() mends the newest state where the older one has lost the same', (t) => {
  const device = changedStore();
  const planter = new Planter(device);
  const { epoch } = planter.superblock;
  const old = planter
    .nodes(ROLE.map, 0)
    .find((node) => getU64(planter.page(node), BLOCK_HEADER.birth) < epoch);
  planter.page(old ?? 0).fill(0);
  planter.write();
  const { report, left } = mend(device, { deep: true });
  t.false(report.isOlderState);
  t.deepEqual(left, []);
});

test('repair() mends the newest state where the journal does not reach back any more', (t) => {
  const device = changedStore();
  const before = contentOf(device);
  const planter = new Planter(device);
  const { journalOffset, journalStart } = planter.superblock;
  planter.image.fill(0, journalOffset, journalOffset + journalStart.head);
  planter.page(planter.nodes(ROLE.objects, 1)[0] as number).fill(0);
  planter.write();
  const { report } = mend(device, { deep: true });
  t.false(report.isOlderState);
  t.true([...contentOf(device).keys()].filter((name) => before.has(name)).length > 25);
});
