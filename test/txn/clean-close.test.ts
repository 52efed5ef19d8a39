/** What opening reads of the journal: little after a clean close, all of it whenever that may matter. */

import test from 'ava';
import { decodeSuperblock } from '../../src/format/superblock.js';
import { mkfsOn, Store } from '../../src/index.js';
import { slotOffsets } from '../../src/txn/superblock-slots.js';
import { ImageDevice } from '../support/image-device.js';

const MiB = 2 ** 20;
const BLOCK = 4096;
const JOURNAL = 8 * MiB;
const JOURNAL_OFFSET = 128 * 1024;

/** A store that holds object `o 0`, closed cleanly. */
function closedStore(): Uint8Array {
  const device = new ImageDevice(new Uint8Array(48 * MiB));
  mkfsOn(device, { journalBytes: JOURNAL });
  const store = Store.openOnSync(device);
  store.commitSync(store.transaction().createCollection('c').write('c', 'o 0', 0, 'there'));
  store.closeSync();
  return device.bytes;
}

/** Opens for writing a copy of `image`, commits `count` transactions and dies. */
function writtenAndKilled(image: Uint8Array, count: number): Uint8Array {
  const device = new ImageDevice(image.slice());
  const store = Store.openOnSync(device);
  for (let i = 1; i <= count; i++) {
    store.commitSync(store.transaction().write('c', `o ${i}`, 0, 'there'));
  }
  return device.bytes.slice();
}

/** Bytes of the journal that opening `image` reads. */
function journalBytesRead(image: Uint8Array): number {
  const device = new ImageDevice(image.slice());
  let bytes = 0;
  device.onRead = (offset, length) => {
    if (offset >= JOURNAL_OFFSET && offset < JOURNAL_OFFSET + JOURNAL) bytes += length;
  };
  Store.openOnSync(device);
  return bytes;
}

/** The slots of the newest superblock. */
function newestSlots(image: Uint8Array): readonly number[] {
  const near = [0, 1].map((parity) => {
    const { slotStride } = decodeSuperblock(image.subarray(0, BLOCK), 0);
    const at = parity * slotStride;
    return decodeSuperblock(image.subarray(at, at + BLOCK), at);
  });
  const [a, b] = near as [(typeof near)[0], (typeof near)[0]];
  const newest = a.number > b.number ? a : b;
  return slotOffsets(newest, newest.number % 2);
}

/** `image` with zeros at `offset`. */
function without(image: Uint8Array, offsets: readonly number[]): Uint8Array {
  const damaged = image.slice();
  for (const offset of offsets) damaged.fill(0, offset, offset + BLOCK);
  return damaged;
}

test('opening reads a little of the journal after a clean close, all of it after a kill', (t) => {
  const closed = closedStore();
  t.true(journalBytesRead(closed) <= 64 * 1024);
  t.true(journalBytesRead(writtenAndKilled(closed, 3)) >= JOURNAL);
});

test('all of the journal is read when a slot is not as the clean close left it', (t) => {
  const closed = closedStore();
  for (const offset of newestSlots(closed)) {
    t.true(journalBytesRead(without(closed, [offset])) >= JOURNAL, `slot at ${offset}`);
  }
});

test('a later writer is not forgotten when its superblock and its first record are lost', (t) => {
  const killed = writtenAndKilled(closedStore(), 5);
  const lost = without(killed, newestSlots(killed));
  const again = Store.openOnSync(new ImageDevice(lost.slice()));
  t.is(Buffer.from(again.collection('c').object('o 5').readSync()).toString(), 'there');
  const near = decodeSuperblock(killed.subarray(0, BLOCK), 0);
  t.is(near.journalOffset, JOURNAL_OFFSET);
  const first = JOURNAL_OFFSET + near.journalStart.head;
  const worse = without(lost, [first]);
  t.throws(() => Store.openOnSync(new ImageDevice(worse)), { code: 'E_DAMAGED_JOURNAL' });
});

test('a mark behind the last checkpoint is no reason to refuse a store', (t) => {
  const closed = closedStore();
  const again = Store.openOnSync(new ImageDevice(closed.slice()));
  t.is(again.recovery.replayed, 0);
  t.is(again.recovery.cut, undefined);
  t.deepEqual(again.recovery.faults, []);
});

test('what is submitted once the last checkpoint is near is refused', async (t) => {
  const store = await Store.openOn(new ImageDevice(closedStore()));
  const before = store.commit(store.transaction().write('c', 'before', 0, 'x'));
  const closing = store.close();
  await before;
  let refused: unknown;
  for (let i = 0; refused === undefined; i++) {
    try {
      await store.commit(store.transaction().write('c', `late ${i}`, 0, 'x'));
    } catch (error) {
      refused = error;
    }
  }
  t.like(refused, { code: 'E_CLOSED' });
  await closing;
});

/** Bytes that opening reads of a journal on a device of its own. */
function separateBytesRead({ data, journal }: SeparateImages): number {
  const journalDevice = new ImageDevice(journal.slice());
  let bytes = 0;
  journalDevice.onRead = (_offset, length) => {
    bytes += length;
  };
  Store.openOnSync(new ImageDevice(data.slice()), { journalDevice });
  return bytes;
}

interface SeparateImages {
  readonly data: Uint8Array;
  readonly journal: Uint8Array;
}

test('all of a journal on its own device is read when that knows of a later superblock', (t) => {
  const [data, journal] = [48 * MiB, JOURNAL].map((size) => new ImageDevice(new Uint8Array(size)));
  if (data === undefined || journal === undefined) throw new Error('both are there');
  mkfsOn(data, { journalDevice: journal });
  const store = Store.openOnSync(data, { journalDevice: journal });
  store.commitSync(store.transaction().createCollection('c'));
  store.closeSync();
  const closed = { data: data.bytes.slice(), journal: journal.bytes.slice() };
  t.true(separateBytesRead(closed) < MiB);
  const later = new ImageDevice(closed.journal.slice());
  Store.openOnSync(new ImageDevice(closed.data.slice()), { journalDevice: later }); // killed
  const announced = { data: closed.data, journal: closed.journal.slice() };
  announced.journal.set(later.bytes.subarray(0, BLOCK));
  t.true(separateBytesRead(announced) > JOURNAL / 2);
});
