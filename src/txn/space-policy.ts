/**
 * Whether there is room: rules 9 to 13 of the space accounting (docs/architecture.md, "Space").
 *
 * - The pool holds back three times the dirty blocks of the largest housekeeping generation, as
 *   actual extents, so that a checkpoint always fits.
 * - A transaction is charged after it was done: data is out of `free` already, what remains is
 *   the growth of the metadata. Deleting may use the floor, everything else may not; the last of it
 *   is for dropping whole collections, so that single deletes never use up what that takes. What
 *   is within its reservation has its room, whatever deletes have used.
 * - A generation is closed before its dirty blocks exceed what a checkpoint can place: at no time
 *   are there more than the pool is for, or than are free beyond all promises.
 * - The pool is made of runs that nodes fit into. Beyond its three parts it holds what reservations
 *   promise, and what a generation with more dirty blocks than usual will need: free blocks that
 *   lie one here and one there are of no use to a checkpoint.
 * - What was claimed for a transaction that redeems is part of what its reservation holds back.
 */

import type { SealedTransaction } from './sealed-transaction.js';
import type { StoreState } from './store-state.js';

/** Nodes of the largest housekeeping generation: paths of a delete and of a drop step through
 * four trees of depth four, with their splits. */
const HOUSEKEEPING_NODES = 32;

/** The pool is never more than this part of the store. */
const POOL_SHARE = 16;

/** Part of the floor that single deletes leave to the dropping of collections. */
const DROP_PART = 4;

/**
 * Dirty blocks of a housekeeping generation in a store of `totalBlocks`; `nodeBlocks` are those of
 * a node with all its copies.
 */
export function housekeepingBlocks(totalBlocks: number, nodeBlocks: number): number {
  const least = HOUSEKEEPING_NODES * nodeBlocks;
  const ample = Math.min(2048, Math.floor(totalBlocks / (3 * POOL_SHARE)));
  return Math.max(least, ample);
}

export class SpacePolicy {
  readonly #state: StoreState;
  readonly #nodeBlocks: number;
  /** Places of each node and bitmap. */
  readonly #copies: number;
  /** Blocks of reservations that are claimed for transactions which are not accepted yet. */
  prepaid = 0;

  constructor(state: StoreState) {
    this.#state = state;
    this.#nodeBlocks = state.nodeSize / state.blockSize;
    this.#copies = state.metadataCopies;
  }

  /** M of the rules: dirty blocks that the pool can always place. */
  get housekeeping(): number {
    return housekeepingBlocks(this.#state.allocator.totalBlocks, this.#nodeBlocks * this.#copies);
  }

  /** Blocks of the smallest node. */
  get nodeBlocks(): number {
    return this.#nodeBlocks;
  }

  /** Blocks that the pool shall hold between generations. */
  get poolTarget(): number {
    return 3 * this.housekeeping + this.held;
  }

  /**
   * Blocks that the pool must hold for the generation as it is: it is placed, two older ones may
   * not have come back, and reservations stay. One that is `entitled` may use what is for these.
   */
  poolNeed(entitled: boolean): number {
    const margin = entitled ? Math.floor(this.housekeeping / 4) : 2 * this.housekeeping;
    return this.dirtyBlocks + margin + this.held;
  }

  /**
   * Free blocks, those of open stripes and those in the pool beyond its three parts included. What the pool lacks until limbo
   * is released belongs to nobody else.
   */
  get free(): number {
    const { freeBlocks, openBlocks, poolBlocks } = this.#state.allocator;
    return freeBlocks + openBlocks + poolBlocks - 3 * this.housekeeping;
  }

  /** Blocks that only deleting may use. */
  get floor(): number {
    return this.housekeeping;
  }

  /** Blocks of dirty nodes, in all their places. */
  get #nodesToPlace(): number {
    return this.#state.forest.dirtyBlocks * this.#copies;
  }

  /**
   * Blocks that the next checkpoint has to place: nodes, bitmaps, and the nodes over these. The
   * second copy of a bitmap makes one more group dirty at most.
   */
  get dirtyBlocks(): number {
    const groups = this.#state.allocator.dirtyGroupCount * this.#copies;
    const nodes = (Math.min(groups, 8) + 2) * this.#nodeBlocks;
    return this.#nodesToPlace + (groups + nodes) * this.#copies;
  }

  /** Blocks that stay free behind a transaction that takes more than it gives back. */
  keptFrom({ deleting, dropping }: SealedTransaction): number {
    if (dropping) return 0;
    return deleting ? Math.ceil(this.floor / DROP_PART) : this.floor;
  }

  /** Blocks that reservations hold back of those that are free. */
  get held(): number {
    return this.#state.counters.heldBlocks - this.prepaid;
  }

  /** Blocks that nobody has a claim to. */
  get available(): number {
    return Math.max(0, this.free - this.held - this.floor - this.growth);
  }

  /** Blocks by which the metadata of this generation has grown. */
  get growth(): number {
    return Math.max(0, this.#nodesToPlace - this.#state.releasedBlocks);
  }

  /** Dirty blocks at which a generation is closed. */
  get dirtyBlocksMax(): number {
    return Math.max(this.housekeeping, Math.floor(this.#unpromised / 2));
  }

  /** Blocks by which all that is promised exceeds what is free; below 0 so many are left. */
  get deficit(): number {
    return this.growth + this.held - this.free;
  }

  /** True when `blocks` can be claimed for data that uses `entitled` blocks of a reservation. */
  canClaim(blocks: number, entitled: number): boolean {
    const isPromised = blocks <= entitled;
    const kept = isPromised ? 0 : this.floor;
    const promised = Math.max(0, this.held - entitled) + kept + this.growth;
    const left = this.free - this.#state.allocator.openBlocks - promised - blocks;
    return (isPromised || left >= 0) && this.dirtyBlocks <= Math.max(this.housekeeping, left);
  }

  /**
   * True when the generation has more dirty blocks than a checkpoint could be sure to place with
   * `kept` blocks left.
   */
  isCrowded(kept: number): boolean {
    return this.dirtyBlocks > Math.max(this.housekeeping, this.free - this.held - kept);
  }

  /** True when a checkpoint would have to take what is promised to others. */
  get isShort(): boolean {
    return this.#state.allocator.poolBlocks < this.dirtyBlocks + this.held;
  }

  /** Blocks that come back, at most, when what was freed so far is durable, and growth is placed. */
  get returning(): number {
    const { allocator, releasedBlocks } = this.#state;
    const { limboBlocks, openBlocks } = allocator;
    return limboBlocks + openBlocks - Math.min(releasedBlocks, this.#nodesToPlace);
  }

  /** True when the padding of open stripes is nobody's loss but that of half the floor, for now. */
  get mayOpenStripe(): boolean {
    const padded = this.#state.allocator.geometry.stripeBlocks * this.#copies;
    return this.free - this.held - this.growth - this.floor / 2 >= padded;
  }

  get #unpromised(): number {
    return this.free - this.held - this.floor;
  }
}
