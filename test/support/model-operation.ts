/**
 * The operations of a transaction as data, so that one list can be put into a builder, applied to
 * the model, and printed when they disagree.
 */

import { type ReservationUnits, Transaction } from '../../src/txn/transaction.js';
import { bytesOf, type ModelName } from './model.js';

export type ModelOperation =
  | { op: 'createCollection'; c: string; order: 'name' | 'hash'; bits: number }
  | { op: 'removeCollection' | 'dropCollection' | 'collectionHint'; c: string }
  | { op: 'renameCollection' | 'cloneCollection'; c: string; to: string }
  | { op: 'setCollectionAttribute'; c: string; name: string; value: Uint8Array }
  | { op: 'removeCollectionAttribute'; c: string; name: string }
  | { op: 'setCollectionBits'; c: string; bits: number }
  | { op: 'splitCollection'; c: string; to: string; bits: number; remainder: number }
  | { op: 'mergeCollection'; c: string; to: string; bits: number }
  | { op: ObjectOperation; c: string; o: ModelName }
  | { op: 'write'; c: string; o: ModelName; offset: number; data: Uint8Array }
  | { op: 'zero'; c: string; o: ModelName; offset: number; length: number }
  | { op: 'truncate'; c: string; o: ModelName; size: number }
  | { op: 'setAttribute'; c: string; o: ModelName; name: string; value: Uint8Array }
  | { op: 'removeAttribute'; c: string; o: ModelName; name: string }
  | { op: 'clone' | 'moveRename'; c: string; o: ModelName; toC: string; toO: ModelName }
  | { op: 'tryRename'; c: string; o: ModelName; toO: ModelName }
  | {
      op: 'cloneRange';
      c: string;
      o: ModelName;
      toC: string;
      toO: ModelName;
      from: number;
      length: number;
      offset: number;
    }
  | { op: 'formatMap'; c: string; o: ModelName; comparator: string; keySize: number }
  | { op: 'mapSet'; c: string; o: ModelName; entries: [string, Uint8Array][] }
  | { op: 'mapRemove'; c: string; o: ModelName; keys: string[] }
  | { op: 'mapRemoveRange'; c: string; o: ModelName; from: string; to: string | undefined }
  | { op: 'mapSetHeader'; c: string; o: ModelName; value: Uint8Array }
  | { op: 'reserve'; name: string; owner: string; units: ReservationUnits }
  | { op: 'cancelReservation'; name: string }
  | { op: 'redeem'; name: string; units: ReservationUnits }
  | { op: 'ifVersion'; c: string; o: ModelName; version: number };

/** Operations on one object without further arguments. */
export type ObjectOperation =
  | 'create'
  | 'touch'
  | 'remove'
  | 'removeAttributes'
  | 'mapClear'
  | 'setAllocationHint'
  | 'mustExist'
  | 'mustNotExist';

/** The transaction of these operations. */
export function buildTransaction(operations: readonly ModelOperation[]): Transaction {
  const transaction = new Transaction();
  for (const operation of operations) add(transaction, operation);
  return transaction;
}

function named({ name, hash }: ModelName): Uint8Array | { name: Uint8Array; hash: number } {
  return hash === undefined ? bytesOf(name) : { name: bytesOf(name), hash };
}

function add(t: Transaction, one: ModelOperation): Transaction {
  if (one.op === 'reserve') return t.reserve(bytesOf(one.name), one.units, bytesOf(one.owner));
  if (one.op === 'redeem') return t.redeem(bytesOf(one.name), one.units);
  if (one.op === 'cancelReservation') return t.cancelReservation(bytesOf(one.name));
  const c = bytesOf(one.c);
  if (!('o' in one)) return addToCollection(t, c, one);
  const o = named(one.o);
  switch (one.op) {
    case 'write':
      return t.write(c, o, one.offset, one.data);
    case 'zero':
      return t.zero(c, o, one.offset, one.length);
    case 'truncate':
      return t.truncate(c, o, one.size);
    case 'setAttribute':
      return t.setAttribute(c, o, bytesOf(one.name), one.value);
    case 'removeAttribute':
      return t.removeAttribute(c, o, bytesOf(one.name));
    case 'clone':
      return t.clone(c, o, named(one.toO), bytesOf(one.toC));
    case 'moveRename':
      return t.moveRename(c, o, bytesOf(one.toC), named(one.toO));
    case 'tryRename':
      return t.tryRename(c, o, named(one.toO));
    case 'cloneRange':
      return t.cloneRange(c, o, named(one.toO), one.from, one.length, one.offset, bytesOf(one.toC));
    case 'formatMap':
      return t.formatMap(c, o, { comparator: one.comparator, keySize: one.keySize });
    case 'mapSet':
      return t.mapSet(
        c,
        o,
        one.entries.map(([key, value]) => [bytesOf(key), value] as const),
      );
    case 'mapRemove':
      return t.mapRemove(c, o, one.keys.map(bytesOf));
    case 'mapRemoveRange':
      return t.mapRemoveRange(
        c,
        o,
        bytesOf(one.from),
        one.to === undefined ? undefined : bytesOf(one.to),
      );
    case 'mapSetHeader':
      return t.mapSetHeader(c, o, one.value);
    case 'setAllocationHint':
      return t.setAllocationHint(c, o, 65536, 4096);
    case 'ifVersion':
      return t.ifVersion(c, o, one.version);
    default:
      return t[one.op](c, o);
  }
}

type CollectionOperation = Exclude<ModelOperation, { o: ModelName } | { units: ReservationUnits }>;

function addToCollection(
  t: Transaction,
  c: Uint8Array,
  one: Exclude<CollectionOperation, { op: 'cancelReservation' }>,
): Transaction {
  switch (one.op) {
    case 'createCollection':
      return t.createCollection(c, { order: one.order, bits: one.bits });
    case 'setCollectionAttribute':
      return t.setCollectionAttribute(c, bytesOf(one.name), one.value);
    case 'removeCollectionAttribute':
      return t.removeCollectionAttribute(c, bytesOf(one.name));
    case 'setCollectionBits':
      return t.setCollectionBits(c, one.bits);
    case 'splitCollection':
      return t.splitCollection(c, bytesOf(one.to), one.bits, one.remainder);
    case 'mergeCollection':
      return t.mergeCollection(c, bytesOf(one.to), one.bits);
    case 'renameCollection':
      return t.renameCollection(c, bytesOf(one.to));
    case 'cloneCollection':
      return t.cloneCollection(c, bytesOf(one.to));
    default:
      return t[one.op](c);
  }
}
