/**
 * The allocator: which blocks of the device can be handed out, in memory.
 *
 * A block is in one state at a time:
 * 1. free;
 * 2. claimed: handed out for a transaction that is not applied yet, or named by its record;
 * 3. referenced: by the state in memory, and by the next checkpoint if nothing changes;
 * 4. in limbo: freed, but an older checkpoint, record or reader may still need it;
 * 5. in the pool: held back, so that a checkpoint always fits;
 * 6. open: of a stripe that this generation packs small things into;
 * and blocks at fixed places (superblock slots, journal) are referenced for ever.
 *
 * - Everything is in blocks and synchronous; bitmaps come from a GroupSource that may throw
 *   whatever it likes: the call then has changed nothing and can be repeated.
 * - The durable bits of a group are those of its referenced blocks and no others.
 * - Frees read nothing: those of a group that isn't loaded wait in its limbo list.
 * - `mark` and `rewind` undo allocate (without claim), adopt, unadopt, free and moved bitmaps.
 *   Claims, the pool, limbo releases and growth are not undone.
 * - A generation ends with `freeze`; what it freed comes back with `releaseLimbo`.
 */

import { assert } from '../assert.js';
import { CorruptError } from '../errors.js';
import type { GroupSummary } from '../format/group-summary.js';
import { AppendWindows } from './append-windows.js';
import { Appender } from './appender.js';
import { BitmapPlaces } from './bitmap-places.js';
import { type BlockRun, endOf } from './block-run.js';
import { BlockStates } from './block-states.js';
import { type AllocateOptions, Chooser, joined } from './chooser.js';
import { Erasing } from './erasing.js';
import { GroupCache, type GroupSource } from './group-cache.js';
import { GroupGeometry, type Half } from './group-geometry.js';
import { type BitmapPointer, GroupTable } from './group-table.js';
import { Limbo } from './limbo.js';
import { Placement } from './placement.js';
import { Pool } from './pool.js';
import { RunSet } from './run-set.js';
import { StripeExchange } from './stripe-exchange.js';
import { StripePacker } from './stripe-packer.js';
import { StripeSurvey } from './stripe-survey.js';
import { verifyParts } from './verify.js';

export type BlockState = 'free' | 'claimed' | 'referenced' | 'limbo' | 'pool' | 'open';

export interface AllocatorOptions {
  /** Bytes. */
  readonly blockSize: number;
  /** Blocks of the device. */
  readonly blockCount: number;
  /** Blocks of a full stripe; 0 or 1 where there are no stripes. */
  readonly stripeBlocks: number;
  /** Blocks at fixed places, block 0 among them: never handed out, never freed. */
  readonly fixed: readonly BlockRun[];
  /** Records of the groups that have a bitmap; read once, by the constructor. */
  readonly summaries: Iterable<readonly [group: number, summary: GroupSummary]>;
  readonly source: GroupSource;
  /** Number of the generation that begins. */
  readonly generation: number;
  /** Places of each bitmap and of each node in the pool, far from each other: 1 unless given. */
  readonly metadataCopies?: number;
  /** Memory of bitmaps that `trim` leaves, in bytes; of a group about one block, two for a time. */
  readonly bitmapBytesMax: number;
  /** Remembers blocks that hold what was removed; they don't by default. */
  readonly erases?: boolean;
}

export class Allocator {
  readonly geometry: GroupGeometry;
  readonly #table: GroupTable;
  readonly #cache: GroupCache;
  readonly #chooser: Chooser;
  readonly #exchange: StripeExchange;
  readonly #packer: StripePacker;
  readonly #bitmapPlaces: BitmapPlaces;
  #wholeStripes = 0;
  /** Whole stripes, counted and searched. */
  readonly stripes: StripeSurvey;
  readonly #limbo: Limbo;
  readonly #fixed = new RunSet();
  readonly #states: BlockStates;
  readonly #bitmapBytesMax: number;
  readonly #pool: Pool;
  /** What holds what was removed. */
  readonly erasing: Erasing;
  #settled: number;

