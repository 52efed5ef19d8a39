/**
 * Imports a directory tree into a collection: one object for each file, directory and symlink.
 *
 * - An object's name is the path relative to the top, its bytes are the file's; the attributes of
 *   file-attributes.ts keep the rest. The top's own stand at the collection.
 * - Small files are read synchronously and gathered, many to a transaction; several transactions
 *   are under way. Large ones go piece by piece and appear whole. Memory stays bounded.
 * - What is stored with the same size, mode and mtime is left alone: a killed import goes on
 *   where it was. Nothing is removed unless asked.
 * - What can't be read is told and passed over.
 */

import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  statSync,
} from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import {
  type Bytes,
  type Store,
  type StoredCollection,
  StoreError,
  Transaction,
} from '../index.js';
import { FILE_MODE, FILE_MTIME, FILE_TARGET, factsOf } from './file-attributes.js';
import { piecesOfFile, readAt } from './file-pieces.js';
import { type WalkedEntry, walk } from './file-walk.js';
import { checkCollectionName, ObjectWriter, PIECE_BYTES } from './object-writer.js';
import { objectNameOf, objectPages } from './pages.js';
import { Pipeline } from './pipeline.js';
import { pathFault } from './relative-path.js';
import { isSystemError, reasonOf, typedError } from './system-error.js';
import { printable, utf8Of } from './text.js';

/** A transaction takes no more files once it has this many bytes, or this many files. */
const GATHERED_BYTES_MAX = 1024 * 1024;
const GATHERED_FILES_MAX = 256;

/** What a file takes in memory beside its bytes, about. */
const OVERHEAD_BYTES = 512;

/** Longest name of an object. */
const NAME_SIZE_MAX = 4096;

/** Data of this size the store writes out of the caller's buffer, which must not change then. */
const OWN_BUFFER_MIN = 32 * 1024;

const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export interface ImportOptions {
  readonly store: Store;
  readonly collection: Uint8Array;
  readonly directory: string;
  /** Removes objects that have no file in the directory. */
  readonly remove?: boolean;
  /** An entry was taken or left alone. */
  readonly onEntry?: () => void;
  /** Something was passed over. */
  readonly onProblem: (message: string) => void;
}

/** What an import did. */
export interface ImportSummary {
  files: number;
  directories: number;
  symlinks: number;
  /** Bytes of the files that were stored. */
  bytes: number;
  /** Entries that were stored already. */
  unchanged: number;
  removed: number;
  /** Entries that could not be stored. */
  skipped: number;
  transactions: number;
}

/** Imports a tree; everything is durable when it has ended. */
export async function importTree(options: ImportOptions): Promise<ImportSummary> {
  const work = new Import(options);
  try {
    return await work.run();
  } catch (error) {
    await work.abandon();
    throw error;
  }
}

