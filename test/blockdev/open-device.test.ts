import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { openDevice, openDeviceSync } from '../../src/blockdev/open-device.js';
import { temporaryDirectory, temporaryPath } from '../support/temp-directory.js';

const OPEN_DEVICE_URL = new URL('../../src/blockdev/open-device.js', import.meta.url).href;

test('openDevice() says what is wrong with a path', async (t) => {
  const directory = temporaryDirectory(t);
  const missing = join(directory, 'missing');
  const refusals = [
    [directory, 'E_INVALID', 'it is a directory'],
    [missing, 'E_NOT_FOUND', 'no such file or directory'],
    ['/dev/null', 'E_INVALID', 'it is neither a file nor a block device'],
    [join(directory, 'x'.repeat(300)), 'E_INVALID', 'the path is too long'],
  ] as const;
  for (const [path, code, text] of refusals) {
    const expected = { code, message: `Cannot open ${path}: ${text}` };
    t.throws(() => openDeviceSync(path), expected);
    await t.throwsAsync(openDevice(path), expected);
  }
  const create = { size: 4096 };
  t.throws(() => openDeviceSync(join(missing, 'store'), { create }), { code: 'E_NOT_FOUND' });
  t.throws(() => openDeviceSync(missing, { create, readOnly: true }), {
    code: 'E_INVALID_ARGUMENT',
  });
});

test('openDevice() makes a file of zeros that is really there', async (t) => {
  for (const open of [openDeviceSync, openDevice]) {
    const path = temporaryPath(t);
    const device = await open(path, { create: { size: 8192, sizeMax: 65_536 } });
    t.is(device.size, 8192);
    t.is(device.sizeMax, 65_536);
    device.closeSync();
    t.deepEqual(readFileSync(path), Buffer.alloc(8192));
    t.is(statSync(path).mode & 0o022, 0);
  }
});

test('openDevice() creates over a file only when told to', async (t) => {
  const path = temporaryPath(t);
  writeFileSync(path, '');
  openDeviceSync(path, { create: { size: 4096 } }).closeSync();
  t.throws(() => openDeviceSync(path, { create: { size: 8192 } }), { code: 'E_EXISTS' });
  writeFileSync(path, 'something else'.repeat(1000));
  const device = await openDevice(path, { create: { size: 8192, overwrite: true } });
  device.closeSync();
  t.deepEqual(readFileSync(path), Buffer.alloc(8192));
});

test('a file that could not be created as a whole is removed', async (t) => {
  const path = temporaryPath(t);
  t.throws(() => openDeviceSync(path, { create: { size: 1000 } }), { code: 'E_INVALID_ARGUMENT' });
  await t.throwsAsync(openDevice(path, { create: { size: 8192, sizeMax: 4096 } }), {
    code: 'E_NO_SPACE',
  });
  t.false(existsSync(path));
  t.false(existsSync(`${path}.owner`));
  openDeviceSync(path, { create: { size: 4096 } }).closeSync();
});

test('an owner is not truncated', (t) => {
  const path = temporaryPath(t);
  const device = openDeviceSync(path, { create: { size: 4096 } });
  t.teardown(() => device.closeSync());
  const create = { size: 512, overwrite: true };
  t.throws(() => openDeviceSync(path, { create, force: true }), { code: 'E_BUSY' });
  t.is(statSync(path).size, 4096);
});

test('openDevice() without permission says so', (t) => {
  if (process.getuid?.() !== 0) {
    t.log('not run: needs root to become somebody else');
    t.pass();
    return;
  }
  const directory = temporaryDirectory(t);
  chmodSync(directory, 0o755);
  const secret = join(directory, 'secret');
  writeFileSync(secret, new Uint8Array(4096), { mode: 0o600 });
  const shared = join(directory, 'shared');
  writeFileSync(shared, new Uint8Array(4096));
  chmodSync(shared, 0o666);
  const program = `
    const { openDeviceSync } = await import(${JSON.stringify(OPEN_DEVICE_URL)});
    process.setuid(65534);
    for (const path of ${JSON.stringify([secret, shared, join(directory, 'new')])}) {
      try {
        openDeviceSync(path, path.endsWith('new') ? { create: { size: 512 } } : {});
      } catch (error) { console.log(error.code, error.message); }
    }
    openDeviceSync(${JSON.stringify(shared)}, { readOnly: true }).closeSync();`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
  });
  const lines = output.trim().split('\n');
  t.is(lines.length, 3);
  t.regex(lines[0] ?? '', /^E_PERMISSION Cannot open .*secret: permission denied/);
  t.regex(lines[1] ?? '', /^E_PERMISSION Cannot open .*shared: its owner record/);
  t.regex(lines[2] ?? '', /^E_PERMISSION Cannot open .*new: permission denied/);
});

test('growing on a full host is E_NO_SPACE and leaves the file as it was', async (t) => {
  const mount = join(temporaryDirectory(t), 'small');
  mkdirSync(mount);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', mount], { stdio: 'pipe' });
  } catch (error) {
    t.log(`not run: a small file system cannot be mounted: ${String(error)}`);
    t.pass();
    return;
  }
  t.teardown(() => execFileSync('umount', ['--lazy', mount]));
  const path = join(mount, 'store');
  const create = { size: 262_144, sizeMax: 16 * 1024 * 1024 };
  const device = openDeviceSync(path, { create });
  t.teardown(() => device.closeSync());
  device.writeSync(0, [new Uint8Array(512).fill(7)]);
  const full = { code: 'E_NO_SPACE', message: /the host is full \(ENOSPC\)/ };
  t.throws(() => device.growSync(4 * 1024 * 1024), full);
  await t.throwsAsync(device.grow(4 * 1024 * 1024), full);
  t.is(device.size, 262_144);
  t.is(statSync(path).size, 262_144);
  await device.grow(524_288);
  t.is(device.size, 524_288);

  const other = join(mount, 'other');
  t.throws(() => openDeviceSync(other, { create: { size: 4 * 1024 * 1024 } }), full);
  t.false(existsSync(other));
});
