/**
 * A device as its medium has it: for a check that has to know what would be left without the
 * page cache.
 *
 * - Only reads; the device stays its owner's, who also closes it.
 * - A device without a cache of its own is read as ever.
 */

import { checkWritable } from './access.js';
import type { BlockDevice, StripeGeometry } from './block-device.js';

/** A device that can read past its cache. */
export interface CachedDevice extends BlockDevice {
  readMediaSync(offset: number, target: Uint8Array): void;
  readMedia(offset: number, target: Uint8Array): Promise<void>;
}

function isCached(device: BlockDevice): device is CachedDevice {
  return 'readMedia' in device && 'readMediaSync' in device;
}

/** The medium of `device`. */
export function mediaOf(device: BlockDevice): BlockDevice {
  return isCached(device) ? new MediaDevice(device) : device;
}

class MediaDevice implements BlockDevice {
  readonly readOnly = true;
  readonly #device: CachedDevice;

  constructor(device: CachedDevice) {
    this.#device = device;
  }

  get path(): string {
    return this.#device.path;
  }

  get sectorSize(): number {
    return this.#device.sectorSize;
  }

  get geometry(): StripeGeometry {
    return this.#device.geometry;
  }

  get size(): number {
    return this.#device.size;
  }

  get sizeMax(): number {
    return this.#device.sizeMax;
  }

  limitTo(): void {}

  readSync(offset: number, target: Uint8Array): void {
    this.#device.readMediaSync(offset, target);
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    await this.#device.readMedia(offset, target);
  }

  writeSync(): void {
    checkWritable(this);
  }

  async write(): Promise<void> {
    checkWritable(this);
  }

  flushSync(): void {}

  async flush(): Promise<void> {}

  growSync(): void {
    checkWritable(this);
  }

  async grow(): Promise<void> {
    checkWritable(this);
  }

  closeSync(): void {}
}
