/**
 * A store that erases becomes smaller: what is moved, and then removed, is found nowhere below its
 * new end.
 */

import test from 'ava';
import { runSync } from '../../src/blockdev/io.js';
import { mkfsOn, Store } from '../../src/index.js';
import { resizeOn } from '../../src/resize/resize.js';
import { fsckFault } from '../support/crash-fsck.js';
import { SimulatedDevice } from '../support/simulated-device.js';

const KIB = 1024;
const MIB = 1024 * KIB;

const OBJECTS = 40;

function marker(i: number): Buffer {
  return Buffer.from(`<moved ${String(i).padStart(4, '0')}${'#'.repeat(20)}>`);
}

/** Markers below `end`. */
function found(device: SimulatedDevice, end: number): number[] {
  const bytes = Buffer.from(device.bytes()).subarray(0, end);
  return Array.from({ length: OBJECTS }, (_, i) => i).filter((i) => bytes.includes(marker(i)));
}

for (const metadataCopies of [1, 2]) {
  test(`what a shrink has moved is erased, metadata kept ${metadataCopies} times`, async (t) => {
    const device = new SimulatedDevice({ size: 32 * MIB, history: false });
    mkfsOn(device, { eraseFreed: true, blockSize: KIB, nodeSize: KIB, metadataCopies });
    const store = Store.openOnSync(device);
    store.commitSync(store.transaction().createCollection('c').createCollection('filler'));
    for (let i = 0; i < OBJECTS; i++) {
      const tx = store.transaction().write('filler', `f${i}`, 0, Buffer.alloc(600 * KIB, 1));
      tx.write('c', `o${i}`, 0, Buffer.concat([Buffer.alloc(i * 100), marker(i)]));
      tx.setAttribute('c', `o${i}`, 'a', marker(i));
      store.commitSync(tx);
      if (i % 10 === 9) store.checkpointSync();
    }
    store.commitSync(store.transaction().dropCollection('filler'));
    await store.erase();
    await store.close();
    const small = new SimulatedDevice({ image: device.image() });
    const { after, movedBytes, movedNodes } = runSync(resizeOn(small, 20 * MIB));
    t.true(movedBytes + movedNodes > 0);
    const again = Store.openOnSync(small);
    t.true(again.info().erasesFreed);
    // A shrink does not tell which blocks it has left: all that is free counts.
    const { unerased, allocated } = again.statfsSync();
    t.true(unerased > 0.9 * (after - allocated));
    t.is(found(small, after).length, OBJECTS);
    for (let i = 0; i < OBJECTS; i += 2) {
      again.commitSync(again.transaction().remove('c', `o${i}`));
    }
    await again.erase();
    t.deepEqual(
      found(small, after),
      Array.from({ length: OBJECTS / 2 }, (_, i) => 2 * i + 1),
    );
    t.is(again.statfsSync().unerased, 0);
    await again.close();
    t.is(fsckFault(small.image()), undefined);
  });
}
