import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import test from 'ava';
import { FileDevice } from '../../src/blockdev/file-device.js';
import { openDevice, openDeviceSync } from '../../src/blockdev/open-device.js';
import { Prng } from '../support/prng.js';
import { temporaryPath } from '../support/temp-directory.js';
import { CONTRACT_SIZE, CONTRACT_SIZE_MAX, checkSecondOpener, testContract } from './contract.js';

testContract('FileDevice', (t) => {
  const path = temporaryPath(t);
  const create = { size: CONTRACT_SIZE, sizeMax: CONTRACT_SIZE_MAX };
  const device = openDeviceSync(path, { create });
  t.teardown(() => device.closeSync());
  const reopen = () => {
    const reader = openDeviceSync(path, { readOnly: true });
    t.teardown(() => reader.closeSync());
    return reader;
  };
  return { device, canGrow: true, reopen };
});

test('a second opener of a file is refused and told the pid', (t) => {
  const path = temporaryPath(t);
  const device = openDeviceSync(path, { create: { size: 4096 } });
  t.teardown(() => device.closeSync());
  checkSecondOpener(t, () => openDeviceSync(path));
  checkSecondOpener(t, () => openDeviceSync(path, { readOnly: true }));
  checkSecondOpener(t, () => openDeviceSync(path, { force: true }));
});

test('the size of a file is rounded down to whole sectors', (t) => {
  const path = temporaryPath(t);
  writeFileSync(path, new Uint8Array(5000).fill(7));
  const device = openDeviceSync(path);
  t.is(device.size, 4608);
  device.limitTo(10_000);
  t.is(device.sizeMax, 9728);
  device.growSync(8192);
  device.closeSync();
  t.is(statSync(path).size, 8192);
  t.true(
    readFileSync(path)
      .subarray(4608)
      .every((byte) => byte === 0),
  );
});

test('an opened file can grow only after limitTo()', (t) => {
  const path = temporaryPath(t);
  openDeviceSync(path, { create: { size: 4096, sizeMax: 1024 * 1024 } }).closeSync();
  const device = openDeviceSync(path);
  t.teardown(() => device.closeSync());
  t.is(device.sizeMax, 4096);
  t.throws(() => device.growSync(8192), { code: 'E_NO_SPACE' });
  device.limitTo(8192);
  device.growSync(8192);
  t.is(statSync(path).size, 8192);
});

test('grow() really takes the space from the host', async (t) => {
  const path = temporaryPath(t);
  const device = await openDevice(path, { create: { size: 4096, sizeMax: 8 * 1024 * 1024 } });
  t.teardown(() => device.closeSync());
  await device.grow(3 * 1024 * 1024 + 512);
  t.true(statSync(path).blocks * 512 >= 3 * 1024 * 1024);
});

test('grow() is one at a time', async (t) => {
  const path = temporaryPath(t);
  const device = await openDevice(path, { create: { size: 4096, sizeMax: 1024 * 1024 } });
  t.teardown(() => device.closeSync());
  const growth = device.grow(8192);
  await t.throwsAsync(device.grow(12_288), { name: 'AssertionError' });
  await growth;
  await device.grow(12_288);
  t.is(device.size, 12_288);
});

test('a file that was cut under the device is E_IO, not zeros', async (t) => {
  const path = temporaryPath(t);
  const device = openDeviceSync(path, { create: { size: 16_384 } });
  t.teardown(() => device.closeSync());
  truncateSync(path, 6000);
  const target = new Uint8Array(8192);
  t.throws(() => device.readSync(0, target), { code: 'E_IO', message: /ended at 6000/ });
  await t.throwsAsync(device.read(8192, target), { code: 'E_IO', message: /offset 8192/ });
});

test('readMedia() gives what was written, flushed or not, wherever it starts', async (t) => {
  const path = temporaryPath(t);
  const size = 1024 * 1024 + 1536; // not of whole pages
  const device = openDeviceSync(path, { create: { size } });
  t.teardown(() => device.closeSync());
  const bytes = new Prng(1).bytes(size);
  device.writeSync(0, [bytes]);
  t.log('direct:', device.isMediaDirect);
  for (const [offset, length] of [
    [0, size],
    [512, 512],
    [4096, 4096],
    [3584, 600 * 1024],
    [size - 512, 512],
  ] as const) {
    const target = new Uint8Array(length);
    device.readMediaSync(offset, target);
    t.is(Buffer.compare(target, bytes.subarray(offset, offset + length)), 0);
    const [one, two] = [new Uint8Array(length), new Uint8Array(length)];
    await Promise.all([device.readMedia(offset, one), device.readMedia(offset, two)]);
    t.is(Buffer.compare(one, target), 0);
    t.is(Buffer.compare(two, target), 0);
  }
});

test('openDevice() gives a FileDevice for a file', async (t) => {
  const path = temporaryPath(t);
  const device = await openDevice(path, { create: { size: 4096 } });
  t.teardown(() => device.closeSync());
  t.true(device instanceof FileDevice);
});
