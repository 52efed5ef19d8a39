/**
 * The groups whose bitmaps are in memory.
 *
 * - A group is loaded from its stored bitmap, then everything that only memory knows is laid over
 *   it: frozen limbo is busy, what the current generation freed is not referenced any more.
 * - Loading checks the stored bits against the exact free count and the fixed places, so that a
 *   bitmap that does not belong to the summary is found before anything is handed out from it.
 * - A load either ends with the group in the cache or throws and changes nothing.
 * - Only groups that can be rebuilt in this way are evicted.
 */

import { CorruptError } from '../errors.js';
import { Group } from './group.js';
import { GroupBitmap, hasZeroTail } from './group-bitmap.js';
import type { BitmapPointer, GroupTable } from './group-table.js';
import type { Limbo, LimboList } from './limbo.js';
import type { RunSet } from './run-set.js';

/** Who reads bitmaps for the allocator. */
export interface GroupSource {
  /**
   * The verified bits of `group`'s bitmap block at `pointer` (never address 0): bit set = in use,
   * LSB first, zero behind the group's blocks. The bytes stay the source's; they are read before
   * the next call. May throw: what was asked of the allocator then changed nothing and can be
   * repeated. Must not call the allocator.
   */
  load(group: number, pointer: BitmapPointer): Uint8Array;
}

export class GroupCache {
  readonly #table: GroupTable;
  readonly #limbo: Limbo;
  readonly #fixed: RunSet;
  readonly #source: GroupSource;
  readonly #loaded = new Map<number, Group>();
  #recent: Group | undefined;
  #tick = 0;

  constructor(table: GroupTable, limbo: Limbo, fixed: RunSet, source: GroupSource) {
    this.#table = table;
    this.#limbo = limbo;
    this.#fixed = fixed;
    this.#source = source;
  }

  /** Groups in memory. */
  get size(): number {
    return this.#loaded.size;
  }

  /** Memory of their bitmaps. */
  get bytes(): number {
    let bytes = 0;
    for (const group of this.#loaded.values()) bytes += group.bytes;
    return bytes;
  }

  /** All loaded groups, in no order. */
  values(): Iterable<Group> {
    return this.#loaded.values();
  }

  /** The group if it is loaded. */
  peek(index: number): Group | undefined {
    return this.#loaded.get(index);
  }

  /** The group, loaded if need be. @throws what the source throws; CorruptError on its bits. */
  get(index: number): Group {
    if (this.#recent?.index === index) return this.#recent;
    let group = this.#loaded.get(index);
    if (group === undefined) {
      group = this.#load(index);
      this.#loaded.set(index, group);
    }
    group.usedAt = ++this.#tick;
    this.#recent = group;
    return group;
  }

  /**
   * Evicts the longest unused groups that aren't pinned until the others take `bytesMax` at most;
   * how many.
   */
  trim(bytesMax: number, settled: number): number {
    for (const group of this.#loaded.values()) group.unite();
    let over = this.bytes - bytesMax;
    if (over <= 0) return 0;
    const idle = [...this.#loaded.values()].filter((group) => !group.isPinned(settled));
    idle.sort((a, b) => a.usedAt - b.usedAt);
    let evicted = 0;
    for (const group of idle) {
      if (over <= 0) break;
      over -= group.bytes;
      this.#table.unload(group);
      this.#loaded.delete(group.index);
      evicted++;
    }
    this.#recent = undefined;
    return evicted;
  }

  #load(index: number): Group {
    const start = this.#table.geometry.startOf(index);
    const group = new Group(index, start, this.#stored(index));
    for (const list of this.#limbo.frozen) this.#overlayFrozen(group, list);
    const { free } = group.busy;
    if (free !== this.#table.freeOf(index)) {
      throw this.#corrupt(index, `${free} blocks are free, not ${this.#table.freeOf(index)}`);
    }
    const { current } = this.#limbo;
    for (let i = current.newestOf(index); i >= 0; i = current.previousOf(i)) {
      const offset = current.startAt(i) - start;
      if (!group.referenced.isUsed(offset, current.lengthAt(i))) {
        throw this.#corrupt(index, `blocks freed at ${current.startAt(i)} are not in use`);
      }
      group.unrefer(offset, current.lengthAt(i));
      group.changedIn = current.generation;
    }
    return group;
  }

  /** What is referenced according to the stored bitmap. */
  #stored(index: number): GroupBitmap {
    const { geometry } = this.#table;
    const start = geometry.startOf(index);
    const size = geometry.sizeOf(index);
    const pointer = this.#table.pointerOf(index);
    if (pointer.address === 0) {
      const blank = new GroupBitmap(size);
      for (const run of this.#fixed.within(start, size)) blank.set(run.start - start, run.length);
      return blank;
    }
    const bytes = this.#source.load(index, pointer);
    if (bytes.length * 8 < size) throw this.#corrupt(index, `${bytes.length} bytes are too few`);
    if (!hasZeroTail(bytes, size)) throw this.#corrupt(index, `bits behind ${size} are not zero`);
    const stored = GroupBitmap.fromBytes(bytes, size);
    for (const run of this.#fixed.within(start, size)) {
      if (!stored.isUsed(run.start - start, run.length)) {
        throw this.#corrupt(index, `blocks at the fixed place ${run.start} are free`);
      }
    }
    return stored;
  }

  #overlayFrozen(group: Group, list: LimboList): void {
    for (let i = list.newestOf(group.index); i >= 0; i = list.previousOf(i)) {
      const offset = list.startAt(i) - group.start;
      if (!group.busy.isFree(offset, list.lengthAt(i))) {
        throw this.#corrupt(group.index, `blocks freed at ${list.startAt(i)} are in use`);
      }
      group.occupy(offset, list.lengthAt(i));
    }
  }

  #corrupt(index: number, fault: string): CorruptError {
    const offset = this.#table.addressOf(index) * this.#table.geometry.blockSize;
    return new CorruptError(`Cannot load bitmap of allocation group ${index}: ${fault}`, offset);
  }
}