class Import {
  readonly #options: ImportOptions;
  readonly #pipeline: Pipeline;
  readonly #writer: ObjectWriter;
  readonly #stored: StoredCollection;
  /** The store's own file: a store can't hold itself. */
  readonly #own: BigIntStats | undefined;
  readonly #scratch = Buffer.allocUnsafeSlow(OWN_BUFFER_MIN);
  readonly #summary: ImportSummary = {
    files: 0,
    directories: 0,
    symlinks: 0,
    bytes: 0,
    unchanged: 0,
    removed: 0,
    skipped: 0,
    transactions: 0,
  };
  /** There may be objects already. */
  #compares = true;
  #transaction = new Transaction();
  #gathered = { files: 0, bytes: 0 };

  constructor(options: ImportOptions) {
    this.#options = options;
    this.#pipeline = new Pipeline(options.store);
    this.#writer = new ObjectWriter(options.store, this.#pipeline);
    this.#stored = options.store.collection(options.collection);
    this.#own = statSync(options.store.info().path, { bigint: true, throwIfNoEntry: false });
  }

  async run(): Promise<ImportSummary> {
    const { store, collection, directory } = this.#options;
    const top = Buffer.from(directory);
    const stats = topStats(directory);
    checkCollectionName(collection);
    if (!(await this.#stored.exists())) {
      await store.commit(new Transaction().createCollection(collection));
    }
    await this.#writer.sweep();
    this.#compares = !(await this.#stored.isEmpty());
    const problem = (path: Buffer, error: unknown): void => this.#skip(path, reasonOf(error));
    for (const entry of walk(top, problem)) {
      if (!this.#take(entry)) await this.#takeLarge(entry);
      this.#options.onEntry?.();
      if (this.#isFull) await this.#submit();
    }
    const { mode, mtime } = factsOf(stats);
    this.#transaction.setCollectionAttribute(collection, FILE_MODE, mode);
    this.#transaction.setCollectionAttribute(collection, FILE_MTIME, mtime);
    await this.#submit();
    if (this.#options.remove === true) await this.#removeOthers(top);
    await this.#pipeline.drain();
    return this.#summary;
  }

  /** Removes what was gathered of a large file. */
  async abandon(): Promise<void> {
    await this.#writer.abandon();
  }

  get #isFull(): boolean {
    const { files, bytes } = this.#gathered;
    return files >= GATHERED_FILES_MAX || bytes >= GATHERED_BYTES_MAX;
  }

  async #submit(): Promise<void> {
    const transaction = this.#transaction;
    const { files, bytes } = this.#gathered;
    this.#transaction = new Transaction();
    this.#gathered = { files: 0, bytes: 0 };
    if (transaction.operationCount === 0) return;
    this.#summary.transactions++;
    await this.#pipeline.submit(transaction, bytes + files * OVERHEAD_BYTES);
  }

  /** Takes an entry into the transaction being gathered; false when it is too large for that. */
  #take(entry: WalkedEntry): boolean {
    const { path, name, type } = entry;
    if (name.length > NAME_SIZE_MAX) {
      this.#skip(path, `its path exceeds ${NAME_SIZE_MAX} bytes`);
      return true;
    }
    try {
      if (type === 'file') return this.#takeFile(entry);
      if (type === 'other') this.#skip(path, 'neither a file, a directory nor a symlink');
      else this.#takeNode(entry);
    } catch (error) {
      if (error instanceof StoreError || !isSystemError(error)) throw error;
      this.#skip(path, reasonOf(error));
    }
    return true;
  }

  /** A directory or a symlink. */
  #takeNode({ path, name, type }: WalkedEntry): void {
    const stats = lstatSync(path, { bigint: true });
    if (this.#isStored(name, stats, 0)) return;
    this.#begin(name, stats);
    if (type === 'directory') this.#summary.directories++;
    else {
      const target = readlinkSync(path, { encoding: 'buffer' });
      this.#transaction.setAttribute(this.#options.collection, name, FILE_TARGET, target);
      this.#summary.symlinks++;
    }
    this.#gathered.files++;
  }

  #takeFile({ path, name }: WalkedEntry): boolean {
    if (this.#compares) {
      const stats = lstatSync(path, { bigint: true });
      if (this.#isStored(name, stats, Number(stats.size))) return true;
    }
    const descriptor = openSync(path, OPEN_FLAGS);
    try {
      const stats = fstatSync(descriptor, { bigint: true });
      if (this.#own?.ino === stats.ino && this.#own.dev === stats.dev) {
        this.#options.onProblem(`Left out ${printable(path)}: it is the store itself`);
        return true;
      }
      const size = Number(stats.size);
      if (size > PIECE_BYTES) return false;
      const buffer = size < OWN_BUFFER_MIN ? this.#scratch : Buffer.allocUnsafeSlow(size);
      const length = size === 0 ? 0 : readAt(descriptor, buffer, size, 0);
      this.#begin(name, stats);
      if (length > 0) {
        this.#transaction.write(this.#options.collection, name, 0, buffer.subarray(0, length));
      }
      this.#summary.files++;
      this.#summary.bytes += length;
      this.#gathered.files++;
      this.#gathered.bytes += length;
      return true;
    } finally {
      closeSync(descriptor);
    }
  }

  /** Begins the operations that make the object `name` what its file is. */
  #begin(name: Uint8Array, stats: BigIntStats): void {
    const { collection } = this.#options;
    const transaction = this.#transaction;
    if (this.#compares) {
      transaction.truncate(collection, name, 0).touch(collection, name);
      transaction.removeAttribute(collection, name, FILE_TARGET);
    } else transaction.touch(collection, name);
    transaction.setAttributes(collection, name, attributesOf(stats));
  }

  async #takeLarge({ path, name }: WalkedEntry): Promise<void> {
    await this.#submit();
    let file: FileHandle | undefined;
    try {
      file = await open(path, OPEN_FLAGS);
      const stats = await file.stat({ bigint: true });
      const { collection } = this.#options;
      const pieces = piecesOfFile(file);
      const attributes = (): [Bytes, Bytes][] => attributesOf(stats);
      const written = { collection, object: name, pieces, attributes };
      this.#summary.bytes += await this.#writer.write(written);
      this.#summary.files++;
      this.#summary.transactions++;
    } catch (error) {
      if (error instanceof StoreError || !isSystemError(error)) throw error;
      this.#skip(path, reasonOf(error));
    } finally {
      await file?.close();
    }
  }

  /** True when the object is there with this size, mode and mtime. */
  #isStored(name: Uint8Array, stats: BigIntStats, size: number): boolean {
    if (!this.#compares) return false;
    const object = this.#stored.object(name);
    if (!object.existsSync() || object.statSync().size !== size) return false;
    const { mode, mtime } = factsOf(stats);
    const same =
      textEquals(object.getAttributeSync(FILE_MODE), mode) &&
      textEquals(object.getAttributeSync(FILE_MTIME), mtime);
    if (same) this.#summary.unchanged++;
    return same;
  }

  /** Removes the objects that have no file. */
  async #removeOthers(top: Buffer): Promise<void> {
    await this.#pipeline.drain();
    for await (const page of objectPages(this.#stored)) {
      for (const listed of page) {
        if (hasFile(top, listed.name)) continue;
        this.#transaction.remove(this.#options.collection, objectNameOf(listed));
        this.#summary.removed++;
      }
      await this.#submit();
    }
  }

  #skip(path: Buffer, reason: string): void {
    this.#summary.skipped++;
    this.#options.onProblem(`Cannot import ${printable(path)}: ${reason}`);
  }
}

function attributesOf(stats: BigIntStats): [Bytes, Bytes][] {
  const { mode, mtime } = factsOf(stats);
  return [
    [FILE_MODE, mode],
    [FILE_MTIME, mtime],
  ];
}

function textEquals(value: Uint8Array | undefined, text: string): boolean {
  return value !== undefined && utf8Of(value) === text;
}

/** True when the walk of `top` would come past the object's name. */
function hasFile(top: Buffer, name: Uint8Array): boolean {
  if (pathFault(name) !== undefined) return false;
  const path = Buffer.concat([top, Buffer.from('/'), name]);
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function topStats(directory: string): BigIntStats {
  let stats: BigIntStats;
  try {
    stats = statSync(directory, { bigint: true });
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw typedError(`Cannot import ${directory}`, error);
  }
  if (stats.isDirectory()) return stats;
  throw new StoreError(
    'E_INVALID',
    `Cannot import ${directory}: not a directory; use put for a file`,
  );
}