  /**
   * @throws CorruptError when a summary says what can't be
   * @throws StoreError E_INVALID_ARGUMENT when a stripe is larger than a group
   */
  constructor(options: AllocatorOptions) {
    const { blockCount, generation } = options;
    assert(Number.isSafeInteger(blockCount) && blockCount > 0, 'a device has blocks');
    this.geometry = new GroupGeometry(options.blockSize, blockCount, options.stripeBlocks);
    for (const run of options.fixed) {
      assert(endOf(run) <= blockCount, 'fixed places are on the device');
      this.#fixed.add(run.start, run.length);
    }
    assert(this.#fixed.contains(0, 1), 'block 0 is at a fixed place: address 0 means none');
    this.#limbo = new Limbo(generation);
    this.#settled = generation - 1;
    this.#table = new GroupTable(this.geometry, this.#fixed, options.summaries);
    this.#cache = new GroupCache(this.#table, this.#limbo, this.#fixed, options.source);
    this.#states = new BlockStates(this.#table, this.#cache, this.#limbo);
    const windows = new AppendWindows();
    const placement = new Placement(this.#table, this.#cache, windows);
    const appender = new Appender(this.#table, this.#cache, placement, windows);
    this.#chooser = new Chooser(this.#table, placement, appender, this.#states.pool);
    const isDoubled = options.metadataCopies === 2;
    this.#pool = new Pool(this.geometry, this.#chooser, this.#states, isDoubled);
    this.#exchange = new StripeExchange(this.#table, this.#cache, this.#states, this.#pool);
    this.#packer = new StripePacker(this.#table, placement, this.#states, (length, range) =>
      this.#exchange.run(length, range),
    );
    this.#bitmapPlaces = new BitmapPlaces({
      table: this.#table,
      placement,
      states: this.#states,
      isDoubled,
      pack: (mayOpen, half) => this.pack(1, 1, mayOpen, half)[0]?.start,
      allocate: (near) => this.allocate(1, { purpose: 'metadata', hint: near })[0]?.start,
    });
    this.stripes = new StripeSurvey(this.#table, this.#cache, this.#states.pool);
    this.#bitmapBytesMax = options.bitmapBytesMax;
    const erases = options.erases ?? false;
    this.erasing = new Erasing(this.#table, this.#states, this.#limbo, erases);
  }

  // Numbers, in blocks where nothing else is said.

  get totalBlocks(): number {
    return this.geometry.blockCount;
  }

  /** What can be handed out now: neither claimed, in limbo, nor in the pool. */
  get freeBlocks(): number {
    return this.#table.freeBlocks;
  }

  get claimedBlocks(): number {
    return this.#states.claimedBlocks;
  }

  /** Freed and not released, of all generations. */
  get limboBlocks(): number {
    return this.#limbo.blocks;
  }

  /** Freed in the present generation. */
  get freedBlocks(): number {
    return this.#limbo.current.blocks;
  }

  get poolBlocks(): number {
    return this.#states.pool.blocks;
  }

  /** Of open stripes, and not handed out. */
  get openBlocks(): number {
    return this.#states.open.blocks;
  }

  /** Referenced, fixed places included. */
  get usedBlocks(): number {
    const held = this.limboBlocks + this.poolBlocks + this.openBlocks;
    return this.totalBlocks - this.freeBlocks - this.claimedBlocks - held;
  }

  /** Upper bound of the longest free run, exact after a search that failed. */
  get longestFree(): number {
    return this.#table.longest.max;
  }

  /** The generation that frees go to now. */
  get generation(): number {
    return this.#limbo.current.generation;
  }

  /** Groups whose durable bits this generation has changed. */
  get dirtyGroupCount(): number {
    return this.#states.dirty.groups.size;
  }

  /** Those groups; iterating goes on to groups that become dirty meanwhile. */
  get dirtyGroups(): ReadonlySet<number> {
    return this.#states.dirty.groups;
  }

  /** Whole stripes that were handed out or opened, ever. */
  get stripesTaken(): number {
    return this.#wholeStripes + this.#packer.opened;
  }

  /** Groups whose bitmaps are in memory. */
  get loadedGroupCount(): number {
    return this.#cache.size;
  }

  /** What these bitmaps take, in bytes. */
  get bitmapBytes(): number {
    return this.#cache.bytes;
  }

  /** 0 when the free blocks of each group are in one run, towards 1 when they are crumbs. */
  fragmentation(): number {
    let longest = 0;
    for (let i = 0; i < this.geometry.groupCount; i++) longest += this.#table.longest.at(i);
    return this.freeBlocks === 0 ? 0 : 1 - longest / this.freeBlocks;
  }

  // Handing out and taking back.

  /**
   * Hands out `length` blocks: one run where there is one, else the longest ones.
   * @returns the runs, which may join over group borders; none when there aren't as many as asked
   * @throws what the source throws, with nothing changed
   */
  allocate(length: number, options: AllocateOptions): BlockRun[] {
    assert(Number.isSafeInteger(length) && length > 0, 'a request is for at least one block');
    const choice = this.#chooser.choose(length, options);
    if (choice === undefined) return [];
    const { claimDrawn, claimTaken, useDrawn, useTaken } = this.#states;
    for (const run of choice.drawn) this.#states.each(run, options.claim ? claimDrawn : useDrawn);
    for (const run of choice.taken) this.#states.each(run, options.claim ? claimTaken : useTaken);
    if (options.stripesOnly === true) this.#wholeStripes += length / this.geometry.stripeBlocks;
    return joined(choice);
  }

  /**
   * Hands out these very blocks, of one group, if all of them are free; false when they are not.
   * @throws what the source throws, with nothing changed
   */
  allocateAt(run: BlockRun): boolean {
    const { start, length } = run;
    if (start < 0 || endOf(run) > this.totalBlocks) return false;
    const group = this.#cache.get(this.geometry.groupOf(start));
    const offset = start - group.start;
    if (offset + length > group.size || !group.busy.isFree(offset, length)) return false;
    this.#table.take(group, offset, length);
    this.#states.each(run, this.#states.useTaken);
    return true;
  }

  /**
   * Hands out `length` blocks, a multiple of `unit`, of the stripes that this generation packs, in
   * runs of whole units; `mayOpen` lets it open more stripes. With a `half` only of stripes there.
   * @returns none when there is no whole stripe for them, or there are no stripes
   * @throws what the source throws, with nothing handed out
   */
  pack(length: number, unit: number, mayOpen: boolean, half?: Half): BlockRun[] {
    if (this.geometry.stripeBlocks === 1) return [];
    const where = half === undefined ? { unit, mayOpen } : { unit, mayOpen, half };
    const runs = this.#packer.pack(length, where);
    for (const run of runs) this.#states.each(run, this.#states.useOpened);
    return joined({ drawn: [], taken: runs });
  }

  /**
   * Ends the stripes that are open; `freeze` is to follow.
   * @returns their padding: blocks that nothing was put into, in limbo now
   */
  closeStripes(): BlockRun[] {
    return this.#packer.close();
  }

  /**
   * Claims blocks that a record names, at recovery: free ones and ones claimed already.
   * @returns false, with nothing changed, when one of them is in use otherwise
   * @throws what the source throws, with nothing changed
   */
  claim(run: BlockRun): boolean {
    let isClaimable = true;
    this.#states.each(run, (group, offset, length) => {
      isClaimable = this.#cache.get(group).isClaimable(offset, length) && isClaimable;
    });
    if (isClaimable) this.#states.each(run, this.#states.claim);
    return isClaimable;
  }

