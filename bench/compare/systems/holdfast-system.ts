/** Holdfast as a measured system: a map stream of one object, or a collection of objects. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { mkfsSync, Store, type StoredCollection, type StoredObject } from '../../../src/index.js';
import { makeValue } from '../records.js';
import {
  type Collection,
  type Entry,
  type Fragmentation,
  PIECE_BYTES,
  type System,
  type SystemOptions,
} from '../system.js';

/** The object whose map stream holds the entries in the shape `map`. */
const MAP = 'map';

/** The collection of large objects. */
const LARGE = 'large';

const PAGE = 1000;

/** From this size on a program reads into a buffer of its own, which it knows the size of. */
const LENT_BYTES_MIN = 64 * 1024;

export function openHoldfast(options: SystemOptions): System {
  const path = join(options.directory, 'store.hf');
  const { sizeMax: size, preallocated: preallocate } = options;
  if (!existsSync(path)) mkfsSync(path, { size, preallocate });
  const store = Store.openSync(path, { cacheBytes: options.cacheBytes });
  return new HoldfastSystem(store, options);
}

class HoldfastSystem implements System {
  readonly #store: Store;
  readonly #options: SystemOptions;

  constructor(store: Store, options: SystemOptions) {
    this.#store = store;
    this.#options = options;
  }

  collection(name: string): Collection {
    const store = this.#store;
    if (!store.collection(name).existsSync()) {
      const setup = store.transaction().createCollection(name);
      if (this.#options.shape === 'map') setup.touch(name, MAP);
      store.commitSync(setup);
    }
    if (this.#options.shape === 'map') return new MapCollection(store, name);
    return new ObjectCollection(store, name, this.#options);
  }

  drop(name: string): void {
    this.#store.commitSync(this.#store.transaction().dropCollection(name));
  }

  async dropConcurrent(name: string): Promise<void> {
    await this.#store.commit(this.#store.transaction().dropCollection(name));
  }

  async reclaimed(): Promise<void> {
    while (this.#store.statfsSync().pending > 0) {
      await this.#store.checkpoint();
      await new Promise(setImmediate);
    }
  }

  async cloneCollection(from: string, to: string): Promise<number> {
    return await this.#applied(this.#store.transaction().cloneCollection(from, to));
  }

  writeLarge(name: string, pieces: number): void {
    this.collection(LARGE);
    for (let piece = 0; piece < pieces; piece++) {
      const transaction = this.#store.transaction();
      transaction.write(LARGE, name, piece * PIECE_BYTES, makeValue(piece, PIECE_BYTES));
      this.#store.commitSync(transaction);
    }
  }

  async cloneLarge(from: string, to: string): Promise<number> {
    return await this.#applied(this.#store.transaction().clone(LARGE, from, to));
  }

  removeLarge(name: string): void {
    this.#store.commitSync(this.#store.transaction().remove(LARGE, name));
  }

  fragmentation(keys: readonly Buffer[]): Fragmentation {
    const collection = this.#store.collection('main');
    let extents = 0;
    for (const key of keys) extents += collection.object(key).statSync().extents;
    const { freeFragmentation } = this.#store.info();
    return { extentsPerObject: extents / keys.length, freeSpace: freeFragmentation };
  }

  journalBytes(): number {
    return this.#store.info().journalBytes;
  }

  async close(): Promise<void> {
    await this.#store.close();
  }

  /** Seconds until a transaction could be read; it is durable when this resolves. */
  async #applied(transaction: ReturnType<Store['transaction']>): Promise<number> {
    const begin = performance.now();
    const { applied, committed } = this.#store.submit(transaction);
    await applied;
    const seconds = (performance.now() - begin) / 1000;
    await committed;
    return seconds;
  }
}

class MapCollection implements Collection {
  readonly #store: Store;
  readonly #name: string;
  readonly #map: StoredObject;

  constructor(store: Store, name: string) {
    this.#store = store;
    this.#name = name;
    this.#map = store.collection(name).object(MAP);
  }

  put(key: Buffer, value: Buffer): void {
    this.#store.commitSync(this.#set([[key, value]]));
  }

  async putConcurrent(key: Buffer, value: Buffer): Promise<void> {
    await this.#store.commit(this.#set([[key, value]]));
  }

  async removeConcurrent(key: Buffer): Promise<void> {
    await this.#store.commit(this.#store.transaction().mapRemove(this.#name, MAP, [key]));
  }

  putBatch(entries: readonly Entry[]): void {
    this.#store.commitSync(this.#set(entries));
  }

  get(key: Buffer): Uint8Array | undefined {
    return this.#map.mapGetSync(key);
  }

  scan(direction: 'forward' | 'backward'): number {
    const reverse = direction === 'backward';
    let bytes = 0;
    let last: Uint8Array | undefined;
    for (;;) {
      const from = last === undefined ? {} : reverse ? { to: last } : { after: last };
      const page = this.#map.mapEntriesSync({ ...from, reverse, limit: PAGE });
      for (const [key, value] of page) bytes += key.length + value.length;
      if (page.length < PAGE) return bytes;
      last = page.at(-1)?.[0];
    }
  }

  list(after: Buffer, limit: number): number {
    return this.#map.mapEntriesSync({ after, limit }).length;
  }

  #set(entries: readonly Entry[]) {
    return this.#store.transaction().mapSet(this.#name, MAP, entries);
  }
}

class ObjectCollection implements Collection {
  readonly #store: Store;
  readonly #name: string;
  readonly #fixedSize: boolean;
  readonly #objects: StoredCollection;
  /** Where large values are read to, one after the other: as LMDB and the plain file do. */
  readonly #lent: Buffer | undefined;

  constructor(store: Store, name: string, { fixedSize, valueBytes }: SystemOptions) {
    this.#store = store;
    this.#name = name;
    this.#fixedSize = fixedSize;
    this.#lent = fixedSize && valueBytes >= LENT_BYTES_MIN ? Buffer.alloc(valueBytes) : undefined;
    this.#objects = store.collection(name);
  }

  put(key: Buffer, value: Buffer): void {
    this.#store.commitSync(this.#write([[key, value]]));
  }

  async putConcurrent(key: Buffer, value: Buffer): Promise<void> {
    await this.#store.commit(this.#write([[key, value]]));
  }

  async removeConcurrent(key: Buffer): Promise<void> {
    await this.#store.commit(this.#store.transaction().remove(this.#name, key));
  }

  putBatch(entries: readonly Entry[]): void {
    this.#store.commitSync(this.#write(entries));
  }

  get(key: Buffer): Uint8Array | undefined {
    const object = this.#objects.object(key);
    if (this.#lent === undefined) return object.tryReadSync();
    object.readIntoSync(this.#lent);
    return this.#lent;
  }

  scan(direction: 'forward' | 'backward'): number {
    if (direction === 'backward') throw new Error('Cannot list objects backward');
    let bytes = 0;
    let after: Uint8Array | undefined;
    for (;;) {
      const page = this.#objects.listSync(
        after === undefined ? { limit: PAGE } : { after, limit: PAGE },
      );
      for (const { name, size } of page) bytes += name.length + size;
      if (page.length < PAGE) return bytes;
      after = page.at(-1)?.name;
    }
  }

  list(after: Buffer, limit: number): number {
    return this.#objects.listSync({ after, limit }).length;
  }

  #write(entries: readonly Entry[]) {
    const transaction = this.#store.transaction();
    for (const [key, value] of entries) {
      transaction.write(this.#name, key, 0, value);
      if (!this.#fixedSize) transaction.truncate(this.#name, key, value.length);
    }
    return transaction;
  }
}
