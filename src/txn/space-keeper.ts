/**
 * Keeps space where it has to be: fills the pool, takes blocks for data.
 *
 * - What is appended goes into a window of its object. Windows are wishes: they are smaller where
 *   little is free, and in a file that may grow they never make it several times as large.
 * - The pool is filled first whenever blocks come back; data may have what it holds beyond its
 *   need.
 */

import type { WindowWish } from '../alloc/append-windows.js';
import type { AllocateOptions } from '../alloc/chooser.js';
import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import type { Overtaken } from '../blockdev/overtaken.js';
import type { DataGoal } from '../onode/context.js';
import { spanFor } from './append-span.js';
import { FileGrowth } from './file-growth.js';
import type { SpacePolicy } from './space-policy.js';
import type { StoreState } from './store-state.js';
import type { PlacedRun } from './transaction-record.js';

/** Blocks that the pool takes at once beyond its need, where much is free. */
const POOL_SLACK = 256;

/** In a file that may grow: twice what the object has, and no less than this. */
const WINDOW_BYTES_MIN = 64 * 1024;

/** Part of its largest size from which on a generation lets the file grow. */
const CRAMPED_PART = 3 / 4;

const ANY_DATA: AllocateOptions = { purpose: 'data' };

const NO_RUNS: readonly PlacedRun[] = [];

export class SpaceKeeper {
  readonly growth: FileGrowth;
  readonly #state: StoreState;
  readonly #space: SpacePolicy;

  /** What `#coverOversize` has last found to be covered. */
  #covered = { oversizeBytes: 0, poolBlocks: 0 };

  constructor(device: BlockDevice, state: StoreState, space: SpacePolicy, overtaken: Overtaken) {
    this.#state = state;
    this.#space = space;
    this.growth = new FileGrowth({ device, state, overtaken, grown: () => this.fillPool() });
  }

