/**
 * One loaded allocation group.
 *
 * - `referenced` is what the group's bitmap would say if it were written now.
 * - `busy` is what can't be handed out: referenced, claimed, in the pool or in limbo.
 * - Busy and not referenced is claimed where `claimed` says so; else pool or limbo.
 * - What is referenced is busy. While nothing else is, both are one bitmap, which is half the
 *   memory: so both change through the group only, which parts them first.
 */

import { assert } from '../assert.js';
import { GroupBitmap } from './group-bitmap.js';

export class Group {
  readonly index: number;
  /** First block. */
  readonly start: number;
  #busy: GroupBitmap;
  /** Undefined while all that is busy is referenced. */
  #referenced: GroupBitmap | undefined;
  /** Undefined while nothing is claimed. */
  claimed: GroupBitmap | undefined;
  /** Blocks in the pool. */
  pooled = 0;
  /** Last generation that changed `referenced`, -1 when none did since it was loaded. */
  changedIn = -1;
  /** Tick of the last use, for eviction. */
  usedAt = 0;

  /** All that is busy is in `referenced`, which becomes the group's. */
  constructor(index: number, start: number, referenced: GroupBitmap) {
    this.index = index;
    this.start = start;
    this.#busy = referenced;
  }

  /** To be read only. */
  get busy(): GroupBitmap {
    return this.#busy;
  }

  /** To be read only. */
  get referenced(): GroupBitmap {
    return this.#referenced ?? this.#busy;
  }

  /** Blocks. */
  get size(): number {
    return this.#busy.size;
  }

  /** What its bitmaps take in memory. */
  get bytes(): number {
    const { bytes } = this.#busy;
    return bytes * (1 + (this.#referenced ? 1 : 0) + (this.claimed ? 1 : 0));
  }

  /** Makes free blocks busy. */
  occupy(offset: number, length: number): void {
    this.#part();
    this.#busy.set(offset, length);
  }

  /** Makes busy blocks free, which are not referenced. */
  vacate(offset: number, length: number): void {
    assert(this.#referenced !== undefined, 'what becomes free is busy and not referenced before');
    this.#busy.clear(offset, length);
  }

  /** Makes busy blocks referenced. */
  refer(offset: number, length: number): void {
    assert(this.#referenced !== undefined, 'what becomes referenced is busy otherwise before');
    this.#referenced.set(offset, length);
  }

  /** Makes referenced blocks busy only. */
  unrefer(offset: number, length: number): void {
    this.#part().clear(offset, length);
  }

  /** Makes one bitmap of two that are equal. */
  unite(): void {
    if (this.#referenced?.used === this.#busy.used) this.#referenced = undefined;
  }

  /**
   * True while memory knows more than the bitmap that was stored last and the lists of runs:
   * claims, the pool, or changes of a generation behind `settled`.
   */
  isPinned(settled: number): boolean {
    return this.claimed !== undefined || this.pooled > 0 || this.changedIn > settled;
  }

  /** True when all of [offset, offset + length) is claimed. */
  isClaimed(offset: number, length: number): boolean {
    return this.claimed?.isUsed(offset, length) ?? false;
  }

  /** True when nothing in [offset, offset + length) is busy for another reason than a claim. */
  isClaimable(offset: number, length: number): boolean {
    const end = offset + length;
    let at = this.busy.nextUsed(offset, end);
    while (at < end) {
      if (!this.isClaimed(at, 1)) return false;
      at = this.busy.nextUsed(at + 1, end);
    }
    return true;
  }

  /** Notes a claim; the blocks are busy already. */
  addClaim(offset: number, length: number): void {
    assert(this.busy.isUsed(offset, length), 'claimed blocks are busy');
    this.claimed ??= new GroupBitmap(this.size);
    this.claimed.set(offset, length);
  }

  removeClaim(offset: number, length: number): void {
    assert(this.claimed !== undefined, 'a claim to remove is there');
    this.claimed.clear(offset, length);
    if (this.claimed.used === 0) this.claimed = undefined;
  }

  /** Makes the group longer; the new blocks are free. */
  resize(size: number): void {
    this.#busy = this.#busy.resized(size);
    this.#referenced = this.#referenced?.resized(size);
    this.claimed = this.claimed?.resized(size);
  }

  #part(): GroupBitmap {
    this.#referenced ??= this.#busy.copy();
    return this.#referenced;
  }
}
