/**
 * What is known of every group without its bitmap, in typed arrays: less than 80 bytes a group.
 *
 * - `freeOf` is exact: blocks that can be handed out now.
 * - `longest` and `aligned` are upper bounds of the longest free run, and of the longest counted
 *   from a stripe boundary. They never exceed `freeOf`, rise with what is given back, and are
 *   made exact by whoever searched a group in vain: so no group is searched in vain twice.
 * - Of a group that was unloaded it is also known what they become when its limbo is released.
 *   Nothing is put into that limbo before the group is loaded again, by `freeze` at the latest.
 * - The pointer of a group is that of its newest bitmap block: address 0 when there is none.
 */

import { CorruptError } from '../errors.js';
import type { GroupSummary } from '../format/group-summary.js';
import type { Group } from './group.js';
import type { GroupGeometry } from './group-geometry.js';
import { GroupRanking } from './group-ranking.js';
import type { RunSet } from './run-set.js';

/** Where a group's bitmap block is and how it is verified. */
export interface BitmapPointer {
  readonly address: number; // block index, 0 when no bitmap was written
  readonly copy: number; // block index of its second copy, 0 without one
  readonly birth: number; // epoch
  readonly low: number; // halves of the checksum
  readonly high: number;
}

export class GroupTable {
  readonly geometry: GroupGeometry;
  /** Blocks that can be handed out, in all groups. */
  freeBlocks = 0;
  /** Upper bound of each group's longest free run. */
  longest: GroupRanking;
  /** The same from a stripe boundary; the same object where there are no stripes. */
  aligned: GroupRanking;
  #free: Uint32Array;
  /** The bounds of unloaded groups without limbo. */
  #longestLater: Uint32Array;
  #alignedLater: Uint32Array;
  #address: Float64Array;
  #copy: Float64Array;
  #birth: Float64Array;
  #low: Uint32Array;
  #high: Uint32Array;
  /** Groups whose newest summary says that free blocks are not erased. */
  unerased: ReadonlySet<number> = new Set();

