/**
 * What the bitmaps of a store say, group by group: runs that are free, how long they are, how full
 * groups and stripes are, and what only the older superblock still uses.
 */

import type { Io } from '../blockdev/io.js';
import type { GroupSummary } from '../format/group-summary.js';
import type { CheckContext } from '../fsck/context.js';
import { fixedBits, readBitmap } from '../fsck/space-check.js';
import { type Cells, LONG_RUN_BYTES } from './cells.js';

/** Parts by fill in which groups are counted. */
export const FILL_BINS = 10;

export interface StripeCounts {
  full: number;
  partial: number;
  free: number;
}

export interface BitmapScan {
  /** Groups with a fill in each tenth, the fullest last. */
  readonly groupsByFill: readonly number[];
  /** Free blocks in runs of [2^i, 2^(i+1)) blocks. */
  readonly freeByLength: readonly number[];
  readonly freeRuns: number;
  readonly longestFree: number; // blocks
  /** Undefined where there are no stripes. */
  readonly stripes: StripeCounts | undefined;
  /** Groups whose bitmaps can't be read: they count as full. */
  readonly unreadable: number;
}

export type Summaries = ReadonlyMap<number, GroupSummary>;

/**
 * Scans the bitmaps of `newest`. Counts free blocks and limbo, and everything in use as data, for
 * others to take out what is something else.
 */
export function* scanBitmaps(
  context: CheckContext,
  newest: Summaries,
  older: Summaries | undefined,
  cells: Cells,
): Io<BitmapScan> {
  const scan = new Scan(context, cells);
  for (let group = 0; group < context.map.groups.groupCount; group++) {
    const summary = newest.get(group);
    if (summary === undefined && scan.empty(group)) continue;
    const bits = yield* bitsOf(context, group, summary);
    const past = older?.get(group);
    const isChanged = past !== undefined && past.address !== summary?.address;
    const oldBits = isChanged ? yield* bitsOf(context, group, past) : undefined;
    scan.group(group, bits, oldBits);
    yield { kind: 'pause' };
  }
  return scan.end();
}

/** The bits of a group; undefined when they can't be read. */
function* bitsOf(
  context: CheckContext,
  group: number,
  summary: GroupSummary | undefined,
): Io<Uint8Array | undefined> {
  const { groups } = context.map;
  if (summary !== undefined) return yield* readBitmap(context, group, summary);
  return fixedBits(context, groups.startOf(group), groups.sizeOf(group));
}

type RunKind = 'data' | 'limbo' | 'free';

class Scan {
  readonly #context: CheckContext;
  readonly #cells: Cells;
  readonly #longRun: number;
  readonly #groupsByFill = new Array<number>(FILL_BINS).fill(0);
  readonly #freeByLength: number[] = [];
  readonly #stripes: StripeCounts = { full: 0, partial: 0, free: 0 };
  #freeRuns = 0;
  #longestFree = 0;
  #unreadable = 0;
  /** The run that may go on in the next group. */
  #kind: RunKind = 'data';
  #from = 0;

  constructor(context: CheckContext, cells: Cells) {
    this.#context = context;
    this.#cells = cells;
    this.#longRun = LONG_RUN_BYTES / context.map.blockSize;
  }

  /** Takes a group in which nothing was ever used; false when it has fixed places. */
  empty(group: number): boolean {
    const { groups, fixed } = this.#context.map;
    const start = groups.startOf(group);
    const size = groups.sizeOf(group);
    if (fixed.intersects(start, size)) return false;
    this.#enter('free', start);
    this.#groupsByFill[0] = (this.#groupsByFill[0] ?? 0) + 1;
    this.#stripes.free += Math.floor(size / groups.stripeBlocks);
    return true;
  }

  group(group: number, bits: Uint8Array | undefined, oldBits: Uint8Array | undefined): void {
    const { groups } = this.#context.map;
    const start = groups.startOf(group);
    const size = groups.sizeOf(group);
    if (bits === undefined) this.#unreadable++;
    const known = bits ?? new Uint8Array(Math.ceil(size / 8)).fill(0xff);
    let used = 0;
    for (let i = 0; i < size; ) {
      const byte = known[i >>> 3] as number;
      const isWhole = (i & 7) === 0 && i + 8 <= size && (byte === 0xff || byte === 0);
      const isLike = isWhole && oldBits === undefined;
      const isUsed = isMarked(known, i);
      const isHeld = !isUsed && oldBits !== undefined && isMarked(oldBits, i);
      this.#enter(isUsed ? 'data' : isHeld ? 'limbo' : 'free', start + i);
      const step = isLike ? 8 : 1;
      if (isUsed) used += step;
      i += step;
    }
    const bin = Math.min(FILL_BINS - 1, Math.floor((FILL_BINS * used) / size));
    this.#groupsByFill[bin] = (this.#groupsByFill[bin] ?? 0) + 1;
    this.#countStripes(known, size);
  }

  end(): BitmapScan {
    this.#endRun(this.#context.map.blocks);
    return {
      groupsByFill: this.#groupsByFill,
      freeByLength: Array.from(this.#freeByLength, (blocks) => blocks ?? 0),
      freeRuns: this.#freeRuns,
      longestFree: this.#longestFree,
      stripes: this.#context.map.groups.stripeBlocks > 1 ? this.#stripes : undefined,
      unreadable: this.#unreadable,
    };
  }

  /** From `block` on blocks are of a kind. */
  #enter(kind: RunKind, block: number): void {
    if (kind === this.#kind) return;
    this.#endRun(block);
    this.#kind = kind;
    this.#from = block;
  }

  #endRun(end: number): void {
    const length = end - this.#from;
    if (length === 0) return;
    if (this.#kind !== 'free') {
      this.#cells.add(this.#kind, this.#from, length);
      return;
    }
    const bin = Math.floor(Math.log2(length));
    this.#freeByLength[bin] = (this.#freeByLength[bin] ?? 0) + length;
    this.#freeRuns++;
    this.#longestFree = Math.max(this.#longestFree, length);
    this.#cells.add(length >= this.#longRun ? 'freeLong' : 'freeShort', this.#from, length);
  }

  /** A group begins at a stripe. */
  #countStripes(bits: Uint8Array, size: number): void {
    const { stripeBlocks } = this.#context.map.groups;
    if (stripeBlocks < 2) return;
    for (let at = 0; at + stripeBlocks <= size; at += stripeBlocks) {
      let used = 0;
      for (let i = at; i < at + stripeBlocks; i++) {
        if (isMarked(bits, i)) used++;
      }
      if (used === 0) this.#stripes.free++;
      else if (used === stripeBlocks) this.#stripes.full++;
      else this.#stripes.partial++;
    }
  }
}

function isMarked(bits: Uint8Array, offset: number): boolean {
  return ((bits[offset >>> 3] as number) & (1 << (offset & 7))) !== 0;
}
