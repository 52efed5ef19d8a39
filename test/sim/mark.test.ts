/** The mark behind the last record: only it tells a damaged record from one that was never written. */

import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { RECORD } from '../../src/format/journal-record.js';
import { mkfsOn, Store } from '../../src/index.js';
import { SimulatedDevice } from '../support/simulated-device.js';
import { SimulatedEnvironment } from '../support/simulated-environment.js';

const KiB = 1024;

test('a record that is damaged after a mark followed it refuses to open; before, it is cut', async (t) => {
  const environment = new SimulatedEnvironment();
  const device = new SimulatedDevice({ size: 1024 * KiB });
  mkfsOn(device, { blockSize: KiB, nodeSize: KiB, journalBytes: 64 * KiB, environment });
  const store = await Store.openOn(device, { environment });
  const from = device.point;
  await store.commit(store.transaction().createCollection('c'));
  const record = device.log.find(({ kind, index }) => kind === 'write' && index >= from);
  const offset = record?.kind === 'write' ? record.offset : -1;
  const damaged = (): SimulatedDevice => {
    const copy = new SimulatedDevice({ image: device.image() });
    copy.corrupt(offset + RECORD.sequence);
    return copy;
  };
  t.truthy(Store.openOnSync(damaged()).recovery.cut);
  environment.pass(100);
  while (device.underWayCount > 0) await turn();
  t.throws(() => Store.openOnSync(damaged()), { code: 'E_DAMAGED_JOURNAL' });
});
