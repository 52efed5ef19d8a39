/**
 * The plain file, as the limit of what the device gives: the same bytes with `write` and
 * `fdatasync`, or `pread`. It finds nothing, so it takes part only where no looking up is measured.
 *
 * - A put goes to the next place of a file that has all its blocks already: only the bytes
 *   themselves have to become durable. A get reads the place of the key's index.
 */

import {
  closeSync,
  constants,
  copyFileSync,
  fdatasyncSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { indexOf, makeValue } from '../records.js';
import {
  type Collection,
  type Entry,
  PIECE_BYTES,
  type System,
  type SystemOptions,
} from '../system.js';

/** Bytes that puts go round in. */
const RING_BYTES = 128 * 1024 ** 2;

export function openRaw(options: SystemOptions): System {
  return new RawSystem(options);
}

class RawSystem implements System {
  readonly #directory: string;
  readonly #valueBytes: number;
  readonly #collections = new Map<string, RawCollection>();

  constructor(options: SystemOptions) {
    this.#directory = options.directory;
    this.#valueBytes = options.valueBytes;
  }

  collection(name: string): Collection {
    let collection = this.#collections.get(name);
    collection ??= new RawCollection(join(this.#directory, name), this.#valueBytes);
    this.#collections.set(name, collection);
    return collection;
  }

  drop(name: string): void {
    rmSync(join(this.#directory, name));
  }

  dropConcurrent(name: string): void {
    this.drop(name);
  }

  reclaimed(): void {}

  cloneCollection(): number {
    throw new Error('Cannot clone collection: a file has none');
  }

  writeLarge(name: string, pieces: number): void {
    const fd = openSync(join(this.#directory, name), 'w');
    for (let piece = 0; piece < pieces; piece++) writeSync(fd, makeValue(piece, PIECE_BYTES));
    fdatasyncSync(fd);
    closeSync(fd);
  }

  cloneLarge(from: string, to: string): number {
    const begin = performance.now();
    copyFileSync(join(this.#directory, from), join(this.#directory, to));
    const fd = openSync(join(this.#directory, to), 'r+');
    fdatasyncSync(fd);
    closeSync(fd);
    return (performance.now() - begin) / 1000;
  }

  removeLarge(name: string): void {
    rmSync(join(this.#directory, name));
  }

  close(): void {
    for (const collection of this.#collections.values()) collection.close();
    this.#collections.clear();
  }
}

class RawCollection implements Collection {
  readonly #fd: number;
  readonly #buffer: Buffer;
  #next = -1;

  constructor(path: string, valueBytes: number) {
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT);
    this.#buffer = Buffer.alloc(valueBytes);
  }

  put(_key: Buffer, value: Buffer): void {
    if (this.#next < 0) this.#fill();
    if ((this.#next + 1) * value.length > RING_BYTES) this.#next = 0;
    writeSync(this.#fd, value, 0, value.length, this.#next++ * value.length);
    fdatasyncSync(this.#fd);
  }

  putConcurrent(): Promise<void> {
    throw new Error('Cannot put concurrently: the plain file has one flush for one write');
  }

  removeConcurrent(): Promise<void> {
    throw new Error('Cannot remove: a file has no keys');
  }

  putBatch(entries: readonly Entry[]): void {
    for (const [key, value] of entries) {
      writeSync(this.#fd, value, 0, value.length, indexOf(key) * value.length);
    }
    fdatasyncSync(this.#fd);
  }

  get(key: Buffer): Uint8Array {
    const { length } = this.#buffer;
    readSync(this.#fd, this.#buffer, 0, length, indexOf(key) * length);
    return this.#buffer;
  }

  scan(): number {
    throw new Error('Cannot scan: a file has no keys');
  }

  list(): number {
    throw new Error('Cannot list: a file has no keys');
  }

  close(): void {
    closeSync(this.#fd);
  }

  #fill(): void {
    this.#next = 0;
    for (let at = 0; at < RING_BYTES; at += PIECE_BYTES) {
      writeSync(this.#fd, makeValue(at, PIECE_BYTES), 0, PIECE_BYTES, at);
    }
    fdatasyncSync(this.#fd);
  }
}
