/**
 * Sequences that random transactions found, each reduced to what it takes. The fixture audits
 * every store at its end: references, free space, trees and totals.
 */

import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { Transaction } from '../../src/txn/transaction.js';
import { type StoreBed, storeBed } from '../support/store-fixture.js';

const SMALL_NODES = { blockSize: 1024, nodeSize: 1024, size: 32 * 2 ** 20 };

function text(bed: StoreBed, collection: string, object: string): string {
  return Buffer.from(bed.store.collection(collection).object(object).readSync()).toString();
}

test('a collection that is changed and cloned in one transaction keeps the change', (t) => {
  const bed = storeBed(t);
  bed.commit((b) => b.createCollection('c').write('c', 'o', 0, 'old'));
  bed.store.checkpointSync();
  bed.commit((b) => b.write('c', 'o', 0, 'new').touch('c', 'p').cloneCollection('c', 'd'));
  for (const reopen of [false, true]) {
    if (reopen) bed.reopen();
    t.is(text(bed, 'c', 'o'), 'new');
    t.is(text(bed, 'd', 'o'), 'new');
    t.is(bed.store.collection('c').statSync().objects, 2);
  }
});

test('a blob tree of its own below a leaf shared by cloned collections is not changed in place', (t) => {
  const bed = storeBed(t, SMALL_NODES);
  bed.commit((b) => {
    b.createCollection('c').write('c', 'a', 0, Buffer.alloc(83, 'a'));
    b.write('c', 'o', 5718, Buffer.alloc(111, 'o'));
  });
  bed.store.checkpointSync();
  bed.commit((b) => b.cloneCollection('c', 'd'));
  bed.commit((b) => b.write('d', 'o', 70, Buffer.alloc(33, 'd')));
  bed.reopen();
  t.is(text(bed, 'c', 'o').replaceAll('\0', ''), 'o'.repeat(111));
  t.is(text(bed, 'd', 'o').replaceAll('\0', ''), 'd'.repeat(33) + 'o'.repeat(111));
});

test('what a record in a shared leaf refers to is given up only after the leaf was copied', (t) => {
  const bed = storeBed(t, SMALL_NODES);
  const large = Buffer.alloc(3000, 'L');
  bed.commit((b) => {
    b.createCollection('c');
    for (let i = 0; i < 40; i++) {
      b.write('c', `o${i}`, 0, large).setAttribute('c', `o${i}`, 'a', large);
      b.mapSet('c', `o${i}`, [['k', large]]);
    }
    for (let i = 0; i < 40; i++) b.write('c', 'many', i * 5000, large);
    for (let i = 0; i < 40; i++) b.mapSet('c', 'many', [[`k${i}`, large]]);
  });
  bed.store.checkpointSync();
  bed.commit((b) => b.cloneCollection('c', 'd').clone('c', 'many', 'copy'));
  bed.commit((b) => {
    b.remove('d', 'o1').setAttribute('d', 'o2', 'a', 'small').removeAttribute('d', 'o3', 'a');
    b.mapSet('d', 'o4', [['k', 'small']])
      .mapClear('d', 'o5')
      .truncate('d', 'o6', 0);
    b.write('d', 'o7', 100, large).clone('d', 'o8', 'o9').moveRename('d', 'o10', 'c', 'moved');
    b.write('c', 'copy', 10_000, large).mapRemove('c', 'copy', ['k3']);
    b.zero('c', 'many', 20_000, 60_000).mapRemoveRange('c', 'many', 'k1', 'k2');
  });
  bed.store.checkpointSync();
  bed.audit();
  for (let i = 0; i < 40; i++) {
    const object = bed.store.collection('c').object(`o${i}`);
    t.is(Buffer.compare(object.readSync(), large), 0);
    t.is(Buffer.compare(object.getAttributeSync('a') ?? new Uint8Array(0), large), 0);
    t.is(Buffer.compare(object.mapGetSync('k') ?? new Uint8Array(0), large), 0);
  }
});