  /** The transaction of claimed blocks is applied: they become referenced. Reads nothing. */
  adopt(run: BlockRun): void {
    this.#states.each(run, this.#states.adopt);
  }

  /** Makes referenced blocks claimed again. @throws what the source throws, nothing changed */
  unadopt(run: BlockRun): void {
    this.#states.each(run, this.#states.load);
    this.#states.each(run, this.#states.unadopt);
  }

  /** Gives claimed blocks back at once: no record ever named them. Reads nothing. */
  unclaim(run: BlockRun): void {
    this.#states.each(run, this.#states.unclaim);
    this.erasing.add(run);
  }

  /**
   * Puts referenced blocks into the limbo of this generation. Reads nothing. Without `hasContent`
   * they hold nothing that a program has put in.
   * @throws CorruptError when they can't be in use: what named them contradicts the bitmaps. Part
   *   of the run may be in limbo then; the caller rewinds.
   */
  free(run: BlockRun, hasContent = true): void {
    const isOnDevice = run.start + run.length <= this.totalBlocks;
    if (!isOnDevice || this.#fixed.intersects(run.start, run.length)) {
      throw new CorruptError(
        `Cannot free blocks ${run.start}+${run.length}: no tree can have them`,
        run.start * this.geometry.blockSize,
      );
    }
    this.#states.each(run, hasContent ? this.#states.free : this.#states.freeBare);
  }

