/**
 * Changes how many blocks an open store may grow to.
 *
 * - The limit is durable before anything is put where it did not reach: what a crash leaves behind
 *   the limit of its superblock is not looked at.
 * - Of several changes at a time the last one counts.
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import { StoreError } from '../errors.js';
import type { Checkpointer } from './checkpointer.js';
import type { SpaceKeeper } from './space-keeper.js';
import type { StoreState } from './store-state.js';

export interface SizeLimitOptions {
  readonly device: BlockDevice;
  readonly state: StoreState;
  readonly checkpointer: Checkpointer;
  readonly keeper: SpaceKeeper;
  readonly checkpoint: () => Io<void>;
}

/**
 * Makes `blocksMax` the blocks that the store may grow to; durable when this ends. When it fails
 * the limit is what it was.
 * @throws StoreError E_INVALID when the store has more blocks already
 */
export function* limitSize(options: SizeLimitOptions, blocksMax: number): Io<void> {
  const { device, state, checkpointer, keeper } = options;
  yield* checkpointer.idle();
  yield keeper.growth.ended();
  const { totalBlocks } = state.allocator;
  if (blocksMax < totalBlocks) {
    throw new StoreError(
      'E_INVALID',
      `Cannot shrink an open store from ${totalBlocks} to ${blocksMax} blocks: close it first`,
    );
  }
  const before = checkpointer.deviceBlocksMax;
  if (blocksMax < before) device.limitTo(blocksMax * state.blockSize);
  checkpointer.deviceBlocksMax = blocksMax;
  const isLast = (): boolean => checkpointer.deviceBlocksMax === blocksMax;
  try {
    yield* options.checkpoint();
  } catch (error) {
    if (isLast()) checkpointer.deviceBlocksMax = before;
    if (before > blocksMax) device.limitTo(before * state.blockSize);
    throw error;
  }
  if (!isLast()) return;
  device.limitTo(blocksMax * state.blockSize);
  keeper.growth.adoptSize(blocksMax);
}
