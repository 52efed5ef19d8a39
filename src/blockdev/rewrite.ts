/** Writing bytes again where they belong already. */

import type { BlockDevice } from './block-device.js';

/**
 * Writes bytes durably that nobody waits for: a failure says nothing about any other write.
 * @throws StoreError E_IO
 */
export function rewriteSync(device: BlockDevice, offset: number, bytes: Uint8Array): void {
  if (device.rewriteSync !== undefined) device.rewriteSync(offset, bytes);
  else device.writeSync(offset, [bytes], { durable: true });
}
