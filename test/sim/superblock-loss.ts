/** A device that has lost the newest superblock. */

import { SUPERBLOCK_SIZE, superblockNumber } from '../../src/format/superblock.js';
import { SLOT_STEP } from '../../src/format/superblock-bounds.js';
import type { MemoryImage } from '../support/memory-image.js';

interface FoundSlot {
  readonly offset: number; // bytes
  readonly number: number;
}

/** Byte offsets of the slots that hold the newest superblock of an image. */
export function newestSlots(image: MemoryImage): number[] {
  return newestOf(soundSlots(image));
}

/**
 * The newest superblock in both slots, and in each of them: what can be lost while another sound
 * slot is left. A crash while both slots of the next one are written leaves no older one.
 */
export function superblockLosses(image: MemoryImage): number[][] {
  const slots = soundSlots(image);
  const newest = newestOf(slots);
  const losses = newest.length > 1 ? [newest, ...newest.map((offset) => [offset])] : [newest];
  return losses.filter((lost) => lost.length < slots.length);
}

function newestOf(slots: readonly FoundSlot[]): number[] {
  const newest = Math.max(...slots.map(({ number }) => number));
  return slots.filter(({ number }) => number === newest).map(({ offset }) => offset);
}

function soundSlots(image: MemoryImage): FoundSlot[] {
  const slots: FoundSlot[] = [];
  const bytes = new Uint8Array(SUPERBLOCK_SIZE);
  for (let offset = 0; offset + SUPERBLOCK_SIZE <= image.size; offset += SLOT_STEP) {
    image.read(offset, bytes);
    const number = superblockNumber(bytes);
    if (number !== undefined) slots.push({ offset, number });
  }
  return slots;
}

/** The image without what stands in these slots. */
export function withoutSlots(image: MemoryImage, offsets: readonly number[]): MemoryImage {
  const damaged = image.fork();
  for (const offset of offsets) damaged.write(offset, new Uint8Array(SUPERBLOCK_SIZE));
  return damaged;
}
