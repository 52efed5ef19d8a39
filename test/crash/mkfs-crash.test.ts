/** A crash while a store is being made: there is no store yet, or a whole and empty one. */

import test from 'ava';
import { hasCode, mkfsOn, Store } from '../../src/index.js';
import { fsckFault } from '../support/crash-fsck.js';
import { Prng } from '../support/prng.js';
import { SimulatedDevice } from '../support/simulated-device.js';

const OPTIONS = { blockSize: 1024, nodeSize: 1024, journalBytes: 64 * 1024 };
const SIZE = 2 * 1024 * 1024;

/** True when there is a store, which must be empty and usable. */
function isStore(device: SimulatedDevice): boolean {
  let store: Store;
  try {
    store = Store.openOnSync(device);
  } catch (error) {
    if (hasCode(error, 'E_NOT_A_STORE')) return false;
    throw error;
  }
  if (store.listCollectionsSync().length > 0) throw new Error('a new store holds collections');
  store.commitSync(store.transaction().createCollection('c').write('c', 'o', 0, 'data'));
  store.closeSync();
  return true;
}

test('mkfs() that is cut off leaves no store or an empty one', (t) => {
  const device = new SimulatedDevice({ size: SIZE });
  mkfsOn(device, OPTIONS);
  const found = { stores: 0, none: 0 };
  for (const crash of device.crashes()) {
    const fault = isStore(crash.device) ? fsckFault(crash.device.image()) : undefined;
    t.is(fault, undefined);
    found[crash.device.isClosed && crash.device.calls.write > 0 ? 'stores' : 'none']++;
  }
  t.log(JSON.stringify(found));
  t.true(found.stores > 0 && found.none > 0);
});

test('mkfs() over an older store never brings back what that held', (t) => {
  const first = new SimulatedDevice({ size: SIZE });
  mkfsOn(first, OPTIONS);
  const store = Store.openOnSync(first);
  for (let i = 0; i < 50; i++) {
    const transaction = store.transaction();
    if (i === 0) transaction.createCollection('old');
    store.commitSync(transaction.write('old', `o${i}`, 0, new Uint8Array(3000).fill(i)));
  }
  const device = new SimulatedDevice({ image: first.image() });
  mkfsOn(device, { ...OPTIONS, force: true });
  const last = device.imageAt(device.point);
  const opened = Store.openOnSync(new SimulatedDevice({ image: last }));
  t.deepEqual(opened.listCollectionsSync(), []);
  t.is(opened.recovery.replayed, 0);
  // In between it is the old store, none, or the new one: never something of both.
  const prng = new Prng(1);
  for (const point of device.crashPoints()) {
    const crash = device.randomCrash(prng, point);
    try {
      const between = Store.openOnSync(crash.device);
      const names = between.listCollectionsSync().map((name) => Buffer.from(name).toString());
      t.true(names.length === 0 || names.join() === 'old');
    } catch (error) {
      const refused = ['E_NOT_A_STORE', 'E_DAMAGED_JOURNAL', 'E_CORRUPT'] as const;
      t.true(
        refused.some((code) => hasCode(error, code)),
        String(error),
      );
    }
  }
});
