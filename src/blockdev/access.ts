/**
 * The checks that every device makes before a call, in this order.
 *
 * - A closed device, then a read-only one: operating errors (E_CLOSED, E_READ_ONLY).
 * - Places that are negative, fractional, unaligned or past the end: misuse (E_INVALID_ARGUMENT). Pointers
 *   read from a device are checked by their readers, so such a place is never the device's fault.
 */

import { invalidArgument, StoreError } from '../errors.js';
import type { BlockDevice } from './block-device.js';

/** Bytes of all `sources` together. */
export function totalLength(sources: readonly Uint8Array[]): number {
  let length = 0;
  for (const source of sources) length += source.length;
  return length;
}

/** @throws StoreError E_CLOSED */
export function checkOpen(device: BlockDevice, closed: boolean): void {
  if (closed) throw new StoreError('E_CLOSED', `Cannot use ${device.path}: it is closed`);
}

/** @throws StoreError E_READ_ONLY */
export function checkWritable(device: BlockDevice): void {
  if (!device.readOnly) return;
  throw new StoreError('E_READ_ONLY', `Cannot write to ${device.path}: it was opened read-only`);
}

/** @throws StoreError E_INVALID_ARGUMENT unless [offset, offset + length) is a run of whole sectors of `device`. */
export function checkRun(device: BlockDevice, offset: number, length: number): void {
  const { path, sectorSize, size } = device;
  if (!Number.isSafeInteger(offset) || offset < 0 || offset % sectorSize !== 0) {
    throw invalidArgument(
      `Invalid offset ${offset} on ${path}: it should be a multiple of ${sectorSize}`,
    );
  }
  if (length % sectorSize !== 0) {
    throw invalidArgument(
      `Invalid length ${length} on ${path}: it should be a multiple of ${sectorSize}`,
    );
  }
  if (length > size - offset) {
    throw invalidArgument(`Invalid run ${offset}+${length} on ${path}: the device ends at ${size}`);
  }
}

/**
 * @throws StoreError E_INVALID_ARGUMENT for a size that is not of whole sectors
 * @throws StoreError E_NO_SPACE for one over the limit of `device`
 */
export function checkGrowth(device: BlockDevice, size: number): void {
  const { path, sectorSize, sizeMax } = device;
  if (!Number.isSafeInteger(size) || size < 0 || size % sectorSize !== 0) {
    throw invalidArgument(
      `Invalid size ${size} of ${path}: it should be a multiple of ${sectorSize}`,
    );
  }
  if (size <= sizeMax) return;
  throw new StoreError(
    'E_NO_SPACE',
    `Cannot grow ${path} to ${size} bytes: its limit is ${sizeMax}`,
  );
}

/** `bytes` rounded down to whole sectors. */
export function wholeSectors(bytes: number, sectorSize: number): number {
  return bytes - (bytes % sectorSize);
}
