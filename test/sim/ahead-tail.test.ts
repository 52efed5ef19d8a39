/** Data written ahead, torn at each of its sectors: its transaction is there whole or not at all. */

import test from 'ava';
import { mkfsOn, Store } from '../../src/index.js';
import { SimulatedDevice } from '../support/simulated-device.js';
import { SimulatedEnvironment } from '../support/simulated-environment.js';

const KiB = 1024;

test('a transaction whose data written ahead lacks any of its sectors is not there', async (t) => {
  const environment = new SimulatedEnvironment();
  const device = new SimulatedDevice({ size: 1024 * KiB });
  mkfsOn(device, { blockSize: KiB, nodeSize: KiB, journalBytes: 64 * KiB, environment });
  const store = await Store.openOn(device, { environment });
  await store.commit(store.transaction().createCollection('c'));
  const before = store.info().transaction;
  const from = device.point;
  const data = Buffer.alloc(40 * KiB, 'data written ahead');
  await store.commit(store.transaction().write('c', 'o', 0, data));
  const written = device.log.find(
    (entry) => entry.kind === 'write' && entry.index >= from && entry.bytes.length >= data.length,
  );
  const entry = written?.index ?? -1;
  let [there, cut] = [0, 0];
  for (const point of device.crashPoints(entry + 1)) {
    const isLosable = device.unflushedAt(point).some(({ index }) => index === entry);
    for (let sectors = 0; isLosable && sectors <= data.length / 512; sectors++) {
      const image = device.imageAt(point, { tears: [{ entry, sectors }] });
      const opened = Store.openOnSync(new SimulatedDevice({ image }));
      const isThere = opened.info().transaction > before;
      if (isThere) {
        there++;
        t.is(Buffer.compare(opened.collection('c').object('o').readSync(), data), 0);
      } else if (opened.recovery.cut !== undefined) cut++;
    }
  }
  t.true(there > 0, 'whole data is found');
  t.true(cut >= data.length / 512, 'a record without its data is cut');
});
