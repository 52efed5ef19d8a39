/**
 * What is known of whole stripes: how many are free, and which hold little.
 *
 * - A stripe is *free* when all of it can be handed out, or is in the pool, which gives whole
 *   stripes for other blocks; *full* when all of it is in use; else *partial*.
 * - Groups that are not loaded are told by what the table bounds; nothing is read for counting.
 */

import type { Group } from './group.js';
import type { GroupCache } from './group-cache.js';
import type { GroupTable } from './group-table.js';
import type { RunSet } from './run-set.js';

/** Whole stripes of a device by what they hold. */
export interface StripeCounts {
  free: number;
  partial: number;
  full: number;
  /** Of groups whose bitmaps are not in memory. */
  unknown: number;
}

/** A stripe of which a part is in use. */
export interface SparseStripe {
  /** Its number: its first block divided by the blocks of a stripe. */
  readonly stripe: number;
  /** Blocks in use. */
  readonly used: number;
}

export class StripeSurvey {
  readonly #table: GroupTable;
  readonly #cache: GroupCache;
  readonly #pool: RunSet;

  constructor(table: GroupTable, cache: GroupCache, pool: RunSet) {
    this.#table = table;
    this.#cache = cache;
    this.#pool = pool;
  }

  /** Counts all stripes. */
  count(): StripeCounts {
    const { geometry } = this.#table;
    const counts = { free: 0, partial: 0, full: 0, unknown: 0 };
    for (let index = 0; index < geometry.groupCount; index++) {
      const group = this.#cache.peek(index);
      if (group !== undefined) this.#countIn(group, counts);
      else counts.unknown += Math.floor(geometry.sizeOf(index) / geometry.stripeBlocks);
    }
    return counts;
  }

  /**
   * Stripes that are free for certain in loaded groups, and as others may have; those of no more
   * groups are counted once there are `enough`.
   */
  freeStripes(enough = Number.POSITIVE_INFINITY): number {
    const { geometry, aligned } = this.#table;
    const counts = { free: 0, partial: 0, full: 0, unknown: 0 };
    let supposed = 0;
    for (let index = 0; index < geometry.groupCount; index++) {
      if (counts.free + supposed >= enough) break;
      const group = this.#cache.peek(index);
      if (group !== undefined) this.#countIn(group, counts);
      else supposed += Math.floor(aligned.at(index) / geometry.stripeBlocks);
    }
    return counts.free + supposed;
  }

  /** Partial stripes of a group in which nothing is in limbo, open or claimed. */
  *sparse(index: number): Generator<SparseStripe> {
    const group = this.#cache.get(index);
    const stripe = this.#table.geometry.stripeBlocks;
    for (let at = 0; at + stripe <= group.size; at += stripe) {
      const used = usedIn(group.referenced, at, stripe);
      if (used === 0 || used === stripe) continue;
      const busy = usedIn(group.busy, at, stripe) - this.#pooledIn(group, at, stripe);
      if (busy === used) yield { stripe: (group.start + at) / stripe, used };
    }
  }

  /** Blocks of a stripe that are in use. @throws what the source throws */
  usedIn(stripe: number): number {
    const { geometry } = this.#table;
    const start = stripe * geometry.stripeBlocks;
    const group = this.#cache.get(geometry.groupOf(start));
    return usedIn(group.referenced, start - group.start, geometry.stripeBlocks);
  }

  #countIn(group: Group, counts: StripeCounts): void {
    const stripe = this.#table.geometry.stripeBlocks;
    for (let at = 0; at + stripe <= group.size; at += stripe) {
      const free = stripe - usedIn(group.busy, at, stripe);
      if (free === stripe || free + this.#pooledIn(group, at, stripe) === stripe) counts.free++;
      else if (free === 0 && group.referenced.isUsed(at, stripe)) counts.full++;
      else counts.partial++;
    }
  }

  #pooledIn(group: Group, at: number, length: number): number {
    if (group.pooled === 0) return 0;
    let blocks = 0;
    for (const run of this.#pool.within(group.start + at, length)) blocks += run.length;
    return blocks;
  }
}

function usedIn(bits: Group['busy'], from: number, length: number): number {
  const end = from + length;
  let used = 0;
  for (let at = bits.nextUsed(from, end); at < end; ) {
    const stop = Math.min(end, bits.nextFree(at));
    used += stop - at;
    at = bits.nextUsed(stop, end);
  }
  return used;
}
