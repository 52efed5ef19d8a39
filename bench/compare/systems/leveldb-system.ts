/**
 * LevelDB (package `classic-level`): `sync: true` on every write, batches, synchronous gets, and
 * iterators that fetch a thousand entries at a time.
 *
 * - Writes under way together are gathered in one batch: single puts would go through the four
 *   threads of the pool, four to a flush at most.
 */

import { join } from 'node:path';
import { GroupQueue } from '../group-queue.js';
import { loadPeer } from '../peer-package.js';
import { makeValue, pieceKey } from '../records.js';
import {
  type Collection,
  type Entry,
  type Later,
  MAIN,
  PIECE_BYTES,
  type System,
  type SystemOptions,
} from '../system.js';

type Change = { type: 'put'; key: Buffer; value: Buffer } | { type: 'del'; key: Buffer };

interface Durable {
  readonly sync: boolean;
}

interface Iterator {
  nextv(size: number): Promise<(readonly [Buffer, Buffer])[]>;
  close(): Promise<void>;
}

interface Level {
  open(): Promise<void>;
  put(key: Buffer, value: Buffer, options: Durable): Promise<void>;
  batch(changes: readonly Change[], options: Durable): Promise<void>;
  getSync(key: Buffer): Buffer | undefined;
  iterator(options: { reverse?: boolean; highWaterMarkBytes: number }): Iterator;
  keys(options: { gt: Buffer; limit: number }): { all(): Promise<Buffer[]> };
  sublevel(name: string, options: object): Level;
  clear(): Promise<void>;
  close(): Promise<void>;
}

interface ClassicLevel {
  readonly ClassicLevel: new (path: string, options: object) => Level;
}

const DURABLE: Durable = { sync: true };
const ENCODING = { keyEncoding: 'buffer', valueEncoding: 'buffer' };
const PAGE = 1000;

/** Enough for a page of small entries; more makes large values slower. */
const PAGE_BYTES = 1024 ** 2;

export async function openLeveldb(options: SystemOptions): Promise<System> {
  const package_ = loadPeer<ClassicLevel>('classic-level');
  const level = new package_.ClassicLevel(join(options.directory, 'level'), {
    cacheSize: options.cacheBytes,
    writeBufferSize: options.cacheBytes / 2,
    ...ENCODING,
  });
  await level.open();
  return new LeveldbSystem(level);
}

class LeveldbSystem implements System {
  readonly #level: Level;

  constructor(level: Level) {
    this.#level = level;
  }

  collection(name: string): Collection {
    return new LeveldbCollection(this.#part(name));
  }

  async drop(name: string): Promise<void> {
    await this.#part(name).clear();
    await this.#flush();
  }

  dropConcurrent(name: string): Promise<void> {
    return this.drop(name);
  }

  /** Compaction gives space back whenever it comes by; there is nothing to wait for. */
  reclaimed(): void {}

  async cloneCollection(from: string, to: string): Promise<number> {
    const begin = performance.now();
    const target = this.#part(to);
    const iterator = this.#part(from).iterator({ highWaterMarkBytes: PAGE_BYTES });
    for (;;) {
      const page = await iterator.nextv(PAGE);
      if (page.length === 0) break;
      await target.batch(
        page.map(([key, value]) => ({ type: 'put', key, value })),
        { sync: false },
      );
    }
    await iterator.close();
    await this.#flush();
    return (performance.now() - begin) / 1000;
  }

  async writeLarge(name: string, pieces: number): Promise<void> {
    for (let piece = 0; piece < pieces; piece++) {
      await this.#level.put(pieceKey(name, piece), makeValue(piece, PIECE_BYTES), DURABLE);
    }
  }

  async cloneLarge(from: string, to: string, pieces: number): Promise<number> {
    const begin = performance.now();
    for (let piece = 0; piece < pieces; piece++) {
      const bytes = this.#level.getSync(pieceKey(from, piece));
      if (bytes === undefined) throw new Error('Cannot copy object: a piece is missing');
      await this.#level.put(pieceKey(to, piece), bytes, { sync: piece === pieces - 1 });
    }
    return (performance.now() - begin) / 1000;
  }

  async removeLarge(name: string, pieces: number): Promise<void> {
    const keys = Array.from({ length: pieces }, (_, piece) => pieceKey(name, piece));
    await this.#level.batch(
      keys.map((key) => ({ type: 'del', key })),
      DURABLE,
    );
  }

  close(): Promise<void> {
    return this.#level.close();
  }

  /** Makes what was written before durable: the log is one file, and flushed as a whole. */
  async #flush(): Promise<void> {
    await this.#level.put(Buffer.from('flushed'), Buffer.alloc(1), DURABLE);
  }

  #part(name: string): Level {
    return name === MAIN ? this.#level : this.#level.sublevel(name, ENCODING);
  }
}

class LeveldbCollection implements Collection {
  readonly #level: Level;
  readonly #queue: GroupQueue<Change>;

  constructor(level: Level) {
    this.#level = level;
    this.#queue = new GroupQueue((changes) => level.batch(changes, DURABLE));
  }

  put(key: Buffer, value: Buffer): Promise<void> {
    return this.#level.put(key, value, DURABLE);
  }

  putConcurrent(key: Buffer, value: Buffer): Promise<void> {
    return this.#queue.add({ type: 'put', key, value });
  }

  removeConcurrent(key: Buffer): Promise<void> {
    return this.#queue.add({ type: 'del', key });
  }

  putBatch(entries: readonly Entry[]): Promise<void> {
    const changes = entries.map(([key, value]): Change => ({ type: 'put', key, value }));
    return this.#level.batch(changes, DURABLE);
  }

  get(key: Buffer): Uint8Array | undefined {
    return this.#level.getSync(key);
  }

  async scan(direction: 'forward' | 'backward'): Promise<number> {
    const reverse = direction === 'backward';
    const iterator = this.#level.iterator({ reverse, highWaterMarkBytes: PAGE_BYTES });
    let bytes = 0;
    for (;;) {
      const page = await iterator.nextv(PAGE);
      if (page.length === 0) break;
      for (const [key, value] of page) bytes += key.length + value.length;
    }
    await iterator.close();
    return bytes;
  }

  list(after: Buffer, limit: number): Later<number> {
    return this.#level
      .keys({ gt: after, limit })
      .all()
      .then((keys) => keys.length);
  }
}
