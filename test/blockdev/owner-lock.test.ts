import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { openDeviceSync } from '../../src/blockdev/open-device.js';
import { socketName } from '../../src/blockdev/owner-lock.js';
import {
  judge,
  mayHoldSocket,
  type OwnerRecord,
  ownerPath,
  ownRecord,
  readOwner,
  removeOwner,
  writeOwner,
} from '../../src/blockdev/owner-record.js';
import { abstractSocketInode, holderOf, startTimeOf } from '../../src/blockdev/system.js';
import { startChildren } from '../support/child-starter.js';
import { temporaryPath } from '../support/temp-directory.js';

const OPEN_DEVICE_URL = new URL('../../src/blockdev/open-device.js', import.meta.url).href;

/** A process that opens `path`, says so, and does what `then` says. */
async function startOwner(t: ExecutionContext, path: string, then: string): Promise<ChildProcess> {
  const program = `
    const { openDeviceSync } = await import(${JSON.stringify(OPEN_DEVICE_URL)});
    const device = openDeviceSync(${JSON.stringify(path)});
    console.log('open');
    ${then}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

/** A closed store file. */
function makeFile(t: ExecutionContext): string {
  const path = temporaryPath(t);
  openDeviceSync(path, { create: { size: 4096 } }).closeSync();
  return path;
}

function putRecord(path: string, changes: Partial<OwnerRecord>): void {
  writeFileSync(ownerPath(path), JSON.stringify({ ...ownRecord(), ...changes }));
}

/** A pid that nobody has. */
const NO_PID = 2 ** 22 + 1;

test('the owner record is there while the file is open for writing', (t) => {
  const path = makeFile(t);
  t.false(existsSync(ownerPath(path)));
  const device = openDeviceSync(path);
  t.like(readOwner(path), { pid: process.pid, startTime: startTimeOf(process.pid) });
  device.closeSync();
  t.false(existsSync(ownerPath(path)));
  const reader = openDeviceSync(path, { readOnly: true });
  t.false(existsSync(ownerPath(path)));
  reader.closeSync();
});

test('a lock given back can be taken at once, many times', (t) => {
  const path = makeFile(t);
  for (let i = 0; i < 50; i++) openDeviceSync(path).closeSync();
  t.pass();
});

test('a lock given back can be taken at once while the process starts children', async (t) => {
  const worker = await startChildren();
  t.teardown(() => worker.terminate());
  const path = makeFile(t);
  for (let i = 0; i < 500; i++) openDeviceSync(path).closeSync();
  t.pass();
});

test('the lock is known before listen() has reported, and its name fills the address', (t) => {
  const path = makeFile(t);
  const device = openDeviceSync(path);
  t.teardown(() => device.closeSync());
  const names = readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .flatMap((line) => line.match(/@holdfast-\S*/) ?? []);
  t.true(names.length > 0);
  t.true(names.every((name) => name.length === 108));
  t.is(socketName({ dev: 1, ino: 2 }).length, 107);
  t.is(abstractSocketInode(socketName({ dev: -1, ino: -1 })), undefined);
});

test('another process is refused with the pid of the owner', async (t) => {
  const path = makeFile(t);
  const child = await startOwner(t, path, 'setInterval(() => device, 1000);');
  const message = new RegExp(`process ${child.pid}\\b`);
  t.throws(() => openDeviceSync(path), { code: 'E_BUSY', message });
  t.throws(() => openDeviceSync(path, { readOnly: true }), { code: 'E_BUSY', message });
  t.throws(() => openDeviceSync(path, { force: true }), { code: 'E_BUSY', message });
  const link = temporaryPath(t);
  symlinkSync(path, link);
  t.throws(() => openDeviceSync(link), { code: 'E_BUSY', message });
});

test('a killed owner leaves no lock', async (t) => {
  const path = makeFile(t);
  const child = await startOwner(t, path, 'setInterval(() => device, 1000);');
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.true(existsSync(ownerPath(path)));
  openDeviceSync(path, { readOnly: true }).closeSync();
  const device = openDeviceSync(path);
  t.like(readOwner(path), { pid: process.pid });
  device.closeSync();
});

test('the lock does not keep a process alive', async (t) => {
  const path = makeFile(t);
  const child = await startOwner(t, path, '');
  if (child.exitCode === null) await once(child, 'exit');
  t.is(child.exitCode, 0);
});

test('the owner is found by its socket when its record is lost', async (t) => {
  const path = makeFile(t);
  const child = await startOwner(
    t,
    path,
    `const { rmSync } = await import('node:fs');
     rmSync(${JSON.stringify(ownerPath(path))});
     console.log('removed');
     setInterval(() => device, 1000);`,
  );
  while (existsSync(ownerPath(path))) await new Promise((resolve) => setTimeout(resolve, 10));
  t.throws(() => openDeviceSync(path), {
    code: 'E_BUSY',
    message: new RegExp(`process ${child.pid}\\b`),
  });
});

test('the owner is found by its socket when the record is of somebody else', async (t) => {
  const path = makeFile(t);
  const child = await startOwner(t, path, 'setInterval(() => device, 1000);');
  putRecord(path, { netNamespace: 'net:[1]', pid: NO_PID });
  t.throws(() => openDeviceSync(path), {
    code: 'E_BUSY',
    message: new RegExp(`process ${child.pid}\\b`),
  });
});

test('judge() tells the living from the dead where it can', (t) => {
  const own = ownRecord();
  const elsewhere = { ...own, netNamespace: 'net:[1]' };
  t.is(judge(own), 'here');
  t.is(judge({ ...own, bootId: 'another boot' }), 'stale');
  t.is(judge(elsewhere), 'alive');
  t.is(judge({ ...elsewhere, startTime: '1' }), 'stale');
  t.is(judge({ ...elsewhere, pid: NO_PID }), 'stale');
  t.is(judge({ ...elsewhere, pidNamespace: 'pid:[1]' }), 'unknown');
  t.is(judge({ ...elsewhere, pidNamespace: undefined }), 'unknown');
});

test('mayHoldSocket() believes a living process of this namespace alone', (t) => {
  const own = ownRecord();
  t.true(mayHoldSocket(own));
  t.false(mayHoldSocket({ ...own, startTime: '1' }));
  t.false(mayHoldSocket({ ...own, pid: NO_PID }));
  t.false(mayHoldSocket({ ...own, netNamespace: 'net:[1]' }));
  t.false(mayHoldSocket({ ...own, bootId: 'another boot' }));
  t.true(mayHoldSocket({ ...own, pid: NO_PID, pidNamespace: 'pid:[1]' }));
});

test('a record of another network namespace is believed as far as it can be judged', (t) => {
  const path = makeFile(t);
  putRecord(path, { netNamespace: 'net:[1]' });
  t.throws(() => openDeviceSync(path), { code: 'E_BUSY', message: /process \d+/ });
  t.throws(() => openDeviceSync(path, { force: true }), { code: 'E_BUSY' });
  t.throws(() => openDeviceSync(path, { readOnly: true }), { code: 'E_BUSY' });

  putRecord(path, { netNamespace: 'net:[1]', pid: NO_PID });
  openDeviceSync(path).closeSync();

  putRecord(path, { netNamespace: 'net:[1]', bootId: 'another boot' });
  openDeviceSync(path).closeSync();
  t.false(existsSync(ownerPath(path)));
});

test('a record that cannot be judged is refused unless forced', (t) => {
  const path = makeFile(t);
  const strange = () => putRecord(path, { netNamespace: 'net:[1]', pidNamespace: 'pid:[1]' });
  const garbage = () => writeFileSync(ownerPath(path), 'garbage');
  for (const put of [strange, garbage]) {
    put();
    t.throws(() => openDeviceSync(path), { code: 'E_BUSY', message: /force/ });
    t.throws(() => openDeviceSync(path, { readOnly: true }), { code: 'E_BUSY', message: /force/ });
    t.true(existsSync(ownerPath(path)));
    openDeviceSync(path, { readOnly: true, force: true }).closeSync();
    openDeviceSync(path, { force: true }).closeSync();
    t.false(existsSync(ownerPath(path)));
  }
});

test('a refused opener gives the socket back', (t) => {
  const path = makeFile(t);
  putRecord(path, { netNamespace: 'net:[1]', pidNamespace: 'pid:[1]' });
  t.throws(() => openDeviceSync(path), { code: 'E_BUSY' });
  t.throws(() => openDeviceSync(path), { code: 'E_BUSY', message: /force/ });
});

test('writeOwner() never replaces a record', (t) => {
  const path = makeFile(t);
  t.true(writeOwner(path, ownRecord()));
  t.false(writeOwner(path, { ...ownRecord(), pid: NO_PID }));
  t.like(readOwner(path), { pid: process.pid });
});

test('holderOf() finds nobody for what nobody has open', (t) => {
  t.is(holderOf('/no/such/file'), undefined);
});

test('removeOwner() keeps its hands off the record of another', (t) => {
  const path = makeFile(t);
  const theirs = { ...ownRecord(), pid: NO_PID };
  writeOwner(path, theirs);
  removeOwner(path, ownRecord());
  t.deepEqual(readOwner(path), theirs);
  removeOwner(path, theirs);
  t.is(readOwner(path), undefined);
  removeOwner(path, theirs);
  t.deepEqual(readdirSync(dirname(path)), ['store']);
});
