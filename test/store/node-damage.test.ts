/** A flipped bit in a node is an error that names the place, never another value. */

import test from 'ava';
import { CorruptError, mkfsOn, Store } from '../../src/index.js';
import { SimulatedDevice } from '../support/simulated-device.js';

const KiB = 1024;
const NEEDLE = Buffer.from('a value that stands in a leaf');

test('a value in a leaf that was flipped on the device is refused', (t) => {
  const device = new SimulatedDevice({ size: 1024 * KiB });
  mkfsOn(device, { blockSize: KiB, nodeSize: KiB, journalBytes: 64 * KiB });
  const store = Store.openOnSync(device);
  const entries = Array.from({ length: 50 }, (_, i) => [`key${i}`, NEEDLE] as const);
  store.commitSync(store.transaction().createCollection('c').touch('c', 'o'));
  store.commitSync(store.transaction().mapSet('c', 'o', entries));
  store.closeSync();
  const bytes = Buffer.from(device.bytes());
  const damaged = new SimulatedDevice({ image: device.image() });
  for (let at = bytes.indexOf(NEEDLE); at >= 0; at = bytes.indexOf(NEEDLE, at + 1)) {
    damaged.corrupt(at);
  }
  const reopened = Store.openOnSync(damaged, { readOnly: true });
  const object = reopened.collection('c').object('o');
  const error = t.throws(() => object.mapGetSync('key7'), { instanceOf: CorruptError });
  t.is(error?.code, 'E_CORRUPT');
  t.true((error?.offset ?? -1) > 0);
});
