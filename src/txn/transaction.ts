/**
 * The builder of transactions.
 *
 * - A transaction is a list of operations that happen all or not at all, in the order given.
 * - Arguments are checked and copied when an operation is added, except data of AHEAD_SIZE_MIN
 *   bytes or more: that belongs to the store until the transaction has committed.
 * - Guards are evaluated in their place among the operations, when the transaction is applied.
 * - A builder can be submitted once.
 */

import {
  checkIterable,
  checkObject,
  checkOptions,
  invalidArgument,
  type OptionNames,
  StoreError,
} from '../errors.js';
import { ByteWriter } from '../format/bytes.js';
import { BITS_MAX, COLLECTION_KIND } from '../onode/cnode.js';
import { MAP_KEY_SIZE_MAX, NAME_SIZE_MAX, VALUE_SIZE_MAX } from '../onode/limits.js';
import {
  type Bytes,
  checkCount,
  checkName,
  checkSize,
  isHashed,
  nameText,
  type ObjectName,
  pairsOf,
  toBytes,
} from './argument.js';
import { NameTable } from './name-table.js';
import { DATA_KIND, DELETING, DROPPING, OPERATION, type Operation } from './operation.js';
import { packTransaction } from './packed-transaction.js';
import { type AheadPart, BuiltTransaction, type SealedTransaction } from './sealed-transaction.js';

export type { Bytes, ObjectName } from './argument.js';

/** Data of this many bytes or more goes to its place on the device before the journal record. */
export const AHEAD_SIZE_MIN = 32 * 1024;

/** Most operations' bytes of one transaction, without data that is written ahead. */
export const TRANSACTION_SIZE_MAX = 48 * 1024 * 1024;

/** How a collection orders its objects. */
export interface CollectionOptions {
  /** `name` (default): by name, bytewise. `hash`: by bit-reversed hash, as PGs are. */
  readonly order?: 'name' | 'hash';
  /** Low hash bits that all its objects share, 0 to 32; hash-ordered collections only. */
  readonly bits?: number;
}

const COLLECTION_OPTIONS: OptionNames<CollectionOptions> = { order: true, bits: true };

/** How an object's map stream is keyed. */
export interface MapFormat {
  /** Registered comparator, `bytes` by default. */
  readonly comparator?: string;
  readonly comparatorVersion?: number;
  /** Fixed key size in bytes; 0 (default): of every size. */
  readonly keySize?: number;
}

/** What a reservation promises, in units that transactions redeem. */
export interface ReservationUnits {
  /** Bytes of object data and of values. */
  readonly bytes: number;
  /** Operations. */
  readonly operations: number;
  /** Map keys and attributes. */
  readonly keys: number;
}

/** Operations that happen all or not at all; see docs/objectstore.md for each of them. */
export class Transaction {
  readonly #operations = new ByteWriter(256);
  readonly #names = new NameTable();
  /** Reservations that it names, as `ordered` of a sealed transaction takes them. */
  readonly #reservations: string[] = [];
  readonly #ahead: AheadPart[] = [];
  #count = 0;
  /** Where the operation that is being added begins; -1 between operations. */
  #unfinishedAt = -1;
  #unfinishedAhead = 0;
  #deleting = true;
  #dropping = true;
  readonly #redeemed = { bytes: 0, operations: 0, keys: 0 };
  #redeems = false;
  #sealed = false;

  /** Operations so far, guards included. */
  get operationCount(): number {
    return this.#count;
  }

  // Collections

  /** Makes a collection. E_EXISTS when there is one of this name. */
  createCollection(collection: Bytes, options: CollectionOptions = {}): this {
    const { order = 'name', bits = 0 } = checkOptions(options, COLLECTION_OPTIONS);
    if (order !== 'name' && order !== 'hash') {
      throw invalidArgument(`Cannot use order ${String(order)}: expected name or hash`);
    }
    checkCount(bits, 'bits', order === 'hash' ? BITS_MAX : 0);
    this.#begin(OPERATION.createCollection);
    this.#collection(collection);
    this.#number(order === 'hash' ? COLLECTION_KIND.hash : COLLECTION_KIND.name);
    this.#number(bits);
    return this.#end();
  }

  /** Removes an empty collection. E_NOT_FOUND, E_NOT_EMPTY. */
  removeCollection(collection: Bytes): this {
    return this.#onCollection(OPERATION.removeCollection, collection).#end();
  }