test('stored bytes are right when a collection of large objects goes before a checkpoint', (t) => {
  const bed = storeBed(t, SMALL_NODES);
  bed.commit((b) => {
    b.createCollection('c').createCollection('d').write('d', 'o', 0, 'kept');
    for (let i = 0; i < 60; i++) b.write('c', 'o', i * 7000, Buffer.alloc(3000, i));
    b.write('c', 'p', 2 ** 30, 'far');
  });
  const { storedBytes } = bed.store.collection('c').statSync();
  t.is(storedBytes, 59 * 7000 + 3000 + 2 ** 30 + 3);
  t.is(bed.store.statfsSync().stored, storedBytes + 4);
  bed.commit((b) => b.dropCollection('c'));
  t.is(bed.store.statfsSync().stored, 4);
});

test('a collection is neither split off nor merged into itself', (t) => {
  const bed = storeBed(t);
  bed.commit((b) => b.createCollection('c', { order: 'hash' }));
  const invalid = { code: 'E_INVALID' };
  t.throws(() => bed.commit((b) => b.splitCollection('c', 'c', 1, 1)), invalid);
  t.throws(() => bed.commit((b) => b.mergeCollection('c', 'c', 0)), invalid);
  t.true(bed.store.collection('c').existsSync());
});

test('an overtaken write of data ahead does not land on blocks given to others', async (t) => {
  const bed = storeBed(t, { size: 24 * 2 ** 20 });
  bed.commit((b) => b.createCollection('c').touch('c', 'o'));
  const data = (letter: string): Buffer => Buffer.alloc(400_000, letter);
  bed.device.hold();
  const refused = bed.store.commit(
    new Transaction().write('c', 'x', 0, data('x')).create('c', 'o'),
  );
  bed.commit((b) => b.touch('c', 'o')); // can't wait for the write of x, which is refused
  for (const letter of 'abcdef') bed.commit((b) => b.write('c', letter, 0, data(letter)));
  await t.throwsAsync(refused, { code: 'E_EXISTS' });
  bed.device.release();
  await bed.store.checkpoint();
  for (const letter of 'abcdef') {
    t.is(Buffer.compare(bed.store.collection('c').object(letter).readSync(), data(letter)), 0);
  }
});

test('an overtaken write of a record does not land on a later record', async (t) => {
  const bed = storeBed(t, { journalBytes: 2 ** 20 });
  bed.commit((b) => b.createCollection('c'));
  bed.device.hold();
  const first = bed.store.commit(new Transaction().write('c', 'first', 0, 'first'));
  await turn(); // its record is being written
  let last = 0;
  const busy = t.throws(
    () => {
      for (; last < 2000; last++) {
        bed.commit((b) => b.write('c', `o${last}`, 0, Buffer.alloc(2000, last)));
      }
    },
    { code: 'E_BUSY' },
  );
  t.regex(busy.message, /event loop/);
  bed.device.release();
  await first;
  await bed.store.checkpoint();
  bed.commit((b) => b.write('c', 'after', 0, 'after'));
  bed.kill();
  t.is(bed.store.collection('c').statSync().objects, last + 2);
});

test('a version is raised once by a transaction without operations on collections', (t) => {
  const bed = storeBed(t);
  bed.commit((b) => b.createCollection('c').touch('c', 'o'));
  bed.commit((b) => b.write('c', 'o', 0, 'a').moveRename('c', 'o', 'c', 'p').truncate('c', 'p', 0));
  t.is(bed.store.collection('c').object('p').statSync().version, 2);
});

test('transactions that name one reservation keep their order, whatever they write', async (t) => {
  const bed = storeBed(t);
  const units = { bytes: 1000, operations: 1, keys: 0 };
  bed.commit((b) => b.createCollection('c').createCollection('d'));
  const reserved = bed.store.commit(
    new Transaction().write('c', 'large', 0, Buffer.alloc(300_000)).reserve('r', units),
  );
  const redeemed = bed.store.commit(new Transaction().redeem('r', units).touch('d', 'o'));
  t.true((await reserved) < (await redeemed));
});

