/**
 * Salvage: what damage has cut off is found by block headers.
 */

import test from 'ava';
import { MemoryDevice } from '../../src/blockdev/memory-device.js';
import { emptyRoot } from '../../src/btree/root-record.js';
import { BLOCK_HEADER } from '../../src/format/block.js';
import { ROLE } from '../../src/format/role.js';
import { SUPERBLOCK_SIZE } from '../../src/format/superblock.js';
import { COLLECTIONS_SPEC } from '../../src/onode/tree-specs.js';
import { check, close, commit, linesOf, newStore, open, SMALL } from './fixture.js';
import { faultyJournal } from './journal-faults.js';
import { Planter } from './planter.js';
import { type Content, contentOf, deepCopy, mend } from './repair-fixture.js';

function loseSlots(device: MemoryDevice): void {
  const planter = new Planter(device);
  for (const offset of planter.slots()) planter.image.fill(0, offset, offset + SUPERBLOCK_SIZE);
  planter.write();
}

/** Fills the nodes of a role and level with zeros; all of them, or the one at `index`. */
function loseNodes(device: MemoryDevice, role: number, level: number, index?: number): void {
  const planter = new Planter(device);
  planter.forgetOlder();
  const nodes = planter.nodes(role, level);
  for (const node of index === undefined ? nodes : [nodes[index] as number]) {
    planter.page(node).fill(0);
  }
  planter.write();
}

/** A store with so many collections that they have nodes of their own. */
function manyCollections(): MemoryDevice {
  const device = newStore();
  const engine = open(device);
  for (let i = 0; i < 60; i++) {
    const name = `collection-${i}`;
    commit(engine, (tx) => {
      tx.createCollection(name, i % 2 === 0 ? {} : { order: 'hash' });
      tx.write(name, 'o', 0, new Uint8Array(3000).fill(i)).setAttribute(name, 'o', 'n', `${i}`);
    });
  }
  close(engine);
  return device;
}

/** A store of a single allocation group, with objects in several leaves. */
function oneGroup(): MemoryDevice {
  const device = newStore({ ...SMALL, size: 6 * 1024 * 1024 });
  const engine = open(device);
  commit(engine, (tx) => tx.createCollection('c'));
  for (let i = 0; i < 30; i++) {
    const entries = Array.from({ length: 60 }, (_, k) => [`k${k}`, new Uint8Array(40)] as const);
    const name = `object-${i}`;
    commit(engine, (tx) => tx.write('c', name, 0, new Uint8Array(3000).fill(i)));
    commit(engine, (tx) => tx.mapSet('c', name, entries));
  }
  close(engine);
  return device;
}

test('repair() brings back all objects when every superblock is lost', (t) => {
  const device = deepCopy();
  const before = contentOf(device);
  loseSlots(device);
  const { report, codes, left } = mend(device, { deep: true, rebuildSuperblock: true });
  t.deepEqual(codes, ['no-superblock']);
  t.true(report.isRepaired);
  t.deepEqual(left, []);
  const after = contentOf(device);
  for (const [key, value] of before) {
    t.deepEqual(after.get(`lost+found/${key.replace('c/', '#1/')}`), value);
  }
  t.is(after.size, before.size);
});

test('repair() brings back collections under their names when every superblock is lost', (t) => {
  const device = manyCollections();
  const before = contentOf(device);
  loseSlots(device);
  mend(device, { deep: true, rebuildSuperblock: true });
  t.deepEqual(contentOf(device), before);
  t.deepEqual(linesOf(check(device, { deep: true })), []);
});

test('repair() brings back collections when the root of their tree is lost', (t) => {
  const device = manyCollections();
  const before = contentOf(device);
  loseNodes(device, ROLE.collections, 1);
  mend(device, { deep: true });
  t.deepEqual(contentOf(device), before);
  t.deepEqual(linesOf(check(device, { deep: true })), []);
});

test('repair() makes a superblock of nothing that is no store', (t) => {
  const device = new MemoryDevice({ size: 4 * 1024 * 1024 });
  const { report, codes } = mend(device, { rebuildSuperblock: true });
  t.deepEqual(codes, ['no-superblock']);
  t.false(report.isRepaired);
});

test('repair() gathers what is left of an object whose record is lost', (t) => {
  const device = deepCopy();
  const before = contentOf(device);
  loseNodes(device, ROLE.blob, 0, 1);
  loseNodes(device, ROLE.objects, 0);
  mend(device, { deep: true });
  const after = contentOf(device);
  const large = [...after].find(([, content]) => content[0]?.startsWith('0 ')) as [string, Content];
  t.regex(large[0], /^lost\+found\/#\d+$/);
  const known = new Set(before.get('c/large'));
  t.true(large[1].filter((line) => known.has(line)).length > 60);
  for (const line of large[1]) t.true(known.has(line) || line.endsWith('damaged'), line);
  const map = [...after.values()].find((content) => content.length === 200);
  t.deepEqual(map, before.get('c/map'));
  t.deepEqual(linesOf(check(device)), []);
});

test('repair() brings back what was in lost+found under the same names', (t) => {
  const device = deepCopy();
  loseNodes(device, ROLE.objects, 0, 0);
  loseNodes(device, ROLE.objects, 1);
  mend(device);
  const first = contentOf(device);
  loseNodes(device, ROLE.objects, 1);
  mend(device);
  const second = contentOf(device);
  t.true(first.size > 20);
  t.deepEqual(second, first);
  t.deepEqual(linesOf(check(device)), []);
});

test('repair() does not bring back what was removed', (t) => {
  const device = deepCopy();
  const engine = open(device);
  commit(engine, (tx) => tx.remove('c', 'large').remove('c', 'map'));
  close(engine);
  const before = contentOf(device);
  loseNodes(device, ROLE.objects, 1);
  mend(device);
  const after = contentOf(device);
  t.deepEqual(
    [...after.keys()].sort(),
    [...before.keys()].map((name) => `lost+found/${name}`).sort(),
  );
});

test('repair() skips transactions whose collection is gone', (t) => {
  const device = faultyJournal(({ planter }) => {
    const collections = emptyRoot(COLLECTIONS_SPEC);
    planter.putSuperblock({ roots: { ...planter.superblock.roots, collections } });
  });
  const { report } = mend(device);
  t.is(report.skipped, 3);
  t.is(report.replayed, 0);
  t.is(contentOf(device).size, 0);
  t.deepEqual(linesOf(check(device, { deep: true })), []);
});

test('repair() writes nothing over what it brings back where a bitmap marks everything', (t) => {
  const device = oneGroup();
  const before = contentOf(device);
  const planter = new Planter(device);
  planter.forgetOlder();
  const bitmap = planter.bitmapOf(0);
  const { groupBlocks, deviceBlocks } = planter.superblock;
  t.true(deviceBlocks <= groupBlocks, 'nothing can be written anywhere else');
  planter.page(bitmap).fill(255, BLOCK_HEADER.size, BLOCK_HEADER.size + deviceBlocks / 8);
  planter.seal(bitmap);
  planter.page(planter.nodes(ROLE.objects, 1)[0] as number).fill(0);
  planter.write();
  const { left } = mend(device, { deep: true, dirtyBytesMax: 0 });
  // Older versions come back too, where nothing says that their blocks are free.
  for (const { code, object } of left) {
    t.true(code === 'object-id-twice' || (code === 'data-damaged' && object?.includes('~')));
  }
  const after = contentOf(device);
  for (const [name, content] of before) t.deepEqual(after.get(`lost+found/${name}`), content, name);
});
