/**
 * The plain in-memory model of a store: what every object, collection and reservation holds.
 *
 * - A state is never changed once it stands: `ModelDraft` copies what a transaction touches, so
 *   that a snapshot of the model is a reference.
 * - Names and keys are latin1 text, one character a byte, so that they can be keys of maps.
 */

import { BYTES, type Comparator } from '../../src/btree/comparator.js';
import { nameHash, reverseBits } from '../../src/onode/object-key.js';
import type { ReservationUnits } from '../../src/txn/transaction.js';

/** An object of the workload: a name, and the hash that it carries where one is given. */
export interface ModelName {
  readonly name: string;
  readonly hash?: number;
}

export interface ModelObject {
  readonly id: number;
  version: number;
  /** Name and hash as a listing gives them. */
  name: string;
  hash: number | undefined;
  bytes: Uint8Array;
  attributes: Map<string, Uint8Array>;
  header: Uint8Array | undefined;
  map: Map<string, Uint8Array>;
  comparator: Comparator;
  keySize: number;
}

export interface ModelCollection {
  readonly id: number;
  readonly order: 'name' | 'hash';
  bits: number;
  attributes: Map<string, Uint8Array>;
  objects: Map<string, ModelObject>;
}

export interface ModelReservation extends ReservationUnits {
  readonly owner: string;
}

export interface ModelState {
  readonly collections: ReadonlyMap<string, ModelCollection>;
  readonly reservations: ReadonlyMap<string, ModelReservation>;
  readonly nextObject: number;
  readonly nextCollection: number;
}

/** The state of a new store. */
export const EMPTY_MODEL: ModelState = {
  collections: new Map(),
  reservations: new Map(),
  nextObject: 1,
  nextCollection: 1,
};

export function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}

export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

/** Key under which a collection of this order holds an object: sorting by it is its order. */
export function modelKey(order: 'name' | 'hash', { name, hash }: ModelName): string {
  if (order === 'name') return name;
  const reversed = reverseBits(hash ?? nameHash(bytesOf(name)));
  const prefix = [24, 16, 8, 0].map((shift) => String.fromCharCode((reversed >>> shift) & 255));
  return prefix.join('') + name;
}

/** A new, empty object. */
export function newObject(id: number, order: 'name' | 'hash', named: ModelName): ModelObject {
  const hash = order === 'hash' ? (named.hash ?? nameHash(bytesOf(named.name))) : undefined;
  return {
    id,
    version: 0,
    name: named.name,
    hash,
    bytes: new Uint8Array(0),
    attributes: new Map(),
    header: undefined,
    map: new Map(),
    comparator: BYTES,
    keySize: 0,
  };
}

/** An object that shares nothing changeable with `object`; bytes and values are never changed. */
export function copyObject(object: ModelObject): ModelObject {
  return { ...object, attributes: new Map(object.attributes), map: new Map(object.map) };
}

/** Order of two keys, in latin1 text, under a comparator. */
export function compareKeys(comparator: Comparator, a: string, b: string): number {
  return comparator.compare(bytesOf(a), 0, a.length, bytesOf(b), 0, b.length);
}

/** Entries of the object's map in its order. */
export function sortedMap(object: ModelObject): [string, Uint8Array][] {
  const { comparator } = object;
  return [...object.map].sort(([a], [b]) => compareKeys(comparator, a, b));
}

/** Text sorted by its bytes. */
export function sortedText(names: Iterable<string>): string[] {
  return [...names].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

/** Number of objects and sum of their sizes, as statfs tells them. */
export function totals(state: ModelState): { objects: number; stored: number } {
  let objects = 0;
  let stored = 0;
  for (const collection of state.collections.values()) {
    objects += collection.objects.size;
    for (const { bytes } of collection.objects.values()) stored += bytes.length;
  }
  return { objects, stored };
}

/** A state while a transaction changes it: what it touches is copied once. */
export class ModelDraft {
  readonly collections: Map<string, ModelCollection>;
  readonly reservations: Map<string, ModelReservation>;
  nextObject: number;
  nextCollection: number;
  readonly #ownCollections = new Set<ModelCollection>();
  readonly #ownObjects = new Set<ModelObject>();
  readonly #changed = new Set<ModelObject>();

  constructor(state: ModelState) {
    this.collections = new Map(state.collections);
    this.reservations = new Map(state.reservations);
    this.nextObject = state.nextObject;
    this.nextCollection = state.nextCollection;
  }

  /** The collection, to be changed. */
  collection(name: string): ModelCollection | undefined {
    const found = this.collections.get(name);
    if (found === undefined || this.#ownCollections.has(found)) return found;
    const copy = {
      ...found,
      attributes: new Map(found.attributes),
      objects: new Map(found.objects),
    };
    this.#ownCollections.add(copy);
    this.collections.set(name, copy);
    return copy;
  }

  /** The object at `key` of a collection of this draft, to be changed; counts as changed. */
  changing(collection: ModelCollection, key: string): ModelObject | undefined {
    const found = collection.objects.get(key);
    if (found === undefined) return undefined;
    let own = found;
    if (!this.#ownObjects.has(found)) {
      own = copyObject(found);
      this.#ownObjects.add(own);
      collection.objects.set(key, own);
    }
    this.#changed.add(own);
    return own;
  }

  /** Puts an object that is this draft's own. */
  put(collection: ModelCollection, key: string, object: ModelObject): void {
    this.#ownObjects.add(object);
    this.#changed.add(object);
    collection.objects.set(key, object);
  }

  /** Raises the versions of what was changed so far: operations on whole collections do so. */
  settle(): void {
    for (const object of this.#changed) object.version++;
    this.#changed.clear();
    this.#ownObjects.clear();
    this.#ownCollections.clear();
  }

  /** The state after the transaction. */
  done(): ModelState {
    this.settle();
    const { collections, reservations, nextObject, nextCollection } = this;
    return { collections, reservations, nextObject, nextCollection };
  }
}
