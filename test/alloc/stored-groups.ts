/**
 * What lies under an allocator in tests: bitmap blocks by address and the records of the groups,
 * as a checkpoint leaves them, and a source that may miss.
 *
 * - A bitmap can be loaded once its checkpoint is settled, not before: loading one that the
 *   allocator should have kept in memory fails the test.
 */

import { Allocator, type AllocatorOptions } from '../../src/alloc/allocator.js';
import type { BlockRun } from '../../src/alloc/block-run.js';
import type { GroupSource } from '../../src/alloc/group-cache.js';
import type { BitmapPointer } from '../../src/alloc/group-table.js';
import type { GroupSummary } from '../../src/format/group-summary.js';

/** Thrown by a source that was told to miss. */
export class Miss extends Error {}

/** Groups of 128 blocks: (64 - 48) * 8. */
export const SMALL_BLOCK_SIZE = 64;

export interface StoredOptions {
  readonly blockSize?: number;
  readonly blockCount: number;
  readonly stripeBlocks?: number;
  readonly fixed?: readonly BlockRun[];
  readonly bitmapBytesMax?: number;
}

export class StoredGroups implements GroupSource {
  /** Bitmaps by address. */
  readonly images = new Map<number, Uint8Array>();
  /** Records by group, of the newest settled checkpoint. */
  summaries = new Map<number, GroupSummary>();
  loads = 0;
  /** Decides whether a load throws a Miss. */
  misses: () => boolean = () => false;
  readonly #options: Required<StoredOptions>;
  #pending: { generation: number; group: number; bits: Uint8Array; summary: GroupSummary }[] = [];

  constructor(options: StoredOptions) {
    this.#options = {
      blockSize: SMALL_BLOCK_SIZE,
      stripeBlocks: 0,
      fixed: [{ start: 0, length: 1 }],
      bitmapBytesMax: 2500,
      ...options,
    };
  }

  load(group: number, pointer: BitmapPointer): Uint8Array {
    if (this.misses()) throw new Miss(`group ${group}`);
    this.loads++;
    const image = this.images.get(pointer.address);
    if (image === undefined) throw new Error(`no bitmap of group ${group} at ${pointer.address}`);
    return image;
  }

  /** An allocator as an open makes it. */
  open(changes: Partial<AllocatorOptions> = {}): Allocator {
    const { summaries } = this;
    return new Allocator({ ...this.#options, summaries, source: this, generation: 0, ...changes });
  }

  /** Moves bitmaps, reads bits and records, and ends the generation; its number. */
  freeze(allocator: Allocator): number {
    allocator.moveBitmaps();
    const generation = allocator.generation;
    const frozen = [...allocator.dirtyGroups].map((group) => {
      const bits = new Uint8Array(this.#options.blockSize - 48);
      allocator.durableBits(group, bits);
      allocator.sealBitmap(group, generation, group, generation);
      return { generation, group, bits, summary: allocator.summaryOf(group) };
    });
    allocator.freeze();
    this.#pending.push(...frozen);
    return generation;
  }

  /** Makes the checkpoints up to `generation` durable. */
  settle(allocator: Allocator, generation: number): void {
    const isDue = (entry: { generation: number }) => entry.generation <= generation;
    for (const { group, bits, summary } of this.#pending.filter(isDue)) {
      this.images.set(summary.address, bits);
      this.summaries.set(group, summary);
    }
    this.#pending = this.#pending.filter((entry) => !isDue(entry));
    allocator.settle(generation);
  }

  /** A whole checkpoint, and everything in limbo up to it free again. */
  checkpoint(allocator: Allocator): void {
    const generation = this.freeze(allocator);
    this.settle(allocator, generation);
    allocator.releaseLimbo(generation);
  }
}

/** An allocator over an empty device. */
export function emptyAllocator(options: StoredOptions): Allocator {
  return new StoredGroups(options).open();
}
