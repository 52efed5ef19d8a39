/**
 * The state of a store whose device has become shorter: what lies behind its end is given up.
 *
 * - Nothing is written here. The state that is cut has the trees that it had, which still refer to
 *   what is gone: it is for a repair to mend, and not to be switched to before.
 * - Far slots that stood behind the end go to the last place in front of it that nothing refers to
 *   and no pending transaction claims; best to one that a sound bitmap says is free.
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import { StoreError } from '../errors.js';
import type { Superblock } from '../format/superblock.js';
import { farPlaces, hasFixedPlaces, slotBytes } from '../format/superblock-bounds.js';
import { FreeBlocks } from './free-blocks.js';
import { type FsckOptions, WINDOW_BLOCKS } from './fsck.js';
import { innerCheck } from './inner-check.js';
import { checkJournal } from './journal-check.js';

type CutOptions = Pick<FsckOptions, 'comparators' | 'journalDevice' | 'windowBlocks'>;

/** `superblock` as it is for a device of this size. @throws StoreError E_NO_SPACE */
export function* cutToDevice(
  device: BlockDevice,
  superblock: Superblock,
  options: CutOptions,
): Io<Superblock> {
  const { blockSize, deviceBlocksMax } = superblock;
  const deviceBlocks = Math.floor(device.size / blockSize);
  if (!hasFixedPlaces(superblock, deviceBlocks * blockSize)) {
    throw new StoreError(
      'E_NO_SPACE',
      'Cannot repair: the device has no room for the journal and the far superblocks',
    );
  }
  const canGrow = deviceBlocksMax > superblock.deviceBlocks;
  return {
    ...superblock,
    deviceBlocks,
    deviceBlocksMax: canGrow ? deviceBlocksMax : deviceBlocks,
    farOffset: yield* placeFarSlots(device, superblock, options),
  };
}

/** Where the far slots stand: where they are, or at the last place that is free. */
function* placeFarSlots(
  device: BlockDevice,
  superblock: Superblock,
  options: CutOptions,
): Io<number> {
  const { blockSize, slotStride, farOffset } = superblock;
  const end = device.size - (device.size % blockSize);
  if (farOffset + 2 * slotStride <= end) return farOffset;
  const check = innerCheck(device, superblock, options, () => undefined);
  const claims = yield* checkJournal(check);
  const free = new FreeBlocks(check.quiet(), claims, options.windowBlocks ?? WINDOW_BLOCKS);
  const length = slotBytes(superblock) / blockSize;
  for (const which of ['unmarked', 'any'] as const) {
    for (const at of farPlaces(superblock, end)) {
      if (!(yield* free.isFree(at / blockSize, length, which))) continue;
      if (yield* free.isFree((at + slotStride) / blockSize, length, which)) return at;
    }
  }
  throw new StoreError(
    'E_NO_SPACE',
    'Cannot repair: no place for the far superblocks is free before the end of the device',
  );
}
