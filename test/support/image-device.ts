/**
 * A device over bytes that a test holds in its hands, for tests that look at thousands of images
 * which differ in a few places.
 *
 * - Nothing is copied to make one: the test changes `bytes`, looks, and changes them back.
 * - Writes keep what they covered; `undo` puts it back.
 * - Calls are counted and may be limited, so that work which never ends is found out.
 */

import { checkGrowth, checkOpen, checkRun, checkWritable } from '../../src/blockdev/access.js';
import { type BlockDevice, NO_STRIPES } from '../../src/blockdev/block-device.js';
import { StoreError } from '../../src/errors.js';

/** Work asked more of a device than it may. */
export class TooMuchWork extends Error {}

export interface ImageDeviceOptions {
  readonly readOnly?: boolean;
}

export class ImageDevice implements BlockDevice {
  readonly path = 'image';
  readonly sectorSize = 512;
  readonly geometry = NO_STRIPES;
  readonly readOnly: boolean;
  readonly bytes: Uint8Array;
  /** Told of every read. */
  onRead: ((offset: number, length: number) => void) | undefined;
  /** Calls so far, and how many may be made. */
  calls = 0;
  callsMax = Number.POSITIVE_INFINITY;
  readonly #covered: { readonly offset: number; readonly bytes: Uint8Array }[] = [];
  #closed = false;

  constructor(bytes: Uint8Array, options: ImageDeviceOptions = {}) {
    this.bytes = bytes;
    this.readOnly = options.readOnly ?? false;
  }

  get size(): number {
    return this.bytes.length;
  }

  get sizeMax(): number {
    return this.bytes.length;
  }

  limitTo(): void {
    // A device of fixed size.
  }

  readSync(offset: number, target: Uint8Array): void {
    this.#count();
    checkRun(this, offset, target.length);
    this.onRead?.(offset, target.length);
    target.set(this.bytes.subarray(offset, offset + target.length));
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    this.readSync(offset, target);
  }

  writeSync(offset: number, sources: readonly Uint8Array[]): void {
    this.#count();
    checkWritable(this);
    const whole = Buffer.concat(sources);
    checkRun(this, offset, whole.length);
    this.#covered.push({ offset, bytes: this.bytes.slice(offset, offset + whole.length) });
    this.bytes.set(whole, offset);
  }

  async write(offset: number, sources: readonly Uint8Array[]): Promise<void> {
    this.writeSync(offset, sources);
  }

  flushSync(): void {
    this.#count();
  }

  async flush(): Promise<void> {
    this.flushSync();
  }

  growSync(size: number): void {
    this.#count();
    checkGrowth(this, size);
    if (size > this.size) throw new StoreError('E_NO_SPACE', 'Cannot grow image');
  }

  async grow(size: number): Promise<void> {
    this.growSync(size);
  }

  closeSync(): void {
    this.#closed = true;
  }

  /** Takes back every write. */
  undo(): void {
    for (const { offset, bytes } of this.#covered.splice(0).reverse()) {
      this.bytes.set(bytes, offset);
    }
  }

  #count(): void {
    checkOpen(this, this.#closed);
    if (++this.calls > this.callsMax) throw new TooMuchWork(`over ${this.callsMax} calls`);
  }
}
