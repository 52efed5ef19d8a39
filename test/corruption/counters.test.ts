/**
 * Totals and ids that no writer left in a superblock, behind right checksums: what would take them
 * below zero or over their limits is refused, and the store goes on.
 */

import test from 'ava';
import { runSync } from '../../src/blockdev/io.js';
import type { MemoryDevice } from '../../src/blockdev/memory-device.js';
import { BLOCK_HEADER } from '../../src/format/block.js';
import { setU48 } from '../../src/format/bytes.js';
import { COUNTED_LIMIT } from '../../src/format/journal-record.js';
import { POINTER } from '../../src/format/pointer.js';
import { ROLE } from '../../src/format/role.js';
import type { Superblock } from '../../src/format/superblock.js';
import { Store } from '../../src/store/store.js';
import { readSuperblocks, writeSuperblock } from '../../src/txn/superblock-slots.js';
import type { Transaction } from '../../src/txn/transaction.js';
import { close, commit, deepStore, newStore, open } from '../fsck/fixture.js';
import { Planter } from '../fsck/planter.js';
import { copyOf } from '../fsck/repair-fixture.js';

const CORRUPT = { code: 'E_CORRUPT' };

/** A store of one object of 3000 bytes whose superblock says something else of it. */
function forged(changes: Partial<Superblock>): MemoryDevice {
  const device = newStore();
  const engine = open(device);
  commit(engine, (tx) => tx.createCollection('c').write('c', 'o', 0, new Uint8Array(3000)));
  close(engine);
  const { newest } = runSync(readSuperblocks(device));
  for (let i = 1; i <= 2; i++) {
    runSync(writeSuperblock(device, { ...newest, ...changes, number: newest.number + i }));
  }
  return device;
}

const REFUSED: readonly (readonly [string, Partial<Superblock>, (tx: Transaction) => unknown])[] = [
  ['stored bytes below zero', { storedBytes: 0 }, (tx) => tx.remove('c', 'o')],
  ['stored bytes below zero, cut', { storedBytes: 2000 }, (tx) => tx.truncate('c', 'o', 10)],
  ['stored bytes below zero, dropped', { storedBytes: 1 }, (tx) => tx.dropCollection('c')],
  ['objects below zero', { objects: 0 }, (tx) => tx.remove('c', 'o')],
  ['ids used up', { nextObject: COUNTED_LIMIT - 1 }, (tx) => tx.create('c', 'new')],
  ['collections used up', { nextCollection: COUNTED_LIMIT - 1 }, (tx) => tx.createCollection('d')],
];

for (const [title, changes, build] of REFUSED) {
  test(`a transaction that would leave ${title} is refused`, (t) => {
    const device = forged(changes);
    const store = Store.openOnSync(device);
    const before = store.statfsSync();
    const refused = store.transaction();
    build(refused);
    t.throws(() => store.commitSync(refused), CORRUPT);
    t.deepEqual(store.statfsSync(), before);
    store.commitSync(store.transaction().setAttribute('c', 'o', 'a', 'goes on'));
    store.checkpointSync();
    const again = Store.openOnSync(copyOf(device), { readOnly: true }).collection('c').object('o');
    t.is(Buffer.from(again.getAttributeSync('a') ?? '').toString(), 'goes on');
    t.is(again.readSync().length, 3000);
  });
}

test('reservations of more blocks than a device can have are refused, and leave no trace', (t) => {
  const store = Store.openOnSync(newStore());
  const huge = { bytes: 0, operations: 2 ** 50, keys: 2 ** 50 };
  const small = { bytes: 5000, operations: 1, keys: 0 };
  const both = store.transaction().reserve('small', small).reserve('huge', huge);
  t.throws(() => store.commitSync(both.cancelReservation('huge')), { code: 'E_NO_SPACE' });
  t.is(store.statfsSync().reserved, 0);
  store.commitSync(store.transaction().reserve('small', small));
  store.commitSync(store.transaction().cancelReservation('small'));
  t.is(store.statfsSync().reserved, 0);
});

test('records below a node that no pointer could count are E_CORRUPT', (t) => {
  const device = deepStore();
  const planter = new Planter(device);
  const branch = planter.nodes(ROLE.map, 1)[0] as number;
  for (const { value } of planter.entries(branch).slice(0, 2)) {
    setU48(value, POINTER.records, 2 ** 48 - 1);
  }
  planter.seal(branch);
  planter.write();
  const store = Store.openOnSync(device);
  const change = store.transaction().mapSet('c', 'map', [['new key', 'value']]);
  t.throws(() => store.commitSync(change), CORRUPT);
  store.checkpointSync();
  store.closeSync();
});

test('a node whose owner is no number is E_CORRUPT, not written again', (t) => {
  const device = deepStore();
  const planter = new Planter(device);
  for (const leaf of planter.nodes(ROLE.map, 0)) {
    planter.page(leaf).fill(255, BLOCK_HEADER.owner, BLOCK_HEADER.owner + 8);
    planter.seal(leaf);
  }
  planter.write();
  const store = Store.openOnSync(device);
  const change = store.transaction().mapSet('c', 'map', [['new key', 'value']]);
  t.throws(() => store.commitSync(change), CORRUPT);
  store.checkpointSync();
  store.closeSync();
});
