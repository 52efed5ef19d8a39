/**
 * LMDB (package `lmdb`) as its README says it is fast: synchronous reads out of the map without
 * decoding (`getBinaryFast`), binary keys, and for writes under way together its own batching,
 * which executes them off-thread.
 *
 * - `overlappingSync: false`: a put is durable when its promise resolves or `putSync` returns.
 *   Waiting for `flushed` with the default does as many flushes and one more write per commit.
 * - The cache is the page cache; `cacheBytes` means nothing here.
 */

import { join } from 'node:path';
import { loadPeer } from '../peer-package.js';
import { makeValue, pieceKey } from '../records.js';
import {
  type Collection,
  type Entry,
  MAIN,
  PIECE_BYTES,
  type System,
  type SystemOptions,
} from '../system.js';

interface Database {
  put(key: Buffer, value: Uint8Array): Promise<boolean>;
  putSync(key: Buffer, value: Uint8Array): boolean;
  remove(key: Buffer): Promise<boolean>;
  getBinary(key: Buffer): Buffer | undefined;
  getBinaryFast(key: Buffer): Buffer | undefined;
  getRange(options: { reverse?: boolean }): Iterable<{ key: Buffer; value: Buffer }>;
  getKeys(options: { start: Buffer; limit: number }): Iterable<Buffer>;
  transactionSync<T>(work: () => T): T;
  drop(): Promise<void>;
  dropSync(): void;
}

interface Environment extends Database {
  openDB(options: object): Database;
  close(): Promise<void>;
}

interface Lmdb {
  open(options: object): Environment;
}

/** Address space, not memory; more than any workload needs. */
const MAP_BYTES = 2 ** 36;

const ENCODING = { encoding: 'binary', keyEncoding: 'binary' };

export function openLmdb(options: SystemOptions): System {
  const { open } = loadPeer<Lmdb>('lmdb');
  const environment = open({
    path: join(options.directory, 'data.mdb'),
    mapSize: MAP_BYTES,
    overlappingSync: false,
    maxDbs: 12,
    ...ENCODING,
  });
  return new LmdbSystem(environment);
}

class LmdbSystem implements System {
  readonly #environment: Environment;
  readonly #databases = new Map<string, Database>();

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  collection(name: string): Collection {
    return new LmdbCollection(this.#database(name));
  }

  drop(name: string): void {
    this.#database(name).dropSync();
    this.#databases.delete(name);
  }

  async dropConcurrent(name: string): Promise<void> {
    await this.#database(name).drop();
    this.#databases.delete(name);
  }

  /** Pages are free as soon as the transaction that frees them has ended. */
  reclaimed(): void {}

  cloneCollection(from: string, to: string): number {
    const begin = performance.now();
    const source = this.#database(from);
    const target = this.#database(to);
    target.transactionSync(() => {
      for (const { key, value } of source.getRange({})) target.put(key, value);
    });
    return (performance.now() - begin) / 1000;
  }

  writeLarge(name: string, pieces: number): void {
    const target = this.#environment;
    for (let piece = 0; piece < pieces; piece++) {
      target.putSync(pieceKey(name, piece), makeValue(piece, PIECE_BYTES));
    }
  }

  cloneLarge(from: string, to: string, pieces: number): number {
    const begin = performance.now();
    const target = this.#environment;
    target.transactionSync(() => {
      for (let piece = 0; piece < pieces; piece++) {
        const bytes = target.getBinary(pieceKey(from, piece));
        if (bytes === undefined) throw new Error('Cannot copy object: a piece is missing');
        target.put(pieceKey(to, piece), bytes);
      }
    });
    return (performance.now() - begin) / 1000;
  }

  removeLarge(name: string, pieces: number): void {
    const target = this.#environment;
    target.transactionSync(() => {
      for (let piece = 0; piece < pieces; piece++) target.remove(pieceKey(name, piece));
    });
  }

  close(): Promise<void> {
    return this.#environment.close();
  }

  #database(name: string): Database {
    if (name === MAIN) return this.#environment;
    let database = this.#databases.get(name);
    database ??= this.#environment.openDB({ name, ...ENCODING });
    this.#databases.set(name, database);
    return database;
  }
}

class LmdbCollection implements Collection {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  put(key: Buffer, value: Buffer): void {
    this.#database.putSync(key, value);
  }

  async putConcurrent(key: Buffer, value: Buffer): Promise<void> {
    await this.#database.put(key, value);
  }

  async removeConcurrent(key: Buffer): Promise<void> {
    await this.#database.remove(key);
  }

  putBatch(entries: readonly Entry[]): void {
    const database = this.#database;
    database.transactionSync(() => {
      for (const [key, value] of entries) database.put(key, value);
    });
  }

  get(key: Buffer): Uint8Array | undefined {
    return this.#database.getBinaryFast(key);
  }

  scan(direction: 'forward' | 'backward'): number {
    let bytes = 0;
    const reverse = direction === 'backward';
    for (const { key, value } of this.#database.getRange({ reverse })) {
      bytes += key.length + value.length;
    }
    return bytes;
  }

  list(after: Buffer, limit: number): number {
    let count = 0;
    for (const key of this.#database.getKeys({ start: after, limit: limit + 1 })) {
      if (count < limit && !key.equals(after)) count++;
    }
    return count;
  }
}
