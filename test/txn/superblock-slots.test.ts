import test from 'ava';
import { runAsync, runSync } from '../../src/blockdev/io.js';
import { hasCode } from '../../src/errors.js';
import { setU32 } from '../../src/format/bytes.js';
import { writeHash } from '../../src/format/checksum.js';
import { SUPERBLOCK, SUPERBLOCK_SIZE, type Superblock } from '../../src/format/superblock.js';
import { readSuperblocks, slotOffsets, writeSuperblock } from '../../src/txn/superblock-slots.js';
import { MIB, sampleSuperblock } from '../format/superblock-sample.js';
import { SimulatedDevice, type SimulatedDeviceOptions } from '../support/simulated-device.js';

/** A device on which numbers 1 to `last` have been written. */
function deviceWith(
  last: number,
  changes: Partial<Superblock> = {},
  options: SimulatedDeviceOptions = {},
): SimulatedDevice {
  const device = new SimulatedDevice({ size: 16 * MIB, ...options });
  for (let number = 1; number <= last; number++) {
    runSync(writeSuperblock(device, sampleSuperblock({ ...changes, number })));
  }
  return device;
}

const [NEAR_0, FAR_0] = slotOffsets(sampleSuperblock(), 0);
const [NEAR_1, FAR_1] = slotOffsets(sampleSuperblock(), 1);

test('slotOffsets() gives the near and the far slot of a parity', (t) => {
  t.deepEqual([NEAR_0, FAR_0, NEAR_1, FAR_1], [0, 8 * MIB, 65536, 8 * MIB + 65536]);
});

test('readSuperblocks() gives the newest and the one before it', async (t) => {
  for (const last of [2, 3, 4]) {
    const found = runSync(readSuperblocks(deviceWith(last)));
    t.deepEqual(found.newest, sampleSuperblock({ number: last }));
    t.is(found.older?.number, last - 1);
    t.deepEqual(found.faults, []);
    t.deepEqual(await runAsync(readSuperblocks(deviceWith(last))), found);
  }
});

test('readSuperblocks() does not miss the other parity of a first superblock', (t) => {
  const found = runSync(readSuperblocks(deviceWith(1)));
  t.is(found.newest.number, 1);
  t.is(found.older, undefined);
  t.deepEqual(found.faults, []);
});

for (const offset of [NEAR_0, NEAR_1, FAR_0, FAR_1]) {
  test(`readSuperblocks() does without the slot at ${offset}`, (t) => {
    for (const last of [4, 5]) {
      const device = deviceWith(last);
      device.corrupt(offset + 100);
      const found = runSync(readSuperblocks(device));
      t.is(found.newest.number, last);
      t.is(found.older?.number, last - 1);
      t.deepEqual(
        found.faults.map((fault) => fault.offset),
        [offset],
      );
    }
  });

  test(`readSuperblocks() does with the slot at ${offset} alone`, (t) => {
    const device = deviceWith(5);
    const others = [NEAR_0, NEAR_1, FAR_0, FAR_1].filter((other) => other !== offset);
    for (const other of others) device.corrupt(other);
    const found = runSync(readSuperblocks(device));
    t.is(found.newest.number % 2, offset === NEAR_0 || offset === FAR_0 ? 0 : 1);
    t.is(found.older, undefined);
    t.deepEqual(
      found.faults.map((fault) => fault.offset),
      others,
    );
  });

  test(`readSuperblocks() does without a readable slot at ${offset}`, (t) => {
    const device = deviceWith(4);
    device.faults.makeUnreadable(offset, 512);
    const found = runSync(readSuperblocks(device));
    t.is(found.newest.number, 4);
    t.regex(found.faults[0]?.reason ?? '', /Cannot read/);
  });
}

test('readSuperblocks() takes the older one when both slots of the newest are bad', (t) => {
  const device = deviceWith(4);
  device.corrupt(NEAR_0 + 9);
  device.corrupt(FAR_0 + 9);
  const found = runSync(readSuperblocks(device));
  t.is(found.newest.number, 3);
  t.is(found.older, undefined);
  t.is(found.faults.length, 2);
});

test('readSuperblocks() reports a slot that missed a write', (t) => {
  const device = deviceWith(4);
  device.faults.loseAt(1);
  runSync(writeSuperblock(device, sampleSuperblock({ number: 6 })));
  const found = runSync(readSuperblocks(device));
  t.is(found.newest.number, 6);
  t.deepEqual(found.faults, [{ offset: NEAR_0, reason: 'number 4 is older than 6 of its twin' }]);
});

test('readSuperblocks() finds the second near slot at any stride', (t) => {
  const far = 12 * MIB;
  for (const slotStride of [65536, 192 * 1024, 2.5 * MIB]) {
    const device = deviceWith(3, { slotStride, farOffset: 6 * MIB, journalOffset: far });
    device.corrupt(NEAR_0);
    device.corrupt(6 * MIB);
    device.corrupt(6 * MIB + slotStride);
    t.is(runSync(readSuperblocks(device)).newest.number, 3, `stride ${slotStride}`);
  }
});

