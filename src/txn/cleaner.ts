/**
 * The cleaner: when few whole stripes are free, moves what is left in sparse ones, so that these
 * become free.
 *
 * - A pass chooses the stripes that hold least, then goes through the trees from where the last
 *   pass stopped until they are empty, or once around. Nodes are made dirty, extents are copied to
 *   open stripes; the next checkpoint writes both.
 * - Like drop steps, moves change nothing that a transaction could see, and are in no journal
 *   record: a crash takes back what no checkpoint had, and the old blocks are still there then.
 * - It never takes what a transaction could need: without ample room it stops, and every pass has
 *   a budget of blocks.
 */

import { assert } from '../assert.js';
import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import type { Tree } from '../btree/tree.js';
import { hasCode } from '../errors.js';
import {
  blobKey,
  decodeEntry,
  ENTRY_KIND,
  type ExtentEntry,
  encodeEntry,
  sliceEntry,
} from '../onode/extent-entry.js';
import { CleanWalk, type FoundExtent } from './clean-walk.js';
import { readBlocks } from './data-reader.js';
import { editObject } from './edit-object.js';
import type { Reader } from './readers.js';
import type { SpaceKeeper } from './space-keeper.js';
import type { SpacePolicy } from './space-policy.js';
import type { StoreState } from './store-state.js';
import type { StripeBudget } from './stripe-budget.js';

/** Part of the free blocks that shall lie in free stripes; below it a pass begins. */
const FREE_PART = 0.6;

/** Part that a pass tries to reach. */
const FREE_PART_GOAL = 0.85;

/** Groups whose bitmaps one pass looks at: a read each where they are not in memory. */
const GROUPS_A_PASS = 32;

/** Stripes that one pass empties, at most. */
const STRIPES_A_PASS = 4096;

/** Leaves that are looked at before the event loop has its turn. */
const LEAVES_A_TURN = 16;

export interface CleanerOptions {
  readonly device: BlockDevice;
  readonly state: StoreState;
  readonly space: SpacePolicy;
  readonly keeper: SpaceKeeper;
  readonly stripeBudget: StripeBudget;
  /** Bytes of dirty nodes and pending data at which a checkpoint is due. */
  readonly dirtyBytesMax: number;
  /** False when nothing may be changed any more. */
  readonly isOpen: () => boolean;
  readonly checkpoint: () => Io<void>;
  readonly beginRead: () => Reader;
  readonly endRead: (reader: Reader) => void;
}

export class Cleaner {
  readonly #options: CleanerOptions;
  readonly #walk: CleanWalk;
  /** Stripes that are to be emptied, and the blocks that they held when they were chosen. */
  #wanted = new Map<number, number>();
  /** Stripes that a whole round could not empty, with what they held. */
  readonly #stuck = new Map<number, number>();
  #group = 0;

  constructor(options: CleanerOptions) {
    this.#options = options;
    this.#walk = new CleanWalk(options.state, (address, length) => this.#isWanted(address, length));
  }

  /** True when too little of what is free lies in whole stripes, and there is room to move. */
  get isDue(): boolean {
    const { state, space } = this.#options;
    const { stripeBlocks } = state.allocator.geometry;
    if (stripeBlocks === 1 || !this.#hasRoom) return false;
    const whole = state.allocator.stripes.freeStripes() * stripeBlocks;
    return whole < FREE_PART * (space.available + state.allocator.poolBlocks);
  }

  /** One pass. */
  *pass(): Io<void> {
    if (!this.#choose()) return;
    const rounds = { ended: 0 };
    while (this.#goesOn && rounds.ended < 2) {
      yield* this.#pace();
      const found: FoundExtent[] = [];
      let isLast = false;
      const turn = (): void => {
        isLast = this.#turn(found);
      };
      const { forest } = this.#options.state;
      yield { kind: 'until', start: () => forest.run(turn), force: () => forest.sync(turn) };
      for (const extent of found) yield* this.#move(extent);
      if (found.length > 0) this.#forgetEmptied();
      if (isLast) {
        rounds.ended++;
        this.#forgetEmptied();
      }
      yield { kind: 'pause' };
    }
    this.#forgetEmptied();
    if (rounds.ended === 2) this.#noteStuck();
    this.#wanted.clear();
  }

  get #goesOn(): boolean {
    return this.#wanted.size > 0 && this.#options.isOpen() && this.#hasRoom;
  }

  /** Moving takes room for a generation beside what transactions may need. */
  get #hasRoom(): boolean {
    const { state, space } = this.#options;
    return space.available > 4 * state.allocator.geometry.stripeBlocks;
  }

