/**
 * The state of every block, how it may change, and how a change is taken back.
 *
 * - Every method of type PieceAction changes one piece: a part of a run within one group. They
 *   are bound once, so that walking over the pieces of a run makes no closure.
 * - Whatever changes durable bits counts as one change of its group and is one log entry.
 * - Changes assert the state that they start from; none of them asks the source for a bitmap but
 *   where a group was not loaded before, so callers load first and change then.
 */

import { assert } from '../assert.js';
import { CorruptError } from '../errors.js';
import { type BlockRun, endOf } from './block-run.js';
import { DirtyGroups } from './dirty-groups.js';
import type { Group } from './group.js';
import type { GroupCache } from './group-cache.js';
import type { GroupGeometry } from './group-geometry.js';
import type { GroupTable } from './group-table.js';
import type { Limbo } from './limbo.js';
import { RunSet } from './run-set.js';
import { CHANGE, type Change, UndoLog } from './undo-log.js';

/** Changes blocks [offset, offset + length) of `group`. */
export type PieceAction = (group: number, offset: number, length: number) => void;

export class BlockStates {
  readonly pool = new RunSet();
  /** Blocks of open stripes that nothing was put into; their groups count them as pooled. */
  readonly open = new RunSet();
  readonly dirty: DirtyGroups;
  /** Groups whose bitmap this generation has moved. */
  readonly moved = new Set<number>();
  claimedBlocks = 0;
  readonly #geometry: GroupGeometry;
  readonly #table: GroupTable;
  readonly #cache: GroupCache;
  readonly #limbo: Limbo;
  readonly #log = new UndoLog();

  constructor(table: GroupTable, cache: GroupCache, limbo: Limbo) {
    this.#geometry = table.geometry;
    this.#table = table;
    this.#cache = cache;
    this.#limbo = limbo;
    this.dirty = new DirtyGroups(table.geometry.groupCount);
  }

  /** Calls `action` for the part of the run in each group. */
  each(run: BlockRun, action: PieceAction): void {
    const geometry = this.#geometry;
    const end = endOf(run);
    assert(run.start >= 0 && run.length > 0, 'a run has blocks');
    assert(end <= geometry.blockCount, 'a run lies on the device');
    for (let at = run.start; at < end; ) {
      const group = geometry.groupOf(at);
      const offset = at - geometry.startOf(group);
      const length = Math.min(end - at, geometry.groupBlocks - offset);
      action(group, offset, length);
      at += length;
    }
  }

  /** Only loads the group. */
  readonly load: PieceAction = (index) => {
    this.#cache.get(index);
  };

  /** Taken from the free blocks -> referenced. */
  readonly useTaken: PieceAction = (index, offset, length) => {
    this.#refer(this.#cache.get(index), offset, length);
    this.#record(CHANGE.allocated, index, offset, length);
  };

  /** Taken from the free blocks -> claimed. */
  readonly claimTaken: PieceAction = (index, offset, length) => {
    this.#cache.get(index).addClaim(offset, length);
    this.claimedBlocks += length;
  };

  /** Taken from the free blocks -> pool. */
  readonly poolTaken: PieceAction = (index, offset, length) => {
    const group = this.#cache.get(index);
    group.pooled += length;
    this.pool.add(group.start + offset, length);
  };

  /** Removed from the pool's runs -> referenced. */
  readonly useDrawn: PieceAction = (index, offset, length) => {
    const group = this.#cache.get(index);
    group.pooled -= length;
    this.#refer(group, offset, length);
    this.#record(CHANGE.drawn, index, offset, length);
  };

  /** Removed from the pool's runs -> claimed. */
  readonly claimDrawn: PieceAction = (index, offset, length) => {
    this.#cache.get(index).pooled -= length;
    this.claimTaken(index, offset, length);
  };

  /** Pool -> free. */
  readonly unpool: PieceAction = (index, offset, length) => {
    const group = this.#cache.get(index);
    group.pooled -= length;
    this.pool.remove(group.start + offset, length);
    this.#table.give(group, offset, length);
  };

