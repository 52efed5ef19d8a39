/**
 * The plain file beside a store: what the file system gives for the same bytes.
 *
 * - It lies in the store's directory, so on the same device, and is gone afterwards. Beside a
 *   block device there is none.
 */

import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fdatasyncSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { isSystemError } from '../system-error.js';

const PIECE_BYTES = 1024 ** 2;

export class RawFile {
  readonly #path: string;
  readonly #fd: number;
  readonly #size: number;
  readonly #buffer = new Uint8Array(PIECE_BYTES);

  private constructor(path: string, fd: number, size: number) {
    this.#path = path;
    this.#fd = fd;
    this.#size = size;
  }

  /**
   * A file of `size` bytes with all its blocks, `fill` repeated, beside the store; undefined
   * where the store is no file or its directory takes no other.
   */
  static make(store: string, size: number, fill: Uint8Array): RawFile | undefined {
    if (!statSync(store).isFile()) return undefined;
    const path = join(dirname(store), `.holdfast-bench-${randomBytes(8).toString('hex')}`);
    const fd = openNew(path);
    if (fd === undefined) return undefined;
    const file = new RawFile(path, fd, size);
    try {
      for (let at = 0; at < size; at += PIECE_BYTES) writeSync(fd, fill, 0, PIECE_BYTES, at);
      fdatasyncSync(fd);
      return file;
    } catch (error) {
      file.remove();
      if (isSystemError(error)) return undefined; // no room for it: there is nothing to compare
      throw error;
    }
  }

  /** Writes `data` at the place that follows that of write `index - 1`, and flushes. */
  write(index: number, data: Uint8Array): void {
    writeSync(this.#fd, data, 0, data.length, (index * data.length) % this.#size);
    fdatasyncSync(this.#fd);
  }

  /** Reads `length` bytes at place `index`. */
  read(index: number, length: number): void {
    readSync(this.#fd, this.#buffer, 0, length, (index * length) % this.#size);
  }

  remove(): void {
    closeSync(this.#fd);
    rmSync(this.#path, { force: true });
  }
}

/** A new file; undefined where none can be made. */
function openNew(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}