  /** Removes a collection with all that is in it, in time independent of how much. E_NOT_FOUND. */
  dropCollection(collection: Bytes): this {
    return this.#onCollection(OPERATION.dropCollection, collection).#end();
  }

  /** E_NOT_FOUND; E_EXISTS when the new name is taken. */
  renameCollection(from: Bytes, to: Bytes): this {
    this.#onCollection(OPERATION.renameCollection, from);
    this.#collection(to);
    return this.#end();
  }

  /** Makes `to` a writable copy of `from`, in time independent of its size. */
  cloneCollection(from: Bytes, to: Bytes): this {
    this.#onCollection(OPERATION.cloneCollection, from);
    this.#collection(to);
    return this.#end();
  }

  /** Sets one attribute of a collection. E_NOT_FOUND. */
  setCollectionAttribute(collection: Bytes, name: Bytes, value: Bytes): this {
    this.#onCollection(OPERATION.setCollectionAttribute, collection);
    this.#name(name, 'attribute name');
    this.#value(value);
    return this.#end();
  }

  /** Sets several attributes of a collection; others stay. E_NOT_FOUND. */
  setCollectionAttributes(collection: Bytes, attributes: Iterable<readonly [Bytes, Bytes]>): this {
    for (const [name, value] of pairsOf(attributes)) {
      this.setCollectionAttribute(collection, name, value);
    }
    return this;
  }

  /** An attribute that is not there is no error. */
  removeCollectionAttribute(collection: Bytes, name: Bytes): this {
    this.#onCollection(OPERATION.removeCollectionAttribute, collection);
    this.#name(name, 'attribute name');
    return this.#end();
  }

  /** Says how many low hash bits all its objects share, 0 to 32. E_NOT_FOUND, E_INVALID. */
  setCollectionBits(collection: Bytes, bits: number): this {
    checkCount(bits, 'bits', BITS_MAX);
    this.#onCollection(OPERATION.setCollectionBits, collection);
    this.#number(bits);
    return this.#end();
  }

  /**
   * Moves the objects whose low `bits` hash bits are `remainder` from `from` to the existing,
   * empty `to`; both then have `bits`. Costs as much as the trees are deep.
   */
  splitCollection(from: Bytes, to: Bytes, bits: number, remainder: number): this {
    checkCount(bits, 'bits', BITS_MAX);
    checkCount(remainder, 'remainder', 2 ** bits - 1);
    this.#onCollection(OPERATION.splitCollection, from);
    this.#collection(to);
    this.#number(bits);
    this.#number(remainder);
    return this.#end();
  }

  /** Moves all objects of `from` to `to`, which then has `bits`; `from` is gone. */
  mergeCollection(from: Bytes, to: Bytes, bits: number): this {
    checkCount(bits, 'bits', BITS_MAX);
    this.#onCollection(OPERATION.mergeCollection, from);
    this.#collection(to);
    this.#number(bits);
    return this.#end();
  }

  /** Advice about what a collection will hold; has no visible effect. */
  collectionHint(collection: Bytes): this {
    return this.#onCollection(OPERATION.collectionHint, collection).#end();
  }

  // Objects

  /** Makes an object. E_EXISTS when there is one. */
  create(collection: Bytes, object: ObjectName): this {
    return this.#onObject(OPERATION.create, collection, object).#end();
  }

  /** Makes an object unless there is one. */
  touch(collection: Bytes, object: ObjectName): this {
    return this.#onObject(OPERATION.touch, collection, object).#end();
  }

  /** Writes bytes at `offset`; makes and extends the object. No bytes: the size stays. */
  write(collection: Bytes, object: ObjectName, offset: number, data: Bytes): this {
    const bytes = toBytes(data);
    checkCount(offset, 'offset');
    checkCount(offset + bytes.length, 'end of write');
    this.#onObject(OPERATION.write, collection, object);
    this.#number(offset);
    this.#data(bytes, offset);
    return this.#end();
  }

  /** Makes a range zeros that take no space; makes and extends the object. */
  zero(collection: Bytes, object: ObjectName, offset: number, length: number): this {
    checkCount(offset, 'offset');
    checkCount(length, 'length');
    checkCount(offset + length, 'end of range');
    this.#onObject(OPERATION.zero, collection, object);
    this.#number(offset);
    this.#number(length);
    return this.#end();
  }