  /** Taken from the free blocks -> open. */
  readonly openTaken: PieceAction = (index, offset, length) => {
    const group = this.#cache.get(index);
    group.pooled += length;
    this.open.add(group.start + offset, length);
  };

  /** Removed from the open runs -> referenced. */
  readonly useOpened: PieceAction = (index, offset, length) => {
    const group = this.#cache.get(index);
    group.pooled -= length;
    this.#refer(group, offset, length);
    this.#record(CHANGE.packed, index, offset, length);
  };

  /** Open -> free. */
  readonly unopen: PieceAction = (index, offset, length) => {
    const group = this.#cache.get(index);
    group.pooled -= length;
    this.open.remove(group.start + offset, length);
    this.#table.give(group, offset, length);
  };

  /** Open -> limbo; it holds zeros then. */
  readonly pad: PieceAction = (index, offset, length) => {
    const group = this.#cache.get(index);
    group.pooled -= length;
    this.open.remove(group.start + offset, length);
    this.#limbo.push(index, group.start + offset, length, false);
  };

  /** Free or claimed -> claimed. */
  readonly claim: PieceAction = (index, offset, length) => {
    const group = this.#cache.get(index);
    const end = offset + length;
    for (let at = group.busy.nextFree(offset); at < end; at = group.busy.nextFree(at)) {
      const part = group.busy.nextUsed(at, end) - at;
      this.#table.take(group, at, part);
      this.claimTaken(index, at, part);
    }
  };

  /** Claimed -> free. */
  readonly unclaim: PieceAction = (index, offset, length) => {
    const group = this.#cache.get(index);
    this.#removeClaim(group, offset, length);
    this.#table.give(group, offset, length);
  };

  /** Claimed -> referenced. */
  readonly adopt: PieceAction = (index, offset, length) => {
    const group = this.#cache.get(index);
    this.#removeClaim(group, offset, length);
    this.#refer(group, offset, length);
    this.#record(CHANGE.adopted, index, offset, length);
  };

  /** Referenced -> claimed. */
  readonly unadopt: PieceAction = (index, offset, length) => {
    this.#unrefer(this.#cache.get(index), offset, length);
    this.claimTaken(index, offset, length);
    this.#record(CHANGE.unadopted, index, offset, length);
  };

  /** Referenced -> limbo; of a group that isn't loaded, seen when it is. */
  readonly free: PieceAction = (index, offset, length) => {
    this.#free(index, offset, length, true);
  };

  /** The same for a piece that holds nothing of a program's. */
  readonly freeBare: PieceAction = (index, offset, length) => {
    this.#free(index, offset, length, false);
  };

  /** Limbo, already off its list -> free. */
  readonly release: PieceAction = (index, offset, length) => {
    const group = this.#cache.peek(index);
    if (group === undefined) this.#table.giveUnloaded(index, length);
    else this.#table.give(group, offset, length);
  };

  /** The bitmap of `group` is going to be written at `address`, and once more at `copy` if not 0. */
  move(group: number, address: number, copy: number): void {
    assert(!this.moved.has(group), 'a bitmap moves once in a generation');
    this.#log.push(CHANGE.copied, this.#table.copyOf(group), group);
    this.#log.push(CHANGE.moved, this.#table.addressOf(group), group);
    this.#table.setAddress(group, address);
    this.#table.setCopy(group, copy);
    this.moved.add(group);
  }

  /** Entries that `undoTo` could take back. */
  get changes(): number {
    return this.#log.length;
  }

