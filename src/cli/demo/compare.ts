/**
 * Compares a collection with the directory that it was imported from, byte by byte.
 *
 * - Every entry of the directory must be there as it is, and nothing else.
 * - A file that somebody changed since it was imported tells nothing; it is counted.
 */

import {
  type BigIntStats,
  closeSync,
  constants,
  lstatSync,
  openSync,
  readlinkSync,
  statSync,
} from 'node:fs';
import type { StoredCollection, StoredObject } from '../../index.js';
import { FILE_MODE, FILE_MTIME, FILE_TARGET, factsOf } from '../file-attributes.js';
import { readAt } from '../file-pieces.js';
import { type WalkedEntry, walk } from '../file-walk.js';
import { isSystemError } from '../system-error.js';
import { printable } from '../text.js';

/** Bytes compared at a time. */
const PIECE_BYTES = 1024 * 1024;

/** A file's times lag behind the clock by up to so much. */
const CLOCK_TICK_MS = 20;

/** Faults that are described one by one. */
const FAULTS_MAX = 20;

/** What bytes of an object were made on purpose, from what they were at `offset`. */
export type Change = (bytes: Buffer, offset: number) => void;

export interface CompareOptions {
  readonly collection: StoredCollection;
  readonly directory: string;
  /** Date.now() before the import began: what is newer need not be there. */
  readonly importedMs: number;
  /** How the object `name` was changed after the import; undefined for not at all. */
  readonly changeOf: (name: string) => Change | undefined;
}

export interface Comparison {
  objects: number;
  bytes: number;
  /** Objects that are, as they should be, not what the source is. */
  changed: number;
  /** Entries whose source changed meanwhile. */
  unstable: number;
  readonly faults: string[];
  faultCount: number;
}

export function compareTree(options: CompareOptions): Comparison {
  return new Comparing(options).run();
}

class Comparing {
  readonly #options: CompareOptions;
  readonly #buffer = Buffer.allocUnsafe(PIECE_BYTES);
  readonly #result: Comparison = {
    objects: 0,
    bytes: 0,
    changed: 0,
    unstable: 0,
    faults: [],
    faultCount: 0,
  };

  constructor(options: CompareOptions) {
    this.#options = options;
  }

  run(): Comparison {
    const { collection, directory } = this.#options;
    const result = this.#result;
    for (const entry of walk(Buffer.from(directory), () => undefined)) this.#compare(entry);
    if (this.#isTopChanged()) result.unstable++;
    const { objects } = collection.statSync();
    if (objects !== result.objects && result.unstable === 0) {
      this.#fault(`${objects} objects are there instead of ${result.objects}`);
    }
    return result;
  }

  #compare(entry: WalkedEntry): void {
    if (entry.type === 'other') return;
    const object = this.#options.collection.object(entry.name);
    const state = this.#stateOf(entry, object);
    if (state === 'unstable') {
      this.#result.unstable++;
      return;
    }
    this.#result.objects++;
    if (state === 'missing') this.#fault(`${printable(entry.name)} is missing`);
    else if (entry.type === 'file') this.#compareBytes(entry, object);
    else if (entry.type === 'symlink') this.#compareTarget(entry, object);
  }

  #compareTarget({ name, path }: WalkedEntry, object: StoredObject): void {
    const target = object.getAttributeSync(FILE_TARGET);
    const expected = readlinkSync(path, { encoding: 'buffer' });
    if (target === undefined || !expected.equals(target)) {
      this.#fault(`${printable(name)} has another target`);
    }
  }

  #compareBytes({ name, path }: WalkedEntry, object: StoredObject): void {
    const change = this.#options.changeOf(name.toString('latin1'));
    if (change !== undefined) this.#result.changed++;
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      for (let offset = 0; ; offset += PIECE_BYTES) {
        const length = readAt(descriptor, this.#buffer, PIECE_BYTES, offset);
        const expected = this.#buffer.subarray(0, length);
        change?.(expected, offset);
        if (!expected.equals(object.readSync(offset, PIECE_BYTES))) {
          this.#fault(`${printable(name)} has other bytes in the MiB at ${offset}`);
        }
        this.#result.bytes += length;
        if (length < PIECE_BYTES) return;
      }
    } finally {
      closeSync(descriptor);
    }
  }

  /** Whether a file is still the one that was imported. */
  #stateOf({ path }: WalkedEntry, object: StoredObject): 'same' | 'missing' | 'unstable' {
    let stats: BigIntStats;
    try {
      stats = lstatSync(path, { bigint: true });
    } catch (error) {
      if (isSystemError(error)) return 'unstable';
      throw error;
    }
    if (!object.existsSync()) {
      const isNewer = Number(stats.ctimeMs) > this.#options.importedMs - CLOCK_TICK_MS;
      return isNewer ? 'unstable' : 'missing';
    }
    const { mode, mtime } = factsOf(stats);
    const isSame =
      textOf(object.getAttributeSync(FILE_MODE)) === mode &&
      textOf(object.getAttributeSync(FILE_MTIME)) === mtime;
    return isSame ? 'same' : 'unstable';
  }

  /** Something was made or removed right in the directory. */
  #isTopChanged(): boolean {
    const { collection, directory } = this.#options;
    const { mtime } = factsOf(statSync(directory, { bigint: true }));
    return textOf(collection.getAttributeSync(FILE_MTIME)) !== mtime;
  }

  #fault(text: string): void {
    this.#result.faultCount++;
    if (this.#result.faults.length < FAULTS_MAX) this.#result.faults.push(text);
  }
}

function textOf(value: Uint8Array | undefined): string {
  return value === undefined ? '' : Buffer.from(value).toString('latin1');
}
