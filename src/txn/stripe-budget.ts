/**
 * How many whole stripes a generation may take.
 *
 * What a generation frees comes back when the one behind it is durable, while a third one is
 * taking stripes already. So with few whole stripes free, a generation that took more than a third
 * of them would leave the third one none: it is closed before, by a checkpoint that is smaller than
 * most.
 */

import type { SpacePolicy } from './space-policy.js';
import type { StoreState } from './store-state.js';

/** Generations that take stripes before what the first one has freed comes back. */
const GENERATIONS = 3;

/** Where so many are free nobody counts further: a third of them is more than a gigabyte. */
const STRIPES_ENOUGH = 16 * 1024;

/** Stripes that any generation may take: a checkpoint for less would pack next to nothing. */
const STRIPES_MIN = 2;

export class StripeBudget {
  readonly #state: StoreState;
  readonly #space: SpacePolicy;
  /** Whole stripes that were free when the last generation ended. */
  #counted = Number.POSITIVE_INFINITY;
  /** Blocks of the device then. */
  #totalBlocks = 0;
  /** Stripes taken, ever, when the generation began. */
  #takenBefore = 0;

  constructor(state: StoreState, space: SpacePolicy) {
    this.#state = state;
    this.#space = space;
  }

  /** A generation ends, everything that it packs being placed. */
  begin(): void {
    this.#takenBefore = this.#state.allocator.stripesTaken;
  }

  /** What a checkpoint has given back is free. Once for each, not for each reader that ends. */
  recount(): void {
    const { geometry, stripes, totalBlocks } = this.#state.allocator;
    if (geometry.stripeBlocks === 1) return;
    this.#counted = stripes.freeStripes(STRIPES_ENOUGH);
    this.#totalBlocks = totalBlocks;
  }

  /** Those that were counted, and those by which the file has grown since. */
  get #free(): number {
    const { geometry, totalBlocks } = this.#state.allocator;
    return this.#counted + Math.floor((totalBlocks - this.#totalBlocks) / geometry.stripeBlocks);
  }

  /** True when the generation has taken its part. */
  get isSpent(): boolean {
    if (this.#counted === Number.POSITIVE_INFINITY) return false;
    return this.#taken > Math.max(STRIPES_MIN, this.#free / GENERATIONS);
  }

  /**
   * Whole stripes that were free when they were last counted, but for what the generation takes;
   * infinite before that.
   */
  get left(): number {
    return this.#free - this.#taken;
  }

  /** Stripes of this generation: those that it has taken, and those that its nodes will take. */
  get #taken(): number {
    const { allocator } = this.#state;
    const { stripeBlocks } = allocator.geometry;
    const toPack = Math.max(0, this.#space.dirtyBlocks - allocator.openBlocks);
    return allocator.stripesTaken - this.#takenBefore + Math.ceil(toPack / stripeBlocks);
  }
}
