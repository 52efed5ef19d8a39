/**
 * Places that were read from the device, checked before anything is read or allocated by them: a
 * pointer behind a right checksum may still be one that no writer made.
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import { CorruptError } from '../errors.js';

/** @throws CorruptError unless bytes [offset, offset + length) are on the device */
export function checkPlace(device: BlockDevice, offset: number, length: number): void {
  if (length <= device.size - offset) return;
  throw new CorruptError(
    `Cannot read ${length} bytes at device offset ${offset}: the device ends at ${device.size}`,
    offset,
  );
}