  /** Cuts or extends with zeros. A missing object is no error. */
  truncate(collection: Bytes, object: ObjectName, size: number): this {
    checkCount(size, 'size');
    this.#onObject(OPERATION.truncate, collection, object);
    this.#number(size);
    return this.#end();
  }

  /** Removes an object with all its parts. A missing object is no error. */
  remove(collection: Bytes, object: ObjectName): this {
    return this.#onObject(OPERATION.remove, collection, object).#end();
  }

  /** E_NOT_FOUND when the object is missing. */
  setAttribute(collection: Bytes, object: ObjectName, name: Bytes, value: Bytes): this {
    this.#onObject(OPERATION.setAttribute, collection, object);
    this.#name(name, 'attribute name');
    this.#value(value);
    return this.#end();
  }

  /** Sets several attributes; others stay. */
  setAttributes(
    collection: Bytes,
    object: ObjectName,
    attributes: Iterable<readonly [Bytes, Bytes]>,
  ): this {
    for (const [name, value] of pairsOf(attributes)) {
      this.setAttribute(collection, object, name, value);
    }
    return this;
  }

  /** E_NOT_FOUND when the object is missing; a missing attribute is no error. */
  removeAttribute(collection: Bytes, object: ObjectName, name: Bytes): this {
    this.#onObject(OPERATION.removeAttribute, collection, object);
    this.#name(name, 'attribute name');
    return this.#end();
  }

  /** Removes all attributes. A missing object is no error. */
  removeAttributes(collection: Bytes, object: ObjectName): this {
    return this.#onObject(OPERATION.removeAttributes, collection, object).#end();
  }

  /** Makes `to` a writable, independent copy of `from` with everything, in constant time. */
  clone(collection: Bytes, from: ObjectName, to: ObjectName, toCollection = collection): this {
    this.#onObject(OPERATION.clone, collection, from);
    this.#object(toCollection, to);
    return this.#end();
  }

  /** Makes a range of `to` share a range of `from`. E_INVALID when that ends behind its end. */
  cloneRange(
    collection: Bytes,
    from: ObjectName,
    to: ObjectName,
    fromOffset: number,
    length: number,
    toOffset: number,
    toCollection = collection,
  ): this {
    for (const value of [fromOffset, length, toOffset]) checkCount(value, 'offset or length');
    checkCount(toOffset + length, 'end of range');
    checkCount(fromOffset + length, 'end of range');
    this.#onObject(OPERATION.cloneRange, collection, from);
    this.#object(toCollection, to);
    this.#number(fromOffset);
    this.#number(length);
    this.#number(toOffset);
    return this.#end();
  }

  /** Moves an object to another name or collection. E_NOT_FOUND; E_EXISTS when taken. */
  moveRename(collection: Bytes, from: ObjectName, toCollection: Bytes, to: ObjectName): this {
    this.#onObject(OPERATION.moveRename, collection, from);
    this.#object(toCollection, to);
    return this.#end();
  }

  /** As moveRename; a missing source is no error. */
  tryRename(
    collection: Bytes,
    from: ObjectName,
    to: ObjectName,
    toCollection: Bytes = collection,
  ): this {
    this.#onObject(OPERATION.tryRename, collection, from);
    this.#object(toCollection, to);
    return this.#end();
  }

  /** Sizes to expect, in bytes: advice for placement. A missing object is no error. */
  setAllocationHint(
    collection: Bytes,
    object: ObjectName,
    objectSize: number,
    writeSize: number,
  ): this {
    checkCount(objectSize, 'object size');
    checkCount(writeSize, 'write size');
    this.#onObject(OPERATION.setAllocationHint, collection, object);
    this.#number(objectSize);
    this.#number(writeSize);
    return this.#end();
  }

  // Map stream

  /** Chooses comparator and key size of an empty map stream. E_COMPARATOR, E_NOT_EMPTY. */
  formatMap(collection: Bytes, object: ObjectName, format: MapFormat): this {
    const {
      comparator = 'bytes',
      comparatorVersion = 1,
      keySize = 0,
    } = checkObject(format, 'format');
    checkCount(keySize, 'key size', MAP_KEY_SIZE_MAX);
    checkCount(comparatorVersion, 'comparator version', 2 ** 32 - 1);
    this.#onObject(OPERATION.formatMap, collection, object);
    this.#name(comparator, 'comparator name');
    this.#number(comparatorVersion);
    this.#number(keySize);
    return this.#end();
  }

