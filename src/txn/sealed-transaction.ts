/**
 * A transaction as the engine takes it: built, checked, and not to be changed any more.
 */

import { ByteReader, type ByteWriter, varintSize } from '../format/bytes.js';
import { type NameTable, readNames } from './name-table.js';
import type { NamedObject } from './object-table.js';
import type { ReservationUnits } from './transaction.js';

/** Data to write ahead, and what it is written to. */
export interface AheadPart {
  readonly bytes: Uint8Array;
  /** Index of the object in the transaction's table, where `offset` is not below 0. */
  readonly object: number;
  /** Bytes of the object in front of the data; -1 for the value of an attribute or a record. */
  readonly offset: number;
}

/** What a builder hands over. */
export interface TransactionParts {
  readonly names: NameTable;
  /** Operations, guards included. */
  readonly count: number;
  readonly operations: ByteWriter;
  /** Identities of the reservations that it names. */
  readonly reservations: readonly string[];
  /** Data to write ahead, in order of index. */
  readonly ahead: readonly AheadPart[];
  /** True when every operation gives space back. */
  readonly deleting: boolean;
  /** True when every operation gives back a whole collection or reservation. */
  readonly dropping: boolean;
  /** True when it redeems from a reservation. */
  readonly redeems: boolean;
  /** What it redeems, of all reservations together. */
  readonly redeemed: ReservationUnits;
}

/** What is applied of a transaction. */
export interface OpenTransaction {
  readonly collections: readonly string[];
  readonly objects: readonly NamedObject[];
  /** Operations, guards included. */
  readonly count: number;
  /** At the first operation. */
  readonly reader: ByteReader;
}

/** Opens an encoding; where it is cut short the reader has failed. */
export function openEncoding(bytes: Uint8Array): OpenTransaction {
  const reader = new ByteReader(bytes);
  const { collections, objects } = readNames(reader);
  const count = reader.varint();
  reader.varint(); // bytes of the operations
  return { collections, objects, count, reader };
}

/** A transaction as the engine takes it. */
export interface SealedTransaction {
  /** Bytes of its encoding: tables and operations, without data that is written ahead. */
  readonly length: number;
  /** Identity of each collection and reservation it names: these order it behind others. */
  readonly ordered: readonly string[];
  readonly ahead: readonly AheadPart[];
  readonly deleting: boolean;
  readonly dropping: boolean;
  readonly redeems: boolean;
  readonly redeemed: ReservationUnits;
  /** The object at `index` of its table. */
  objectAt(index: number): NamedObject;
  /** For one application; the bytes of its operations stay until `release`. */
  open(): OpenTransaction;
  /** Writes the encoding: `length` bytes. */
  writeTo(writer: ByteWriter): void;
  /** Gives the buffer of the encoding back: it is not written any more. */
  release(): void;
}

/** True when it may use what others leave alone: it only gives back, or it redeems. */
export function isEntitled({ deleting, redeems }: SealedTransaction): boolean {
  return deleting || redeems;
}

/** One that comes from a builder. */
export class BuiltTransaction implements SealedTransaction {
  readonly #parts: TransactionParts;
  readonly length: number;
  readonly ordered: readonly string[];

  constructor(parts: TransactionParts) {
    const { names, count, operations, reservations } = parts;
    this.#parts = parts;
    this.length = names.length + varintSize(count) + varintSize(operations.at) + operations.at;
    this.ordered =
      reservations.length === 0 ? names.collections : [...names.collections, ...reservations];
  }

  get ahead(): readonly AheadPart[] {
    return this.#parts.ahead;
  }

  get deleting(): boolean {
    return this.#parts.deleting;
  }

  get dropping(): boolean {
    return this.#parts.dropping;
  }

  get redeems(): boolean {
    return this.#parts.redeems;
  }

  get redeemed(): ReservationUnits {
    return this.#parts.redeemed;
  }

  objectAt(index: number): NamedObject {
    return this.#parts.names.objects[index] as NamedObject;
  }

  open(): OpenTransaction {
    const { names, count, operations } = this.#parts;
    const { collections, objects } = names;
    const reader = new ByteReader(operations.bytes, 0, operations.at);
    return { collections, objects, count, reader };
  }

  writeTo(writer: ByteWriter): void {
    const { names, count, operations } = this.#parts;
    writer.reserve(this.length);
    names.writeTo(writer);
    writer.varint(count);
    writer.lengthPrefixed(operations.done());
  }

  release(): void {
    this.#parts.operations.release();
  }
}