  // Savepoints.

  /** A savepoint: valid until the next `freeze` or `keep`, or a rewind to an earlier one. */
  mark(): number {
    return this.#states.changes;
  }

  /**
   * Undoes what was done since the mark, which stays valid. Reads nothing. Blocks that were
   * unadopted since the mark must still be claimed: unclaim them afterwards.
   */
  rewind(mark: number): void {
    if (mark === this.#states.changes) return;
    this.#states.undoTo(mark);
    this.#chooser.stepBack();
  }

  /** Makes everything final that was done so far; all marks are void. Bounds the undo log. */
  keep(): void {
    this.#states.keep();
  }

  // Generations and checkpoints.

  /**
   * Gives every dirty group's bitmap a new address, once per generation: in an open stripe, else in
   * the group itself if it has a free block, else from the pool; also of groups that become dirty
   * by that. `mayOpen` lets it open stripes. Its second copy goes to the group that is half a device
   * away: this makes at most that one dirty too.
   * @returns how many were moved: after 0 it is done, until more is allocated or freed
   * @throws E_NO_SPACE; what the source throws; in both cases with nothing changed
   */
  moveBitmaps(mayOpen = false): number {
    const mark = this.mark();
    let count = 0;
    try {
      for (const group of this.dirtyGroups) {
        if (this.#states.moved.has(group)) continue;
        this.moveBitmap(group, mayOpen);
        count++;
      }
    } catch (error) {
      this.rewind(mark);
      throw error;
    }
    return count;
  }

  /** `moveBitmaps` for one group, once per generation: allocates the new block, frees the old. */
  moveBitmap(group: number, mayOpen = false): number {
    const old = this.#table.pointerOf(group);
    const { address, copy } = this.#bitmapPlaces.choose(group, mayOpen);
    for (const start of [old.address, old.copy]) {
      if (start !== 0) this.free({ start, length: 1 }, false);
    }
    this.#states.move(group, address, copy);
    return address;
  }

  /** Notes epoch and checksum of the bitmap block that was sealed for the group's address. */
  sealBitmap(group: number, birth: number, low: number, high: number): void {
    this.#table.setSeal(group, birth, low, high);
  }

  /** Where the newest bitmap of `group` is. */
  pointerOf(group: number): BitmapPointer {
    return this.#table.pointerOf(group);
  }

  /**
   * Writes the group's bits as of now to `target` (zeros behind them): referenced blocks only.
   * @throws what the source throws
   */
  durableBits(group: number, target: Uint8Array): void {
    this.#cache.get(group).referenced.writeTo(target);
  }

  /** The group's record for those bits and its pointer. @throws what the source throws */
  summaryOf(group: number): GroupSummary {
    const { referenced } = this.#cache.get(group);
    return {
      free: referenced.free,
      longest: referenced.longestFree(),
      ...this.#table.pointerOf(group),
      unerased: this.erasing.isMarked(group),
    };
  }

  /** Dirty groups that aren't loaded: `freeze` will ask the source for them. */
  unloadedDirtyGroups(): number[] {
    return [...this.dirtyGroups].filter((group) => this.#cache.peek(group) === undefined);
  }

  /**
   * Ends the generation: nothing is dirty, marks are void, frees go to the next.
   * @returns the number of the generation that ended
   * @throws what the source throws, nothing changed; AssertionError when a block was freed twice
   */
  freeze(): number {
    for (const group of this.dirtyGroups) this.#cache.get(group);
    const ended = this.generation;
    this.erasing.freeze(ended);
    this.#states.freeze();
    return ended;
  }

  /** The checkpoint of `generation` is durable: the source can load its bitmaps. */
  settle(generation: number): void {
    assert(generation < this.generation, 'a settled generation has ended');
    this.#settled = Math.max(this.#settled, generation);
    this.erasing.settle(generation);
  }

  /**
   * Makes free what was freed in generations up to this one, all of them settled. Reads nothing.
   * @returns how many blocks
   */
  releaseLimbo(generation: number): number {
    assert(generation <= this.#settled, 'limbo is released when its checkpoint is durable');
    let released = 0;
    for (;;) {
      const list = this.#limbo.shift(generation);
      if (list === undefined) return released;
      released += list.blocks;
      for (let i = 0; i < list.count; i++) {
        const run = { start: list.startAt(i), length: list.lengthAt(i) };
        this.#states.each(run, this.#states.release);
        if (list.hasContent(i)) this.erasing.add(run);
      }
    }
  }

  /** Drops the bitmaps of groups that aren't needed beyond the budget; of how many. */
  trim(): number {
    return this.#cache.trim(this.#bitmapBytesMax, this.#settled);
  }

  /** Groups in which something is claimed. */
  claimedGroups(): number[] {
    const groups: number[] = [];
    for (const { claimed, index } of this.#cache.values()) {
      if (claimed !== undefined) groups.push(index);
    }
    return groups;
  }

  // The pool.

  /**
   * Moves free blocks into the pool until it holds `target`, or nothing is free: whole stripes
   * first (by which it may get a part of a stripe more), then long runs. With a `unit`, only runs
   * of whole units: where they must serve for nodes of so many blocks. Where metadata is kept twice,
   * as much in one half of the device as in the other, if it is there.
   * @returns what the pool then holds
   * @throws what the source throws; the pool then holds what it has got so far
   */
  fillPool(target: number, unit = 1): number {
    return this.#pool.fill(target, unit);
  }

  /** How many runs of `length` blocks the pool holds, cut from its runs. */
  pooledRuns(length: number): number {
    return this.#pool.runsOf(length);
  }

  /** Moves up to `length` blocks from the pool to the free ones, short runs first; how many. */
  drainPool(length: number): number {
    return this.#pool.drain(length);
  }

  /**
   * Makes whole stripes of `length` blocks free that the pool holds, in exchange for as many free
   * blocks elsewhere; false, with the pool as large as before, when that can't be.
   */
  exchangeStripes(length: number): boolean {
    return this.#exchange.run(length, { from: 0, to: this.totalBlocks });
  }

  // Growth and inspection.

  /** The device has become longer. A short last group becomes dirty: its summary changes. */
  grow(blockCount: number): void {
    const last = this.geometry.groupCount - 1;
    const size = this.geometry.sizeOf(last);
    const group = this.#cache.peek(last);
    this.#table.grow(blockCount, group, this.#fixed);
    this.#states.dirty.grow(this.geometry.groupCount);
    if (this.geometry.sizeOf(last) === size || this.#table.addressOf(last) === 0) return;
    this.#states.dirty.touch(last);
    if (group !== undefined) group.changedIn = this.generation;
  }

  /** State of one block. @throws what the source throws */
  stateOf(block: number): BlockState {
    const index = this.geometry.groupOf(block);
    const group = this.#cache.get(index);
    const offset = block - group.start;
    if (group.busy.isFree(offset, 1)) return 'free';
    if (group.referenced.isUsed(offset, 1)) return 'referenced';
    if (group.isClaimed(offset, 1)) return 'claimed';
    if (this.#states.open.contains(block, 1)) return 'open';
    return this.#states.pool.contains(block, 1) ? 'pool' : 'limbo';
  }

  /**
   * Runs of `group` in order: what is free, what is busy (not free), or what is referenced.
   * Nothing may change while iterating. @throws what the source throws
   */
  *runsOf(group: number, which: 'free' | 'busy' | 'referenced'): Generator<BlockRun> {
    const { start, busy, referenced, size } = this.#cache.get(group);
    const bits = which === 'referenced' ? referenced : busy;
    for (let at = 0; at < size; ) {
      const from = which === 'free' ? bits.nextFree(at) : bits.nextUsed(at);
      if (from === size) return;
      at = which === 'free' ? bits.nextUsed(from) : bits.nextFree(from);
      yield { start: start + from, length: at - from };
    }
  }

  /** Checks everything in memory against everything else. @throws AssertionError */
  verify(): void {
    verifyParts({
      table: this.#table,
      cache: this.#cache,
      limbo: this.#limbo,
      pool: this.#states.pool,
      open: this.#states.open,
      fixed: this.#fixed,
      claimedBlocks: this.#states.claimedBlocks,
    });
  }
}
