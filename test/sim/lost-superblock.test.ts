/** The older superblock and the journal serve when the newest superblock is lost, at any time. */

import test from 'ava';
import { SUPERBLOCK_SIZE, superblockNumber } from '../../src/format/superblock.js';
import { SLOT_STEP } from '../../src/format/superblock-bounds.js';
import { mkfsOn, Store } from '../../src/index.js';
import type { MemoryImage } from '../support/memory-image.js';
import { Prng } from '../support/prng.js';
import { SimulatedDevice } from '../support/simulated-device.js';

const KiB = 1024;
const OBJECTS = 7;

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

test('the journal reaches back to the start of the older superblock, however full it is', (t) => {
  const device = new SimulatedDevice({ size: 2048 * KiB, history: false });
  mkfsOn(device, { blockSize: KiB, nodeSize: KiB, journalBytes: 64 * KiB });
  const store = Store.openOnSync(device);
  const prng = new Prng(1);
  store.commitSync(store.transaction().createCollection('c'));
  for (let i = 0; i < 120; i++) {
    // It never returns to the event loop: checkpoints come late, and the ring is nearly full.
    const size = prng.pick([500, 3000, 6000]);
    const change = store.transaction().touch('c', `o${i % OBJECTS}`);
    store.commitSync(change.mapSet('c', `o${i % OBJECTS}`, [['key', new Uint8Array(size)]]));
    const image = device.image();
    loseNewest(image);
    const again = Store.openOnSync(new SimulatedDevice({ image }));
    t.is(again.info().transaction, store.info().transaction);
  }
});
