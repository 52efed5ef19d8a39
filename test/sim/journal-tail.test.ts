/** What a recovery cuts off the journal is gone from the device: nothing can bring it back. */

import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { isRecord } from '../../src/format/journal-record.js';
import { decodeSuperblock, SUPERBLOCK_SIZE } from '../../src/format/superblock.js';
import { mkfsOn, Store } from '../../src/index.js';
import { SimulatedDevice } from '../support/simulated-device.js';

const KiB = 1024;

/** Enough for a record of its own. */
const VALUE = new Uint8Array(6 * KiB).fill(1);

test('opening zeroes the records behind one that is missing', async (t) => {
  const device = new SimulatedDevice({ size: 1024 * KiB });
  mkfsOn(device, { blockSize: KiB, nodeSize: KiB, journalBytes: 64 * KiB });
  const store = Store.openOnSync(device);
  store.commitSync(store.transaction().createCollection('c').touch('c', 'o'));
  const first = device.point;
  const change = (key: string) => store.transaction().mapSet('c', 'o', [[key, VALUE]]);
  device.hold();
  const ended = [store.commit(change('1')), store.commit(change('2'))];
  await turn();
  store.commitSync(change('3')); // the first is being written durably; two and three, then a flush
  const writes = device.log.filter((entry) => entry.kind === 'write' && entry.index >= first);
  const offsets = writes.map((entry) => (entry.kind === 'write' ? entry.offset : -1));
  const [one = -1, two = -1, three = -1] = new Set(offsets);
  const flush = device.log.findLast(({ kind }) => kind === 'flush');
  const drop = new Set(writes.filter((_, i) => offsets[i] === two).map(({ index }) => index));
  const crashed = device.crashAt((flush?.index ?? 0) + 1, { drop });
  const { journalUuid } = decodeSuperblock(crashed.bytes().subarray(0, SUPERBLOCK_SIZE), 0);
  const isThere = (offset: number): boolean => {
    return isRecord(crashed.bytes().subarray(offset, offset + KiB), 0, journalUuid);
  };
  t.deepEqual([one, two, three].map(isThere), [true, false, true]);
  const opened = Store.openOnSync(crashed);
  t.truthy(opened.recovery.cut);
  t.is(opened.collection('c').object('o').mapCountSync(), 1);
  t.deepEqual([one, two, three].map(isThere), [true, true, false], 'two is the recovery record');
  device.release();
  await Promise.all(ended);
});
