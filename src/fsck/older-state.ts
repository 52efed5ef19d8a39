/**
 * The state of the older superblock, for a repair whose newest state has lost something.
 *
 * - Nothing that the older superblock refers to is written over while it is the older one, and the
 *   journal reaches back to its position: where both are whole, applying the journal to it gives
 *   all that the newest state held, and what came after.
 * - It is taken only if nothing at all is wrong with it. Else the newest one is mended.
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import type { Superblock } from '../format/superblock.js';
import { missingBytes } from '../txn/superblock-slots.js';
import { checkTrees, type FsckOptions, WINDOW_BLOCKS } from './fsck.js';
import { innerCheck } from './inner-check.js';
import { checkJournal } from './journal-check.js';

/** The older state, under the newest number and epoch; undefined if it is not whole, or the same. */
export function* wholeOlderState(
  device: BlockDevice,
  newest: Superblock,
  older: Superblock | undefined,
  options: Pick<FsckOptions, 'comparators' | 'journalDevice' | 'windowBlocks'>,
): Io<Superblock | undefined> {
  if (older === undefined || older.epoch >= newest.epoch) return undefined;
  if (older.number !== newest.number - 1 || older.deviceBlocks > newest.deviceBlocks)
    return undefined;
  if (missingBytes(device, older) > 0) return undefined;
  let isWhole = true;
  const check = innerCheck(device, older, options, ({ severity }) => {
    if (severity === 'error') isWhole = false;
  });
  // What the newest superblock contains was durable before it was written.
  const knownDurable = newest.journalStart.sequence - 1;
  const claims = yield* checkJournal(check, { knownDurable });
  if (!isWhole) return undefined;
  yield* checkTrees(check, claims, options.windowBlocks ?? WINDOW_BLOCKS, () => undefined);
  if (!isWhole || check.isIncomplete) return undefined;
  const { number, epoch } = newest;
  return { ...older, number, epoch };
}
