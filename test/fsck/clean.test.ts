/**
 * Stores without a fault, made by the engine in every way that it has: fsck finds nothing.
 */

import test from 'ava';
import { type ErrorCode, hasCode } from '../../src/errors.js';
import type { Engine } from '../../src/txn/engine.js';
import { Transaction } from '../../src/txn/transaction.js';
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

/** Transactions between two checks. */
const OPERATIONS = Number(process.env['OPS'] ?? 100);

/** Random transactions on few names, so that they meet each other. */
class Mill {
  readonly #prng: Prng;

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  #collection(): string {
    return `c${this.#prng.below(4)}`;
  }

  #object(): string {
    return `object-${this.#prng.below(40)}`;
  }

  #bytes(): Uint8Array {
    const most = this.#prng.pick([10, 200, 3000, 20_000, 90_000]);
    return this.#prng.bytes(this.#prng.below(most) + 1);
  }

  /** Adds one operation. */
  add(transaction: Transaction): void {
    const prng = this.#prng;
    const c = this.#collection();
    const o = this.#object();
    const other = this.#object();
    const offset = prng.below(prng.pick([1, 5000, 200_000]));
    switch (prng.below(24)) {
      case 0:
        transaction.zero(c, o, offset, prng.below(9000) + 1);
        break;
      case 1:
        transaction.truncate(c, o, prng.below(100_000));
        break;
      case 2:
        transaction.remove(c, o);
        break;
      case 3:
      case 4:
        transaction.touch(c, o).clone(c, o, other);
        break;
      case 5:
      case 6:
        transaction.write(c, o, 100, this.#bytes());
        transaction.cloneRange(c, o, other, prng.below(100), prng.below(100) + 1, offset);
        break;
      case 7:
        transaction.write(c, o, 0, prng.bytes(30_000));
        transaction.cloneRange(c, o, o, prng.below(9000), prng.below(20_000) + 1, offset);
        break;
      case 8:
        transaction.touch(c, o).setAttribute(c, o, `a${prng.below(9)}`, this.#bytes());
        break;
      case 9:
        transaction.touch(c, o).removeAttribute(c, o, `a${prng.below(9)}`);
        break;
      case 10:
        transaction.removeAttributes(c, o);
        break;
      case 11:
      case 12:
        transaction.touch(c, o).mapSet(c, o, this.#entries());
        break;
      case 13:
        transaction.touch(c, o).mapRemove(c, o, [`k${prng.below(300)}`]);
        break;
      case 14:
        transaction.touch(c, o).mapRemoveRange(c, o, `k${prng.below(300)}`, `k${prng.below(300)}`);
        break;
      case 15:
        transaction.touch(c, o).mapSetHeader(c, o, this.#bytes());
        break;
      case 16:
        transaction.mapClear(c, o);
        break;
      case 17:
        transaction.setCollectionAttribute(c, `a${prng.below(3)}`, this.#bytes());
        break;
      case 18:
        transaction.reserve(`r${prng.below(3)}`, { bytes: 9000, operations: 2, keys: 3 });
        break;
      case 19:
        transaction.touch(c, o).moveRename(c, o, this.#collection(), other);
        break;
      case 20:
        transaction.touch(c, o).formatMap(c, o, { comparator: 'by-length', comparatorVersion: 3 });
        break;
      default:
        transaction.write(c, o, offset, this.#bytes());
    }
  }

  #entries(): [string, Uint8Array][] {
    const count = this.#prng.pick([1, 3, 60]);
    return Array.from({ length: count }, () => [
      `k${this.#prng.below(300)}`,
      this.#prng.bytes(this.#prng.pick([0, 20, 60, 200, 3000])),
    ]);
  }

  /** One operation on whole collections. */
  addWhole(transaction: Transaction): void {
    const prng = this.#prng;
    const c = this.#collection();
    switch (prng.below(8)) {
      case 0:
        transaction.dropCollection(c);
        break;
      case 4:
        transaction.createCollection(c, { order: 'hash' });
        break;
      case 5:
      case 6:
        transaction.createCollection(this.#collection(), { order: 'hash' });
        transaction.splitCollection(c, this.#collection(), 1, prng.below(2));
        break;
      case 7:
        transaction.mergeCollection(c, this.#collection(), 0);
        break;
      case 1:
      case 2:
        transaction.cloneCollection(c, this.#collection());
        break;
      case 3:
        transaction.renameCollection(c, this.#collection());
        break;
      default:
        transaction.createCollection(c);
    }
  }
}

const REFUSALS = [
  'E_NOT_FOUND',
  'E_EXISTS',
  'E_INVALID',
  'E_NO_SPACE',
  'E_NOT_EMPTY',
] as const satisfies readonly ErrorCode[];

/** Submits; what makes no sense on what is there is refused, which is part of the test. */
function tryCommit(engine: Engine, transaction: Transaction): void {
  try {
    engine.commitSync(transaction.seal());
  } catch (error) {
    const isRefusal = REFUSALS.some((code) => hasCode(error, code));
    if (!isRefusal) throw error;
  }
}

function grind(engine: Engine, prng: Prng, count: number): void {
  const mill = new Mill(prng);
  tryCommit(engine, new Transaction().createCollection('c0'));
  for (let i = 0; i < count; i++) {
    const transaction = new Transaction();
    if (prng.chance(0.08)) mill.addWhole(transaction);
    else for (let left = prng.below(4); left >= 0; left--) mill.add(transaction);
    tryCommit(engine, transaction);
    if (prng.chance(0.03)) checkpoint(engine);
  }
}

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
