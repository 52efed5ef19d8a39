/** Failed devices, closed and read-only stores. */

import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import { Store } from '../../src/store/store.js';
import { Transaction } from '../../src/txn/transaction.js';
import { Prng } from '../support/prng.js';
import { type StoreBed, storeBed } from '../support/store-fixture.js';

function made(t: Parameters<typeof storeBed>[0]): StoreBed {
  const bed = storeBed(t);
  bed.commit((b) => b.createCollection('c').write('c', 'o', 0, 'acknowledged'));
  return bed;
}

async function checkPoisoned(t: import('ava').ExecutionContext, bed: StoreBed): Promise<void> {
  const { store } = bed;
  const io = { code: 'E_IO', message: /reopen the store/ };
  const object = store.collection('c').object('o');
  t.throws(() => bed.commit((b) => b.touch('c', 'x')), io);
  t.throws(() => store.submit(new Transaction().touch('c', 'x')), io);
  t.throws(() => object.readSync(), io);
  await t.throwsAsync(object.read(), io);
  t.throws(() => store.statfsSync(), io);
  t.throws(() => store.info(), io);
  t.throws(() => store.snapshot(), io);
  t.throws(() => store.checkpointSync(), io);
  await t.throwsAsync(store.checkpoint(), io);
  t.throws(() => store.closeSync(), io);
  t.true(bed.device.isClosed);
}

const FAILURES: readonly [title: string, kind: 'write' | 'flush', size: number][] = [
  ['the write of a record', 'write', 10],
  ['the write of data ahead', 'write', 100_000],
  ['the flush of data ahead', 'flush', 100_000],
];

for (const [title, kind, size] of FAILURES) {
  test(`${title} that fails poisons the store; what was acknowledged is there again`, async (t) => {
    for (const synchronous of [true, false]) {
      const bed = made(t);
      bed.device.faults.failAt({ kind, n: 1 });
      const transaction = new Transaction().write('c', 'o', 0, Buffer.alloc(size, 'x'));
      if (synchronous) t.throws(() => bed.store.commitSync(transaction), { code: 'E_IO' });
      else await t.throwsAsync(bed.store.commit(transaction), { code: 'E_IO' });
      await checkPoisoned(t, bed);
      bed.kill();
      const bytes = Buffer.from(bed.store.collection('c').object('o').readSync()).toString();
      t.true(bytes === 'acknowledged' || bytes.startsWith('xxx'), bytes);
      bed.commit((b) => b.write('c', 'o', 0, 'again'));
    }
  });
}

test('any failing write or flush of a checkpoint poisons the store and loses nothing', async (t) => {
  for (const kind of ['write', 'flush'] as const) {
    for (let n = 1; n < 12; n++) {
      const bed = made(t);
      for (let i = 0; i < 30; i++)
        bed.commit((b) => b.write('c', `o${i}`, 0, Buffer.alloc(5000, i)));
      bed.device.faults.failAt({ kind, n });
      let failed = false;
      try {
        await bed.store.checkpoint();
      } catch {
        failed = true;
        await checkPoisoned(t, bed);
      }
      bed.kill();
      for (let i = 0; i < 30; i++) {
        const bytes = bed.store.collection('c').object(`o${i}`).readSync();
        t.is(Buffer.compare(bytes, Buffer.alloc(5000, i)), 0);
      }
      if (!failed) break;
    }
  }
});

test('all that wait are told when the store is poisoned', async (t) => {
  const bed = made(t);
  bed.device.faults.failAt({ kind: 'write', n: 2, permanent: true });
  const submissions = Array.from({ length: 20 }, (_, i) =>
    bed.store.submit(new Transaction().write('c', `o${i}`, 0, Buffer.alloc(i * 4000, 1))),
  );
  const ends = await Promise.allSettled(submissions.map(({ committed }) => committed));
  const refused = ends.filter(({ status }) => status === 'rejected');
  t.true(refused.length > 0);
  for (const end of ends) if (end.status === 'rejected') t.is(end.reason.code, 'E_IO');
  bed.kill();
  ends.forEach(({ status }, i) => {
    if (status !== 'fulfilled') return;
    t.is(bed.store.collection('c').object(`o${i}`).statSync().size, i * 4000);
  });
});

