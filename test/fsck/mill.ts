/**
 * Random transactions that use everything an engine has, on few names so that they meet.
 */

import { type ErrorCode, hasCode } from '../../src/errors.js';
import type { Engine } from '../../src/txn/engine.js';
import { Transaction } from '../../src/txn/transaction.js';
import type { Prng } from '../support/prng.js';
import { checkpoint } from './fixture.js';

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

/** Submits `count` random transactions, with a checkpoint now and then. */
export function grind(engine: Engine, prng: Prng, count: number): void {
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
