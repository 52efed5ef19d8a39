/** The older superblock and the journal serve when the newest superblock is lost, at any time. */

import test from 'ava';
import { mkfsOn, Store } from '../../src/index.js';
import { Prng } from '../support/prng.js';
import { SimulatedDevice } from '../support/simulated-device.js';
import { newestSlots, withoutSlots } from './superblock-loss.js';

const KiB = 1024;
const OBJECTS = 60;
const TRANSACTIONS = 240;
const IN_FLIGHT = 16;

test('the journal reaches back to the start of the older superblock, however full it is', async (t) => {
  const prng = new Prng(1);
  const device = new SimulatedDevice({ size: 2048 * KiB, history: false, scheduler: prng.fork() });
  mkfsOn(device, { blockSize: KiB, nodeSize: KiB, journalBytes: 64 * KiB });
  const store = Store.openOnSync(device);
  await store.commit(store.transaction().createCollection('c'));
  let acknowledged = 0;
  const inFlight = new Set<Promise<void>>();
  for (let i = 0; i < TRANSACTIONS; i++) {
    // Transactions go on while a checkpoint is written: the ring is full again and again.
    const name = `o${i % OBJECTS}`;
    const value = new Uint8Array(prng.pick([500, 3000, 6000]));
    const change = store
      .transaction()
      .touch('c', name)
      .mapSet('c', name, [['key', value]]);
    const committed: Promise<void> = store.commit(change).then((transaction) => {
      acknowledged = transaction;
      inFlight.delete(committed);
    });
    inFlight.add(committed);
    if (inFlight.size === IN_FLIGHT) await Promise.race(inFlight);
    const whole = device.image();
    const image = withoutSlots(whole, newestSlots(whole));
    const again = Store.openOnSync(new SimulatedDevice({ image }));
    t.true(again.info().transaction >= acknowledged);
  }
  await store.close();
});
