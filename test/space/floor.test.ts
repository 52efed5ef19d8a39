/** The delete floor: what single deletes leave of it, and who else may count on his room. */

import test from 'ava';
import { type Store, StoreError } from '../../src/index.js';
import { fsckFindings, put, remove, smallMemory, smallStore } from './fixture.js';

const MiB = 1024 * 1024;
const SIZES = [8 * MiB, 20 * MiB];
const CLONES = 5;
/** Objects that make room for cloning, which counts as any other transaction. */
const ROOM = 100;

/** Fills the store with many small objects, each with an attribute: most of it is metadata. */
function fillWithSmall(store: Store): string[] {
  const names: string[] = [];
  const attribute = 'x'.repeat(300);
  try {
    for (;;) {
      const name = `o${names.length}`;
      const change = store
        .transaction()
        .write('c', name, 0, new Uint8Array(200).fill(names.length));
      store.commitSync(change.setAttribute('c', name, 'a', attribute));
      names.push(name);
    }
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'E_NO_SPACE') throw error;
  }
  return names;
}

/** Removes objects here and there, each of which unshares nodes from clones, until refused. */
function removeUntilRefused(store: Store, names: readonly string[]): StoreError {
  for (let i = names.length - 1; i >= 0; i -= 7) {
    try {
      remove(store, names[i] as string);
    } catch (error) {
      if (error instanceof StoreError && error.code === 'E_NO_SPACE') return error;
      throw error;
    }
  }
  throw new Error('the delete floor was not used up');
}

for (const size of SIZES) {
  test(`clones can be dropped when single deletes have used up their floor (${size / MiB} MiB)`, async (t) => {
    const bed = smallStore(smallMemory(size));
    const { store } = bed;
    const names = fillWithSmall(store);
    for (const name of names.splice(-ROOM)) remove(store, name);
    for (let i = 0; i < CLONES; i++) {
      store.commitSync(store.transaction().cloneCollection('c', `clone${i}`));
    }
    const error = removeUntilRefused(store, names);
    t.regex(error.message, /clones hold what was removed/);
    for (let i = 0; i < CLONES; i++) {
      t.notThrows(() => store.commitSync(store.transaction().dropCollection(`clone${i}`)));
    }
    store.commitSync(store.transaction().dropCollection('c'));
    store.commitSync(store.transaction().createCollection('c')); // waits for what is being freed
    t.true(put(store, 'again', new Uint8Array(size / 2).fill(1)));
    store.closeSync();
    t.deepEqual(await fsckFindings(bed), []);
  });

  test(`reserved transactions succeed when deletes have used up the floor (${size / MiB} MiB)`, async (t) => {
    const bed = smallStore(smallMemory(size));
    const { store } = bed;
    const count = size / (4 * MiB); // of each size: what they hold back is half of the store
    const bytes = [300, 5000, 50_000]; // in the onode, in the journal, written ahead
    const sum = bytes.reduce((a, b) => a + b) + 3 * 300;
    const all = { bytes: sum * count, operations: 9 * count, keys: 15 * count };
    store.commitSync(store.transaction().createCollection('pg').reserve('pg', all));
    const names = fillWithSmall(store);
    for (const name of names.splice(-ROOM)) remove(store, name);
    store.commitSync(store.transaction().cloneCollection('c', 'clone'));
    removeUntilRefused(store, names);
    for (let i = 0; i < count; i++) {
      for (const length of bytes) {
        const name = `p${i}-${length}`;
        const value = 'v'.repeat(40);
        const change = store
          .transaction()
          .redeem('pg', { bytes: length + 300, operations: 3, keys: 5 })
          .write('pg', name, 0, new Uint8Array(length).fill(i))
          .setAttribute('pg', name, 'attribute', value)
          .mapSet(
            'pg',
            name,
            [1, 2, 3, 4].map((key) => [`${name}/${key}`, value]),
          );
        t.notThrows(() => store.commitSync(change), name);
      }
    }
    t.is(store.statfsSync().reserved, 0);
    store.closeSync();
    t.deepEqual(await fsckFindings(bed), []);
  });
}
