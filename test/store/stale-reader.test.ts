/** A store that is open read-only while another process writes it: right data, or E_STALE. */

import test from 'ava';
import { hasCode, mkfsSync, Store } from '../../src/index.js';
import { temporaryPath } from '../support/temp-directory.js';

const KiB = 1024;
const OBJECTS = 60;
const ROUNDS = 6;

/** The bytes of object `i` after so many rounds. */
function bytesOf(i: number, round: number): Uint8Array {
  return new Uint8Array(5000).fill(i + round);
}

test('a reader whose store was written meanwhile is told so, and never that it is damaged', async (t) => {
  const path = temporaryPath(t);
  mkfsSync(path, { size: 8192 * KiB, journalBytes: 256 * KiB });
  const writeAll = (store: Store, round: number): void => {
    for (let i = 0; i < OBJECTS; i++) {
      store.commitSync(store.transaction().write('c', `o${i}`, 0, bytesOf(i, round)));
    }
  };
  const first = Store.openSync(path);
  first.commitSync(first.transaction().createCollection('c'));
  writeAll(first, 0);
  first.closeSync();

  const reader = Store.openSync(path, { readOnly: true, cacheBytes: 0 });
  const collection = reader.collection('c');
  t.deepEqual(collection.object('o3').readSync(), bytesOf(3, 0));
  const writer = Store.openSync(path);
  for (let round = 1; round <= ROUNDS; round++) {
    writeAll(writer, round);
    writer.checkpointSync();
  }
  writer.closeSync();

  let stale = 0;
  for (let i = 0; i < OBJECTS; i++) {
    const object = collection.object(`o${i}`);
    for (const read of [async () => object.readSync(), () => object.read()]) {
      try {
        t.deepEqual(await read(), bytesOf(i, 0));
      } catch (error) {
        t.true(hasCode(error, 'E_STALE'), String(error));
        stale++;
      }
    }
  }
  t.true(stale > 0, 'what the reader needed was written over');
  reader.closeSync();
});
