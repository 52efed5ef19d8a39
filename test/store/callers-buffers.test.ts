/**
 * Whose a buffer is: names and keys may be changed as soon as a call has returned, and what a read
 * gave is the caller's.
 */

import test, { type ExecutionContext } from 'ava';
import type { StoredCollection } from '../../src/index.js';
import { type StoreBed, storeBed } from '../support/store-fixture.js';

const COUNT = 3000;

function nameOf(i: number): string {
  return `n${String(i).padStart(5, '0')}`;
}

/** A store of so many names and keys, opened anew: every look-up reads nodes. */
function cold(t: ExecutionContext): StoreBed {
  const bed = storeBed(t, { cacheBytes: 0 });
  bed.commit((tx) => {
    tx.createCollection('c').touch('c', 'map');
    tx.mapSet(
      'c',
      'map',
      Array.from({ length: COUNT }, (_, i) => [nameOf(i), `value ${i}`]),
    );
    for (let i = 0; i < COUNT; i++) tx.write('c', nameOf(i), 0, `data ${i}`);
    for (let i = 0; i < COUNT; i++) tx.createCollection(nameOf(i));
  });
  bed.reopen();
  return bed;
}

function text(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString();
}

/** What `read` gives for the first name when its bytes become those of another one meanwhile. */
async function changed<T>(bed: StoreBed, read: (c: StoredCollection, name: Buffer) => Promise<T>) {
  const name = Buffer.from(nameOf(7));
  const reading = read(bed.store.collection('c'), name);
  name.write(nameOf(COUNT - 7));
  return await reading;
}

test('an asynchronous read goes by the name that it was given', async (t) => {
  const bed = cold(t);
  const map = (c: StoredCollection) => c.object('map');
  t.is(text(await changed(bed, (c, name) => c.object(name).read())), 'data 7');
  t.is(text(await changed(bed, (c, name) => c.object({ name, hash: 1 }).read())), 'data 7');
  t.is(text(await changed(bed, (c, key) => map(c).mapGet(key))), 'value 7');
  const keys = async (bound: 'from' | 'after' | 'to') => {
    const entries = await changed(bed, (c, key) => map(c).mapEntries({ [bound]: key }));
    return [entries.length, text(entries[0]?.[0]), text(entries.at(-1)?.[0])];
  };
  t.deepEqual(await keys('from'), [1000, nameOf(7), nameOf(1006)]);
  t.deepEqual(await keys('after'), [1000, nameOf(8), nameOf(1007)]);
  t.deepEqual(await keys('to'), [7, nameOf(0), nameOf(6)]);
  const listed = await changed(bed, (c, after) => c.list({ after, limit: 1 }));
  t.is(text(listed[0]?.name), nameOf(8));
  const names = await changed(bed, (_, after) => bed.store.listCollections({ after, limit: 1 }));
  t.is(text(names[0]), nameOf(8));
});

test('what a read gave can be changed without harm', (t) => {
  const bed = cold(t);
  const { store } = bed;
  const object = store.collection('c').object(nameOf(7));
  const scribbled = (read: () => Uint8Array | undefined): string => {
    for (let i = 0; i < 2; i++) read()?.fill(0);
    return text(read());
  };
  t.is(
    scribbled(() => object.readSync()),
    'data 7',
  );
  t.is(
    scribbled(() => object.readRangesSync([[0, 4]])[0]),
    'data',
  );
  t.is(
    scribbled(() => store.collection('c').object('map').mapGetSync(nameOf(7))),
    'value 7',
  );
  for (const part of [0, 1] as const) {
    const first = () => store.collection('c').object('map').mapEntriesSync({ limit: 1 })[0];
    t.is(
      scribbled(() => first()?.[part]),
      part === 0 ? nameOf(0) : 'value 0',
    );
  }
  t.is(
    scribbled(() => store.collection('c').listSync({ limit: 1 })[0]?.name),
    'map',
  );
  t.is(
    scribbled(() => store.listCollectionsSync({ limit: 1 })[0]),
    'c',
  );
  bed.commit((tx) => tx.write('c', 'pending', 0, Buffer.alloc(20_000, 'p')));
  const pending = store.collection('c').object('pending');
  t.is(
    scribbled(() => pending.readSync()),
    'p'.repeat(20_000),
  );
});

test('a page has to satisfy all bounds that it was given', (t) => {
  const { store } = cold(t);
  const range = { from: nameOf(9), after: nameOf(5), to: nameOf(12) };
  const expected = [9, 10, 11].map(nameOf);
  const map = store.collection('c').object('map');
  t.deepEqual(
    map.mapEntriesSync(range).map(([key]) => text(key)),
    expected,
  );
  const reversed = map.mapEntriesSync({ ...range, reverse: true }).map(([key]) => text(key));
  t.deepEqual(reversed.reverse(), expected);
  t.deepEqual(
    store
      .collection('c')
      .listSync(range)
      .map(({ name }) => text(name)),
    expected,
  );
});
