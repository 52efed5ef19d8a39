/**
 * Applies one transaction to the state: the meaning of every operation.
 *
 * - Runs under the state's savepoint: whatever is thrown, the caller rolls back.
 * - Live and replayed transactions take the same path; a replay only skips the guards.
 * - Operations find what earlier ones of the same transaction did.
 */

import { CorruptError, StoreError } from '../errors.js';
import { type ByteReader, textOf } from '../format/bytes.js';
import type { Role } from '../format/role.js';
import { DEVICE_BLOCKS_MAX } from '../format/superblock-bounds.js';
import { ANYWHERE } from '../onode/context.js';
import type { Onode } from '../onode/onode.js';
import type { NewValue } from '../onode/value-record.js';
import { CollectionOperations, checkBits } from './apply-collection.js';
import { MapOperations } from './apply-map.js';
import { FIRST_ATTRIBUTE_KEY, readAttributeKey } from './attribute-key.js';
import { checkCounters } from './counter-limits.js';
import { missing, ObjectTable } from './object-table.js';
import { DATA_KIND, OPERATION } from './operation.js';
import { decodeReservation, encodeReservation, heldBlocks } from './reservation.js';
import type { OpenTransaction } from './sealed-transaction.js';
import { printable, type StoreState } from './store-state.js';
import type { AheadData } from './transaction-record.js';

export interface ApplyOptions {
  /** A guard was evaluated when the transaction was accepted: don't ask again. */
  readonly replay: boolean;
}

/** Applies a transaction with its data written ahead. */
export function applyTransaction(
  state: StoreState,
  transaction: OpenTransaction,
  ahead: readonly AheadData[],
  options: ApplyOptions,
): void {
  new Application(state, transaction, ahead, options).run();
}

class Application {
  readonly #state: StoreState;
  readonly #reader: ByteReader;
  readonly #ahead: readonly AheadData[];
  readonly #replay: boolean;
  readonly #names: readonly string[];
  readonly #objects: ObjectTable;
  #collectionOperations: CollectionOperations | undefined;
  #mapOperations: MapOperations | undefined;
  readonly #count: number;
  /** Data written ahead that has got its place: each in its turn. */
  #aheadUsed = 0;

  constructor(
    state: StoreState,
    transaction: OpenTransaction,
    ahead: readonly AheadData[],
    options: ApplyOptions,
  ) {
    this.#state = state;
    this.#ahead = ahead;
    this.#replay = options.replay;
    this.#count = transaction.count;
    this.#reader = transaction.reader;
    this.#names = transaction.collections;
    this.#objects = new ObjectTable(state, transaction.objects);
  }

