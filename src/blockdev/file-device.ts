/**
 * A device in a regular file.
 *
 * - The file's length is the device's size; a length that is not of whole sectors is rounded down.
 * - The sector is 512 bytes: the unit of addressing, and the least that tears. A file system
 *   writes in larger blocks, which the page cache takes care of.
 * - Growing writes zeros and flushes them, so that the host has really given the space: a full
 *   host then answers E_NO_SPACE, and the file is cut back. (A host that writes every block
 *   anew, or compresses zeros away, may still run full later.)
 * - A synchronous growth may overtake an asynchronous one: it zeroes all of the way itself. Zeros
 *   of the other may land until its promise settles.
 * - A file that was opened can't grow until `limitTo` says how far: only its superblock knows.
 * - A new file's directory entry is durable before the device is given out.
 */

import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { assert } from '../assert.js';
import { StoreError } from '../errors.js';
import { checkGrowth, checkWritable, wholeSectors } from './access.js';
import { NO_STRIPES } from './block-device.js';
import { DescriptorDevice, type Releasable } from './descriptor-device.js';
import { syncData, syncDataSync, systemCode, truncateSync } from './descriptor-io.js';
import { writeZeros, writeZerosSync } from './zero-writer.js';

export const FILE_SECTOR_SIZE = 512;

export interface FileDeviceOptions {
  readonly path: string;
  /** Of a regular file; the device closes it. */
  readonly fd: number;
  readonly readOnly: boolean;
  /** The current size unless given. */
  readonly sizeMax?: number;
  readonly lock: Releasable | undefined;
}

export class FileDevice extends DescriptorDevice {
  #size: number;
  #sizeMax: number;
  /** Bytes that an asynchronous growth under way leads to; 0 when there is none. */
  #growingTo = 0;

  /** Use `openDevice` or `openDeviceSync`: they lock the file first. */
  constructor(options: FileDeviceOptions) {
    super({ ...options, sectorSize: FILE_SECTOR_SIZE, geometry: NO_STRIPES });
    this.#size = wholeSectors(fstatSync(options.fd).size, FILE_SECTOR_SIZE);
    this.#sizeMax = this.#size;
    if (options.sizeMax !== undefined) this.limitTo(options.sizeMax);
  }

  get size(): number {
    return this.#size;
  }

  get sizeMax(): number {
    return this.#sizeMax;
  }

  limitTo(bytes: number): void {
    this.#sizeMax = Math.max(this.#size, wholeSectors(bytes, FILE_SECTOR_SIZE));
  }

  growSync(size: number): void {
    if (!this.#mustGrow(size)) return;
    try {
      writeZerosSync(this.buffered, this.#size, size);
      syncDataSync(this.buffered);
      this.#size = size;
    } catch (error) {
      throw this.#undoGrowth(size, error);
    }
  }

  async grow(size: number): Promise<void> {
    if (!this.#mustGrow(size)) return;
    assert(this.#growingTo === 0, 'one growth of a file at a time');
    this.#growingTo = size;
    await this.track(this.#growTo(size));
  }

  /**
   * Gives back what is behind `size` bytes, a multiple of 512; durable when it has ended. Nothing
   * may be under way there.
   * @throws StoreError E_IO
   */
  cutSync(size: number): void {
    this.checkOpen();
    checkWritable(this);
    assert(
      size % FILE_SECTOR_SIZE === 0 && this.#growingTo === 0,
      'a file is cut to whole sectors',
    );
    if (size < this.#size) {
      truncateSync(this.buffered, size);
      this.#size = size;
    }
    this.#sizeMax = Math.max(this.#size, size);
  }

  /** Ends early where a synchronous growth reaches as far meanwhile. */
  async #growTo(size: number): Promise<void> {
    const isNeeded = (): boolean => this.#size < size;
    try {
      await writeZeros(this.buffered, this.#size, size, isNeeded);
      if (isNeeded()) await syncData(this.buffered);
      this.#growingTo = 0;
      this.#size = Math.max(this.#size, size);
    } catch (error) {
      this.#growingTo = 0;
      if (isNeeded()) throw this.#undoGrowth(size, error);
    }
  }

  /** Checks; false when there is nothing to do. */
  #mustGrow(size: number): boolean {
    this.checkOpen();
    checkWritable(this);
    checkGrowth(this, size);
    return size > this.#size;
  }

  /** Cuts the file back, but to nothing that is being written, and gives the error to throw. */
  #undoGrowth(size: number, cause: unknown): unknown {
    ftruncateSync(this.buffered.fd, Math.max(this.#size, this.#growingTo));
    if (!isHostFull(cause)) return cause;
    const what = `Cannot grow ${this.path} from ${this.#size} to ${size} bytes`;
    return new StoreError('E_NO_SPACE', `${what}: the host is full (${systemCode(cause)})`, {
      cause,
    });
  }
}

/** Makes the entry of a file that was created at `path` durable. */
export function syncDirectoryOf(path: string): void {
  const fd = openSync(dirname(path), 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** No space, no quota, or larger than a file may be. */
function isHostFull(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
}
