/** Growing stores that are in use, and files and devices that grow and shrink under their command. */

import { execFileSync } from 'node:child_process';
import { closeSync, openSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { hasCode } from '../../src/errors.js';
import { mkfs, mkfsOn, resizeStore, Store } from '../../src/index.js';
import { fsckFileFault } from '../support/crash-fsck.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { SimulatedDevice } from '../support/simulated-device.js';
import { temporaryDirectory } from '../support/temp-directory.js';
import { faultsOf } from './fixture.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const OBJECT_BYTES = MIB;

/** Commits objects of 1 MiB until there is no room; gives how many there are then. */
async function fill(store: Store, from: number): Promise<number> {
  for (let i = from; ; i++) {
    const tx = store.transaction().write('c', `o${i}`, 0, new Uint8Array(OBJECT_BYTES).fill(i));
    try {
      await store.commit(tx);
    } catch (error) {
      if (hasCode(error, 'E_NO_SPACE')) return i;
      throw error;
    }
  }
}

test('resize() grows a full store under load; a crash loses nothing acknowledged', async (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const device = new SimulatedDevice({ size: 0, sizeMax: 20 * MIB, scheduler: prng.fork() });
  mkfsOn(device, { journalBytes: MIB });
  const store = await Store.openOn(device, { dirtyBytes: 256 * KIB });
  await store.commit(store.transaction().createCollection('c'));
  const first = await fill(store, 0);
  const start = device.point;
  const writing = Array.from({ length: 4 }, (_, i) =>
    store.commit(store.transaction().write('c', `small${i}`, 0, new Uint8Array(3000).fill(i))),
  );
  await store.resize(32 * MIB + 5000);
  await Promise.all(writing);
  t.is(store.statfsSync().total, 32 * MIB + 4096);
  const acknowledged: number[] = [];
  for (let i = first; i < first + 6; i++) {
    await store.commit(
      store.transaction().write('c', `o${i}`, 0, new Uint8Array(OBJECT_BYTES).fill(i)),
    );
    acknowledged[i] = device.point;
  }
  device.powerOff();
  const points = [...device.crashPoints(start)];
  for (let round = 0; round < 12; round++) {
    const crash = device.randomCrash(prng, prng.pick(points));
    const limited = new SimulatedDevice({ image: crash.device.image(), sizeMax: 20 * MIB });
    const reopened = Store.openOnSync(limited);
    for (let i = 0; i < first + 6; i++) {
      const object = reopened.collection('c').object(`o${i}`);
      const isThere = object.existsSync();
      if (isThere) t.true(object.readSync().every((byte) => byte === i));
      else t.false((acknowledged[i] ?? Number.POSITIVE_INFINITY) <= crash.point, `o${i} is lost`);
    }
    reopened.closeSync();
    t.deepEqual(faultsOf(new SimulatedDevice({ image: limited.image() })), []);
  }
});

test('several resize() at a time lose nothing that was acknowledged', async (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  for (let round = 0; round < 3; round++) {
    const device = new SimulatedDevice({ size: 0, sizeMax: 12 * MIB, scheduler: prng.fork() });
    mkfsOn(device, { journalBytes: MIB });
    const store = await Store.openOn(device, { dirtyBytes: 256 * KIB });
    await store.commit(store.transaction().createCollection('c'));
    const first = await fill(store, 0);
    const start = device.point;
    const sizes = [40, 14, 30, 22].map((size) => size * MIB);
    prng.shuffle(sizes);
    const acknowledged: number[] = [];
    const writing = Array.from({ length: 8 }, async (_, i) => {
      for (let turns = prng.below(30); turns > 0; turns--) await turn();
      const data = new Uint8Array(OBJECT_BYTES).fill(first + i);
      await store.commit(store.transaction().write('c', `o${first + i}`, 0, data));
      acknowledged[first + i] = device.point;
    });
    const resizing = sizes.map(async (size) => {
      for (let turns = prng.below(6); turns > 0; turns--) await turn();
      await store.resize(size);
    });
    for (const end of await Promise.allSettled([...writing, ...resizing])) {
      if (end.status === 'fulfilled') continue;
      t.true(hasCode(end.reason, 'E_NO_SPACE') || hasCode(end.reason, 'E_INVALID'));
    }
    device.powerOff();
    for (let crashes = 0; crashes < 4; crashes++) {
      const crash = device.randomCrash(prng, prng.pick([...device.crashPoints(start)]));
      const reopened = Store.openOnSync(crash.device);
      for (let i = 0; i < first + 8; i++) {
        if ((acknowledged[i] ?? (i < first ? 0 : Infinity)) > crash.point) continue;
        const data = reopened.collection('c').object(`o${i}`).readSync();
        t.true(data.every((byte) => byte === i));
      }
      reopened.closeSync();
      t.deepEqual(faultsOf(crash.device), []);
    }
  }
});

test('resize() of an open store lowers a limit, but not below what is there', async (t) => {
  const path = join(temporaryDirectory(t), 'store');
  await mkfs(path, { size: 256 * MIB, journalBytes: MIB });
  const store = await Store.open(path);
  await store.resize(100 * MIB + 1);
  t.is(store.statfsSync().total, 100 * MIB);
  t.true(hasCode(await t.throwsAsync(store.resize(2 * MIB)), 'E_INVALID'));
  await t.throwsAsync(store.resize(Number.NaN), { code: 'E_INVALID_ARGUMENT' });
  await t.throwsAsync(store.resize(0), { code: 'E_INVALID_ARGUMENT' });
  const closing = store.close();
  const late = await Promise.allSettled([store.resize(150 * MIB)]);
  await closing;
  await t.throwsAsync(store.resize(200 * MIB), { code: 'E_CLOSED' });
  const reader = await Store.open(path, { readOnly: true });
  await t.throwsAsync(reader.resize(200 * MIB), { code: 'E_READ_ONLY' });
  await reader.close();
  const reopened = await Store.open(path);
  t.is(reopened.statfsSync().total, (late[0]?.status === 'rejected' ? 100 : 150) * MIB);
  await reopened.close();
});

test('resizeStore() cuts a file and lets it grow again', async (t) => {
  const path = join(temporaryDirectory(t), 'store');
  await mkfs(path, { size: 40 * MIB, journalBytes: MIB, preallocate: true });
  const store = await Store.open(path);
  await store.commit(store.transaction().createCollection('c'));
  const count = await fill(store, 0);
  const tx = store.transaction();
  for (let i = 0; i < count - 3; i++) tx.remove('c', `o${i}`);
  await store.commit(tx);
  await store.close();
  const size = 20 * MIB + 512;
  const report = await resizeStore(path, size);
  t.is(report.before, 40 * MIB);
  t.is(report.after, 20 * MIB);
  t.true(report.movedBytes >= 3 * MIB);
  t.is(statSync(path).size, 20 * MIB);
  t.is(fsckFileFault(path), undefined);
  await resizeStore(path, 64 * MIB);
  const again = await Store.open(path);
  t.true((await fill(again, count)) > count + 30);
  const last = await again
    .collection('c')
    .object(`o${count - 1}`)
    .read();
  t.true(last.every((byte) => byte === count - 1));
  await again.close();
  t.is(fsckFileFault(path), undefined);
  await t.throwsAsync(resizeStore(path, 12 * MIB), { code: 'E_NO_SPACE', message: /needs \d+$/ });
  await t.throwsAsync(resizeStore(`${path}-none`, 12 * MIB), { code: 'E_NOT_FOUND' });
});

test('a block device that grows is taken over, and given back in part', async (t) => {
  const file = join(temporaryDirectory(t), 'image');
  writeFileSync(file, '');
  truncateSync(file, 100 * MIB + 512);
  const path = attach(file);
  if (path === undefined) {
    t.log('not run: there is no loop device');
    t.pass();
    return;
  }
  const held = openSync(path, 'r'); // it is detached when this is closed
  execFileSync('losetup', ['--detach', path]);
  await mkfs(path, { force: true, journalBytes: MIB });
  const store = await Store.open(path);
  await store.commit(store.transaction().createCollection('c'));
  const count = await fill(store, 0);
  t.true(count > 80);
  await t.throwsAsync(store.resize(120 * MIB), { code: 'E_NO_SPACE' });
  truncateSync(file, 120 * MIB + 1536);
  execFileSync('losetup', ['--set-capacity', path]);
  await store.resize(120 * MIB + 1536);
  t.is(store.statfsSync().total, 120 * MIB);
  const grown = await fill(store, count);
  t.true(grown >= count + 15);
  const tx = store.transaction();
  for (let i = 0; i < grown - 5; i++) tx.remove('c', `o${i}`);
  await store.commit(tx);
  await store.close();
  t.is(fsckFileFault(path), undefined);
  const { movedBytes } = await resizeStore(path, 30 * MIB + 512);
  t.true(movedBytes >= 5 * MIB);
  t.is(fsckFileFault(path), undefined);
  const small = await Store.open(path);
  t.is(small.statfsSync().total, 30 * MIB);
  const last = await small
    .collection('c')
    .object(`o${grown - 1}`)
    .read();
  t.true(last.every((byte) => byte === grown - 1));
  await small.close();
  const { after } = await resizeStore(path, undefined);
  t.is(after, 120 * MIB);
  t.is(fsckFileFault(path), undefined);
  closeSync(held);
});

/** Attaches a loop device to `file`; undefined where that does not work. */
function attach(file: string): string | undefined {
  try {
    const options = { encoding: 'utf8', stdio: 'pipe' } as const;
    return execFileSync('losetup', ['--find', '--show', file], options).trim();
  } catch {
    return undefined;
  }
}
