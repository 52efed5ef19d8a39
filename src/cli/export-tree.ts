/**
 * Exports a collection to a directory: what import took in, byte for byte, with modes, mtimes
 * and symlinks.
 *
 * - What is damaged is told and counted, and everything else exported all the same.
 * - Nothing is ever written outside the directory. A name that is no path below it is refused,
 *   and so is one whose way leads through a symlink; everything else is exported all the same.
 * - What is in the way of a file is replaced, never written through.
 * - Directories get their mode and mtime at the end, when nothing is written into them any more;
 *   until then they are remembered, some 200 bytes each.
 * - Set-user-id and set-group-id bits of files are left out unless asked for: the files belong to
 *   whoever exports them.
 * - Times come back to the microsecond: Node's calls take seconds with a fraction.
 */

import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import {
  hasCode,
  type ListedObject,
  type StoredCollection,
  type StoredObject,
  StoreError,
} from '../index.js';
import { type StoredFile, storedFile, typeOf } from './file-attributes.js';
import { PIECE_BYTES } from './object-writer.js';
import { objectNameOf, objectPages } from './pages.js';
import { parentOf, pathFault } from './relative-path.js';
import { isSystemError, reasonOf, typedError } from './system-error.js';
import { printable } from './text.js';

const SLASH = Buffer.from('/');
const CREATE_FLAGS =
  constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Permission bits that every file gets back. */
const MODE_MASK = 0o1777;
const SETID_MASK = 0o6000;

/** Names of damaged objects that are remembered; every one is told. */
const DAMAGED_NAMES_MAX = 1000;

export interface ExportOptions {
  readonly collection: StoredCollection;
  readonly directory: string;
  /** Also into a directory that is not empty. */
  readonly force?: boolean;
  /** Also the set-id bits of files. */
  readonly setId?: boolean;
  /** Tells a path of the store itself, which is not replaced. */
  readonly isOwn?: (path: Buffer) => boolean;
  /** So many bytes and one more object are exported. */
  readonly onEntry?: (bytes: number) => void;
  /** Something was refused. */
  readonly onProblem: (message: string) => void;
}

/** What an export did. */
export interface ExportSummary {
  files: number;
  directories: number;
  symlinks: number;
  /** Bytes of the files. */
  bytes: number;
  /** Objects that could not be exported; the damaged ones too. */
  skipped: number;
  /** Objects that are damaged. */
  damaged: number;
  /** Names of damaged objects, DAMAGED_NAMES_MAX at most. */
  readonly damagedNames: Uint8Array[];
  /** Objects that the collection counts and that damage keeps from being listed. */
  unlisted: number;
}

/** Exports all objects of a collection. @throws StoreError E_EXISTS, E_NOT_FOUND */
export async function exportTree(options: ExportOptions): Promise<ExportSummary> {
  return await new Export(options).run();
}

