/**
 * Repair of a store whose device has become shorter: what lies in front of the new end stays, the
 * rest is given up, and the store ends with the device.
 */

import test, { type ExecutionContext } from 'ava';
import type { BlockDevice } from '../../src/blockdev/block-device.js';
import { runSync } from '../../src/blockdev/io.js';
import { MemoryDevice } from '../../src/blockdev/memory-device.js';
import { hasCode } from '../../src/errors.js';
import { makeStore, planStore } from '../../src/txn/make-store.js';
import { openEngine } from '../../src/txn/recovery.js';
import { findSuperblocks, readSuperblocks } from '../../src/txn/superblock-slots.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { check, close, commit, linesOf, newStore, open, registry, SMALL } from './fixture.js';
import { contentOf, mend, shortened, simulated, worse } from './repair-fixture.js';

/** Ends that are tried of each store, and crashes of a repair. */
const ROUNDS = Number(process.env['OPS'] ?? 3);

const SIZE = 8 * 1024 * 1024;

/** A store that reaches from one end of its device to the other, changed all over. */
function wideStore(metadataCopies: number, sizeMax = SIZE): MemoryDevice {
  const sizes = { ...SMALL, size: SIZE, sizeMax, metadataCopies, journalBytes: 256 * 1024 };
  const device = newStore(sizes);
  const engine = open(device);
  commit(engine, (tx) => tx.createCollection('c'));
  for (let i = 0; i < 48; i++) {
    const name = `object-${i}`;
    commit(engine, (tx) => {
      tx.write('c', name, 0, new Uint8Array(100_000).fill(i + 1));
      tx.write('c', name, 120_000, new Uint8Array(3000).fill(i + 1));
      tx.setAttribute('c', name, 'a', new Uint8Array(300).fill(i));
      tx.mapSet(
        'c',
        name,
        Array.from({ length: 20 }, (_, k) => [`key-${k}`, new Uint8Array(100).fill(k)] as const),
      );
    });
    if (i % 3 === 2) commit(engine, (tx) => tx.remove('c', `object-${i - 1}`));
    if (i % 5 === 4) commit(engine, (tx) => tx.clone('c', name, `clone-${i}`));
  }
  close(engine);
  return device;
}

/** The device with zeros where its end was. */
function padded(device: BlockDevice, size: number): MemoryDevice {
  const bytes = new Uint8Array(device.size);
  device.readSync(0, bytes);
  const whole = new MemoryDevice({ size });
  whole.writeSync(0, [bytes]);
  return whole;
}

/** Repairs; false where what is left of the device is too full to salvage what lost its way. */
function hasRoom(short: BlockDevice): boolean {
  try {
    return mend(short, { deep: true }).report.isRepaired;
  } catch (error) {
    if (hasCode(error, 'E_NO_SPACE')) return false;
    throw error;
  }
}

/**
 * Repairs a store that ends too early: all that could be read is there, and it can be used. Where
 * there is no room for that the store is as it was.
 */
function mendShort(t: ExecutionContext, short: BlockDevice, size: number): void {
  const before = contentOf(padded(short, size));
  t.true(check(short, { deep: true }).codes.includes('device-short'));
  if (!hasRoom(short)) {
    t.true(short.size < size / 2, 'half of the store has room');
    t.deepEqual(contentOf(padded(short, size)), before);
    return;
  }
  t.deepEqual(worse(before, contentOf(short)), []);
  t.deepEqual(linesOf(check(short)), []);
  const { deviceBlocks, blockSize } = runSync(readSuperblocks(short)).newest;
  t.is(deviceBlocks, Math.floor(short.size / blockSize));
  t.deepEqual(
    check(short, { deep: true }).codes.filter((code) => code !== 'data-damaged'),
    [],
  );
  const engine = open(short);
  commit(engine, (tx) => tx.createCollection('new').write('new', 'o', 0, new Uint8Array(50_000)));
  close(engine);
  t.deepEqual(linesOf(check(short)), [], 'after it was used');
}

/** Lengths from a little less than the store has to the least that holds its fixed places. */
function lengths(prng: Prng, device: BlockDevice): number[] {
  const { journalOffset, journalBytes, slotStride } = runSync(readSuperblocks(device)).newest;
  const least = Math.ceil((journalOffset + journalBytes) / 65_536) * 65_536 + 2 * slotStride;
  const some = Array.from({ length: ROUNDS }, () => least + prng.below(device.size - least));
  return [device.size - 512, ...some].map((size) => size - (size % 512));
}

for (const [name, copies, sizeMax] of [
  ['one copy of metadata', 1, SIZE],
  ['two copies of metadata', 2, SIZE],
  ['room to grow', 1, 4 * SIZE],
] as const) {
  test(`repair() ends a store with ${name} where its device ends`, (t) => {
    const prng = new Prng(seedFromEnvironment());
    t.log('SEED', prng.seed);
    const device = wideStore(copies, sizeMax);
    for (const size of lengths(prng, device)) {
      t.log(size);
      mendShort(t, shortened(device, size), device.size);
    }
  });
}

