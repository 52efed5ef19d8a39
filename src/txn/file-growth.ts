/**
 * Growth of the store's file: ahead of need in the background, and at once where there is no time.
 *
 * - In the background the next step is begun while part of the last one is still free. What it
 *   zeroes is given to the allocator when all of it is durable.
 * - Who needs room at once grows the file behind what is under way, and zeroes that again, so that
 *   the host has really given it. Zeros that were overtaken may land later: their place stays
 *   claimed until they have.
 * - A growth in the background that fails is no error: whoever needs the room finds out why.
 */

import type { BlockRun } from '../alloc/block-run.js';
import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io, IoStep } from '../blockdev/io.js';
import type { Overtaken } from '../blockdev/overtaken.js';
import { hasCode } from '../errors.js';
import type { StoreState } from './store-state.js';

/** Least step by which a file grows, in bytes. */
const GROW_BYTES_MIN = 8 * 1024 * 1024;

/** Largest step by which a file grows, in bytes. */
const GROW_BYTES_MAX = 32 * 1024 * 1024;

/** The next step is begun when less than this part of one is free. */
const AHEAD_PART = 1 / 2;

export interface FileGrowthOptions {
  readonly device: BlockDevice;
  readonly state: StoreState;
  readonly overtaken: Overtaken;
  /** Called when there are more blocks. */
  readonly grown: () => void;
}

/** A growth in the background, in bytes. */
interface Step {
  readonly from: number;
  readonly to: number;
  readonly ended: Promise<void>;
}

export class FileGrowth {
  readonly #options: FileGrowthOptions;
  #underWay: Step | undefined;
  #isHostFull = false;
  /** The last one in the background failed, and none has succeeded at once since. */
  #hasFailed = false;

  constructor(options: FileGrowthOptions) {
    this.#options = options;
  }

  /** The file should have grown, and the host had no room. */
  get isHostFull(): boolean {
    return this.#isHostFull;
  }

  get isUnderWay(): boolean {
    return this.#underWay !== undefined;
  }

  /** The file has not reached its limit. */
  get mayGrow(): boolean {
    const { device } = this.#options;
    return device.size < device.sizeMax;
  }

  /** Waits for the growth in the background; who has no time overtakes it. */
  ended(): IoStep {
    const start = async (): Promise<void> => await this.#underWay?.ended;
    return { kind: 'until', start, force: () => this.#overtake() };
  }

  /**
   * Grows the file so that `blocks` more are free, in the background where there is time; false
   * when it is at its limit, or when the host is full.
   * @throws StoreError E_IO
   */
  *grow(blocks: number): Io<boolean> {
    const { allocator } = this.#options.state;
    const { totalBlocks } = allocator;
    const start = async (): Promise<void> => {
      this.#start(blocks);
      await this.#underWay?.ended;
    };
    yield { kind: 'until', start, force: () => undefined };
    return allocator.totalBlocks > totalBlocks || this.growSync(blocks);
  }

  /**
   * Grows the file at once so that `blocks` more are free; false when it is at its limit, or when
   * the host is full.
   * @throws StoreError E_IO
   */
  growSync(blocks: number): boolean {
    const { device, state } = this.#options;
    const base = Math.max(device.size, this.#underWay?.to ?? 0);
    for (let more = this.#stepFor(blocks); more >= state.blockSize; more /= 2) {
      const size = this.#wholeStripes(base + more);
      if (size <= device.size) return false;
      try {
        device.growSync(size);
      } catch (error) {
        if (!hasCode(error, 'E_NO_SPACE')) throw error;
        continue; // the host has not so much left
      }
      this.#hasFailed = false;
      this.adoptSize();
      return true;
    }
    // No use in trying for every transaction.
    if (this.#underWay === undefined) {
      this.#isHostFull ||= this.mayGrow;
      device.limitTo(device.size);
    }
    return false;
  }

  /** Begins to grow the file in the background when no more than `blocksLeft` are free. */
  startIfDue(blocksLeft: number, blocksNeeded: number): void {
    const bytesLeft = blocksLeft * this.#options.state.blockSize;
    if (bytesLeft <= this.#stepFor(blocksNeeded) * AHEAD_PART) this.#start(blocksNeeded);
  }

  #start(blocks: number): void {
    const { device, overtaken } = this.#options;
    // One growth at a time, those included that were left behind.
    if (this.#underWay !== undefined || this.#hasFailed || !overtaken.isEmpty) return;
    const from = device.size;
    const to = this.#wholeStripes(from + this.#stepFor(blocks));
    if (to <= from) return;
    const ended: Promise<void> = device.grow(to).then(
      () => this.#end(ended, false),
      () => this.#end(ended, true),
    );
    this.#underWay = { from, to, ended };
  }

  /** The growth in the background has ended; one that was left behind is of no concern. */
  #end(ended: Promise<void>, hasFailed: boolean): void {
    if (this.#underWay?.ended !== ended) return;
    this.#underWay = undefined;
    this.#hasFailed = hasFailed;
    this.adoptSize();
  }

  /** Gives the allocator what the device has, up to `blocksMax` blocks. */
  adoptSize(blocksMax = Number.POSITIVE_INFINITY): void {
    const { device, state } = this.#options;
    const { allocator, blockSize } = state;
    const blocks = Math.min(blocksMax, Math.floor(device.size / blockSize));
    if (blocks <= allocator.totalBlocks) return;
    allocator.grow(blocks);
    this.#leaveBehind();
    this.#options.grown();
  }

  /** Bytes of a step that makes `blocks` more free. */
  #stepFor(blocks: number): number {
    const { device, state } = this.#options;
    const step = Math.max(GROW_BYTES_MIN, Math.min(GROW_BYTES_MAX, device.size / 8));
    return Math.max(step, 2 * blocks * state.blockSize);
  }

  #wholeStripes(bytes: number): number {
    const { device, state } = this.#options;
    const { stripeBlocks } = state.allocator.geometry;
    const size = Math.min(bytes, device.sizeMax);
    return size - (size % (stripeBlocks * state.blockSize));
  }

  #overtake(): void {
    if (this.#underWay === undefined) return;
    try {
      this.#options.device.growSync(this.#underWay.to);
    } catch (error) {
      if (!hasCode(error, 'E_NO_SPACE')) throw error;
      return;
    }
    this.adoptSize();
  }

  /** What is under way was grown over: its place is nobody's until its zeros have landed. */
  #leaveBehind(): void {
    const underWay = this.#underWay;
    if (underWay === undefined) return;
    this.#underWay = undefined;
    const { state, overtaken } = this.#options;
    const { allocator, blockSize } = state;
    const start = Math.floor(underWay.from / blockSize);
    const end = Math.min(allocator.totalBlocks, Math.ceil(underWay.to / blockSize));
    const run: BlockRun = { start, length: end - start };
    allocator.claim(run);
    overtaken.add(underWay.ended);
    overtaken.after(() => allocator.unclaim(run));
  }
}
