/** The device with a switch that stores on real media are killed with. */

import { readFileSync } from 'node:fs';
import test from 'ava';
import { openDeviceSync } from '../../src/blockdev/open-device.js';
import { Prng } from '../support/prng.js';
import { SwitchedDevice } from '../support/switched-device.js';
import { temporaryPath } from '../support/temp-directory.js';
import { CONTRACT_SIZE, CONTRACT_SIZE_MAX, testContract } from './contract.js';

function newDevice(path: string): SwitchedDevice {
  const create = { size: CONTRACT_SIZE, sizeMax: CONTRACT_SIZE_MAX };
  return new SwitchedDevice(openDeviceSync(path, { create }));
}

testContract('SwitchedDevice', (t) => {
  const path = temporaryPath(t);
  const device = newDevice(path);
  t.teardown(() => device.closeSync());
  const reopen = () => {
    const reader = new SwitchedDevice(openDeviceSync(path, { readOnly: true }));
    t.teardown(() => reader.closeSync());
    return reader;
  };
  return { device, canGrow: true, reopen };
});

test('powerOff() fails all calls, lets those under way end on the file, and gives it back', async (t) => {
  const path = temporaryPath(t);
  const device = newDevice(path);
  const bytes = new Prng(1).bytes(256 * 1024);
  const write = device.write(0, [bytes]);
  const read = device.read(512 * 1024, new Uint8Array(512));
  device.powerOff();
  const sector = new Uint8Array(512).fill(1);
  t.throws(() => device.writeSync(CONTRACT_SIZE - 512, [sector]), { code: 'E_IO' });
  t.throws(() => device.readSync(0, sector), { code: 'E_IO' });
  t.throws(() => device.flushSync(), { code: 'E_IO' });
  t.throws(() => device.growSync(CONTRACT_SIZE_MAX), { code: 'E_IO' });
  await t.throwsAsync(device.write(0, [sector]), { code: 'E_IO' });
  await Promise.all([write, read].map((call) => t.throwsAsync(call, { code: 'E_IO' })));
  await device.idle();
  const again = openDeviceSync(path);
  again.closeSync();
  const left = readFileSync(path);
  t.is(left.length, CONTRACT_SIZE);
  t.deepEqual(left.subarray(0, bytes.length), Buffer.from(bytes));
  t.true(left.subarray(bytes.length).every((byte) => byte === 0));
});
