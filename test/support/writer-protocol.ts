/**
 * What the writer process of the kill test writes, so that anybody can check it.
 *
 * - Transaction n writes its number into two objects of two collections, into an attribute and a
 *   map key; every fourth one also data that is written ahead of the journal.
 * - Slot n mod SLOTS of each is used: what transaction n did stays to be seen for SLOTS more.
 */

import type { Store, Transaction } from '../../src/index.js';

export const SLOTS = 64;

const COLLECTIONS = ['left', 'right'] as const;

/** Transaction that makes what the others need. */
export function setUp(transaction: Transaction): Transaction {
  for (const name of COLLECTIONS) transaction.createCollection(name);
  return transaction;
}

/** Transaction `n`. */
export function fill(transaction: Transaction, n: number): Transaction {
  const name = `slot ${n % SLOTS}`;
  for (const collection of COLLECTIONS) {
    transaction.write(collection, name, 0, contentOf(n));
    transaction.truncate(collection, name, contentOf(n).length);
    transaction.setAttribute(collection, name, 'n', `${n}`);
    transaction.mapSet(collection, name, [['n', `${n}`]]);
  }
  return transaction;
}

function contentOf(n: number): Uint8Array {
  const length = n % 4 === 0 ? 33 * 1024 : 100 + (n % 7) * 700;
  const bytes = new Uint8Array(length).fill(n);
  new DataView(bytes.buffer).setUint32(0, n, true);
  return bytes;
}

/**
 * Checks that the store holds all transactions up to some number and nothing of later ones.
 *
 * @returns that number, 0 when there is none
 * @throws Error when something is there in part, or one is missing before the last
 */
export function checkSlots(store: Store): number {
  const numbers: number[] = [];
  for (let slot = 0; slot < SLOTS; slot++) {
    const [left, right] = COLLECTIONS.map((collection) => numberOf(store, collection, slot));
    if (left !== right) throw new Error(`Slot ${slot} holds ${left} and ${right}`);
    if (left !== undefined) numbers.push(left);
  }
  const last = Math.max(0, ...numbers);
  const expected = Math.min(last, SLOTS);
  if (numbers.length !== expected) throw new Error(`${numbers.length} slots are used of ${last}`);
  for (const n of numbers) {
    if (n <= last - SLOTS) throw new Error(`Transaction ${n + SLOTS} is missing before ${last}`);
  }
  return last;
}

function numberOf(store: Store, collection: string, slot: number): number | undefined {
  const object = store.collection(collection).object(`slot ${slot}`);
  if (!store.collection(collection).existsSync() || !object.existsSync()) return undefined;
  const data = object.readSync();
  const n = new DataView(data.buffer, data.byteOffset).getUint32(0, true);
  if (Buffer.compare(data, contentOf(n)) !== 0) throw new Error(`Data of ${n} is there in part`);
  for (const value of [object.getAttributeSync('n'), object.mapGetSync('n')]) {
    if (value === undefined || Buffer.from(value).toString() !== `${n}`) {
      throw new Error(`Transaction ${n} is there in part`);
    }
  }
  return n;
}
