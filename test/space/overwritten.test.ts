/** What is overwritten is handed out again before the file has grown by much more. */

import test, { type ExecutionContext } from 'ava';
import { mkfsOn, Store, type Transaction } from '../../src/index.js';
import { fsckFault } from '../support/crash-fsck.js';
import { SimulatedDevice } from '../support/simulated-device.js';

const MiB = 1024 * 1024;

/** Objects of 2 MiB: 16 MiB that live. */
const OBJECTS = 8;

/** What a generation frees until a checkpoint begins; it is free when the next but one has ended. */
const FREED = 32 * MiB;

/** Live data, three generations, a step of growth, and the journal with the pool. */
const SIZE_MAX = 16 * MiB + 3 * FREED + 32 * MiB + 16 * MiB;

/** Gives the transactions that write all objects twenty times, with other bytes each. */
function* overwrites(store: Store): Generator<Transaction> {
  const bytes = new Uint8Array(2 * MiB);
  for (let i = 0; i < 20 * OBJECTS; i++) {
    yield store.transaction().write('c', `o${i % OBJECTS}`, 0, bytes.fill(i));
  }
}

function openEmpty(): { device: SimulatedDevice; store: Store } {
  const device = new SimulatedDevice({ size: 0, sizeMax: 1024 * MiB, history: false });
  mkfsOn(device, { journalBytes: 4 * MiB });
  const store = Store.openOnSync(device);
  store.commitSync(store.transaction().createCollection('c'));
  return { device, store };
}

function checkSize(t: ExecutionContext, device: SimulatedDevice): void {
  t.true(device.size <= SIZE_MAX, `the file has ${device.size / MiB} MiB`);
  t.is(fsckFault(device.image()), undefined);
}

test('overwriting in a loop that never turns the event loop does not grow the file', (t) => {
  const { device, store } = openEmpty();
  for (const one of overwrites(store)) store.commitSync(one);
  store.closeSync();
  checkSize(t, device);
});

test('overwriting asynchronously does not grow the file', async (t) => {
  const { device, store } = openEmpty();
  for (const one of overwrites(store)) await store.commit(one);
  await store.close();
  checkSize(t, device);
});