test('what is opened while a checkpoint seals its nodes does not outlive their numbers', async (t) => {
  const bed = storeBed(t);
  const { store } = bed;
  const entries = Array.from({ length: 60 }, (_, i) => [`k${i}`, Buffer.alloc(100)] as const);
  // So many that the tree of collections has a node of its own, which is copied unsealed.
  bed.commit((b) => {
    for (let i = 0; i < 30; i++) b.createCollection(`another collection ${i}`);
  });
  bed.commit((b) => b.createCollection('c').touch('c', 'a').mapSet('c', 'a', entries));
  const first = store.checkpoint();
  bed.commit((b) => b.write('c', 'b', 0, 'the record of c names the frozen map of a'));
  await first;
  const second = store.checkpoint();
  const handle = store.collection('c').object('a');
  t.is(handle.mapCountSync(), 60);
  await second;
  t.is(handle.mapGetSync('k1')?.length, 100);
  bed.commit((b) => b.mapSet('c', 'a', [['k1', 'new']]));
  t.is(Buffer.from(handle.mapGetSync('k1') ?? []).toString(), 'new');
});

test('an object that was kept open is found as a transaction of its own has left it', (t) => {
  const bed = storeBed(t);
  bed.commit((b) => b.createCollection('c').createCollection('d').touch('c', 'o').touch('c', 'p'));
  bed.commit((b) => b.write('c', 'o', 0, 'alone').setAttribute('c', 'o', 'a', '1'));
  bed.commit((b) => b.ifVersion('c', 'o', 2).write('c', 'o', 5, ', then').touch('c', 'p'));
  t.is(text(bed, 'c', 'o'), 'alone, then');
  const refused = new Transaction().write('c', 'o', 50, 'refused').mustExist('c', 'missing');
  t.throws(() => bed.store.commitSync(refused), { code: 'E_GUARD' });
  bed.commit((b) => b.ifVersion('c', 'o', 3).setAttribute('c', 'o', 'b', '2').touch('c', 'p'));
  t.is(text(bed, 'c', 'o'), 'alone, then');
  bed.store.checkpointSync();
  bed.commit((b) => b.ifVersion('c', 'o', 4).moveRename('c', 'o', 'd', 'o').touch('c', 'o'));
  bed.commit((b) => b.dropCollection('c').touch('d', 'p'));
  bed.commit((b) =>
    b.createCollection('c').touch('c', 'p').ifVersion('d', 'o', 5).remove('d', 'p'),
  );
  for (const reopen of [false, true]) {
    if (reopen) bed.reopen();
    t.is(text(bed, 'd', 'o'), 'alone, then');
    t.is(bed.store.collection('d').object('o').getAttributeSync('a')?.length, 1);
    t.is(bed.store.collection('c').statSync().objects, 1);
  }
});

test('an object that was kept open is not found again when its collection gets it back', (t) => {
  const bed = storeBed(t);
  const o = { name: 'o', hash: 1 };
  const p = { name: 'p', hash: 0 };
  bed.commit((b) => b.createCollection('a', { order: 'hash' }).touch('a', o).touch('a', p));
  bed.commit((b) => b.createCollection('b', { order: 'hash' }).splitCollection('a', 'b', 1, 1));
  bed.commit((b) => b.write('b', o, 0, 'in b').touch('a', p));
  bed.commit((b) => b.mergeCollection('b', 'a', 0));
  bed.commit((b) => b.ifVersion('a', o, 2).write('a', o, 4, ', then a').touch('a', p));
  t.is(Buffer.from(bed.store.collection('a').object(o).readSync()).toString(), 'in b, then a');
});

test('a record that only could be too large for the ring has its room there', async (t) => {
  const bed = storeBed(t, { ...SMALL_NODES, journalBytes: 256 * 1024 });
  bed.commit((b) => b.createCollection('c'));
  const { store, device } = bed;
  const bytes = (i: number): Buffer => Buffer.alloc(30_000, i); // an eighth of the ring is 32 KiB
  device.hold();
  const all = Array.from({ length: 20 }, (_, i) =>
    store.commit(new Transaction().write('c', `o${i}`, 0, bytes(i))),
  );
  for (let i = 0; i < 20; i++) await turn();
  device.release();
  await Promise.all(all);
  t.is(store.collection('c').statSync().objects, 20);
});

test('a part of what is still pending is changed without a look at the device', (t) => {
  const bed = storeBed(t, { eraseFreed: true }); // such a store copies the rest of a chunk
  bed.commit((b) => b.createCollection('c').write('c', 'o', 0, Buffer.alloc(20_000, 'a')));
  const { read } = bed.device.calls;
  bed.commit((b) => b.write('c', 'o', 5000, 'part'));
  t.is(text(bed, 'c', 'o').slice(4999, 5005), 'aparta');
  t.is(bed.device.calls.read, read);
});