  /** Lets the file grow in the background before the room is needed. */
  growAhead(): void {
    this.growth.startIfDue(this.#isCramped ? 0 : this.#space.available, this.#lacking);
  }

  /** False when the generation must be closed, or the file grow, before it becomes larger. */
  get fitsGeneration(): boolean {
    return this.#space.dirtyBlocks <= this.#space.dirtyBlocksMax;
  }

  /** Grows the file for the generation; false when it can't. */
  growForGeneration(): Io<boolean> {
    return this.growth.grow(this.#space.dirtyBlocks);
  }

  /** Grows the file at once for a generation that becomes too large for what is free. */
  growIfCramped(): void {
    if (this.#isCramped && !this.growth.isUnderWay) this.growth.growSync(this.#lacking);
  }

  get #isCramped(): boolean {
    return this.#space.dirtyBlocks > this.#space.dirtyBlocksMax * CRAMPED_PART;
  }

  /** Blocks that would have to be free beyond those that are, were the generation full by now. */
  get #lacking(): number {
    const { dirtyBlocks, dirtyBlocksMax } = this.#space;
    return Math.max(0, dirtyBlocks - dirtyBlocksMax);
  }

  /** Brings the pool to its target between generations. */
  fillPool(): void {
    const { allocator } = this.#state;
    const { nodeBlocks, poolTarget } = this.#space;
    const need = Math.max(poolTarget, this.#space.poolNeed(false));
    if (allocator.poolBlocks > need + POOL_SLACK) allocator.drainPool(allocator.poolBlocks - need);
    else allocator.fillPool(need, nodeBlocks);
  }

  /** True when work in the background has left to transactions what is theirs. */
  leavesEnough(): boolean {
    const { floor, deficit } = this.#space;
    return deficit + floor <= 0 && !this.#space.isCrowded(floor) && this.coverGeneration(false);
  }

  /** Makes sure that the generation can be placed, by extents that are really there. */
  coverGeneration(entitled: boolean): boolean {
    const { allocator } = this.#state;
    const space = this.#space;
    const need = space.poolNeed(entitled);
    if (allocator.poolBlocks < need) {
      const slack = Math.min(POOL_SLACK, space.available >> 3);
      if (allocator.fillPool(need + slack, space.nodeBlocks) < need) return false;
    }
    return this.#coverOversize();
  }

  /** The same for nodes that are longer than others: the pool needs runs of their lengths too. */
  #coverOversize(): boolean {
    const { forest, allocator, metadataCopies } = this.#state;
    const { oversizeBytes } = forest;
    const { poolBlocks } = allocator;
    const covered = this.#covered;
    if (oversizeBytes === 0) return true;
    if (covered.oversizeBytes === oversizeBytes && covered.poolBlocks === poolBlocks) return true;
    const counts = new Map<number, number>();
    for (const { length } of forest.unplaced()) {
      if (length > this.#space.nodeBlocks) {
        counts.set(length, (counts.get(length) ?? 0) + metadataCopies);
      }
    }
    let longer = 0;
    for (const [length, count] of [...counts].sort(([a], [b]) => b - a)) {
      const wanted = longer + count;
      const missing = wanted - allocator.pooledRuns(length);
      if (missing > 0) allocator.fillPool(allocator.poolBlocks + missing * length, length);
      if (allocator.pooledRuns(length) < wanted) return false;
      longer = 2 * wanted; // a longer one may take two places of the next shorter length
    }
    this.#covered = { oversizeBytes, poolBlocks: allocator.poolBlocks };
    return true;
  }

  /** How to ask for blocks for data that is to lie at `goal`. */
  optionsFor(goal: DataGoal): AllocateOptions {
    const { hint, grownTo } = goal;
    if (hint < 0) return ANY_DATA;
    if (grownTo === 0) return { purpose: 'data', hint };
    return { purpose: 'data', hint, window: this.#windowFor(goal) };
  }

  /**
   * What an object that grows has kept for itself: it ends where the object's span does. While the
   * object is small, with room in front for what it has already.
   */
  #windowFor({ grownFrom, grownTo }: DataGoal): WindowWish {
    const { allocator, blockSize, stripes } = this.#state;
    const span = spanFor(stripes.width);
    const { mayGrow } = this.growth;
    const rest = span - (grownFrom % span);
    const whole = rest < span / 4 ? rest + span : rest;
    const most = mayGrow ? Math.max(WINDOW_BYTES_MIN, 2 * grownTo) : 2 * span;
    const hasLead = !mayGrow && grownFrom <= span / 4;
    const blocksOf = (bytes: number): number =>
      Math.max(1, Math.min(Math.ceil(bytes / blockSize), allocator.freeBlocks >>> 4));
    return {
      blocks: blocksOf(Math.min(most, whole)),
      lead: hasLead ? Math.ceil(grownFrom / blockSize) : 0,
      further: blocksOf(Math.min(most, span)),
    };
  }

  /**
   * Blocks for data: free ones, else ones that the pool holds beyond what it must. With stripes,
   * data that is written ahead gets whole ones if there are any, and other data is packed.
   */
  takeForData(
    blocks: number,
    options: AllocateOptions,
    isEntitled: boolean,
    redeemedBlocks: number,
  ): readonly PlacedRun[] {
    const { allocator } = this.#state;
    const whole = this.#takeWhole(blocks, options);
    if (whole.length > 0 || options.stripesOnly === true) return whole;
    const appended = this.#takeAppended(blocks, options);
    if (appended.length > 0) return appended;
    const runs = allocator.allocate(blocks, options);
    if (runs.length > 0) return runs;
    const need = this.#space.poolNeed(isEntitled) - redeemedBlocks;
    const lacking = blocks - allocator.freeBlocks;
    if (lacking > allocator.poolBlocks - need) return [];
    allocator.drainPool(lacking);
    return allocator.allocate(blocks, options);
  }

  /**
   * The same in windows, for which a file that may grow does so; not while it does anyhow: what
   * is under way can't be left behind in the midst of a transaction.
   */
  #takeAppended(blocks: number, options: AllocateOptions): readonly PlacedRun[] {
    const { window } = options;
    if (window === undefined || !this.growth.mayGrow) return NO_RUNS;
    const { allocator } = this.#state;
    const windowOnly = { ...options, windowOnly: true };
    const runs = allocator.allocate(blocks, windowOnly);
    if (runs.length > 0 || this.growth.isUnderWay) return runs;
    if (!this.growth.growSync(Math.max(blocks, window.blocks))) return runs;
    return allocator.allocate(blocks, windowOnly);
  }

  /** The same, as long as there are whole stripes for it. */
  #takeWhole(blocks: number, options: AllocateOptions): readonly PlacedRun[] {
    const { allocator } = this.#state;
    const { stripeBlocks } = allocator.geometry;
    if (stripeBlocks === 1) return [];
    if (options.claim !== true) return this.#pack(blocks);
    if (blocks % stripeBlocks !== 0) return [];
    const stripesOnly = { ...options, stripesOnly: true };
    const runs = allocator.allocate(blocks, stripesOnly);
    if (runs.length > 0 || !allocator.exchangeStripes(blocks)) return runs;
    return allocator.allocate(blocks, stripesOnly);
  }

  /** Blocks of open stripes: in a row if there are enough, else one here and one there. */
  #pack(blocks: number): readonly PlacedRun[] {
    const { mayOpenStripe } = this.#space;
    const { allocator } = this.#state;
    const row = allocator.pack(blocks, blocks, mayOpenStripe);
    return row.length > 0 ? row : allocator.pack(blocks, 1, mayOpenStripe);
  }
}
