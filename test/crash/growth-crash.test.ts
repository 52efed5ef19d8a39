/** Crashes while the store's file grows under a stream of large writes. */

import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { mkfsOn, Store } from '../../src/index.js';
import { fsckFault } from '../support/crash-fsck.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { SimulatedDevice } from '../support/simulated-device.js';

const MiB = 1024 * 1024;
const OBJECTS = 14;
const OBJECT_BYTES = MiB + 1000;

function content(i: number): Uint8Array {
  return new Uint8Array(OBJECT_BYTES).fill(i + 1);
}

test('a crash while the file grows loses nothing acknowledged', async (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const device = new SimulatedDevice({ size: 0, sizeMax: 64 * MiB, scheduler: prng.fork() });
  mkfsOn(device, { journalBytes: 1 * MiB });
  const made = device.point;
  const store = await Store.openOn(device, { dirtyBytes: 256 * 1024 });
  await store.commit(store.transaction().createCollection('c'));
  const acknowledged: number[] = [];
  for (let i = 0; i < OBJECTS; i++) {
    const transaction = store.transaction().write('c', `o${i}`, 0, content(i));
    const { committed } = store.submit(transaction);
    const heard = (): void => {
      acknowledged[i] = device.point;
    };
    committed.then(heard, () => undefined); // what is under way fails with the power
    if (i % 4 === 3) await committed;
  }
  await turn();
  device.powerOff();
  const growths = device.log.filter(({ kind }) => kind === 'grow').length;
  t.true(growths >= 2, 'the file has grown');

  let states = 0;
  for (const point of device.crashPoints(made + 8)) {
    const crash = device.randomCrash(prng, point);
    const reopened = Store.openOnSync(crash.device);
    const collection = reopened.collection('c');
    for (let i = 0; i < OBJECTS && collection.existsSync(); i++) {
      const object = collection.object(`o${i}`);
      const isThere = object.existsSync();
      if (isThere) t.deepEqual(Buffer.compare(object.readSync(), content(i)), 0);
      else t.false((acknowledged[i] ?? Number.POSITIVE_INFINITY) <= point, `o${i} is lost`);
    }
    reopened.closeSync();
    if (++states % 4 === 0) t.is(fsckFault(crash.device.image()), undefined);
  }
  t.log(`${states} crash states, ${growths} growths`);
});
