/**
 * The names that a transaction uses, each once, in the order of their first use.
 *
 * - Names of collections are text with one character for each byte, so that equal text is equal
 *   bytes; those of objects are bytes of the table's own.
 * - Most transactions name a handful: those are searched in a row, longer tables have an index.
 */

import {
  type ByteReader,
  type ByteWriter,
  copyOut,
  equalBytes,
  textOf,
  varintSize,
} from '../format/bytes.js';
import { readKnownText } from './known-text.js';
import type { NamedObject } from './object-table.js';

/** Names up to which a table is searched in a row. */
const ROW_MAX = 8;

interface ObjectRow extends NamedObject {
  readonly collectionAt: number; // index
}

/** An object as the builder is given it. */
interface GivenObject {
  readonly name: Uint8Array;
  readonly hash: number | undefined;
  /** The name is the table's to keep; else it keeps a copy. */
  readonly isOurs: boolean;
}

const NO_COLLECTIONS: string[] = [];
const NO_OBJECTS: ObjectRow[] = [];

export class NameTable {
  #collections = NO_COLLECTIONS;
  #objects = NO_OBJECTS;
  /** Index of the object that was asked for last. */
  lastObject = -1;
  #collectionIndex: Map<string, number> | undefined;
  #objectIndex: Map<string, number> | undefined;

  /** The names of collections, by index. */
  get collections(): readonly string[] {
    return this.#collections;
  }

  /** Index of a collection, entered if it is new. */
  collection(name: string): number {
    const collections = this.#collections;
    const index = this.#collectionIndex?.get(name) ?? collections.lastIndexOf(name, ROW_MAX - 1);
    if (index >= 0) return index;
    this.#collections = added(collections, name);
    const { length } = this.#collections;
    if (length > ROW_MAX) {
      this.#collectionIndex ??= new Map(this.#collections.map((one, at) => [one, at]));
      this.#collectionIndex.set(name, length - 1);
    }
    return length - 1;
  }

  /** The objects, by index. */
  get objects(): readonly NamedObject[] {
    return this.#objects;
  }

  /** Index of an object in the collection at `collectionAt`, entered if it is new. */
  object(collectionAt: number, { hash, name, isOurs }: GivenObject): number {
    const index = this.#find(collectionAt, hash, name);
    this.lastObject = index < 0 ? this.#objects.length : index;
    if (index >= 0) return index;
    const own = isOurs ? name : copyOut(name, 0, name.length);
    const collection = this.#collections[collectionAt] as string;
    this.#objects = added(this.#objects, { collection, name: own, hash, collectionAt });
    if (this.#objects.length > ROW_MAX) {
      this.#objectIndex ??= new Map(this.#objects.map((one, at) => [keyOfRow(one), at]));
      this.#objectIndex.set(keyOf(collectionAt, hash, name), this.lastObject);
    }
    return this.lastObject;
  }

  #find(collectionAt: number, hash: number | undefined, name: Uint8Array): number {
    if (this.#objectIndex !== undefined) {
      return this.#objectIndex.get(keyOf(collectionAt, hash, name)) ?? -1;
    }
    for (let i = this.#objects.length - 1; i >= 0; i--) {
      const row = this.#objects[i] as ObjectRow;
      const isThere = row.collectionAt === collectionAt && row.hash === hash;
      if (isThere && equalBytes(row.name, name)) return i;
    }
    return -1;
  }

  /** Bytes that `writeTo` writes. */
  get length(): number {
    let bytes = varintSize(this.collections.length) + varintSize(this.#objects.length);
    for (const name of this.collections) bytes += varintSize(name.length) + name.length;
    for (const { collectionAt, hash, name } of this.#objects) {
      bytes += varintSize(collectionAt) + varintSize(hash === undefined ? 0 : hash + 1);
      bytes += varintSize(name.length) + name.length;
    }
    return bytes;
  }

  /** Collections (length-prefixed names), then objects (collection, hash + 1 or 0, name). */
  writeTo(writer: ByteWriter): void {
    writer.varint(this.collections.length);
    for (const name of this.collections) writer.text(name);
    writer.varint(this.#objects.length);
    for (const { collectionAt, hash, name } of this.#objects) {
      writer.varint(collectionAt);
      writer.varint(hash === undefined ? 0 : hash + 1);
      writer.lengthPrefixed(name);
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
    collections.push(readKnownText(reader));
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

/** The list with one more item. Most have one in all: a list that `push` has begun has room for 17. */
function added<T>(list: T[], item: T): T[] {
  if (list.length === 0) return [item];
  list.push(item);
  return list;
}

function keyOfRow({ collectionAt, hash, name }: ObjectRow): string {
  return keyOf(collectionAt, hash, name);
}

function keyOf(collectionAt: number, hash: number | undefined, name: Uint8Array): string {
  return `${collectionAt} ${hash ?? ''} ${textOf(name)}`;
}
