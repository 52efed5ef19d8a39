/** The older superblock and the journal serve when the newest superblock is lost, at any time. */

import test from 'ava';
import { SUPERBLOCK_SIZE, superblockNumber } from '../../src/format/superblock.js';
import { SLOT_STEP } from '../../src/format/superblock-bounds.js';
import { mkfsOn, Store } from '../../src/index.js';
import type { MemoryImage } from '../support/memory-image.js';
import { Prng } from '../support/prng.js';
import { SimulatedDevice } from '../support/simulated-device.js';

const KiB = 1024;
const OBJECTS = 60;
const TRANSACTIONS = 240;
const IN_FLIGHT = 16;

/** Zeroes both slots of the newest superblock. */
function loseNewest(image: MemoryImage): void {
  const slots: { offset: number; number: number }[] = [];
  for (let offset = 0; offset + SUPERBLOCK_SIZE <= image.size; offset += SLOT_STEP) {
    const bytes = new Uint8Array(SUPERBLOCK_SIZE);
    image.read(offset, bytes);
    slots.push({ offset, number: superblockNumber(bytes) ?? -1 });
  }
  const newest = Math.max(...slots.map(({ number }) => number));
  for (const { offset, number } of slots) {
    if (number === newest) image.write(offset, new Uint8Array(SUPERBLOCK_SIZE));
  }
}

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
    const image = device.image();
    loseNewest(image);
    const again = Store.openOnSync(new SimulatedDevice({ image }));
    t.true(again.info().transaction >= acknowledged);
  }
  await store.close();
});
