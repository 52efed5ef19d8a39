/** Snapshots, and reading in both forms while writing goes on. */

import test from 'ava';
import { Prng } from '../support/prng.js';
import { type StoreBed, storeBed, TINY } from '../support/store-fixture.js';

const NAMES = Array.from({ length: 300 }, (_, i) => `object ${i}`);

/** Puts the same number everywhere: a reader must find it, or its predecessor, everywhere. */
function fill(bed: StoreBed, round: number): void {
  bed.commit((b) => {
    for (const name of NAMES) {
      b.write('c', name, 0, Buffer.alloc(30 + (round % 3) * 2000, `round ${round};`));
      b.setAttribute('c', name, 'round', String(round));
      b.mapSet('c', name, [['round', String(round)]]);
    }
  });
}

function text(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? '').toString();
}

for (const [title, options] of Object.entries({ 'ample memory': {}, 'no cache': TINY })) {
  test(`a snapshot stays as it was while writing goes on, ${title}`, async (t) => {
    const bed = storeBed(t, options);
    bed.commit((b) => b.createCollection('c'));
    fill(bed, 0);
    const first = bed.store.snapshot(); // of a state that no checkpoint has seen
    const snapshots = [first];
    for (let round = 1; round < 6; round++) {
      fill(bed, round);
      snapshots.push(bed.store.snapshot());
      if (round % 2 === 0) bed.store.checkpointSync();
    }
    bed.commit((b) => b.dropCollection('c'));
    bed.store.checkpointSync();
    await bed.store.checkpoint();
    for (const [round, snapshot] of snapshots.entries()) {
      const collection = snapshot.collection('c');
      t.is(collection.statSync().objects, NAMES.length);
      const listed = await collection.list();
      t.is(listed.length, NAMES.length);
      for (const name of NAMES) {
        const object = collection.object(name);
        t.is(text(object.getAttributeSync('round')), String(round));
        t.is(text(await object.mapGet('round')), String(round));
        t.true(text(await object.read(0, 8)).startsWith(`round ${round}`));
      }
      snapshot.close();
      t.throws(() => collection.listSync(), { code: 'E_CLOSED' });
      await t.throwsAsync(collection.list(), { code: 'E_CLOSED' });
    }
    t.false(bed.store.collection('c').existsSync());
  });

  test(`asynchronous reads give what synchronous ones give, ${title}`, async (t) => {
    const bed = storeBed(t, { ...options, scheduler: new Prng(3) });
    bed.commit((b) => b.createCollection('c'));
    fill(bed, 1);
    bed.reopen();
    const collection = bed.store.collection('c');
    t.deepEqual(await collection.list(), collection.listSync());
    t.deepEqual(await collection.stat(), collection.statSync());
    t.deepEqual(await bed.store.listCollections(), bed.store.listCollectionsSync());
    await Promise.all(
      NAMES.map(async (name) => {
        const object = collection.object(name);
        t.deepEqual(await object.stat(), object.statSync());
        t.deepEqual(await object.read(), object.readSync());
        t.deepEqual(await object.read(7, 3), object.readSync(7, 3));
        t.deepEqual(await object.extents(), object.extentsSync());
        t.deepEqual(await object.attributes(), object.attributesSync());
        t.deepEqual(await object.mapEntries(), object.mapEntriesSync());
        t.is(await object.mapCount(), object.mapCountSync());
        t.is(await object.exists(), true);
      }),
    );
    await t.throwsAsync(collection.object('none').read(), { code: 'E_NOT_FOUND' });
    t.is(await collection.object('none').exists(), false);
  });

  test(`asynchronous reads of one object see whole transactions, ${title}`, async (t) => {
    const bed = storeBed(t, { ...options, scheduler: new Prng(4) });
    const data = (round: number): Buffer => Buffer.alloc(60_000, `${round % 10}`);
    bed.commit((b) => b.createCollection('c').write('c', 'o', 0, data(0)));
    const object = bed.store.collection('c').object('o');
    const reads: Promise<Uint8Array>[] = [];
    const writes: Promise<number>[] = [];
    for (let round = 1; round < 60; round++) {
      writes.push(bed.store.commit(bed.store.transaction().write('c', 'o', 0, data(round))));
      reads.push(object.read());
      if (round % 7 === 0) bed.commit((b) => b.write('c', 'p', 0, data(round)));
      if (round % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (round % 13 === 0) await bed.store.checkpoint();
    }
    for (const bytes of await Promise.all(reads)) {
      t.is(bytes.length, 60_000);
      t.true(bytes.every((byte) => byte === bytes[0]));
    }
    await Promise.all(writes);
    t.is(Buffer.compare(object.readSync(), data(59)), 0);
  });
}

test('a snapshot of an empty store shows nothing of what comes later', (t) => {
  const bed = storeBed(t);
  const snapshot = bed.store.snapshot();
  bed.commit((b) => b.createCollection('c').touch('c', 'o'));
  t.deepEqual(snapshot.listCollectionsSync(), []);
  t.false(snapshot.collection('c').existsSync());
  snapshot.close();
  snapshot.close();
  t.throws(() => snapshot.listCollectionsSync(), { code: 'E_CLOSED' });
});