  /** Takes back changes, newest first, until `changes` are left. */
  undoTo(changes: number): void {
    assert(changes <= this.#log.length, 'a mark is not from the future');
    while (this.#log.length > changes) {
      this.#log.length--;
      this.#undo(this.#log.length);
    }
  }

  /** Makes all changes final. */
  keep(): void {
    this.#log.clear();
  }

  /** The generation ends: its changes are final and every group is clean. */
  freeze(): void {
    this.#limbo.freeze();
    this.dirty.clear();
    this.moved.clear();
    this.#log.clear();
  }

  /** The first part of a run that is free or in the pool. @throws what the source throws */
  idlePart(run: BlockRun): BlockRun | undefined {
    const index = this.#geometry.groupOf(run.start);
    const group = this.#cache.get(index);
    const end = Math.min(endOf(run), group.start + group.size);
    const isIdle = (block: number): boolean =>
      group.busy.isFree(block - group.start, 1) || this.pool.contains(block, 1);
    let start = run.start;
    while (start < end && !isIdle(start)) start++;
    let stop = start;
    while (stop < end && isIdle(stop)) stop++;
    if (stop > start) return { start, length: stop - start };
    return end < endOf(run) ? this.idlePart({ start: end, length: endOf(run) - end }) : undefined;
  }

  /** The parts of a run that are referenced, in groups that are loaded: in others nothing changed. */
  usedParts(run: BlockRun): BlockRun[] {
    const used: BlockRun[] = [];
    this.each(run, (index, offset, length) => {
      const group = this.#cache.peek(index);
      if (group === undefined) return;
      const { referenced, start } = group;
      const end = offset + length;
      for (let at = referenced.nextUsed(offset, end); at < end; ) {
        const stop = Math.min(end, referenced.nextFree(at));
        used.push({ start: start + at, length: stop - at });
        at = referenced.nextUsed(stop, end);
      }
    });
    return used;
  }

  #free(index: number, offset: number, length: number, hasContent: boolean): void {
    const group = this.#cache.peek(index);
    if (group !== undefined) this.#unrefer(group, offset, length);
    this.#limbo.push(index, this.#geometry.startOf(index) + offset, length, hasContent);
    this.#record(CHANGE.freed, index, offset, length);
  }

  #record(change: Change, index: number, offset: number, length: number): void {
    this.dirty.touch(index);
    this.#log.push(change, this.#geometry.startOf(index) + offset, length);
  }

  #refer(group: Group, offset: number, length: number): void {
    group.refer(offset, length);
    group.changedIn = this.#limbo.current.generation;
  }

  #unrefer(group: Group, offset: number, length: number): void {
    if (!group.referenced.isUsed(offset, length)) {
      // Two trees name the blocks, or the bitmap is another's: both come from the device.
      const start = group.start + offset;
      throw new CorruptError(
        `Cannot free blocks ${start}+${length}: they are not in use`,
        start * this.#geometry.blockSize,
      );
    }
    group.unrefer(offset, length);
    group.changedIn = this.#limbo.current.generation;
  }

  #removeClaim(group: Group, offset: number, length: number): void {
    group.removeClaim(offset, length);
    this.claimedBlocks -= length;
  }

  /** Takes back one log entry. Its group is loaded still, unless it was freed unseen. */
  #undo(entry: number): void {
    const change = this.#log.changeAt(entry);
    const start = this.#log.startAt(entry);
    const length = this.#log.lengthAt(entry);
    if (change === CHANGE.moved) {
      this.#table.setAddress(length, start);
      this.moved.delete(length);
      return;
    }
    if (change === CHANGE.copied) {
      this.#table.setCopy(length, start);
      return;
    }
    const index = this.#geometry.groupOf(start);
    const offset = start - this.#geometry.startOf(index);
    const group = this.#cache.peek(index);
    this.dirty.untouch(index);
    if (change === CHANGE.freed) {
      this.#limbo.pop(index, start, length);
      group?.refer(offset, length);
      return;
    }
    assert(group !== undefined, 'a changed group stays loaded');
    if (change === CHANGE.unadopted) {
      this.#removeClaim(group, offset, length);
      group.refer(offset, length);
      return;
    }
    group.unrefer(offset, length);
    if (change === CHANGE.adopted) this.claimTaken(index, offset, length);
    else if (change === CHANGE.drawn) this.poolTaken(index, offset, length);
    else if (change === CHANGE.packed) this.openTaken(index, offset, length);
    else this.#table.give(group, offset, length);
  }
}
