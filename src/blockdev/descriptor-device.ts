/**
 * What a file and a raw block device have in common: a device behind file descriptors.
 *
 * - Two descriptors: one for reads, buffered writes and flushes (fdatasync), and one opened with
 *   O_DSYNC for durable writes, so that a durable write waits for its own bytes only and not for
 *   other dirty pages. Both go through the page cache, which keeps them coherent.
 * - Two O_DIRECT ones, opened when first needed: one reads from the medium (media-reader.ts), one
 *   writes what nobody reads soon (direct-writer.ts).
 * - Descriptors and the lock are given back when the last call under way has ended: a descriptor
 *   closed under a call could be reused, and the call would then hit somebody else's file.
 */

import { closeSync, constants, openSync } from 'node:fs';
import { checkOpen, checkRun, checkWritable, totalLength } from './access.js';
import type { BlockDevice, StripeGeometry, WriteOptions } from './block-device.js';
import {
  type Descriptor,
  readFully,
  readFullySync,
  syncData,
  syncDataSync,
  writeFully,
  writeFullySync,
} from './descriptor-io.js';
import { DirectWriter } from './direct-writer.js';
import { MediaReader } from './media-reader.js';

/** Something to give back when the device closes. */
export interface Releasable {
  release(): void;
}

export interface DescriptorDeviceOptions {
  readonly path: string;
  /** Open for reading, and for writing unless `readOnly`; the device closes it. */
  readonly fd: number;
  readonly readOnly: boolean;
  readonly sectorSize: number;
  readonly geometry: StripeGeometry;
  /** Undefined for a read-only device. */
  readonly lock: Releasable | undefined;
}

export abstract class DescriptorDevice implements BlockDevice {
  readonly path: string;
  readonly sectorSize: number;
  readonly geometry: StripeGeometry;
  readonly readOnly: boolean;
  protected readonly buffered: Descriptor;
  readonly #durable: Descriptor;
  readonly #lock: Releasable | undefined;
  readonly #media: MediaReader;
  readonly #direct: DirectWriter;
  #writtenBytes = 0;
  #underWay = 0;
  #closed = false;
  #isReleased = false;
  #waiting: (() => void)[] = [];

  constructor(options: DescriptorDeviceOptions) {
    const { path, fd, readOnly } = options;
    this.path = path;
    this.sectorSize = options.sectorSize;
    this.geometry = options.geometry;
    this.readOnly = readOnly;
    this.buffered = { fd, path };
    this.#durable = readOnly ? this.buffered : { fd: reopen(fd, DURABLE_FLAGS), path };
    this.#lock = options.lock;
    this.#media = new MediaReader(this.buffered);
    this.#direct = new DirectWriter(this.buffered);
  }

  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  abstract get size(): number;
  abstract get sizeMax(): number;
  abstract limitTo(bytes: number): void;
  abstract growSync(size: number): void;
  abstract grow(size: number): Promise<void>;

  readSync(offset: number, target: Uint8Array): void {
    this.#checkRead(offset, target);
    readFullySync(this.buffered, offset, target);
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    this.#checkRead(offset, target);
    await this.track(readFully(this.buffered, offset, target));
  }

  writeSync(offset: number, sources: readonly Uint8Array[], options?: WriteOptions): void {
    this.#beginWrite(offset, sources);
    if (mayPassBy(options) && this.#direct.writeSync(offset, sources)) return;
    writeFullySync(this.#for(options), offset, sources);
  }

  async write(
    offset: number,
    sources: readonly Uint8Array[],
    options?: WriteOptions,
  ): Promise<void> {
    this.#beginWrite(offset, sources);
    await this.track(this.#write(offset, sources, options));
  }

  async #write(
    offset: number,
    sources: readonly Uint8Array[],
    options: WriteOptions | undefined,
  ): Promise<void> {
    if (mayPassBy(options) && (await this.#direct.write(offset, sources))) return;
    await writeFully(this.#for(options), offset, sources);
  }

  /** By a descriptor of its own: the system reports an error of writing back once to each. */
  rewriteSync(offset: number, bytes: Uint8Array): void {
    this.#beginWrite(offset, [bytes]);
    const { path } = this;
    const own = { fd: reopen(this.buffered.fd, DURABLE_FLAGS), path };
    try {
      writeFullySync(own, offset, [bytes]);
    } finally {
      closeSync(own.fd);
    }
  }

  flushSync(): void {
    this.checkOpen();
    if (!this.readOnly) syncDataSync(this.buffered);
  }

  async flush(): Promise<void> {
    this.checkOpen();
    if (!this.readOnly) await this.track(syncData(this.buffered));
  }

  /**
   * Reads what is on the medium, past the page cache: for scrub. Bytes written before and not
   * flushed yet are included, because the kernel writes them back first.
   * Where direct reads are refused it is a plain read; `isMediaDirect` then is false.
   * @throws StoreError E_IO
   */
  readMediaSync(offset: number, target: Uint8Array): void {
    this.#checkRead(offset, target);
    this.#media.readSync(offset, target);
  }

  /** As `readMediaSync`. */
  async readMedia(offset: number, target: Uint8Array): Promise<void> {
    this.#checkRead(offset, target);
    await this.track(this.#media.read(offset, target));
  }

  /** Whether `readMedia` really passes the page cache by. */
  get isMediaDirect(): boolean {
    this.checkOpen();
    return this.#media.isDirect();
  }

  closeSync(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#underWay === 0) this.#giveBack();
  }

  async released(): Promise<void> {
    if (this.#isReleased) return;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** @throws StoreError E_CLOSED */
  protected checkOpen(): void {
    checkOpen(this, this.#closed);
  }

  /** Keeps the descriptors open until `call` has ended. */
  protected async track(call: Promise<void>): Promise<void> {
    this.#underWay++;
    try {
      await call;
    } finally {
      this.#underWay--;
      if (this.#closed && this.#underWay === 0) this.#giveBack();
    }
  }

  #for(options: WriteOptions | undefined): Descriptor {
    return options?.durable === true ? this.#durable : this.buffered;
  }

  #checkRead(offset: number, target: Uint8Array): void {
    this.checkOpen();
    checkRun(this, offset, target.length);
  }

  #beginWrite(offset: number, sources: readonly Uint8Array[]): void {
    this.checkOpen();
    checkWritable(this);
    const length = totalLength(sources);
    checkRun(this, offset, length);
    this.#writtenBytes += length;
  }

  #giveBack(): void {
    this.#media.close();
    this.#direct.close();
    if (this.#durable !== this.buffered) closeSync(this.#durable.fd);
    closeSync(this.buffered.fd);
    this.#lock?.release();
    this.#isReleased = true;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

function mayPassBy(options: WriteOptions | undefined): boolean {
  return options?.durable === true && options.unread === true;
}

const DURABLE_FLAGS = constants.O_RDWR | constants.O_DSYNC;

/**
 * Another descriptor of what `fd` has open, with flags of its own. It goes by the descriptor and
 * not by the path, which may name something else by now.
 */
export function reopen(fd: number, flags: number): number {
  return openSync(`/proc/self/fd/${fd}`, flags);
}
