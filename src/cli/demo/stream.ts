/**
 * The stream of transactions that a writer is killed in, and the proof that each is there whole
 * or not at all.
 *
 * Transaction n
 * 1. makes two objects `a/n` and `b/n` of bytes that follow from n,
 * 2. sets the map key n of the object `log`,
 * 3. writes n over the stamp of three of the objects `slot/0` .. `slot/15`, and into an attribute.
 *
 * - Transactions of one collection happen in the order in which they were submitted, so those
 *   that are there are 1 .. m for some m, and each stamp is that of the last of them.
 */

import { type Store, type StoredCollection, Transaction } from '../../index.js';

export const STREAM_COLLECTION = 'stream';

const SLOTS = 16;
const SLOTS_A_TRANSACTION = 3;
const STAMP_ATTRIBUTE = 'stamp';

/** Bytes of an object; every eighth is written ahead of its record, which takes a flush. */
function sizeOf(n: number): number {
  return n % 8 === 0 ? 32 * 1024 + ((n * 977) % 20_000) : (n * 389) % 6000;
}

/** Bytes that follow from `n` and `part`. */
function contentOf(n: number, part: number): Buffer {
  const bytes = Buffer.allocUnsafe(sizeOf(n + part));
  let state = (n * 2 + part + 1) * 0x9e37_79b1;
  for (let i = 0; i < bytes.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

function slotsOf(n: number): number[] {
  return Array.from({ length: SLOTS_A_TRANSACTION }, (_, i) => (n * 7 + i * 5) % SLOTS);
}

function stampOf(n: number): string {
  return String(n).padStart(12, '0');
}

/** The transaction that has to precede all others. */
export function firstTransaction(): Transaction {
  return new Transaction().createCollection(STREAM_COLLECTION).create(STREAM_COLLECTION, 'log');
}

/** Transaction `n`, from 1. */
export function streamTransaction(n: number): Transaction {
  const transaction = new Transaction();
  const stamp = stampOf(n);
  transaction.create(STREAM_COLLECTION, `a/${n}`);
  transaction.write(STREAM_COLLECTION, `a/${n}`, 0, contentOf(n, 0));
  for (const slot of slotsOf(n)) {
    transaction.write(STREAM_COLLECTION, `slot/${slot}`, 0, stamp);
    transaction.setAttribute(STREAM_COLLECTION, `slot/${slot}`, STAMP_ATTRIBUTE, stamp);
  }
  transaction.mapSet(STREAM_COLLECTION, 'log', [[stamp, `${sizeOf(n)}`]]);
  transaction.create(STREAM_COLLECTION, `b/${n}`);
  transaction.write(STREAM_COLLECTION, `b/${n}`, 0, contentOf(n, 1));
  return transaction;
}

export interface StreamProof {
  /** Transactions that are there, all of them whole. */
  readonly present: number;
  /** Bytes that were compared. */
  readonly bytes: number;
  /** What does not hold; empty when everything does. */
  readonly faults: string[];
}

/** Looks at every transaction up to `submitted` and beyond; `acknowledged` must be there. */
export function proveStream(store: Store, acknowledged: number): StreamProof {
  const collection = store.collection(STREAM_COLLECTION);
  const faults: string[] = [];
  let bytes = 0;
  let present = 0;
  for (let n = 1; ; n++) {
    const parts = partsOf(collection, n);
    if (parts.length === 0) break;
    present = n;
    for (const part of parts) {
      if (part.fault !== undefined) faults.push(`transaction ${n}: ${part.fault}`);
      bytes += part.bytes;
    }
  }
  if (present < acknowledged) {
    faults.push(`transaction ${present + 1} is missing, ${acknowledged} were acknowledged`);
  }
  proveTotals(collection, present, faults);
  proveSlots(collection, present, faults);
  return { present, bytes, faults };
}

/** What is there of transaction `n`; empty when nothing is. */
function partsOf(collection: StoredCollection, n: number): { bytes: number; fault?: string }[] {
  const parts = ['a', 'b'].map((name, part) => {
    const object = collection.object(`${name}/${n}`);
    if (!object.existsSync()) return undefined;
    const content = object.readSync();
    const expected = contentOf(n, part);
    if (expected.equals(content)) return { bytes: content.length };
    return { bytes: content.length, fault: `${name}/${n} has other bytes` };
  });
  const logged = collection.object('log').mapGetSync(stampOf(n));
  const there = [...parts, logged].filter((part) => part !== undefined).length;
  if (there === 0) return [];
  if (there < 3) return [{ bytes: 0, fault: `only ${there} of its 3 parts are there` }];
  return parts.filter((part) => part !== undefined);
}

/** Nothing is there that belongs to no transaction, or to one behind the last. */
function proveTotals(collection: StoredCollection, present: number, faults: string[]): void {
  const touched = new Set<number>();
  for (let n = 1; n <= present; n++) for (const slot of slotsOf(n)) touched.add(slot);
  const expected = 1 + 2 * present + touched.size;
  const { objects } = collection.statSync();
  if (objects !== expected) faults.push(`${objects} objects are there instead of ${expected}`);
  const keys = collection.object('log').mapCountSync();
  if (keys !== present) faults.push(`${keys} keys are in the log instead of ${present}`);
}

/** Every slot has the stamp of the last transaction that wrote it, in both places. */
function proveSlots(collection: StoredCollection, present: number, faults: string[]): void {
  const last = new Map<number, number>();
  for (let n = 1; n <= present; n++) for (const slot of slotsOf(n)) last.set(slot, n);
  for (const [slot, n] of last) {
    const object = collection.object(`slot/${slot}`);
    const stamps = [object.readSync(), object.getAttributeSync(STAMP_ATTRIBUTE)];
    for (const stamp of stamps) {
      const text = stamp === undefined ? 'none' : Buffer.from(stamp).toString('latin1');
      if (text !== stampOf(n))
        faults.push(`slot/${slot} has stamp ${text} instead of ${stampOf(n)}`);
    }
  }
}
