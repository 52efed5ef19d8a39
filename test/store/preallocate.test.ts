import { statSync } from 'node:fs';
import test from 'ava';
import { mkfsSync, Store } from '../../src/index.js';
import { temporaryPath } from '../support/temp-directory.js';

const MIB = 1024 * 1024;

test('mkfs() with preallocate writes all of the file, which never grows', (t) => {
  const path = temporaryPath(t);
  mkfsSync(path, { size: 32 * MIB, preallocate: true });
  const made = statSync(path);
  t.is(made.size, 32 * MIB);
  t.true(made.blocks * 512 >= 32 * MIB, 'no part of it is a hole');
  const store = Store.openSync(path);
  t.is(store.statfs().total, 32 * MIB);
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
  const { total, available } = store.statfs();
  t.is(total, 1024 * MIB);
  t.true(available > 900 * MIB, 'what it may grow by counts');
  store.closeSync();
});
