/**
 * A transaction as the engine takes it: built, checked, and not to be changed any more.
 */

import { type ByteWriter, varintSize } from '../format/bytes.js';
import type { NameTable } from './name-table.js';
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
  readonly ahead: readonly AheadPart[];
  readonly deleting: boolean;
  readonly dropping: boolean;
  readonly redeems: boolean;
  readonly redeemed: ReservationUnits;

  constructor(parts: TransactionParts) {
    const { names, count, operations, reservations } = parts;
    this.#parts = parts;
    this.length = names.length + varintSize(count) + varintSize(operations.at) + operations.at;
    this.ordered =
      reservations.length === 0 ? names.collections : [...names.collections, ...reservations];
    this.ahead = parts.ahead;
    this.deleting = parts.deleting;
    this.dropping = parts.dropping;
    this.redeems = parts.redeems;
    this.redeemed = parts.redeemed;
  }

  objectAt(index: number): NamedObject {
    return this.#parts.names.objectAt(index);
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