  /** Sets keys; others stay. E_NOT_FOUND when the object is missing. */
  mapSet(collection: Bytes, object: ObjectName, entries: Iterable<readonly [Bytes, Bytes]>): this {
    const list = [...pairsOf(entries)];
    this.#onObject(OPERATION.mapSet, collection, object);
    this.#number(list.length);
    for (const [key, value] of list) {
      this.#operations.lengthPrefixed(checkSize(toBytes(key), 'map key', MAP_KEY_SIZE_MAX));
      this.#value(value);
    }
    return this.#end();
  }

  /** Removes keys; those that are not there are no error. E_NOT_FOUND when the object is missing. */
  mapRemove(collection: Bytes, object: ObjectName, keys: Iterable<Bytes>): this {
    const list = [...checkIterable(keys, 'keys')];
    this.#onObject(OPERATION.mapRemove, collection, object);
    this.#number(list.length);
    for (const key of list) {
      this.#operations.lengthPrefixed(checkSize(toBytes(key), 'map key', MAP_KEY_SIZE_MAX));
    }
    return this.#end();
  }

  /** Removes keys in [from, to) of the map's order, as one cut; no `to`: to the end. */
  mapRemoveRange(collection: Bytes, object: ObjectName, from: Bytes, to?: Bytes): this {
    this.#onObject(OPERATION.mapRemoveRange, collection, object);
    this.#name(from, 'map key');
    this.#number(to === undefined ? 0 : 1);
    this.#name(to ?? '', 'map key');
    return this.#end();
  }

  /** Removes all keys and the header. A missing object is no error. */
  mapClear(collection: Bytes, object: ObjectName): this {
    return this.#onObject(OPERATION.mapClear, collection, object).#end();
  }

  /** Sets the bytes that stand before a map. E_NOT_FOUND when the object is missing. */
  mapSetHeader(collection: Bytes, object: ObjectName, header: Bytes): this {
    this.#onObject(OPERATION.mapSetHeader, collection, object);
    this.#value(header);
    return this.#end();
  }

  // Reservations

  /** Makes the reservation `name`, or resizes it; then an empty `owner` keeps its owner. E_NO_SPACE. */
  reserve(name: Bytes, units: ReservationUnits, owner: Bytes = ''): this {
    this.#begin(OPERATION.reserve);
    this.#reservation(name);
    this.#name(owner, 'owner');
    return this.#units(units).#end();
  }

  /** Gives a reservation back. E_NOT_FOUND. */
  cancelReservation(name: Bytes): this {
    this.#begin(OPERATION.cancelReservation);
    this.#reservation(name);
    return this.#end();
  }

  /** Takes units out of a reservation for this transaction. E_NOT_FOUND, E_INVALID. */
  redeem(name: Bytes, units: ReservationUnits): this {
    this.#begin(OPERATION.redeem);
    this.#reservation(name);
    this.#units(units);
    this.#redeems = true;
    this.#redeemed.bytes += units.bytes;
    this.#redeemed.operations += units.operations;
    this.#redeemed.keys += units.keys;
    return this.#end();
  }

  // Guards

  /** E_GUARD unless the object exists and has this version. */
  ifVersion(collection: Bytes, object: ObjectName, version: number): this {
    checkCount(version, 'version');
    this.#onObject(OPERATION.ifVersion, collection, object);
    this.#number(version);
    return this.#end();
  }

  /** E_GUARD unless the object exists. */
  mustExist(collection: Bytes, object: ObjectName): this {
    return this.#onObject(OPERATION.mustExist, collection, object).#end();
  }

  /** E_GUARD if the object exists. */
  mustNotExist(collection: Bytes, object: ObjectName): this {
    return this.#onObject(OPERATION.mustNotExist, collection, object).#end();
  }

