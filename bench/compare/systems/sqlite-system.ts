/**
 * SQLite (package `better-sqlite3`): WAL, `synchronous = FULL`, prepared statements, a memory map
 * for reads, a table for each collection; locked once for all, since there is one process.
 *
 * - Small values stand in the key's own tree (WITHOUT ROWID), large ones in a rowid table with an
 *   index, as SQLite's documentation advises.
 * - Writes under way together are gathered in one transaction; the package is synchronous.
 * - The WAL is checkpointed when it holds as many bytes as others keep dirty in memory.
 */

import { join } from 'node:path';
import { GroupQueue } from '../group-queue.js';
import { loadPeer } from '../peer-package.js';
import { makeValue } from '../records.js';
import {
  type Collection,
  type Entry,
  PIECE_BYTES,
  type System,
  type SystemOptions,
} from '../system.js';

interface Statement {
  run(...values: unknown[]): unknown;
  get(...values: unknown[]): unknown;
  all(...values: unknown[]): unknown[];
  pluck(): Statement;
  raw(): Statement;
}

interface Database {
  pragma(text: string): unknown;
  exec(sql: string): void;
  prepare(sql: string): Statement;
  transaction<A extends unknown[]>(work: (...values: A) => void): (...values: A) => void;
  close(): void;
}

type Sqlite = new (path: string) => Database;

/** Values up to a twentieth of a page belong into the key's tree. */
const INLINE_BYTES_MAX = 200;

/** SQLite's own measurements name this page size for values of more than 100 KB. */
const LARGE_PAGE_BYTES = 16384;

const MAP_BYTES = 2 ** 31 - 65536;

const PAGE = 1000;

export function openSqlite(options: SystemOptions): System {
  const Constructor = loadPeer<Sqlite>('better-sqlite3');
  const database = new Constructor(join(options.directory, 'data.db'));
  const pageBytes = options.valueBytes > 32768 ? LARGE_PAGE_BYTES : 4096;
  database.pragma(`page_size = ${pageBytes}`);
  database.pragma('locking_mode = EXCLUSIVE');
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.pragma('temp_store = MEMORY');
  database.pragma(`cache_size = -${Math.floor(options.cacheBytes / 1024)}`);
  database.pragma(`mmap_size = ${MAP_BYTES}`);
  database.pragma(`wal_autocheckpoint = ${Math.floor(options.cacheBytes / 2 / pageBytes)}`);
  return new SqliteSystem(database, options.valueBytes <= INLINE_BYTES_MAX);
}

class SqliteSystem implements System {
  readonly #database: Database;
  readonly #inline: boolean;

  constructor(database: Database, inline: boolean) {
    this.#database = database;
    this.#inline = inline;
  }

  collection(name: string): Collection {
    this.#make(name, this.#inline);
    return new SqliteCollection(this.#database, name);
  }

  drop(name: string): void {
    this.#database.exec(`DROP TABLE "${name}"`);
  }

  dropConcurrent(name: string): void {
    this.drop(name);
  }

  /** Pages are free as soon as the transaction that frees them has ended. */
  reclaimed(): void {}

  cloneCollection(from: string, to: string): number {
    const begin = performance.now();
    const copy = this.#database.transaction(() => {
      this.#make(to, this.#inline);
      this.#database.exec(`INSERT INTO "${to}" SELECT k, v FROM "${from}" ORDER BY k`);
    });
    copy();
    return (performance.now() - begin) / 1000;
  }

  writeLarge(name: string, pieces: number): void {
    this.#database.exec(
      'CREATE TABLE IF NOT EXISTS large (name TEXT, piece INTEGER, v BLOB, PRIMARY KEY (name, piece))',
    );
    const insert = this.#database.prepare('INSERT INTO large VALUES (?, ?, ?)');
    for (let piece = 0; piece < pieces; piece++) {
      insert.run(name, piece, makeValue(piece, PIECE_BYTES));
    }
  }

  cloneLarge(from: string, to: string): number {
    const begin = performance.now();
    this.#database
      .prepare('INSERT INTO large SELECT ?, piece, v FROM large WHERE name = ?')
      .run(to, from);
    return (performance.now() - begin) / 1000;
  }

  removeLarge(name: string): void {
    this.#database.prepare('DELETE FROM large WHERE name = ?').run(name);
  }

  close(): void {
    this.#database.close();
  }

  #make(name: string, inline: boolean): void {
    const kind = inline ? 'WITHOUT ROWID' : '';
    this.#database.exec(
      `CREATE TABLE IF NOT EXISTS "${name}" (k BLOB PRIMARY KEY NOT NULL, v BLOB NOT NULL) ${kind}`,
    );
  }
}

type Change = readonly [key: Buffer, value: Buffer | undefined];

class SqliteCollection implements Collection {
  readonly #set: Statement;
  readonly #get: Statement;
  readonly #list: Statement;
  readonly #first: Readonly<Record<'forward' | 'backward', Statement>>;
  readonly #next: Readonly<Record<'forward' | 'backward', Statement>>;
  readonly #putAll: (entries: readonly Entry[]) => void;
  readonly #queue: GroupQueue<Change>;

  constructor(database: Database, table: string) {
    const prepare = (sql: string): Statement => database.prepare(sql.replaceAll('$', `"${table}"`));
    this.#set = prepare(
      'INSERT INTO $ (k, v) VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v',
    );
    this.#get = prepare('SELECT v FROM $ WHERE k = ?').pluck();
    this.#list = prepare('SELECT k FROM $ WHERE k > ? ORDER BY k LIMIT ?').pluck();
    this.#first = {
      forward: prepare('SELECT k, v FROM $ ORDER BY k LIMIT ?').raw(),
      backward: prepare('SELECT k, v FROM $ ORDER BY k DESC LIMIT ?').raw(),
    };
    this.#next = {
      forward: prepare('SELECT k, v FROM $ WHERE k > ? ORDER BY k LIMIT ?').raw(),
      backward: prepare('SELECT k, v FROM $ WHERE k < ? ORDER BY k DESC LIMIT ?').raw(),
    };
    const remove = prepare('DELETE FROM $ WHERE k = ?');
    this.#putAll = database.transaction((entries) => {
      for (const [key, value] of entries) this.#set.run(key, value);
    });
    const changeAll = database.transaction((changes: readonly Change[]) => {
      for (const [key, value] of changes) {
        if (value === undefined) remove.run(key);
        else this.#set.run(key, value);
      }
    });
    this.#queue = new GroupQueue(changeAll);
  }

  put(key: Buffer, value: Buffer): void {
    this.#set.run(key, value);
  }

  putConcurrent(key: Buffer, value: Buffer): Promise<void> {
    return this.#queue.add([key, value]);
  }

  removeConcurrent(key: Buffer): Promise<void> {
    return this.#queue.add([key, undefined]);
  }

  putBatch(entries: readonly Entry[]): void {
    this.#putAll(entries);
  }

  get(key: Buffer): Uint8Array | undefined {
    return this.#get.get(key) as Buffer | undefined;
  }

  /** By pages: faster here than `iterate`, and than all rows at once. */
  scan(direction: 'forward' | 'backward'): number {
    let bytes = 0;
    let page = this.#first[direction].all(PAGE) as Entry[];
    for (;;) {
      for (const [key, value] of page) bytes += key.length + value.length;
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) return bytes;
      page = this.#next[direction].all(last[0], PAGE) as Entry[];
    }
  }

  list(after: Buffer, limit: number): number {
    return this.#list.all(after, limit).length;
  }
}
