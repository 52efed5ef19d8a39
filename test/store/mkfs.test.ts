import { existsSync, statSync } from 'node:fs';
import test from 'ava';
import { MemoryDevice, mkfsOn, mkfsSync, Store } from '../../src/index.js';
import { temporaryPath } from '../support/temp-directory.js';

const MIB = 1024 * 1024;

test('mkfs() with preallocate writes all of the file, which never grows', (t) => {
  const path = temporaryPath(t);
  mkfsSync(path, { size: 32 * MIB, preallocate: true });
  const made = statSync(path);
  t.is(made.size, 32 * MIB);
  t.true(made.blocks * 512 >= 32 * MIB, 'no part of it is a hole');
  const store = Store.openSync(path);
  t.is(store.statfsSync().total, 32 * MIB);
  store.commitSync(store.transaction().createCollection('c').touch('c', 'o'));
  for (let at = 0; at < 8 * MIB; at += MIB) {
    store.commitSync(store.transaction().write('c', 'o', at, new Uint8Array(MIB).fill(at + 1)));
  }
  store.closeSync();
  t.is(statSync(path).size, 32 * MIB);
});

test('mkfs() makes a file that grows as it fills', (t) => {
  const path = temporaryPath(t);
  mkfsSync(path, { size: 1024 * MIB });
  t.true(statSync(path).size < 128 * MIB);
  const store = Store.openSync(path);
  const { total, available } = store.statfsSync();
  t.is(total, 1024 * MIB);
  t.true(available > 900 * MIB, 'what it may grow by counts');
  store.closeSync();
});

test('mkfsOn() leaves a store that is on the device alone unless it is forced', (t) => {
  const device = new MemoryDevice({ size: 8 * MIB });
  mkfsOn(device, { label: 'first' });
  const before = new Uint8Array(device.size);
  device.readSync(0, before);
  t.throws(() => mkfsOn(device, { label: 'second' }), { code: 'E_EXISTS' });
  const after = new Uint8Array(device.size);
  device.readSync(0, after);
  t.is(Buffer.compare(after, before), 0);
  mkfsOn(device, { label: 'second', force: true });
  t.is(Store.openOnSync(device).info().label, 'second');
});

test('mkfs() refuses a label or journal that makes no sense, and leaves nothing behind', (t) => {
  const path = temporaryPath(t);
  t.throws(() => mkfsSync(path, { label: 'x'.repeat(65) }), { code: 'E_TOO_BIG' });
  t.throws(() => mkfsSync(path, { label: '\u00e9'.repeat(33) }), { code: 'E_TOO_BIG' });
  t.throws(() => mkfsSync(path, { journalBytes: -5 }), { code: 'E_INVALID_ARGUMENT' });
  t.throws(() => mkfsSync(path, { journalBytes: Number.NaN }), { code: 'E_INVALID_ARGUMENT' });
  t.false(existsSync(path));
  mkfsSync(path, { label: '\u00e9'.repeat(32) });
  const store = Store.openSync(path);
  t.is(store.info().label, '\u00e9'.repeat(32));
  store.closeSync();
});