test('writes that wait for room are told when the store is poisoned meanwhile', async (t) => {
  for (let turns = 1; turns <= 60; turns++) {
    const bed = storeBed(t, { size: 8 * 2 ** 20, scheduler: new Prng(turns) });
    const { store } = bed;
    bed.commit((b) => b.createCollection('c').createCollection('small'));
    bed.commit((b) => b.write('c', 'large', 0, Buffer.alloc(4 * 2 ** 20, 1)));
    const all = [store.commit(new Transaction().remove('c', 'large'))];
    const data = Buffer.alloc(store.statfsSync().available, 2);
    for (let i = 0; i < 4; i++) {
      all.push(store.commit(new Transaction().write('c', `o${i}`, 0, data)));
    }
    const ends = Promise.allSettled(all);
    for (let i = 0; i < turns; i++) {
      await setImmediate();
      all.push(store.commit(new Transaction().touch('small', `${i}`)));
    }
    bed.device.powerOff();
    for (const end of [...(await ends), ...(await Promise.allSettled(all))]) {
      if (end.status === 'rejected') t.regex(end.reason.code, /^E_(IO|NO_SPACE)$/);
    }
    bed.kill();
  }
});

test('a failing read is an error of its own: nothing is poisoned', async (t) => {
  const bed = storeBed(t, { cacheBytes: 0 });
  bed.commit((b) => b.createCollection('c').write('c', 'o', 0, Buffer.alloc(100_000, 1)));
  bed.store.checkpointSync();
  const object = bed.store.collection('c').object('o');
  bed.device.faults.failAt({ kind: 'read', n: 1 });
  t.throws(() => object.readSync(), { code: 'E_IO' });
  t.is(object.readSync().length, 100_000);
  bed.device.faults.failAt({ kind: 'read', n: 1 });
  await t.throwsAsync(object.read(), { code: 'E_IO' });
  t.is((await object.read()).length, 100_000);
  const [extent] = object.extentsSync();
  bed.device.corrupt((extent?.deviceOffset ?? 0) + 5000);
  t.throws(() => object.readSync(), { code: 'E_CORRUPT' });
  t.is(object.readSync(0, 4096).length, 4096);
  bed.commit((b) => b.write('c', 'o', 0, Buffer.alloc(100_000, 2)));
  t.is(object.readSync()[5000], 2);
});

test('a closed store answers E_CLOSED', async (t) => {
  const bed = made(t);
  const { store } = bed;
  const snapshot = store.snapshot();
  const object = store.collection('c').object('o');
  await store.close();
  await store.close();
  store.closeSync();
  const closed = { code: 'E_CLOSED' };
  t.throws(() => store.commitSync(new Transaction()), closed);
  t.throws(() => store.submit(new Transaction()), closed);
  t.throws(() => object.readSync(), closed);
  await t.throwsAsync(object.read(), closed);
  t.throws(() => store.listCollectionsSync(), closed);
  t.throws(() => store.statfsSync(), closed);
  t.throws(() => store.checkpointSync(), closed);
  t.throws(() => snapshot.listCollectionsSync(), closed);
  t.throws(() => store.snapshot(), closed);
});

test('close() waits for everything that was submitted', async (t) => {
  const bed = made(t);
  const commits = Array.from({ length: 30 }, (_, i) =>
    bed.store.commit(new Transaction().write('c', `o${i}`, 0, Buffer.alloc(i * 5000, i))),
  );
  await bed.store.close();
  t.is((await Promise.all(commits)).length, 30);
  const store = bed.kill();
  t.is(store.recovery.replayed, 0);
  t.is(store.collection('c').statSync().objects, 31);
});

test('closeSync() finishes everything that was submitted', async (t) => {
  const bed = made(t);
  const commits = Array.from({ length: 30 }, (_, i) =>
    bed.store.commit(new Transaction().write('c', `o${i}`, 0, Buffer.alloc(i * 5000, i))),
  );
  bed.store.closeSync();
  t.is((await Promise.all(commits)).length, 30);
  const store = bed.kill();
  t.is(store.recovery.replayed, 0);
  t.is(store.collection('c').statSync().objects, 31);
});

test('a read-only store replays in memory and writes nothing', async (t) => {
  const bed = made(t);
  for (let i = 0; i < 50; i++) {
    bed.commit((b) => b.write('c', `o${i}`, 0, Buffer.alloc(i * 900, i)).remove('c', `o${i - 5}`));
  }
  const device = bed.copy();
  const before = device.bytes();
  const store = Store.openOnSync(device, { readOnly: true });
  t.true(store.recovery.replayed > 0);
  t.is(store.collection('c').statSync().objects, 6);
  const snapshot = store.snapshot();
  t.is((await snapshot.collection('c').object('o49').read()).length, 49 * 900);
  const readOnly = { code: 'E_READ_ONLY' };
  t.throws(() => store.commitSync(new Transaction().touch('c', 'x')), readOnly);
  t.throws(() => store.submit(new Transaction().touch('c', 'x')), readOnly);
  t.throws(() => store.checkpointSync(), readOnly);
  await t.throwsAsync(store.checkpoint(), readOnly);
  snapshot.close();
  await store.close();
  t.is(device.calls.write, 0);
  t.is(device.calls.flush, 0);
  t.is(device.calls.grow, 0);
  t.is(Buffer.compare(device.bytes(), before), 0);
});
