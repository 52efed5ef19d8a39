/** A device that has lost the newest superblock. */

import { SUPERBLOCK_SIZE, superblockNumber } from '../../src/format/superblock.js';
import { SLOT_STEP } from '../../src/format/superblock-bounds.js';
import type { MemoryImage } from '../support/memory-image.js';

/** Byte offsets of the slots that hold the newest superblock of an image. */
export function newestSlots(image: MemoryImage): number[] {
  const slots: { offset: number; number: number }[] = [];
  const bytes = new Uint8Array(SUPERBLOCK_SIZE);
  for (let offset = 0; offset + SUPERBLOCK_SIZE <= image.size; offset += SLOT_STEP) {
    image.read(offset, bytes);
    const number = superblockNumber(bytes);
    if (number !== undefined) slots.push({ offset, number });
  }
  const newest = Math.max(...slots.map(({ number }) => number));
  return slots.filter(({ number }) => number === newest).map(({ offset }) => offset);
}

/** The image without what stands in these slots. */
export function withoutSlots(image: MemoryImage, offsets: readonly number[]): MemoryImage {
  const damaged = image.fork();
  for (const offset of offsets) damaged.write(offset, new Uint8Array(SUPERBLOCK_SIZE));
  return damaged;
}
