/**
 * How the device is cut into allocation groups.
 *
 * - Group g holds the blocks [g * groupBlocks, (g + 1) * groupBlocks); the last may be short.
 * - A group's bitmap fits one block behind its header.
 * - With stripe geometry a group is a whole number of stripes, so that no stripe lies in two.
 * - The device has two halves, whole groups where there are several: what is kept twice is kept
 *   in both.
 */

import { assert } from '../assert.js';
import { invalidArgument } from '../errors.js';
import { BLOCK_HEADER } from '../format/block.js';

/**
 * Blocks of a full group.
 * @throws StoreError E_INVALID_ARGUMENT when one stripe is larger than the largest group.
 */
export function groupBlocksFor(blockSize: number, stripeBlocks: number): number {
  const blocksMax = (blockSize - BLOCK_HEADER.size) * 8;
  const stripe = Math.max(1, stripeBlocks);
  if (!(blocksMax >= stripe)) {
    throw invalidArgument(
      `Cannot cut groups: a stripe of ${stripe} blocks exceeds a group of ${blocksMax} blocks`,
    );
  }
  return blocksMax - (blocksMax % stripe);
}

/** One half of the device. */
export type Half = 'low' | 'high';

/** Blocks [from, to). */
export interface BlockRange {
  readonly from: number;
  readonly to: number;
}

export class GroupGeometry {
  /** Bytes. */
  readonly blockSize: number;
  /** Blocks of a stripe, 1 where there is no stripe geometry. */
  readonly stripeBlocks: number;
  /** Blocks of every group but the last. */
  readonly groupBlocks: number;
  #blockCount: number;
  #groupCount: number;

  /** `stripeBlocks` of 0 means none. @throws StoreError E_INVALID_ARGUMENT as `groupBlocksFor`. */
  constructor(blockSize: number, blockCount: number, stripeBlocks: number) {
    this.blockSize = blockSize;
    this.stripeBlocks = Math.max(1, stripeBlocks);
    this.groupBlocks = groupBlocksFor(blockSize, stripeBlocks);
    this.#blockCount = blockCount;
    this.#groupCount = Math.ceil(blockCount / this.groupBlocks);
  }

  get blockCount(): number {
    return this.#blockCount;
  }

  get groupCount(): number {
    return this.#groupCount;
  }

  /** Where data begins on an empty device: metadata begins in the first group. */
  get dataStart(): number {
    return this.#groupCount > 1 ? this.groupBlocks : 0;
  }

  /** Group that holds `block`. */
  groupOf(block: number): number {
    return Math.floor(block / this.groupBlocks);
  }

  /** First block of `group`. */
  startOf(group: number): number {
    return group * this.groupBlocks;
  }

  /** Blocks in `group`, in [1, groupBlocks]. */
  sizeOf(group: number): number {
    return Math.min(this.groupBlocks, this.#blockCount - group * this.groupBlocks);
  }

  /** Offset in `group` of its first block whose index is a multiple of `align`. */
  alignedOffset(group: number, align: number): number {
    const over = (group * this.groupBlocks) % align;
    return over === 0 ? 0 : align - over;
  }

  /** The blocks of one half. */
  rangeOf(half: Half): BlockRange {
    const middle = this.#middle;
    return half === 'low' ? { from: 0, to: middle } : { from: middle, to: this.#blockCount };
  }

  get #middle(): number {
    return this.#groupCount > 1
      ? this.startOf(this.#groupCount >>> 1)
      : Math.floor(this.#blockCount / 2);
  }

  /** The half that `block` is not in. */
  otherHalf(block: number): Half {
    return block < this.#middle ? 'high' : 'low';
  }

  /**
   * Where to look first for a block far from `group`: the start of the group that is half a device
   * away, and whose own is this one again, so that what goes there leads no further.
   */
  farFrom(group: number): number {
    const half = this.#groupCount >>> 1;
    if (half === 0) return this.#middle;
    if (group < half) return this.startOf(group + half);
    return this.startOf(group < 2 * half ? group - half : 0);
  }

  /** Makes the device longer. */
  grow(blockCount: number): void {
    assert(blockCount >= this.#blockCount, 'a device only grows');
    this.#blockCount = blockCount;
    this.#groupCount = Math.ceil(blockCount / this.groupBlocks);
  }
}
