import test, { type ExecutionContext } from 'ava';
import { openDeviceSync } from '../../src/blockdev/open-device.js';
import { RawDevice } from '../../src/blockdev/raw-device.js';
import { startChildren } from '../support/child-starter.js';
import { Prng } from '../support/prng.js';
import { makeLoopDevice } from '../support/temp-loop-device.js';
import { CONTRACT_SIZE, checkSecondOpener, testContract } from './contract.js';

const loop = makeLoopDevice(CONTRACT_SIZE);

test.after.always(() => {
  if (typeof loop !== 'string') loop.close();
});

/** The path of the loop device, zeroed; undefined where there is none. */
function loopPath(t: ExecutionContext): string | undefined {
  if (typeof loop === 'string') {
    t.log(`not run: ${loop}`);
    return undefined;
  }
  const device = openDeviceSync(loop.path);
  device.writeSync(0, [new Uint8Array(CONTRACT_SIZE)]);
  device.closeSync();
  return loop.path;
}

testContract(
  'RawDevice',
  (t) => {
    const path = loopPath(t);
    if (path === undefined) return undefined;
    const device = openDeviceSync(path);
    t.teardown(() => device.closeSync());
    const reopen = () => {
      const reader = openDeviceSync(path, { readOnly: true });
      t.teardown(() => reader.closeSync());
      return reader;
    };
    return { device, canGrow: false, reopen };
  },
  { serial: true },
);

test.serial('a second opener of a raw device is refused and told the pid', (t) => {
  const path = loopPath(t);
  if (path === undefined) {
    t.pass();
    return;
  }
  const device = openDeviceSync(path);
  t.teardown(() => device.closeSync());
  t.true(device instanceof RawDevice);
  checkSecondOpener(t, () => openDeviceSync(path));
  checkSecondOpener(t, () => openDeviceSync(path, { readOnly: true, force: true }));
});

test.serial(
  'a device given back can be opened at once while the process starts children',
  async (t) => {
    const path = loopPath(t);
    if (path === undefined) {
      t.pass();
      return;
    }
    const worker = await startChildren();
    t.teardown(() => worker.terminate());
    for (let i = 0; i < 200; i++) openDeviceSync(path).closeSync();
    t.pass();
  },
);

test.serial('a raw device that is read may still be read by others', (t) => {
  const path = loopPath(t);
  if (path === undefined) {
    t.pass();
    return;
  }
  const one = openDeviceSync(path, { readOnly: true });
  const two = openDeviceSync(path, { readOnly: true });
  t.teardown(() => one.closeSync());
  t.teardown(() => two.closeSync());
  t.is(one.size, two.size);
});

test.serial('readMedia() of a raw device gives what was written before', async (t) => {
  const path = loopPath(t);
  if (path === undefined) {
    t.pass();
    return;
  }
  const device = openDeviceSync(path);
  t.teardown(() => device.closeSync());
  const bytes = new Prng(1).bytes(512 * 1024);
  device.writeSync(4096, [bytes]);
  const target = new Uint8Array(bytes.length);
  await device.readMedia(4096, target);
  t.is(Buffer.compare(target, bytes), 0);
  t.log('direct:', device.isMediaDirect);
});
