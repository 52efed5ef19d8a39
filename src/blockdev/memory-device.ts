/**
 * A device in memory, for stores that need not outlive their process.
 *
 * - Everything is as durable as the process; a flush does nothing.
 * - Memory is taken as the device grows, in doublings, never beyond `sizeMax`.
 */

import { checkGrowth, checkOpen, checkRun, checkWritable, totalLength } from './access.js';
import { type BlockDevice, NO_STRIPES, type StripeGeometry } from './block-device.js';

export interface MemoryDeviceOptions {
  /** Bytes that are there from the start, a multiple of the sector. */
  readonly size: number;
  /** Bytes that it may grow to; `size` unless given. */
  readonly sizeMax?: number;
  /** 512 unless given. */
  readonly sectorSize?: number;
  readonly geometry?: StripeGeometry;
  readonly path?: string;
}

/** A device in memory: see BlockDevice for its methods. */
export class MemoryDevice implements BlockDevice {
  readonly path: string;
  readonly sectorSize: number;
  readonly geometry: StripeGeometry;
  readonly readOnly = false;
  #bytes: Uint8Array;
  #size: number;
  #sizeMax: number;
  #closed = false;

  constructor(options: MemoryDeviceOptions) {
    this.path = options.path ?? 'memory';
    this.sectorSize = options.sectorSize ?? 512;
    this.geometry = options.geometry ?? NO_STRIPES;
    this.#sizeMax = Math.max(options.size, options.sizeMax ?? options.size);
    checkGrowth(this, options.size);
    this.#size = options.size;
    this.#bytes = new Uint8Array(options.size);
  }

  get size(): number {
    return this.#size;
  }

  get sizeMax(): number {
    return this.#sizeMax;
  }

  limitTo(bytes: number): void {
    this.#sizeMax = Math.max(this.#size, bytes - (bytes % this.sectorSize));
  }

  readSync(offset: number, target: Uint8Array): void {
    checkOpen(this, this.#closed);
    checkRun(this, offset, target.length);
    target.set(this.#bytes.subarray(offset, offset + target.length));
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    this.readSync(offset, target);
  }

  writeSync(offset: number, sources: readonly Uint8Array[]): void {
    checkOpen(this, this.#closed);
    checkWritable(this);
    checkRun(this, offset, totalLength(sources));
    let at = offset;
    for (const source of sources) {
      this.#bytes.set(source, at);
      at += source.length;
    }
  }

  async write(offset: number, sources: readonly Uint8Array[]): Promise<void> {
    this.writeSync(offset, sources);
  }

  flushSync(): void {
    checkOpen(this, this.#closed);
  }

  async flush(): Promise<void> {
    this.flushSync();
  }

  growSync(size: number): void {
    checkOpen(this, this.#closed);
    checkGrowth(this, size);
    if (size <= this.#size) return;
    if (size > this.#bytes.length) {
      const grown = new Uint8Array(Math.min(this.#sizeMax, Math.max(size, 2 * this.#size)));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#size = size;
  }

  async grow(size: number): Promise<void> {
    this.growSync(size);
  }

  /** Also forgets the bytes. */
  closeSync(): void {
    this.#closed = true;
    this.#bytes = new Uint8Array(0);
  }
}
