/**
 * Reads nodes from a device, and heals them there. A pointer that leads out of the device is damage like any other.
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import type { NodeReader } from '../btree/forest.js';
import { CorruptError } from '../errors.js';
import type { Healer } from './healer.js';

export class DeviceNodeReader implements NodeReader {
  readonly #device: BlockDevice;
  readonly #blockSize: number;
  readonly #healer: Healer;

  constructor(device: BlockDevice, blockSize: number, healer: Healer) {
    this.#device = device;
    this.#blockSize = blockSize;
    this.#healer = healer;
  }

  readSync(address: number, page: Uint8Array): void {
    this.#device.readSync(this.#offsetOf(address, page), page);
  }

  async read(address: number, page: Uint8Array): Promise<void> {
    await this.#device.read(this.#offsetOf(address, page), page);
  }

  heal(address: number, page: Uint8Array): void {
    this.#healer.heal(address, page);
  }

  #offsetOf(address: number, page: Uint8Array): number {
    const offset = address * this.#blockSize;
    checkOnDevice(this.#device, offset, page.length, 'node');
    return offset;
  }
}

/** @throws CorruptError when bytes that something names are not on the device */
export function checkOnDevice(
  device: BlockDevice,
  offset: number,
  length: number,
  what: string,
): void {
  if (offset + length <= device.size) return;
  throw new CorruptError(
    `Cannot read ${what} at device offset ${offset}: the device ends at ${device.size}`,
    offset,
  );
}