  /**
   * Ends the building and gives what the engine takes.
   *
   * @throws StoreError E_INVALID_ARGUMENT when the transaction was submitted before.
   */
  seal(): SealedTransaction {
    if (this.#sealed) throw invalidArgument('Cannot submit transaction: it was submitted before');
    this.#sealed = true;
    this.#takeBack();
    const sealed = new BuiltTransaction({
      names: this.#names,
      count: this.#count,
      operations: this.#operations,
      reservations: this.#reservations,
      ahead: this.#ahead,
      deleting: this.#deleting,
      dropping: this.#dropping,
      redeems: this.#redeems,
      redeemed: this.#redeemed,
    });
    if (sealed.length > TRANSACTION_SIZE_MAX) {
      throw new StoreError(
        'E_TOO_BIG',
        `Cannot submit transaction: ${sealed.length} bytes exceed ${TRANSACTION_SIZE_MAX}`,
      );
    }
    return sealed;
  }

  /**
   * Ends the building and packs the transaction for the thread that has the store, which submits
   * it as a `PackedTransaction`. The bytes may be transferred, but not changed; `allocate` gives
   * them their place, which may be a part of a larger buffer.
   */
  pack(allocate = (length: number): Uint8Array => new Uint8Array(length)): Uint8Array {
    return packTransaction(this.seal(), allocate);
  }

  /** Begins an operation; one before it that threw on the way is taken back. */
  #begin(operation: Operation): void {
    if (this.#sealed) throw invalidArgument('Cannot add operation: the transaction was submitted');
    this.#takeBack();
    this.#unfinishedAt = this.#operations.at;
    this.#unfinishedAhead = this.#ahead.length;
    this.#operations.u8(operation);
    if (!DELETING.has(operation)) this.#deleting = false;
    if (!DROPPING.has(operation)) this.#dropping = false;
  }

  /** All arguments of an operation were good: it counts. */
  #end(): this {
    this.#unfinishedAt = -1;
    this.#count++;
    return this;
  }

  #takeBack(): void {
    if (this.#unfinishedAt < 0) return;
    this.#operations.at = this.#unfinishedAt;
    this.#ahead.length = this.#unfinishedAhead;
    this.#unfinishedAt = -1;
  }

  #onCollection(operation: Operation, collection: Bytes): this {
    this.#begin(operation);
    this.#collection(collection);
    return this;
  }

  #onObject(operation: Operation, collection: Bytes, object: ObjectName): this {
    this.#begin(operation);
    this.#object(collection, object);
    return this;
  }

  #collection(collection: Bytes): void {
    this.#number(this.#collectionIndex(collection));
  }

  #collectionIndex(collection: Bytes): number {
    const name = nameText(collection, 'collection name');
    return this.#names.collection(checkName(name, 'collection name'));
  }

  #object(collection: Bytes, object: ObjectName): void {
    const hashed = isHashed(object);
    const given = hashed ? object.name : object;
    const name = checkSize(toBytes(given), 'object name', NAME_SIZE_MAX);
    if (!hashed) checkName(name, 'object name');
    const hash = hashed ? checkCount(object.hash, 'hash', 2 ** 32 - 1) : undefined;
    const isOurs = name !== given; // bytes of text that nobody else has
    this.#number(this.#names.object(this.#collectionIndex(collection), { hash, name, isOurs }));
  }

  #number(value: number): void {
    this.#operations.varint(value);
  }

  #name(name: Bytes, what: string): void {
    this.#operations.lengthPrefixed(checkSize(toBytes(name), what, NAME_SIZE_MAX));
  }

  #reservation(name: Bytes): void {
    const text = checkName(nameText(name, 'reservation name'), 'reservation name');
    this.#operations.text(text);
    this.#reservations.push(`reservation ${text}`);
  }

  #value(value: Bytes): void {
    this.#data(checkSize(toBytes(value), 'value', VALUE_SIZE_MAX));
  }

  #data(bytes: Uint8Array, offset = -1): void {
    if (bytes.length < AHEAD_SIZE_MIN) {
      this.#operations.u8(DATA_KIND.here);
      this.#operations.lengthPrefixed(bytes);
    } else {
      this.#operations.u8(DATA_KIND.ahead);
      this.#number(this.#ahead.length);
      this.#ahead.push({ bytes, object: this.#names.lastObject, offset });
    }
  }

  #units(given: ReservationUnits): this {
    const units = checkObject(given, 'units');
    this.#number(checkCount(units.bytes, 'bytes'));
    this.#number(checkCount(units.operations, 'operations'));
    this.#number(checkCount(units.keys, 'keys'));
    return this;
  }
}