  /** Lets a checkpoint write what was moved before it takes too much memory or room. */
  *#pace(): Io<void> {
    const { state, space, stripeBudget, dirtyBytesMax, checkpoint } = this.#options;
    const { forest, pending } = state;
    const isFull = forest.dirtyBytes + pending.bytes > dirtyBytesMax || stripeBudget.isSpent;
    if (isFull || space.dirtyBlocks > space.dirtyBlocksMax / 2) yield* checkpoint();
  }

  /** Chooses the sparsest stripes of the next groups; false when there are none. */
  #choose(): boolean {
    const { state, space } = this.#options;
    const { allocator } = state;
    const { stripeBlocks, groupCount } = allocator.geometry;
    const sparse: { stripe: number; used: number }[] = [];
    for (let left = Math.min(GROUPS_A_PASS, groupCount); left > 0; left--) {
      this.#group = (this.#group + 1) % groupCount;
      for (const one of allocator.stripes.sparse(this.#group)) {
        if (this.#stuck.get(one.stripe) !== one.used) sparse.push(one);
      }
    }
    sparse.sort((a, b) => a.used - b.used);
    const whole = allocator.stripes.freeStripes() * stripeBlocks;
    let gain = FREE_PART_GOAL * (space.available + allocator.poolBlocks) - whole;
    let room = 0.75 * space.available;
    this.#wanted = new Map();
    for (const { stripe, used } of sparse) {
      if (gain <= 0 || room < used || this.#wanted.size === STRIPES_A_PASS) break;
      this.#wanted.set(stripe, used);
      gain -= stripeBlocks - used;
      room -= used;
    }
    return this.#wanted.size > 0;
  }

  #forgetEmptied(): void {
    const { stripes } = this.#options.state.allocator;
    for (const stripe of this.#wanted.keys()) {
      if (stripes.usedIn(stripe) === 0) this.#wanted.delete(stripe);
    }
  }

  /** What a whole round has left where it was is not tried again before it changes. */
  #noteStuck(): void {
    const { stripes } = this.#options.state.allocator;
    if (this.#stuck.size > STRIPES_A_PASS) this.#stuck.clear();
    for (const stripe of this.#wanted.keys()) this.#stuck.set(stripe, stripes.usedIn(stripe));
  }

  /** True when one of the blocks lies in a stripe to be emptied, and that was not used anew. */
  #isWanted(address: number, length: number): boolean {
    const { allocator } = this.#options.state;
    const { stripeBlocks } = allocator.geometry;
    const last = Math.floor((address + length - 1) / stripeBlocks);
    for (let stripe = Math.floor(address / stripeBlocks); stripe <= last; stripe++) {
      const before = this.#wanted.get(stripe);
      if (before === undefined) continue;
      const used = allocator.stripes.usedIn(stripe);
      if (used > 0 && used <= before) return true;
      this.#wanted.delete(stripe);
    }
    return false;
  }

  /** Goes over a few leaves; true behind the last one of all. */
  #turn(found: FoundExtent[]): boolean {
    const { state } = this.#options;
    for (let left = LEAVES_A_TURN; left > 0 && found.length === 0; left--) {
      state.begin();
      let isLast = false;
      try {
        isLast = this.#walk.step(found);
        if (!this.#options.keeper.leavesEnough()) return this.#giveUp();
      } catch (error) {
        state.rollback();
        if (!hasCode(error, 'E_CORRUPT')) throw error;
        this.#walk.skip();
        continue;
      }
      this.#keep();
      if (isLast) return true;
    }
    return false;
  }

  /** Moves one extent, if it is still what it was; its bytes are verified on the way. */
  *#move(found: FoundExtent): Io<void> {
    const { state, device, beginRead, endRead } = this.#options;
    const part = partOf(found, state.blockSize);
    const reader = beginRead();
    let bytes: Uint8Array;
    try {
      bytes = yield* readBlocks(state, device, part);
    } catch (error) {
      if (!hasCode(error, 'E_CORRUPT')) throw error;
      return; // damage stays where it is: scrub and repair speak of it
    } finally {
      endRead(reader);
    }
    const apply = (): void => this.#apply(found, part, bytes);
    if (!this.#goesOn) return;
    yield {
      kind: 'until',
      start: () => state.forest.run(apply),
      force: () => state.forest.sync(apply),
    };
  }

  #apply(found: FoundExtent, part: ExtentEntry, bytes: Uint8Array): void {
    const { state } = this.#options;
    state.begin();
    try {
      const end = this.#replace(found, part, bytes);
      if (end === 'no room' || !this.#options.keeper.leavesEnough()) {
        this.#giveUp();
        return;
      }
      if (end === 'changed') {
        state.rollback();
        return;
      }
    } catch (error) {
      state.rollback();
      throw error;
    }
    this.#keep();
    state.stripes.movedBytes += bytes.length;
  }

  /** Points the entry's part to new blocks, unless it has changed or is shared now. */
  #replace(
    found: FoundExtent,
    part: ExtentEntry,
    bytes: Uint8Array,
  ): 'moved' | 'changed' | 'no room' {
    let end: 'moved' | 'changed' | 'no room' = 'changed';
    editObject(this.#options.state, found.collection, found.object, ({ blobTree }) => {
      end = this.#replaceIn(blobTree, found, part, bytes);
    });
    return end;
  }

  #replaceIn(
    tree: Tree,
    { offset, entry, from, to }: FoundExtent,
    part: ExtentEntry,
    bytes: Uint8Array,
  ): 'moved' | 'changed' | 'no room' {
    const { state, space } = this.#options;
    const { allocator, references, blockSize } = state;
    const key = blobKey(offset);
    tree.own(key);
    const stored = tree.get(key);
    if (stored === undefined || !isSame(entry, stored)) return 'changed';
    if (references.isAnyShared(part.address, part.blocks)) return 'changed';
    const [run] = allocator.pack(part.blocks, part.blocks, space.mayOpenStripe);
    if (run === undefined) return 'no room';
    assert(run.length === part.blocks, 'what is packed as one unit is one run');
    const put = (at: number, value: ReturnType<typeof sliceEntry>): void => {
      tree.put(blobKey(offset + at), encodeEntry(value));
    };
    if (from > 0) put(0, sliceEntry(entry, 0, from, blockSize));
    if (to < entry.length) put(to, sliceEntry(entry, to, entry.length, blockSize));
    put(from, { ...part, address: run.start });
    state.releaseData(part.address, part.blocks);
    state.pending.put(run.start, bytes);
    return 'moved';
  }

  /** Takes the savepoint back and ends the pass. */
  #giveUp(): false {
    this.#options.state.rollback();
    this.#wanted.clear();
    return false;
  }

  #keep(): void {
    const { state } = this.#options;
    state.commit();
    state.allocator.keep();
  }
}

function partOf({ entry, from, to }: FoundExtent, blockSize: number): ExtentEntry {
  const part = sliceEntry(entry, from, to, blockSize);
  assert(part.kind === ENTRY_KIND.extent, 'a part of an extent is one');
  return part;
}

/** True when the stored entry is the one that was found. */
function isSame(entry: ExtentEntry, stored: Uint8Array): boolean {
  const now = decodeEntry(stored, 0, stored.length);
  return (
    now.kind === ENTRY_KIND.extent &&
    now.address === entry.address &&
    now.blocks === entry.blocks &&
    now.length === entry.length &&
    now.skip === entry.skip &&
    now.birth === entry.birth
  );
}
