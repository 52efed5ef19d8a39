/**
 * The names that a transaction uses, each once, in the order of their first use.
 *
 * - Names are text with one character for each byte, so that equal text is equal bytes.
 * - Most transactions name a handful: those are searched in a row, longer tables have an index.
 */

import { type ByteReader, type ByteWriter, textOf, varintSize } from '../format/bytes.js';
import type { NamedObject } from './object-table.js';

/** Names up to which a table is searched in a row. */
const ROW_MAX = 8;

interface ObjectRow {
  readonly collection: number; // index
  readonly hash: number | undefined; // u32
  readonly name: string;
}

export class NameTable {
  readonly collections: string[] = [];
  readonly #objects: ObjectRow[] = [];
  /** Index of the object that was asked for last. */
  lastObject = -1;
  #collectionIndex: Map<string, number> | undefined;
  #objectIndex: Map<string, number> | undefined;

  /** Index of a collection, entered if it is new. */
  collection(name: string): number {
    const { collections } = this;
    const index = this.#collectionIndex?.get(name) ?? collections.lastIndexOf(name, ROW_MAX - 1);
    if (index >= 0) return index;
    collections.push(name);
    if (collections.length > ROW_MAX) {
      this.#collectionIndex ??= new Map(collections.map((one, at) => [one, at]));
      this.#collectionIndex.set(name, collections.length - 1);
    }
    return collections.length - 1;
  }

  /** Index of an object in the collection at `collection`, entered if it is new. */
  object(collection: number, hash: number | undefined, name: string): number {
    const row = { collection, hash, name };
    const index = this.#find(row);
    this.lastObject = index < 0 ? this.#objects.length : index;
    if (index >= 0) return index;
    this.#objects.push(row);
    if (this.#objects.length > ROW_MAX) {
      this.#objectIndex ??= new Map(this.#objects.map((one, at) => [keyOf(one), at]));
      this.#objectIndex.set(keyOf(row), this.#objects.length - 1);
    }
    return this.#objects.length - 1;
  }

  /** The object at `index`, which is in the table. */
  objectAt(index: number): NamedObject {
    const { collection, hash, name } = this.#objects[index] as ObjectRow;
    const bytes = Buffer.from(name, 'latin1');
    return { collection: this.collections[collection] as string, name: bytes, hash };
  }

  #find({ collection, hash, name }: ObjectRow): number {
    if (this.#objectIndex !== undefined) {
      return this.#objectIndex.get(keyOf({ collection, hash, name })) ?? -1;
    }
    for (let i = this.#objects.length - 1; i >= 0; i--) {
      const row = this.#objects[i] as ObjectRow;
      if (row.name === name && row.collection === collection && row.hash === hash) return i;
    }
    return -1;
  }

  /** Bytes that `writeTo` writes. */
  get length(): number {
    let bytes = varintSize(this.collections.length) + varintSize(this.#objects.length);
    for (const name of this.collections) bytes += varintSize(name.length) + name.length;
    for (const { collection, hash, name } of this.#objects) {
      bytes += varintSize(collection) + varintSize(hash === undefined ? 0 : hash + 1);
      bytes += varintSize(name.length) + name.length;
    }
    return bytes;
  }

  /** Collections (length-prefixed names), then objects (collection, hash + 1 or 0, name). */
  writeTo(writer: ByteWriter): void {
    writer.varint(this.collections.length);
    for (const name of this.collections) writer.text(name);
    writer.varint(this.#objects.length);
    for (const { collection, hash, name } of this.#objects) {
      writer.varint(collection);
      writer.varint(hash === undefined ? 0 : hash + 1);
      writer.text(name);
    }
  }
}

/** Collections and objects of the table at `reader`; what is cut short makes the reader fail. */
export function readNames(reader: ByteReader): {
  readonly collections: readonly string[];
  readonly objects: readonly NamedObject[];
} {
  const collections: string[] = [];
  for (let left = reader.varint(); left > 0 && !reader.failed; left--) {
    collections.push(textOf(reader.lengthPrefixed()));
  }
  const objects: NamedObject[] = [];
  for (let left = reader.varint(); left > 0 && !reader.failed; left--) {
    const collection = collections[reader.varint()] ?? '';
    const hash = reader.varint();
    const name = reader.copyPrefixed();
    objects.push({ collection, name, hash: hash === 0 ? undefined : hash - 1 });
  }
  return { collections, objects };
}

function keyOf({ collection, hash, name }: ObjectRow): string {
  return `${collection} ${hash ?? ''} ${name}`;
}