class Export {
  readonly #options: ExportOptions;
  readonly #top: Buffer;
  readonly #directories: { readonly path: Buffer; readonly stored: StoredFile }[] = [];
  readonly #summary: ExportSummary = {
    files: 0,
    directories: 0,
    symlinks: 0,
    bytes: 0,
    skipped: 0,
    damaged: 0,
    damagedNames: [],
    unlisted: 0,
  };
  /** The directory that was found, or made, last: it is none that leads elsewhere. */
  #parent: Uint8Array | undefined;

  constructor(options: ExportOptions) {
    this.#options = options;
    this.#top = Buffer.from(options.directory);
  }

  async run(): Promise<ExportSummary> {
    const { collection } = this.#options;
    const { objects } = await collection.stat(); // nothing is made for one that is not there
    this.#begin();
    await this.#takeAll(objects);
    for (const { path, stored } of this.#directories.reverse()) this.#finish(path, stored);
    await this.#finishTop();
    return this.#summary;
  }

  async #finishTop(): Promise<void> {
    const { collection, onProblem, directory } = this.#options;
    try {
      this.#finish(this.#top, storedFile(await collection.attributes()));
    } catch (error) {
      if (!isDamage(error)) throw error;
      onProblem(`Cannot set mode of ${directory}: ${error.message}`);
    }
  }

  async #takeAll(expected: number): Promise<void> {
    const { collection, onProblem } = this.#options;
    let listed = 0;
    let isWhole = true;
    const onDamage = (error: StoreError): void => {
      isWhole = false;
      onProblem(`Cannot list all objects: ${error.message}`);
    };
    for await (const page of objectPages(collection, { onDamage })) {
      for (const one of page) this.#take(one);
      listed += page.length;
    }
    if (!isWhole) this.#summary.unlisted = Math.max(1, expected - listed);
  }

  #begin(): void {
    const { directory, force = false } = this.#options;
    try {
      makeDirectories(directory);
      if (force || readdirSync(directory).length === 0) return;
    } catch (error) {
      throw typedError(`Cannot export to ${directory}`, error);
    }
    throw new StoreError(
      'E_EXISTS',
      `Cannot export to ${directory}: it is not empty; choose another, or use --force to replace files in it`,
    );
  }

  #take(listed: ListedObject): void {
    try {
      this.#write(listed);
    } catch (error) {
      const isDamaged = isDamage(error);
      if (!isDamaged && !(error instanceof Refusal) && !isSystemError(error)) throw error;
      if (isDamaged) this.#noteDamaged(listed.name);
      this.#summary.skipped++;
      this.#options.onProblem(`Cannot export ${printable(listed.name)}: ${reasonOf(error)}`);
    }
    this.#options.onEntry?.(listed.size);
  }

  #noteDamaged(name: Uint8Array): void {
    this.#summary.damaged++;
    const { damagedNames } = this.#summary;
    if (damagedNames.length < DAMAGED_NAMES_MAX) damagedNames.push(name);
  }

  #write(listed: ListedObject): void {
    const fault = pathFault(listed.name);
    if (fault !== undefined) throw new Refusal(`its name is no path below a directory, ${fault}`);
    const object = this.#options.collection.object(objectNameOf(listed));
    const stored = storedFile(object.attributesSync());
    const path = Buffer.concat([this.#top, SLASH, listed.name]);
    if (this.#options.isOwn?.(path) === true) throw new Refusal('the store itself is in its place');
    this.#enter(parentOf(listed.name));
    switch (typeOf(stored.mode)) {
      case 'directory':
        this.#makeDirectory(path);
        this.#directories.push({ path, stored });
        this.#summary.directories++;
        break;
      case 'symlink':
        this.#makeSymlink(path, stored);
        break;
      case 'file':
        this.#makeFile(path, object, stored, listed.size);
        break;
      default:
        throw new Refusal('it is neither a file, a directory nor a symlink');
    }
  }

  /** Makes sure that every part of `name` is a directory of our own tree. */
  #enter(name: Uint8Array): void {
    if (name.length === 0) return;
    if (this.#parent !== undefined && Buffer.compare(this.#parent, name) === 0) return;
    this.#enter(parentOf(name));
    this.#makeDirectory(Buffer.concat([this.#top, SLASH, name]));
    this.#parent = name;
  }

  #makeDirectory(path: Buffer): void {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) mkdirSync(path, 0o700);
    else if (stats.isSymbolicLink()) throw new Refusal(`${printable(path)} is a symlink`);
    else if (!stats.isDirectory()) throw new Refusal(`${printable(path)} is not a directory`);
    else if ((stats.mode & 0o700) !== 0o700) chmodSync(path, stats.mode | 0o700);
  }

  #makeSymlink(path: Buffer, { target, mtime }: StoredFile): void {
    if (target === undefined) throw new Refusal('it is a symlink without a target');
    clear(path);
    symlinkSync(Buffer.from(target), path);
    if (mtime !== undefined) lutimesSync(path, timeOf(mtime), timeOf(mtime));
    this.#summary.symlinks++;
  }

  #makeFile(path: Buffer, object: StoredObject, stored: StoredFile, size: number): void {
    const descriptor = openNew(path);
    let complete = false;
    try {
      for (let offset = 0; offset < size; offset += PIECE_BYTES) {
        writeFully(descriptor, object.readSync(offset, PIECE_BYTES));
      }
      fchmodSync(descriptor, this.#permissions(stored.mode));
      if (stored.mtime !== undefined)
        futimesSync(descriptor, timeOf(stored.mtime), timeOf(stored.mtime));
      complete = true;
    } finally {
      closeSync(descriptor);
      if (!complete) rmSync(path, { force: true }); // no file is left that holds half of its bytes
    }
    this.#summary.files++;
    this.#summary.bytes += size;
  }

  #permissions(mode: number): number {
    return mode & (this.#options.setId === true ? MODE_MASK | SETID_MASK : MODE_MASK);
  }

  #finish(path: Buffer, { mode, mtime }: StoredFile): void {
    if (typeOf(mode) !== 'directory') return;
    try {
      chmodSync(path, mode & (MODE_MASK | SETID_MASK));
      if (mtime !== undefined) utimesSync(path, timeOf(mtime), timeOf(mtime));
    } catch (error) {
      if (!isSystemError(error)) throw error;
      this.#options.onProblem(`Cannot set mode of ${printable(path)}: ${reasonOf(error)}`);
    }
  }
}

/** An object that is not exported. */
class Refusal extends Error {}

/** True for what keeps one object from being read, and says nothing about others. */
function isDamage(error: unknown): error is StoreError {
  return hasCode(error, 'E_CORRUPT') || hasCode(error, 'E_IO');
}

/** Makes a directory and those above it; Node's own way hides why it could not. */
function makeDirectories(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
  const above = dirname(resolve(path));
  if (above !== resolve(path)) makeDirectories(above);
  mkdirSync(path);
}

/** Opens a file that is new for certain. */
function openNew(path: Buffer): number {
  try {
    return openSync(path, CREATE_FLAGS, 0o600);
  } catch (error) {
    if (!isSystemError(error) || error.code !== 'EEXIST') throw error;
    clear(path);
    return openSync(path, CREATE_FLAGS, 0o600);
  }
}

/** Removes a file or symlink that is in the way. */
function clear(path: Buffer): void {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats?.isDirectory() === true) throw new Refusal('a directory is in its place');
  if (stats !== undefined) rmSync(path);
}

function writeFully(descriptor: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
}

/** Node takes a negative number for a mistake and sets the present; dates it takes as they are. */
function timeOf(seconds: number): number | Date {
  return seconds < 0 ? new Date(Math.round(seconds * 1000)) : seconds;
}