test('repair() of a device that is too full for it says so, and mends it when it has been made larger', (t) => {
  const short = shortened(wideStore(2), SIZE / 8);
  const before = contentOf(padded(short, SIZE));
  t.throws(() => mend(short), {
    code: 'E_NO_SPACE',
    message: /blocks in a row are free.*make the device larger/,
  });
  t.deepEqual(contentOf(padded(short, SIZE)), before);
  // What the first attempt wrote to blocks without an owner is not taken for lost objects.
  const larger = padded(short, SIZE / 4);
  t.true(mend(larger).report.isRepaired);
  t.deepEqual(worse(before, contentOf(larger)), []);
  t.deepEqual(linesOf(check(larger)), []);
});

test('repair() of a full store finds the room for ending it wherever its device ends', (t) => {
  const device = newStore({ ...SMALL, size: SIZE, sizeMax: SIZE, journalBytes: 256 * 1024 });
  const engine = open(device);
  commit(engine, (tx) => tx.createCollection('c'));
  const fill = (i: number): void =>
    commit(engine, (tx) => {
      tx.write('c', `o-${i}`, 0, new Uint8Array(9000).fill(i + 1));
      tx.setAttribute('c', `o-${i}`, 'a', new Uint8Array(300).fill(i));
    });
  t.throws(
    () => {
      for (let i = 0; ; i++) fill(i);
    },
    { code: 'E_NO_SPACE' },
  );
  close(engine);
  for (const eighths of [7, 5, 3, 1]) {
    const short = shortened(device, (eighths * SIZE) / 8);
    const before = contentOf(padded(short, SIZE));
    t.true(mend(short).report.isRepaired, `${eighths} eighths`);
    t.deepEqual(worse(before, contentOf(short)), []);
    t.deepEqual(linesOf(check(short)), []);
  }
});

test('repair() of a device that has become shorter can be cut off anywhere and run again', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const device = wideStore(1);
  const short = simulated(shortened(device, SIZE / 2));
  const before = contentOf(padded(short, SIZE));
  const start = short.point;
  mend(short);
  const expected = contentOf(short);
  const points = [...short.crashPoints()].filter((point) => point > start);
  for (let round = 0; round < ROUNDS; round++) {
    const crashed = short.randomCrash(prng, prng.pick(points)).device;
    const isCut = runSync(findSuperblocks(crashed)).newest.deviceBlocks * 1024 === SIZE / 2;
    const readable = contentOf(isCut ? crashed : padded(crashed, SIZE));
    t.deepEqual(worse(before, readable), []);
    mend(crashed);
    t.deepEqual(contentOf(crashed), expected);
    t.deepEqual(linesOf(check(crashed)), []);
  }
});

test('repair() of a shorter device applies what the journal holds for places that are there', (t) => {
  const device = wideStore(1);
  const engine = open(device);
  commit(engine, (tx) => tx.write('c', 'pending', 0, new Uint8Array(3000).fill(9)));
  const short = shortened(device, SIZE - 65_536);
  engine.markClosed();
  const { report } = mend(short);
  t.is(report.replayed, 1);
  t.is(contentOf(short).get('c/pending')?.length, 3);
  t.deepEqual(linesOf(check(short)), []);
});

test('repair() of a shorter device keeps a journal on a device of its own', (t) => {
  const device = new MemoryDevice({ size: SIZE });
  const journalDevice = new MemoryDevice({ size: 1024 * 1024 });
  const plan = planStore(SIZE, true, device.geometry, { blockSize: 1024, nodeSize: 1024 });
  runSync(makeStore(device, plan, { journalDevice }));
  const memory = { cacheBytes: 1024 * 1024, dirtyBytesMax: 1024 * 1024 };
  const options = { readOnly: false, comparators: registry(), journalDevice, ...memory };
  const { engine } = runSync(openEngine({ device, ...options }));
  commit(engine, (tx) => tx.createCollection('c').write('c', 'o', 0, new Uint8Array(5000).fill(1)));
  const short = shortened(device, SIZE - 65_536);
  engine.markClosed();
  t.throws(() => mend(short), { code: 'E_NO_JOURNAL' });
  t.is(mend(short, { journalDevice }).report.replayed, 1);
  t.deepEqual(linesOf(check(short, { deep: true, journalDevice })), []);
});

test('repair() of a shorter device makes another journal where the loss of its own is accepted', (t) => {
  const device = new MemoryDevice({ size: SIZE });
  const journalDevice = new MemoryDevice({ size: 1024 * 1024 });
  const plan = planStore(SIZE, true, device.geometry, { blockSize: 1024, nodeSize: 1024 });
  runSync(makeStore(device, plan, { journalDevice }));
  const short = shortened(device, SIZE - 65_536);
  t.true(mend(short, { acceptJournalLoss: true }).report.isRepaired);
  t.deepEqual(linesOf(check(short, { deep: true })), []);
});

test('repair() of a device that ends in the journal writes nothing and says what is missing', (t) => {
  const short = shortened(wideStore(1), 300 * 1024);
  const before = new Uint8Array(short.size);
  short.readSync(0, before);
  t.deepEqual(check(short).codes, ['device-short']);
  t.throws(() => mend(short), { code: 'E_NO_SPACE', message: /room|place/ });
  const after = new Uint8Array(short.size);
  short.readSync(0, after);
  t.deepEqual(after, before);
});
