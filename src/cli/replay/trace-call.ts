/**
 * One operation of a trace line: its arguments, checked as they are taken, and the data that
 * stands for their lengths.
 *
 * - Every argument that makes no sense is E_TRACE with line and operation.
 */

import { StoreError } from '../../errors.js';
import { type ObjectPlace, PgCollection, parseGhobject, type Transaction } from '../../index.js';
import { encodeText } from './escaped-text.js';
import { badLine } from './line-error.js';
import { seededData } from './seeded-data.js';
import { syntheticData } from './synthetic-data.js';

/** Most bytes that one line may write: what is made up for it is in memory at once. */
const LINE_DATA_MAX = 256 * 1024 * 1024;

/** Parsed names that are kept; a trace names the same few objects again and again. */
const PLACES_MAX = 10_000;

/** Collections and objects by their text. */
export class PlaceCache {
  readonly #collections = new Map<string, PgCollection>();
  readonly #places = new Map<string, ObjectPlace>();

  collection(name: string): PgCollection {
    let collection = this.#collections.get(name);
    if (collection === undefined) {
      if (this.#collections.size >= PLACES_MAX) this.#collections.clear();
      collection = new PgCollection(name);
      this.#collections.set(name, collection);
    }
    return collection;
  }

  /** @throws StoreError E_INVALID when `object` is no object's name */
  place(collection: string, object: string): ObjectPlace {
    const id = `${collection} ${object}`;
    let place = this.#places.get(id);
    if (place === undefined) {
      if (this.#places.size >= PLACES_MAX) this.#places.clear();
      place = this.collection(collection).place(parseGhobject(object));
      this.#places.set(id, place);
    }
    return place;
  }
}

/** What operations of a line have in common. */
export interface LineContext {
  readonly file: string;
  readonly line: number;
  readonly transaction: Transaction;
  readonly places: PlaceCache;
  /** Bytes of data, attributes, keys and values so far. */
  userBytes: number;
}

export class TraceCall {
  readonly #context: LineContext;
  readonly #operation: readonly unknown[];
  readonly #index: number;

  constructor(context: LineContext, operation: readonly unknown[], index: number) {
    this.#context = context;
    this.#operation = operation;
    this.#index = index;
  }

  get name(): unknown {
    return this.#operation[0];
  }

  get transaction(): Transaction {
    return this.#context.transaction;
  }

  /** Checks how many arguments there are. */
  expect(least: number, most = least): this {
    const count = this.#operation.length - 1;
    if (count >= least && count <= most) return this;
    throw this.bad(`it has ${count} arguments`);
  }

  text(at: number): string {
    const value = this.#operation[at];
    if (typeof value === 'string') return value;
    throw this.bad(`argument ${at} is no text`);
  }

  /** A whole number from 0 to `max`. */
  whole(at: number, max = Number.MAX_SAFE_INTEGER): number {
    return this.#whole(this.#operation[at], max, `argument ${at}`);
  }

  collection(at: number): PgCollection {
    const name = this.text(at);
    if (name === '') throw this.bad('a collection has no name');
    return this.#context.places.collection(name);
  }

  /** The object `object` in the collection `collection`, both indexes of arguments. */
  place(collection: number, object: number): ObjectPlace {
    const name = this.collection(collection).name;
    try {
      return this.#context.places.place(name, this.text(object));
    } catch (error) {
      throw error instanceof StoreError ? this.bad(error.message, error) : error;
    }
  }

  /** The name of an attribute that is set. */
  attributeName(at: number): Uint8Array {
    const name = encodeText(this.text(at));
    this.#count(name.length);
    return name;
  }

  /** A list of texts, as bytes. */
  keys(at: number): Uint8Array[] {
    const value = this.#operation[at];
    if (!Array.isArray(value)) throw this.bad(`argument ${at} is no list`);
    return value.map((key: unknown) => {
      if (typeof key === 'string') return encodeText(key);
      throw this.bad(`argument ${at} has a key that is no text`);
    });
  }

  /** `{ key: length, ... }` or `{ key: [length, seed], ... }` as keys and values. */
  entries(at: number): [Uint8Array, Uint8Array][] {
    const value = this.#operation[at];
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw this.bad(`argument ${at} is no set of keys`);
    }
    return Object.entries(value).map(([key, given]) => {
      const bytes = encodeText(key);
      this.#count(bytes.length);
      return [bytes, this.#given(given, key)];
    });
  }

  /** The value of the attribute or map key `key`, given as length or as [length, seed]. */
  value(at: number, key: string): Uint8Array {
    return this.#given(this.#operation[at], key);
  }

  /** Data for `offset`, given as a length and perhaps a seed behind it. */
  data(at: number, offset: number): Uint8Array {
    const length = this.#length(this.#operation[at]);
    const seed = this.#operation[at + 1];
    return seed === undefined ? this.#made(length, '', offset) : this.#seeded(seed, length);
  }

  /** An error that names line and operation. */
  bad(reason: string, cause?: unknown): StoreError {
    const { file, line } = this.#context;
    const name = typeof this.name === 'string' ? ` (${this.name.slice(0, 40)})` : '';
    return badLine(file, line, `operation ${this.#index + 1}${name}: ${reason}`, cause);
  }

  #given(given: unknown, key: string): Uint8Array {
    if (!Array.isArray(given)) return this.#made(this.#length(given), key, 0);
    if (given.length !== 2) throw this.bad('a value is neither length nor [length, seed]');
    return this.#seeded(given[1], this.#length(given[0]));
  }

  #made(length: number, key: string, offset: number): Uint8Array {
    return syntheticData({ line: this.#context.line, operation: this.#index, key }, length, offset);
  }

  #seeded(seed: unknown, length: number): Uint8Array {
    return seededData(this.#whole(seed, Number.MAX_SAFE_INTEGER, 'a seed'), length);
  }

  /** A length that counts as written by the line. */
  #length(value: unknown): number {
    const length = this.#whole(value, LINE_DATA_MAX, 'a length');
    this.#count(length);
    return length;
  }

  #count(bytes: number): void {
    this.#context.userBytes += bytes;
    if (this.#context.userBytes <= LINE_DATA_MAX) return;
    throw this.bad(`the line writes more than ${LINE_DATA_MAX} bytes`);
  }

  #whole(value: unknown, max: number, what: string): number {
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= max) {
      return value;
    }
    throw this.bad(`${what} is no whole number in [0, ${max}]`);
  }
}
