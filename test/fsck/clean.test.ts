/**
 * Stores without a fault, made by the engine in every way that it has: fsck finds nothing.
 */

import test from 'ava';
import type { Transaction } from '../../src/txn/transaction.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import {
  type Checked,
  check,
  checkpoint,
  close,
  commit,
  linesOf,
  newStore,
  open,
  SMALL,
} from './fixture.js';
import { grind } from './mill.js';

/** Transactions between two checks. */
const OPERATIONS = Number(process.env['OPS'] ?? 100);

/** Findings, but for ids that clones of collections have brought together. */
function faultsOf(checked: Checked): string[] {
  return linesOf(checked).filter((line) => !line.startsWith('object-id-twice'));
}

for (const nodeSize of [1024, 4096]) {
  test(`fsck() finds nothing after random transactions, nodes of ${nodeSize} bytes`, (t) => {
    const prng = new Prng(seedFromEnvironment());
    t.log('SEED', prng.seed);
    const device = newStore({ ...SMALL, nodeSize });
    let engine = open(device);
    commit(engine, (tx) => tx.createCollection('c0').createCollection('c1'));
    for (let round = 0; round < 8; round++) {
      grind(engine, prng, OPERATIONS);
      checkpoint(engine);
      const atCheckpoint = check(device, { deep: true });
      t.deepEqual(faultsOf(atCheckpoint), []);
      t.deepEqual(faultsOf(check(device, { windowBlocks: 1 })), []);
      grind(engine, prng, 10);
      t.deepEqual(faultsOf(check(device, { deep: true })), []);
      if (prng.chance(0.5)) {
        close(engine);
        t.is(check(device).report.pendingTransactions, 0);
      }
      t.deepEqual(faultsOf(check(device)), []);
      engine = open(device);
      t.deepEqual(faultsOf(check(device)), []);
    }
  });
}

test('fsck() finds nothing in an empty store', (t) => {
  const checked = check(newStore(), { deep: true });
  t.deepEqual(linesOf(checked), []);
  t.is(checked.report.nodes, 0);
});

test('fsck() finds nothing in a store that has grown since its last checkpoint', (t) => {
  const device = newStore({ ...SMALL, size: 12 * 1024 * 1024, sizeMax: 64 * 1024 * 1024 });
  const engine = open(device);
  commit(engine, (tx) => tx.createCollection('c'));
  const before = device.size;
  for (let i = 0; device.size === before; i++) {
    commit(engine, (tx) => tx.write('c', `o${i}`, 0, new Uint8Array(100_000).fill(i)));
  }
  t.deepEqual(linesOf(check(device, { deep: true })), []);
  checkpoint(engine);
  t.deepEqual(linesOf(check(device, { deep: true })), []);
});

/** Steps that once left a store with faults; each line is a transaction. */
const ONCE_FAULTY: Readonly<Record<string, readonly ((tx: Transaction) => unknown)[]>> = {
  'removing from a collection that shares its leaf': [
    (tx) => tx.createCollection('c').write('c', 'a', 111_082, new Uint8Array(165)),
    (tx) => tx.write('c', 'b', 3972, new Uint8Array(3380)),
    (tx) => tx.cloneCollection('c', 'd'),
    (tx) => tx.remove('d', 'b'),
  ],
  'changing a map in a collection that shares its leaf': [
    (tx) => tx.createCollection('c').touch('c', 'a').mapSet('c', 'a', ENTRIES),
    (tx) => tx.touch('c', 'b').setAttribute('c', 'b', 'x', new Uint8Array(60)),
    (tx) => tx.touch('c', 'd').setAttribute('c', 'd', 'x', new Uint8Array(60)),
    (tx) => tx.cloneCollection('c', 'e'),
    (tx) => tx.mapSet('e', 'a', [['k5', new Uint8Array(60)]]),
  ],
  'cloning a collection whose root has become small enough to be embedded': [
    (tx) => tx.createCollection('c').write('c', 'a', 1731, new Uint8Array(162)),
    (tx) => tx.write('c', 'b', 2015, new Uint8Array(6)),
    (tx) => tx.zero('c', 'b', 0, 2086),
    (tx) => tx.cloneCollection('c', 'd'),
    (tx) => tx.mapClear('d', 'e'),
  ],
};

const ENTRIES = Array.from({ length: 60 }, (_, i) => [`k${i}`, new Uint8Array(60)] as const);

for (const [name, steps] of Object.entries(ONCE_FAULTY)) {
  test(`fsck() finds nothing after ${name}`, (t) => {
    for (const withCheckpoints of [false, true]) {
      const device = newStore();
      const engine = open(device);
      for (const step of steps) {
        commit(engine, step);
        if (withCheckpoints) checkpoint(engine);
      }
      checkpoint(engine);
      t.deepEqual(linesOf(check(device, { deep: true })), []);
    }
  });
}
