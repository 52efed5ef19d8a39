/**
 * Salvage: what damage has cut off is found by block headers.
 */

import test, { type ExecutionContext } from 'ava';
import { runSync } from '../../src/blockdev/io.js';
import { MemoryDevice } from '../../src/blockdev/memory-device.js';
import { emptyRoot } from '../../src/btree/root-record.js';
import { BLOCK_HEADER } from '../../src/format/block.js';
import { ROLE } from '../../src/format/role.js';
import { SUPERBLOCK_SIZE, type Superblock } from '../../src/format/superblock.js';
import { Store } from '../../src/index.js';
import { COLLECTIONS_SPEC } from '../../src/onode/tree-specs.js';
import { type MakeStoreOptions, makeStore, planStore } from '../../src/txn/make-store.js';
import { openEngine } from '../../src/txn/recovery.js';
import { readSuperblocks, slotOffsets } from '../../src/txn/superblock-slots.js';
import {
  check,
  checkpoint,
  close,
  commit,
  linesOf,
  newStore,
  open,
  registry,
  SMALL,
} from './fixture.js';
import { faultyJournal } from './journal-faults.js';
import { Planter } from './planter.js';
import { type Content, contentOf, deepCopy, mend, simulated } from './repair-fixture.js';

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

/** A store that fills most of its device, with what an object held and what another one holds. */
function madeStore(device: MemoryDevice, options: MakeStoreOptions = {}): Superblock {
  const { journalDevice } = options;
  const sizes = { blockSize: 1024, nodeSize: 1024, journalBytes: 256 * 1024 };
  const { sizeMax, size, geometry } = device;
  const plan = planStore(sizeMax, size === sizeMax, geometry, { ...sizes, ...options });
  runSync(makeStore(device, plan, options));
  const memory = { cacheBytes: 1024 * 1024, dirtyBytesMax: 1024 * 1024 };
  const journal = journalDevice === undefined ? {} : { journalDevice };
  const comparators = registry();
  const opened = openEngine({ device, readOnly: false, comparators, ...memory, ...journal });
  const { engine } = runSync(opened);
  commit(engine, (tx) => tx.createCollection('c'));
  for (let i = 0; i < 60; i++) {
    const bytes = Buffer.alloc(40_000, `bytes of object ${i} `);
    commit(engine, (tx) => tx.write('c', `object-${i}`, 0, bytes));
    if (i % 4 === 3) commit(engine, (tx) => tx.remove('c', `object-${i - 1}`));
  }
  close(engine);
  return runSync(readSuperblocks(device)).newest;
}

/** What a superblock says that does not change while a store is used. */
function identityOf({ roCompat, incompat, blockSize, nodeSize, ...rest }: Superblock) {
  const { deviceBlocks, groupBlocks, stripeUnit, stripeWidth, slotStride, metadataCopies } = rest;
  const sizes = { blockSize, nodeSize, deviceBlocks, groupBlocks };
  const places = { stripeUnit, stripeWidth, slotStride, metadataCopies };
  return { roCompat, incompat, ...sizes, ...places };
}

/** Loses all superblocks, and has one made; gives it. */
function rebuilt(
  t: ExecutionContext,
  device: MemoryDevice,
  journalDevice?: MemoryDevice,
): Superblock {
  const superblocks = runSync(readSuperblocks(device)).newest;
  const slots = [...slotOffsets(superblocks, 0), ...slotOffsets(superblocks, 1)];
  for (const offset of slots) device.writeSync(offset, [new Uint8Array(SUPERBLOCK_SIZE)]);
  const journal = journalDevice === undefined ? {} : { journalDevice };
  t.deepEqual(mend(device, { deep: true, rebuildSuperblock: true, ...journal }).left, []);
  t.deepEqual(linesOf(check(device, { deep: true, ...journal })), []);
  return runSync(readSuperblocks(device)).newest;
}

const IDENTITIES: Readonly<Record<string, MakeStoreOptions>> = {
  'small blocks and nodes': {},
  'larger nodes': { nodeSize: 4096 },
  'two copies of metadata': { metadataCopies: 2 },
  'erasing of what is freed': { eraseFreed: true },
};

for (const [name, options] of Object.entries(IDENTITIES)) {
  test(`a superblock that is made anew says of ${name} what the lost one said`, (t) => {
    const device = new MemoryDevice({ size: 6 * 1024 * 1024 });
    const before = madeStore(device, options);
    const after = rebuilt(t, device);
    t.deepEqual(identityOf(after), identityOf(before));
    t.deepEqual(after.uuid.subarray(0, 4), before.uuid.subarray(0, 4));
    t.is(after.objects, before.objects);
    t.is(after.storedBytes, before.storedBytes);
  });
}

test('a superblock that is made anew has the stripes of its device, but not those of another', (t) => {
  const geometry = { unit: 16 * 1024, width: 48 * 1024 };
  const device = new MemoryDevice({ size: 24 * 1024 * 1024, geometry });
  const before = madeStore(device);
  t.is(before.stripeWidth, geometry.width);
  t.deepEqual(identityOf(rebuilt(t, device)), identityOf(before));
  const plain = new MemoryDevice({ size: 24 * 1024 * 1024 });
  const unstriped = madeStore(plain);
  const moved = new MemoryDevice({ size: plain.size, geometry });
  const bytes = new Uint8Array(plain.size);
  plain.readSync(0, bytes);
  moved.writeSync(0, [bytes]);
  t.deepEqual(identityOf(rebuilt(t, moved)), identityOf(unstriped));
});

test('a superblock that is made anew keeps the journal on a device of its own, and its uuid', (t) => {
  const device = new MemoryDevice({ size: 6 * 1024 * 1024 });
  const journalDevice = new MemoryDevice({ size: 1024 * 1024 });
  const before = madeStore(device, { journalDevice });
  const after = rebuilt(t, device, journalDevice);
  t.deepEqual(identityOf(after), identityOf(before));
  t.deepEqual(after.uuid, before.uuid);
  t.is(after.journalBytes, before.journalBytes);
  t.notDeepEqual(after.journalUuid, before.journalUuid);
  t.is(rebuilt(t, device).incompat, 0, 'without that device it is on the store’s');
});

test('a superblock that is made anew in a file that has grown overwrites no data', (t) => {
  const device = new MemoryDevice({ size: 2 * 1024 * 1024, sizeMax: 24 * 1024 * 1024 });
  const before = madeStore(device);
  t.true(before.deviceBlocks < before.deviceBlocksMax);
  const contents = contentOf(device);
  rebuilt(t, device);
  t.deepEqual([...contentOf(device).values()].sort(), [...contents.values()].sort());
});

test('repair() of a store that erases forgets nothing that is to be erased', async (t) => {
  const device = new MemoryDevice({ size: 24 * 1024 * 1024 });
  madeStore(device, { eraseFreed: true });
  const engine = open(device);
  const bytes = Buffer.alloc(1_000_000, 'bytes of object');
  for (let i = 0; i < 16; i++) commit(engine, (tx) => tx.write('c', `large-${i}`, 0, bytes));
  checkpoint(engine);
  commit(engine, (tx) => tx.dropCollection('c'));
  runSync(engine.dropIo());
  checkpoint(engine);
  checkpoint(engine);
  engine.markClosed();
  const planter = new Planter(device);
  planter.putSuperblock({ objects: planter.superblock.objects + 1 });
  planter.write();
  t.true(mend(device).report.isRepaired);
  const live = simulated(device);
  const store = await Store.openOn(live);
  await store.erase();
  await store.close();
  t.is(Buffer.from(live.bytes()).indexOf('bytes of object'), -1);
});
