/**
 * A plain model of a store's content, for crash tests: maps of strings and byte arrays.
 *
 * - A `ModelState` never changes; a `ModelDraft` copies what it changes, so that the state after
 *   each of hundreds of transactions can be kept.
 * - Operations mean what the store's do, for the arguments that the crash workload uses.
 */

import type { Snapshot, Store, StoredCollection } from '../../src/index.js';

export interface ModelObject {
  readonly data: Uint8Array;
  readonly attributes: ReadonlyMap<string, string>;
  readonly map: ReadonlyMap<string, string>;
  readonly header: string | undefined;
}

export type ModelCollection = ReadonlyMap<string, ModelObject>;

export interface ModelState {
  readonly collections: ReadonlyMap<string, ModelCollection>;
  /** Bytes, operations and keys of each reservation. */
  readonly reservations: ReadonlyMap<string, string>;
}

export const EMPTY_MODEL: ModelState = { collections: new Map(), reservations: new Map() };

const EMPTY_OBJECT: ModelObject = {
  data: new Uint8Array(0),
  attributes: new Map(),
  map: new Map(),
  header: undefined,
};

/** A state in the making. */
export class ModelDraft {
  readonly #collections: Map<string, ModelCollection>;
  readonly #reservations: Map<string, string>;

  constructor(state: ModelState) {
    this.#collections = new Map(state.collections);
    this.#reservations = new Map(state.reservations);
  }

  done(): ModelState {
    return { collections: this.#collections, reservations: this.#reservations };
  }

  createCollection(name: string): void {
    this.#collections.set(name, new Map());
  }

  cloneCollection(from: string, to: string): void {
    this.#collections.set(to, this.#collections.get(from) ?? new Map());
  }

  dropCollection(name: string): void {
    this.#collections.delete(name);
  }

  object(collection: string, name: string): ModelObject | undefined {
    return this.#collections.get(collection)?.get(name);
  }

  change(collection: string, name: string, change: Partial<ModelObject>): void {
    const object = this.object(collection, name) ?? EMPTY_OBJECT;
    this.#objects(collection).set(name, { ...object, ...change });
  }

  remove(collection: string, name: string): void {
    this.#objects(collection).delete(name);
  }

  write(collection: string, name: string, offset: number, bytes: Uint8Array): void {
    const { data } = this.object(collection, name) ?? EMPTY_OBJECT;
    const grown = new Uint8Array(Math.max(data.length, offset + bytes.length));
    grown.set(data);
    grown.set(bytes, offset);
    this.change(collection, name, { data: grown });
  }

  truncate(collection: string, name: string, size: number): void {
    const object = this.object(collection, name);
    if (object === undefined) return;
    const data = new Uint8Array(size);
    data.set(object.data.subarray(0, size));
    this.change(collection, name, { data });
  }

  clone(collection: string, from: string, to: string): void {
    const object = this.object(collection, from);
    if (object !== undefined) this.#objects(collection).set(to, object);
  }

  rename(collection: string, from: string, to: string): void {
    const object = this.object(collection, from);
    if (object === undefined || from === to) return;
    const objects = this.#objects(collection);
    objects.delete(from);
    objects.set(to, object);
  }

  setReservation(name: string, units: string | undefined): void {
    if (units === undefined) this.#reservations.delete(name);
    else this.#reservations.set(name, units);
  }

  #objects(collection: string): Map<string, ModelObject> {
    const objects = new Map(this.#collections.get(collection));
    this.#collections.set(collection, objects);
    return objects;
  }
}

type Readable = Pick<Store | Snapshot, 'collection' | 'listCollectionsSync'>;

/** Says what of `store` differs from `state`; undefined when nothing does. */
export function modelDifference(store: Readable, state: ModelState): string | undefined {
  const found = store.listCollectionsSync().map(text);
  const expected = [...state.collections.keys()].sort();
  if (found.join() !== expected.join()) return `collections are [${found}], not [${expected}]`;
  for (const [name, objects] of state.collections) {
    const fault = collectionDifference(store.collection(name), objects);
    if (fault !== undefined) return `collection ${name}: ${fault}`;
  }
  return undefined;
}

function collectionDifference(
  collection: StoredCollection,
  objects: ModelCollection,
): string | undefined {
  const found = collection.listSync().map(({ name }) => text(name));
  const expected = [...objects.keys()].sort();
  if (found.join() !== expected.join()) return `objects are [${found}], not [${expected}]`;
  let storedBytes = 0;
  for (const [name, object] of objects) {
    storedBytes += object.data.length;
    const stored = collection.object(name);
    const data = stored.readSync();
    if (Buffer.compare(data, object.data) !== 0) return `data of ${name} ${where(data, object)}`;
    const attributes = pairs(stored.attributesSync());
    if (attributes !== pairs(object.attributes)) return `attributes of ${name} differ`;
    const entries = pairs(stored.mapEntriesSync({ limit: 10_000 }));
    if (entries !== pairs(object.map)) return `map of ${name} differs`;
    const header = stored.mapHeaderSync();
    if ((header && text(header)) !== object.header) return `map header of ${name} differs`;
  }
  const stat = collection.statSync();
  if (stat.objects !== objects.size) return `it counts ${stat.objects} objects`;
  if (stat.storedBytes !== storedBytes)
    return `it counts ${stat.storedBytes} stored bytes, not ${storedBytes}`;
  return undefined;
}

/** As `modelDifference`, with the reservations and figures of a whole store. */
export function storeDifference(store: Store, state: ModelState): string | undefined {
  const fault = modelDifference(store, state);
  if (fault !== undefined) return fault;
  const found = store
    .reservationsSync()
    .map(({ name, bytes, operations, keys }) => `${text(name)}=${bytes}/${operations}/${keys}`);
  const expected = [...state.reservations].map(([name, units]) => `${name}=${units}`).sort();
  if (found.join() !== expected.join()) return `reservations are [${found}], not [${expected}]`;
  let objects = 0;
  for (const collection of state.collections.values()) objects += collection.size;
  const statfs = store.statfs();
  return statfs.objects === objects ? undefined : `the store counts ${statfs.objects} objects`;
}

function where(data: Uint8Array, { data: expected }: ModelObject): string {
  if (data.length !== expected.length) return `has ${data.length} bytes, not ${expected.length}`;
  return `differs at ${data.findIndex((byte, i) => byte !== expected[i])}`;
}

function pairs(entries: Iterable<readonly [string | Uint8Array, string | Uint8Array]>): string {
  const texts: string[] = [];
  for (const [key, value] of entries) texts.push(`${text(key)}=${text(value)}`);
  return texts.sort().join();
}

function text(bytes: string | Uint8Array): string {
  return typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('latin1');
}
