/**
 * Found by crash runs: `commitSync` does again what is being written, and returns; the first
 * write is still under way. Until it lands, its place and its buffer belong to it.
 */

import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import type { WriteOptions } from '../../src/blockdev/block-device.js';
import { hasCode, mkfsOn, Store } from '../../src/index.js';
import { fsckFault } from '../support/crash-fsck.js';
import { Prng } from '../support/prng.js';
import { SimulatedDevice } from '../support/simulated-device.js';

const KiB = 1024;

async function newStore(): Promise<{ device: SimulatedDevice; store: Store }> {
  const device = new SimulatedDevice({ size: 6 * 1024 * KiB });
  mkfsOn(device, { blockSize: KiB, nodeSize: KiB, journalBytes: 64 * KiB });
  const store = await Store.openOn(device, { cacheBytes: 8 * KiB, dirtyBytes: 24 * KiB });
  await store.commit(store.transaction().createCollection('c'));
  return { device, store };
}

test('a checkpoint write that was overtaken may land at any later time', async (t) => {
  const { device, store } = await newStore();
  const prng = new Prng(1);
  for (let i = 0; i < 30; i++) {
    await store.commit(store.transaction().write('c', `o${i}`, 0, prng.bytes(700)));
  }
  device.hold();
  const checkpoint = store.checkpoint();
  await turn();
  t.true(device.underWayCount > 0, 'the checkpoint is being written');
  store.checkpointSync(); // does it again
  let refused: unknown;
  try {
    for (let i = 0; i < 200; i++) {
      store.commitSync(store.transaction().write('c', `o${i % 30}`, 0, prng.bytes(700)));
    }
  } catch (error) {
    refused = error; // the ring is not released while something may still land in it
  }
  t.true(refused === undefined || hasCode(refused, 'E_BUSY'), String(refused));
  const crashed = device.imageAt(device.point, { reversed: true });
  t.is(fsckFault(crashed), undefined, 'it has landed over nothing else');
  device.release(); // now it lands: the device finds buffers that have changed
  await checkpoint;
  for (let i = 0; i < 10; i++) await turn();
  await store.commit(store.transaction().write('c', 'last', 0, 'data'));
  await store.close();
  t.is(fsckFault(device.image()), undefined);
});

test('the memory of data is not used again while a checkpoint may be writing from it', async (t) => {
  const device = new SimulatedDevice({ size: 16 * 1024 * KiB });
  mkfsOn(device, { journalBytes: 3 * 1024 * KiB });
  const store = await Store.openOn(device, { dirtyBytes: 4 * 1024 * KiB });
  store.commitSync(store.transaction().createCollection('c'));
  const put = (i: number): void => {
    const bytes = new Uint8Array(20 * KiB).fill(i);
    store.commitSync(store.transaction().write('c', `o${i}`, 0, bytes));
  };
  for (let i = 0; i < 30; i++) put(i); // more than two slabs of data-pages.ts
  const begun: { readonly sources: readonly Uint8Array[]; readonly bytes: Buffer }[] = [];
  const write = device.write.bind(device);
  device.write = (offset, sources, options) => {
    begun.push({ sources, bytes: Buffer.concat(sources) });
    return write(offset, sources, options);
  };
  device.hold();
  const checkpoint = store.checkpoint();
  await turn();
  store.checkpointSync(); // does it again
  for (let i = 30; i < 60; i++) put(i);
  t.true(begun.length > 0, 'the checkpoint is being written');
  for (const { sources, bytes } of begun) t.true(Buffer.concat(sources).equals(bytes));
  device.release();
  await checkpoint;
  await store.close();
  t.is(fsckFault(device.image()), undefined);
});

test("data written ahead stays the store's until its write has landed", async (t) => {
  const { device, store } = await newStore();
  device.hold();
  const data = new Uint8Array(40 * KiB).fill(7);
  let isCommitted = false;
  const committed = store.commit(store.transaction().write('c', 'ahead', 0, data)).then(() => {
    isCommitted = true;
  });
  await turn();
  store.commitSync(store.transaction().write('c', 'sync', 0, 'data'));
  await turn();
  t.false(isCommitted, 'its buffer is still being read from');
  device.release();
  await committed;
  data.fill(8); // the caller's again
  await turn();
  t.is(store.collection('c').object('ahead').readSync()[0], 7);
  await store.close();
  t.is(fsckFault(device.image()), undefined);
});

test('a record that is under way is written again the way it is being written', async (t) => {
  const { device, store } = await newStore();
  const ways = new Map<number, Set<boolean>>();
  const note = (offset: number, options: WriteOptions | undefined): void => {
    if (options?.unread !== true) return; // not the journal's
    const known = ways.get(offset) ?? new Set();
    ways.set(offset, known.add(options.durable === true));
  };
  const write = device.write.bind(device);
  const writeSync = device.writeSync.bind(device);
  device.write = (offset, sources, options) => {
    note(offset, options);
    return write(offset, sources, options);
  };
  device.writeSync = (offset, sources, options) => {
    note(offset, options);
    writeSync(offset, sources, options);
  };
  device.hold();
  const first = store.commit(store.transaction().write('c', 'first', 0, 'data'));
  await turn();
  t.is(device.underWayCount, 1);
  const second = store.commit(store.transaction().write('c', 'second', 0, 'data'));
  store.commitSync(store.transaction().write('c', 'sync', 0, 'data'));
  device.release();
  await Promise.all([first, second]);
  t.true(ways.size >= 2);
  for (const [offset, way] of ways) t.is(way.size, 1, `at ${offset}`);
  await store.close();
  t.is(fsckFault(device.image()), undefined);
});