  /** @throws CorruptError when a summary says what can't be. */
  constructor(
    geometry: GroupGeometry,
    fixed: RunSet,
    summaries: Iterable<readonly [group: number, summary: GroupSummary]>,
  ) {
    const count = geometry.groupCount;
    const longest = new Uint32Array(count);
    this.geometry = geometry;
    this.#free = new Uint32Array(count);
    this.#longestLater = new Uint32Array(count);
    this.#alignedLater = new Uint32Array(geometry.stripeBlocks === 1 ? 0 : count);
    this.#address = new Float64Array(count);
    this.#copy = new Float64Array(count);
    this.#birth = new Float64Array(count);
    this.#low = new Uint32Array(count);
    this.#high = new Uint32Array(count);
    this.#addBlank(0, longest, fixed);
    const unerased = new Set<number>();
    for (const [group, summary] of summaries) {
      this.#addWritten(group, summary, longest);
      if (summary.unerased) unerased.add(group);
    }
    this.unerased = unerased;
    for (const free of this.#free) this.freeBlocks += free;
    this.longest = new GroupRanking(count, (group) => longest[group] as number);
    this.aligned = this.#rankAligned();
  }

  /** Blocks of `group` that can be handed out. */
  freeOf(group: number): number {
    return this.#free[group] as number;
  }

  addressOf(group: number): number {
    return this.#address[group] as number;
  }

  /** Block of the second copy of the group's bitmap, 0 without one. */
  copyOf(group: number): number {
    return this.#copy[group] as number;
  }

  pointerOf(group: number): BitmapPointer {
    return {
      address: this.addressOf(group),
      copy: this.copyOf(group),
      birth: this.#birth[group] as number,
      low: this.#low[group] as number,
      high: this.#high[group] as number,
    };
  }

  setAddress(group: number, address: number): void {
    this.#address[group] = address;
  }

  setCopy(group: number, copy: number): void {
    this.#copy[group] = copy;
  }

  /** Notes what the block at the group's address is verified with. */
  setSeal(group: number, birth: number, low: number, high: number): void {
    this.#birth[group] = birth;
    this.#low[group] = low;
    this.#high[group] = high;
  }

  /** Makes free blocks busy. */
  take(group: Group, offset: number, length: number): void {
    group.occupy(offset, length);
    const free = this.#change(group.index, -length);
    if (this.longest.at(group.index) > free) this.longest.set(group.index, free);
    if (this.aligned.at(group.index) > free) this.aligned.set(group.index, free);
  }

  /** Makes busy blocks free. */
  give(group: Group, offset: number, length: number): void {
    group.vacate(offset, length);
    const free = this.#change(group.index, length);
    if (this.longest.at(group.index) >= free && this.aligned.at(group.index) >= free) return;
    const from = group.busy.previousUsed(offset) + 1;
    this.#raise(group.index, from, group.busy.nextUsed(offset + length));
  }

  /** `give` for limbo of a group that was unloaded. */
  giveUnloaded(group: number, length: number): void {
    const free = this.#change(group, length);
    this.longest.set(group, Math.min(free, this.#longestLater[group] as number));
    if (this.aligned === this.longest) return;
    this.aligned.set(group, Math.min(free, this.#alignedLater[group] as number));
  }

  /** Notes of a loaded group what is to be known without its bitmap. */
  unload(group: Group): void {
    const { index, referenced } = group;
    this.tighten(group);
    this.#longestLater[index] = referenced.longestFree();
    if (this.aligned === this.longest) return;
    this.#alignedLater[index] = referenced.longestAligned(this.geometry.stripeBlocks, 0);
  }

  /** Makes the bounds of a loaded group exact. */
  tighten(group: Group): void {
    this.longest.set(group.index, group.busy.longestFree());
    if (this.aligned === this.longest) return;
    this.aligned.set(group.index, group.busy.longestAligned(this.geometry.stripeBlocks, 0));
  }

  /** Makes the device longer: `group`, if loaded, is the one that was last. */
  grow(blockCount: number, group: Group | undefined, fixed: RunSet): void {
    const before = this.geometry.groupCount;
    const last = before - 1;
    const sizeBefore = last < 0 ? 0 : this.geometry.sizeOf(last);
    this.geometry.grow(blockCount);
    const count = this.geometry.groupCount;
    const added = last < 0 ? 0 : this.geometry.sizeOf(last) - sizeBefore;
    const longest = new Uint32Array(count);
    for (let i = 0; i < before; i++) longest[i] = this.longest.at(i);
    this.#free = longer(this.#free, new Uint32Array(count));
    this.#address = longer(this.#address, new Float64Array(count));
    this.#copy = longer(this.#copy, new Float64Array(count));
    this.#birth = longer(this.#birth, new Float64Array(count));
    this.#low = longer(this.#low, new Uint32Array(count));
    this.#high = longer(this.#high, new Uint32Array(count));
    this.#longestLater = longer(this.#longestLater, new Uint32Array(count));
    if (this.aligned !== this.longest) {
      this.#alignedLater = longer(this.#alignedLater, new Uint32Array(count));
    }
    this.#addBlank(before, longest, fixed);
    for (let i = before; i < count; i++) this.freeBlocks += this.freeOf(i);
    if (added > 0) {
      group?.resize(this.geometry.sizeOf(last));
      for (const bounds of [longest, this.#longestLater, this.#alignedLater]) {
        if (last < bounds.length) bounds[last] = (bounds[last] as number) + added;
      }
      this.#change(last, added);
    }
    this.longest = new GroupRanking(count, (index) => longest[index] as number);
    this.aligned = this.#rankAligned();
  }

  #change(group: number, blocks: number): number {
    const free = this.freeOf(group) + blocks;
    this.#free[group] = free;
    this.freeBlocks += blocks;
    return free;
  }

  /** Raises the bounds to what the free run [from, to) of a group gives. */
  #raise(group: number, from: number, to: number): void {
    if (to - from > this.longest.at(group)) this.longest.set(group, to - from);
    if (this.aligned === this.longest) return;
    const stripe = this.geometry.stripeBlocks;
    const length = to - Math.ceil(from / stripe) * stripe;
    if (length > this.aligned.at(group)) this.aligned.set(group, length);
  }

  /** Groups from `first` on as they are before their first bitmap: free but for fixed places. */
  #addBlank(first: number, longest: Uint32Array, fixed: RunSet): void {
    for (let group = first; group < this.geometry.groupCount; group++) {
      const size = this.geometry.sizeOf(group);
      this.#free[group] = size;
      longest[group] = size;
      if (fixed.count > 0) this.#subtractFixed(group, longest, fixed);
    }
  }

  #subtractFixed(group: number, longest: Uint32Array, fixed: RunSet): void {
    const start = this.geometry.startOf(group);
    const size = this.geometry.sizeOf(group);
    let free = size;
    let best = 0;
    let from = start;
    for (const run of fixed.within(start, size)) {
      best = Math.max(best, run.start - from);
      from = run.start + run.length;
      free -= run.length;
    }
    this.#free[group] = free;
    longest[group] = Math.max(best, start + size - from);
  }

  #addWritten(group: number, summary: GroupSummary, longest: Uint32Array): void {
    const fault = this.#summaryFault(group, summary);
    if (fault !== undefined) {
      throw new CorruptError(`Cannot open allocation group ${group}: ${fault}`);
    }
    if (summary.address === 0) return;
    this.#free[group] = summary.free;
    longest[group] = summary.longest;
    this.setAddress(group, summary.address);
    this.setCopy(group, summary.copy);
    this.setSeal(group, summary.birth, summary.low, summary.high);
  }

  #summaryFault(group: number, summary: GroupSummary): string | undefined {
    const { geometry } = this;
    if (!(group >= 0 && group < geometry.groupCount)) {
      return `there are only ${geometry.groupCount} groups`;
    }
    const size = geometry.sizeOf(group);
    if (summary.free > size) return `free count ${summary.free} exceeds its ${size} blocks`;
    if (summary.longest > summary.free) {
      return `longest free run ${summary.longest} exceeds its free count ${summary.free}`;
    }
    for (const address of [summary.address, summary.copy]) {
      if (address < geometry.blockCount) continue;
      return `bitmap address ${address} exceeds the device's ${geometry.blockCount} blocks`;
    }
    return undefined;
  }

  #rankAligned(): GroupRanking {
    if (this.geometry.stripeBlocks === 1) return this.longest;
    return new GroupRanking(this.geometry.groupCount, (group) => this.longest.at(group));
  }
}

/** Copies `from` to the start of the longer array `to`. */
function longer<T extends Uint32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