  get #collections(): CollectionOperations {
    this.#collectionOperations ??= new CollectionOperations(
      this.#state,
      this.#objects,
      this.#names,
      this.#reader,
    );
    return this.#collectionOperations;
  }

  get #maps(): MapOperations {
    this.#mapOperations ??= new MapOperations(this.#state, this.#objects, this.#reader, () =>
      this.#value(),
    );
    return this.#mapOperations;
  }

  run(): void {
    this.#objects.gather();
    for (let i = 0; i < this.#count; i++) this.#one(this.#reader.u8());
    if (this.#reader.failed) throw new CorruptError('Cannot apply transaction: cut short');
    if (this.#aheadUsed !== this.#ahead.length) {
      throw new CorruptError('Cannot apply transaction: data belongs nowhere');
    }
    this.#objects.writeBack();
    this.#writeBackCollections();
    checkCounters(this.#state.counters);
  }

  /** Writes the records of all collections that the transaction touched. E_INVALID: bits. */
  #writeBackCollections(): void {
    for (const name of this.#names) {
      const collection = this.#state.collection(name);
      if (collection === undefined) continue;
      if (this.#objects.hasGrown(collection)) checkBits(collection);
      this.#state.writeBack(collection);
    }
  }

  #one(operation: number): void {
    const reader = this.#reader;
    switch (operation) {
      case OPERATION.create:
        this.#create(reader.varint());
        break;
      case OPERATION.touch:
        this.#objects.ensured(reader.varint());
        break;
      case OPERATION.write:
        this.#write(reader.varint(), reader.varint());
        break;
      case OPERATION.zero:
        this.#zero(reader.varint(), reader.varint(), reader.varint());
        break;
      case OPERATION.truncate:
        this.#truncate(reader.varint(), reader.varint());
        break;
      case OPERATION.remove:
        this.#objects.remove(this.#objects.slot(reader.varint()));
        break;
      case OPERATION.setAttribute:
        this.#setAttribute(reader.varint(), readAttributeKey(reader));
        break;
      case OPERATION.removeAttribute:
        this.#removeAttribute(reader.varint(), readAttributeKey(reader));
        break;
      case OPERATION.removeAttributes:
        this.#removeAttributes(reader.varint());
        break;
      case OPERATION.clone:
        this.#clone(reader.varint(), reader.varint());
        break;
      case OPERATION.cloneRange:
        this.#cloneRange(reader.varint(), reader.varint());
        break;
      case OPERATION.moveRename:
        this.#rename(reader.varint(), reader.varint(), false);
        break;
      case OPERATION.tryRename:
        this.#rename(reader.varint(), reader.varint(), true);
        break;
      case OPERATION.setAllocationHint:
        this.#hint(reader.varint(), reader.varint(), reader.varint());
        break;
      case OPERATION.reserve:
        this.#reserve(reader.lengthPrefixed(), reader.lengthPrefixed());
        break;
      case OPERATION.cancelReservation:
        this.#cancel(reader.lengthPrefixed());
        break;
      case OPERATION.redeem:
        this.#redeem(reader.lengthPrefixed());
        break;
      case OPERATION.ifVersion:
        this.#ifVersion(reader.varint(), reader.varint());
        break;
      case OPERATION.mustExist:
        this.#guard(reader.varint(), true);
        break;
      case OPERATION.mustNotExist:
        this.#guard(reader.varint(), false);
        break;
      default:
        this.#other(operation);
    }
  }

  #other(operation: number): void {
    if (this.#maps.apply(operation)) return;
    if (this.#collections.apply(operation, () => this.#value())) return;
    throw new CorruptError(`Cannot apply transaction: unknown operation ${operation}`);
  }

  // Data

  /** The data argument at the reader: bytes, or where they were written ahead. */
  #value(): NewValue {
    if (this.#reader.u8() === DATA_KIND.here) return { bytes: this.#reader.lengthPrefixed() };
    const index = this.#reader.varint();
    const ahead = this.#ahead[index];
    if (ahead === undefined) throw new CorruptError('Cannot apply transaction: data is missing');
    // Its blocks are counted for one place: a second would share them without being counted.
    if (index !== this.#aheadUsed++) {
      throw new CorruptError('Cannot apply transaction: data is used out of turn');
    }
    const { extents, tail, length } = ahead;
    if (tail.length === 0) return { placed: extents, length };
    return { placed: [...extents, ...this.#state.placeData(tail, ANYWHERE)], length };
  }

  #create(index: number): void {
    const slot = this.#objects.slot(index);
    if (slot.onode !== undefined) {
      const name = printable(textOf(slot.name));
      throw new StoreError('E_EXISTS', `Cannot create object ${name}: it exists already`);
    }
    this.#objects.create(slot);
  }

  #write(index: number, offset: number): void {
    const onode = this.#objects.ensured(index);
    const value = this.#value();
    const length = 'bytes' in value ? value.bytes.length : value.length;
    if (length === 0) return;
    if (offset >= onode.size) this.#objects.noteGrowth(index, offset, length);
    onode.write(offset, value);
    this.#resize(onode, Math.max(onode.size, offset + length));
  }

  #zero(index: number, offset: number, length: number): void {
    const onode = this.#objects.ensured(index);
    if (length === 0) return;
    onode.blob.zero(offset, length, onode.size);
    this.#resize(onode, Math.max(onode.size, offset + length));
  }

  #truncate(index: number, size: number): void {
    const slot = this.#objects.slot(index);
    if (slot.onode === undefined) return;
    slot.change();
    if (size !== slot.onode.size) slot.onode.blob.truncate(size, slot.onode.size);
    this.#resize(slot.onode, size);
  }

  #resize(onode: Onode, size: number): void {
    this.#state.counters.storedBytes += size - onode.size;
    onode.size = size;
  }

  // Attributes

  #setAttribute(index: number, key: Uint8Array): void {
    const { slot, onode } = this.#objects.existing(index);
    slot.change();
    this.#maps.put(onode, onode.attributes, key);
  }

  #removeAttribute(index: number, key: Uint8Array): void {
    const { slot, onode } = this.#objects.existing(index);
    this.#maps.remove(slot, onode, onode.attributes, key);
  }

  #removeAttributes(index: number): void {
    const slot = this.#objects.slot(index);
    if (slot.onode === undefined) return;
    slot.change();
    slot.onode.attributes.deleteRange(FIRST_ATTRIBUTE_KEY, undefined, (role, root) =>
      this.#state.dropTree(role as Role, root),
    );
  }

  // Copies and names

  #clone(from: number, to: number): void {
    const { slot, onode } = this.#objects.existing(from);
    const target = this.#objects.slot(to);
    if (target !== slot) this.#objects.copy(onode, target);
  }

  #cloneRange(from: number, to: number): void {
    const { onode: source } = this.#objects.existing(from);
    const fromOffset = this.#reader.varint();
    const length = this.#reader.varint();
    const toOffset = this.#reader.varint();
    if (fromOffset + length > source.size) {
      throw new StoreError(
        'E_INVALID',
        `Cannot clone range: [${fromOffset}, ${fromOffset + length}) ends behind ${source.size}`,
      );
    }
    const target = this.#objects.ensured(to);
    if (length === 0) return;
    target.blob.cloneRange(source.blob, fromOffset, length, toOffset, target.size);
    this.#resize(target, Math.max(target.size, toOffset + length));
  }

  #rename(from: number, to: number, tolerant: boolean): void {
    const source = this.#objects.slot(from);
    const target = this.#objects.slot(to);
    if (source.onode === undefined) {
      if (tolerant) return;
      throw missing(source);
    }
    if (source === target) return;
    if (target.onode !== undefined) {
      const name = printable(textOf(target.name));
      throw new StoreError('E_EXISTS', `Cannot rename to ${name}: it exists already`);
    }
    this.#objects.move(source, target);
  }

  #hint(index: number, objectSize: number, writeSize: number): void {
    const slot = this.#objects.slot(index);
    if (slot.onode === undefined) return;
    slot.change();
    slot.onode.objectSizeHint = objectSize;
    slot.onode.writeSizeHint = writeSize;
  }

  // Reservations

  #units(): { bytes: number; operations: number; keys: number } {
    return {
      bytes: this.#reader.varint(),
      operations: this.#reader.varint(),
      keys: this.#reader.varint(),
    };
  }

  #held(units: { bytes: number; operations: number; keys: number }): number {
    return heldBlocks(units, this.#state);
  }

  #reservation(name: Uint8Array): ReturnType<typeof decodeReservation> {
    const record = this.#state.trees.reservations.get(name);
    if (record !== undefined) return decodeReservation(record);
    throw new StoreError('E_NOT_FOUND', `Cannot find reservation ${printable(textOf(name))}`);
  }

  #reserve(name: Uint8Array, owner: Uint8Array): void {
    const { counters, trees } = this.#state;
    const units = this.#units();
    const record = trees.reservations.get(name);
    const before = record === undefined ? undefined : decodeReservation(record);
    if (before !== undefined) counters.heldBlocks -= this.#held(before);
    counters.heldBlocks += this.#held(units);
    if (counters.heldBlocks > DEVICE_BLOCKS_MAX) {
      throw new StoreError('E_NO_SPACE', 'Cannot reserve: no device has so many blocks');
    }
    const keeper = owner.length === 0 && before !== undefined ? before.owner : owner;
    trees.reservations.put(name, encodeReservation({ ...units, owner: keeper }));
  }

  #cancel(name: Uint8Array): void {
    const { counters, trees } = this.#state;
    counters.heldBlocks -= this.#held(this.#reservation(name));
    trees.reservations.delete(name);
  }

  #redeem(name: Uint8Array): void {
    const { counters, trees } = this.#state;
    const { owner, ...left } = this.#reservation(name);
    const units = this.#units();
    const rest = {
      bytes: left.bytes - units.bytes,
      operations: left.operations - units.operations,
      keys: left.keys - units.keys,
    };
    if (rest.bytes < 0 || rest.operations < 0 || rest.keys < 0) {
      throw new StoreError(
        'E_INVALID',
        `Cannot redeem from reservation ${printable(textOf(name))}: it holds less than that`,
      );
    }
    counters.heldBlocks -= this.#held(left) - this.#held(rest);
    trees.reservations.put(name, encodeReservation({ owner, ...rest }));
  }

  // Guards

  #guard(index: number, exists: boolean): void {
    if (this.#replay) return;
    const slot = this.#objects.slot(index);
    if ((slot.onode !== undefined) === exists) return;
    const name = printable(textOf(slot.name));
    const is = exists ? 'is missing' : 'exists';
    throw new StoreError('E_GUARD', `Cannot apply transaction: object ${name} ${is}`);
  }

  #ifVersion(index: number, version: number): void {
    if (this.#replay) return;
    const slot = this.#objects.slot(index);
    const found = slot.onode?.version ?? 0;
    if (slot.onode !== undefined && found === version) return;
    throw new StoreError(
      'E_GUARD',
      `Cannot apply transaction: object ${printable(textOf(slot.name))} has version ${found}, not ${version}`,
    );
  }
}