test('readSuperblocks() finds far slots in the last 64 MiB of a large device', (t) => {
  const size = 4096 * MIB;
  const deviceBlocks = size / 4096;
  const changes = { deviceBlocks, deviceBlocksMax: deviceBlocks, farOffset: size - MIB };
  const device = deviceWith(3, changes, { size });
  device.corrupt(NEAR_0);
  device.corrupt(NEAR_1);
  t.is(runSync(readSuperblocks(device)).newest.number, 3);
});

test('readSuperblocks() pads slots to whole stripes and blocks', (t) => {
  const width = 192 * 1024;
  const striped = { stripeUnit: 65536, stripeWidth: width, slotStride: width };
  const device = deviceWith(2, striped);
  t.is(device.bytesWritten, 4 * width);
  t.is(runSync(readSuperblocks(device)).newest.number, 2);
  const wide = {
    blockSize: 65536,
    nodeSize: 65536,
    slotStride: 65536,
    deviceBlocks: 256,
    deviceBlocksMax: 256,
    journalBytes: 4 * MIB,
  };
  const blocky = deviceWith(2, wide, { sectorSize: 4096 });
  t.is(blocky.bytesWritten, 4 * 65536);
  t.is(runSync(readSuperblocks(blocky)).newest.number, 2);
});

test('readSuperblocks() refuses what is not a store', (t) => {
  for (const size of [0, 512, 4096, 16 * MIB]) {
    const device = new SimulatedDevice({ size });
    const error = t.throws(() => runSync(readSuperblocks(device)));
    t.true(hasCode(error, 'E_NOT_A_STORE'));
  }
});

test('readSuperblocks() says by how much a device is cut off', (t) => {
  const whole = deviceWith(2);
  const size = 16 * MIB - 12288;
  const image = whole.image();
  image.resize(size);
  const error = t.throws(() => runSync(readSuperblocks(new SimulatedDevice({ image }))));
  t.true(hasCode(error, 'E_CORRUPT'));
  t.regex(error?.message ?? '', /12288 are missing/);
});

/** Makes the superblock at `offset` one of format version 3. */
function makeNewer(device: SimulatedDevice, offset: number): void {
  const bytes = new Uint8Array(SUPERBLOCK_SIZE);
  device.readSync(offset, bytes);
  setU32(bytes, SUPERBLOCK.version, 3);
  writeHash(bytes, SUPERBLOCK.checksum, bytes, SUPERBLOCK.magic, SUPERBLOCK_SIZE);
  device.overwrite(offset, bytes);
}

test('readSuperblocks() refuses a newer format unless it is older than the newest', (t) => {
  const all = deviceWith(4);
  for (const offset of [NEAR_0, NEAR_1, FAR_0, FAR_1]) makeNewer(all, offset);
  t.true(
    hasCode(
      t.throws(() => runSync(readSuperblocks(all))),
      'E_VERSION',
    ),
  );
  const newest = deviceWith(4);
  for (const offset of [NEAR_0, FAR_0]) makeNewer(newest, offset);
  t.true(
    hasCode(
      t.throws(() => runSync(readSuperblocks(newest))),
      'E_VERSION',
    ),
  );
  const former = deviceWith(5);
  for (const offset of [NEAR_0, FAR_0]) makeNewer(former, offset);
  t.is(runSync(readSuperblocks(former)).newest.number, 5);
});

test('readSuperblocks() passes over the slots of another store', (t) => {
  const device = deviceWith(2);
  const other = sampleSuperblock({ number: 9, uuid: new Uint8Array(16).fill(9) });
  const foreign = new SimulatedDevice({ size: 16 * MIB });
  runSync(writeSuperblock(foreign, other));
  const bytes = new Uint8Array(SUPERBLOCK_SIZE);
  foreign.readSync(FAR_1, bytes);
  device.overwrite(FAR_1, bytes);
  const found = runSync(readSuperblocks(device));
  t.is(found.newest.number, 2);
  t.deepEqual(found.faults, [{ offset: FAR_1, reason: 'it belongs to another store' }]);
});

test('writeSuperblock() leaves the one before it whole in every crash', async (t) => {
  const device = deviceWith(4);
  const from = device.point;
  await runAsync(writeSuperblock(device, sampleSuperblock({ number: 5 })));
  for (const crash of device.crashes(from)) {
    const found = runSync(readSuperblocks(crash.device));
    t.true(found.newest.number === 5 || found.newest.number === 4);
    if (found.newest.number === 5) t.is(found.older?.number, 4);
    if (crash.point === device.point) t.is(found.newest.number, 5);
  }
});
