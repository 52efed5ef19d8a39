/**
 * Runs checkpoints one after the other, and lets go of what a finished one makes free.
 *
 * - What generation N freed is handed out again when N + 1 is durable, no reader needs it, and no
 *   overtaken write may still land.
 * - A failed write or flush poisons the engine: nobody knows what is on the device. What can't be
 *   read fails the checkpoint that needed it, which is tried again when more has been done: what was
 *   frozen already is written first then.
 */

import { assert } from '../assert.js';
import type { BlockDevice } from '../blockdev/block-device.js';
import { Drive, waitFor } from '../blockdev/drive.js';
import { type Io, runSync } from '../blockdev/io.js';
import type { Overtaken } from '../blockdev/overtaken.js';
import type { Node } from '../btree/node.js';
import { StoreError } from '../errors.js';
import type { JournalPosition } from '../format/journal-record.js';
import type { Superblock } from '../format/superblock.js';
import type { Announcer } from './announcer.js';
import {
  contentRuns,
  type FrozenState,
  freezeState,
  UnreadableState,
  writeFrozen,
} from './checkpoint.js';
import type { Committer } from './committer.js';
import type { Environment } from './environment.js';
import type { Journal } from './journal.js';
import { Overdue, untilLanded } from './overdue.js';
import type { Readers } from './readers.js';
import type { SpaceKeeper } from './space-keeper.js';
import type { SpacePolicy } from './space-policy.js';
import type { StoreState } from './store-state.js';
import type { StripeBudget } from './stripe-budget.js';
import type { SuperblockWriter } from './superblock-writer.js';

/**
 * Bytes of journal after which a checkpoint begins, however large the ring is: some four thousand
 * transactions with a block of data each, which opening after a crash replays within a second.
 * Where records take whole stripe units, as many more bytes as a unit has blocks.
 */
const REPLAY_BYTES_MAX = 16 * 1024 * 1024;

/** Transactions after which one begins: without data as many are replayed within a second. */
const REPLAY_TRANSACTIONS_MAX = 50_000;

/**
 * Objects and keys of maps written after which one begins, for the same reason, whatever transactions
 * they are in: while it is written as many may follow.
 */
const REPLAY_EDITS_MAX = 30 * 1024;

/**
 * Bytes of data freed in a generation after which a checkpoint begins, and the part of the store if
 * that is more: until then what is overwritten takes new space, which a file grows for. What nodes
 * take is bounded already, by memory or by what may be deferred.
 */
const FREED_BYTES_MIN = 32 * 1024 * 1024;
const FREED_SHARE = 16;

/** Part of its largest size on the device at which a generation is closed without anybody waiting. */
const FULL_PART = 7 / 8;

export interface CheckpointerOptions {
  readonly device: BlockDevice;
  readonly environment: Environment;
  readonly state: StoreState;
  readonly journal: Journal;
  readonly committer: Committer;
  readonly announcer: Announcer;
  readonly superblocks: SuperblockWriter;
  readonly readers: Readers;
  readonly space: SpacePolicy;
  readonly keeper: SpaceKeeper;
  readonly stripeBudget: StripeBudget;
  readonly overtaken: Overtaken;
  readonly storeTag: number;
  readonly readOnly: boolean;
  /** Bytes of dirty nodes and pending data at which a checkpoint is due. */
  readonly dirtyBytesMax: number;
  /** Last transaction that was applied. */
  readonly transaction: () => number;
  /** @throws StoreError when the engine was poisoned or closed */
  readonly check: () => void;
  readonly poison: (error: unknown) => void;
}

export class Checkpointer {
  readonly #options: CheckpointerOptions;
  /** Blocks that the store may grow to; the next superblock says so. */
  deviceBlocksMax: number;
  #superblock: Superblock;
  #running: Drive<void> | undefined;
  /** What was frozen and could not be written yet, because a leaf that it is made of can't be read. */
  #halted: FrozenState | undefined;
  #count = 0;
  /** Bytes of journal to replay when a checkpoint last failed for what it could not read. */
  #failedBytes = Number.NEGATIVE_INFINITY;
  /** Generation of the allocator that the newest durable checkpoint ended; -1 for none yet. */
  #settledLimbo = -1;
  #settledEpoch = 0;
  /** Last generation of the allocator whose frees no superblock needs. */
  #releasable = -1;
  #releasableJournal: JournalPosition | undefined;

  constructor(options: CheckpointerOptions, superblock: Superblock) {
    this.#options = options;
    this.#superblock = superblock;
    this.deviceBlocksMax = superblock.deviceBlocksMax;
  }

  /** The newest superblock that is durable. */
  get superblock(): Superblock {
    return this.#superblock;
  }

  /** Frees of this generation of the allocator and later ones may be of what it refers to. */
  get superblockLimbo(): number {
    return this.#settledLimbo + 1;
  }

  /** Checkpoints that have ended. */
  get count(): number {
    return this.#count;
  }

  /** Starts one if it is time. */
  startIfDue(): void {
    if (this.#running === undefined && this.#isDue) this.start();
  }

  /**
   * Ends one now that a program leaves where it began, by never returning to the event loop. One
   * that waits for writes which only the event loop can see the end of is begun again later.
   */
  finishIfStarved(): void {
    const { edits } = this.#options.state.forest;
    const isShort = this.#replayBytes <= 2 * this.#replayBytesMax && edits <= REPLAY_EDITS_MAX;
    if (isShort && !this.#hasFreedMuch) return;
    try {
      this.#running?.finish();
    } catch (error) {
      if (!(error instanceof Overdue)) throw error; // what the caller committed is durable
    }
  }

  /** Begins a checkpoint unless one is under way, and waits for its end. */
  *io(): Io<void> {
    this.#options.check();
    if (this.#options.readOnly) {
      throw new StoreError('E_READ_ONLY', 'Cannot write checkpoint: the store is read-only');
    }
    const running = this.#running;
    if (running !== undefined) {
      yield waitFor(running);
      return;
    }
    yield waitFor(this.start());
  }

  /** Waits until no checkpoint is under way; the caller goes on before another one begins. */
  *idle(): Io<void> {
    while (this.#running !== undefined) yield waitFor(this.#running);
  }

  /** Begins a checkpoint; none is under way. */
  start(cleanClose = false): Drive<void> {
    this.#options.check();
    assert(this.#running === undefined, 'checkpoints are written one after the other');
    const drive = new Drive(this.#checkpointOnce(cleanClose), this.#options.overtaken);
    if (!drive.ended) this.#running = drive;
    return drive;
  }

  *#checkpointOnce(cleanClose: boolean): Io<void> {
    try {
      if (this.#options.space.isShort) yield* this.#takeBack();
      yield* this.#freezeAndWrite(cleanClose);
    } finally {
      this.#running = undefined;
    }
  }

  /** The checkpoint needs blocks that are free but for somebody who may still look at them. */
  *#takeBack(): Io<void> {
    if (!this.#options.overtaken.isEmpty) yield untilLanded(this.#options.overtaken);
    if (this.#options.space.isShort) this.#options.readers.expireSnapshots();
  }

  *#freezeAndWrite(cleanClose: boolean): Io<void> {
    const { state } = this.#options;
    try {
      if (this.#halted !== undefined) yield* this.#write(this.#halted, false);
      const frozen = this.#freeze();
      state.endGeneration();
      this.#options.stripeBudget.begin();
      const { check } = this.#options;
      // The first step of a drive waits for its turn: the device may have failed when that comes.
      yield { kind: 'until', start: async () => check(), force: check };
      yield* this.#options.announcer.begin(contentRuns(frozen, state.blockSize));
      yield* this.#write(frozen, cleanClose);
    } catch (error) {
      if (error instanceof UnreadableState) {
        this.#failedBytes = this.#replayBytes;
        throw error.cause;
      }
      this.#options.poison(error);
      throw error;
    }
  }

  /** Makes what was frozen durable. @throws UnreadableState: the next checkpoint goes on with it */
  *#write(frozen: FrozenState, cleanClose: boolean): Io<void> {
    const { state, device, check, overtaken, dirtyBytesMax } = this.#options;
    const written = (nodes: readonly Node[]): void => {
      overtaken.after(() => {
        state.forest.clean(nodes);
        state.trim();
      });
    };
    this.#halted = frozen;
    yield* writeFrozen(state, device, frozen, { dirtyBytesMax, check, written });
    this.#halted = undefined;
    overtaken.after(() => state.pending.recycle(frozen.data));
    // For what is added meanwhile it doesn't wait: under load something always is.
    yield {
      kind: 'until',
      start: () => this.#options.committer.settled(),
      force: () => this.#options.committer.force(),
    };
    check();
    yield { kind: 'flush', device };
    yield* this.#switchTo(frozen, cleanClose);
  }

  /** @throws UnreadableState */
  #freeze(): FrozenState {
    const { state, storeTag, committer, journal, transaction, space } = this.#options;
    committer.close();
    const at = { position: journal.position(), transaction: transaction() };
    const mayOpenStripes = space.mayOpenStripe;
    return state.forest.sync(() => freezeState({ state, storeTag, mayOpenStripes, ...at }));
  }

  /** Writes the superblock of what was frozen and lets go of what only the one before needed. */
  *#switchTo(frozen: FrozenState, cleanClose: boolean): Io<void> {
    const { state, superblocks } = this.#options;
    const { counters } = frozen;
    const next: Superblock = {
      ...this.#superblock,
      number: this.#superblock.number + 1,
      deviceBlocks: frozen.deviceBlocks,
      deviceBlocksMax: Math.max(this.deviceBlocksMax, frozen.deviceBlocks),
      journalStart: frozen.position,
      epoch: frozen.epoch,
      transaction: frozen.transaction,
      nextObject: counters.nextObject,
      nextCollection: counters.nextCollection,
      nextDrop: counters.nextDrop,
      storedBytes: counters.storedBytes,
      objects: counters.objects,
      writtenMs: this.#options.environment.now(),
      cleanClose,
      roots: frozen.roots,
    };
    // Synchronously in both forms: a write of a superblock that is overtaken could land in its
    // slot when that holds a newer one.
    const write = (): void => runSync(superblocks.write(next));
    yield { kind: 'until', start: async () => write(), force: write };
    this.#releasableJournal = this.#superblock.journalStart;
    this.#superblock = next;
    this.#count++;
    this.#failedBytes = Number.NEGATIVE_INFINITY;
    state.allocator.settle(frozen.limbo);
    const released = this.#settledLimbo;
    this.#settledLimbo = frozen.limbo;
    this.#releasable = released;
    this.releaseOld();
    if (!this.#options.readers.hasSnapshot) {
      state.forgetOpen(); // what was opened while nodes were being sealed may name old numbers
      state.forest.retireNumbers(this.#settledEpoch);
    }
    this.#settledEpoch = frozen.epoch;
    state.trim();
    state.allocator.trim();
  }

  /** Gives up what only the superblock before the older one needed. */
  releaseOld(): void {
    if (!this.#options.overtaken.isEmpty) return;
    if (this.#releasableJournal !== undefined)
      this.#options.journal.release(this.#releasableJournal);
    this.#releasableJournal = undefined;
    this.releaseLimbo();
    this.#options.stripeBudget.recount();
  }

  /** Makes limbo free that neither a superblock nor a reader needs, and fills the pool first. */
  releaseLimbo(): void {
    const { allocator, forest } = this.#options.state;
    const upTo = this.#options.overtaken.isEmpty
      ? this.#options.readers.releasable(this.#releasable)
      : -1;
    if (upTo >= 0) allocator.releaseLimbo(upTo);
    if (!this.#options.readOnly) this.#options.keeper.fillPool();
    forest.forgetUnseen();
  }

  /** Bytes of journal that opening after a crash would replay. */
  get #replayBytes(): number {
    return this.#options.journal.bytesSince(this.#superblock.journalStart);
  }

  get #replayBytesMax(): number {
    const { bytes, blockSize, align = blockSize } = this.#options.journal.ring;
    return Math.min(REPLAY_BYTES_MAX * (align / blockSize), bytes / 4);
  }

  /** True when as much waits for a checkpoint to be handed out again as one is written for. */
  get #hasFreedMuch(): boolean {
    const { allocator, blockSize, releasedBlocks } = this.#options.state;
    const share = Math.floor(allocator.totalBlocks / FREED_SHARE);
    const freedBlocks = allocator.freedBlocks - releasedBlocks;
    return freedBlocks > Math.max(FREED_BYTES_MIN / blockSize, share);
  }

  get #isDue(): boolean {
    const { space, stripeBudget, transaction } = this.#options;
    const { forest, pending } = this.#options.state;
    if (forest.dirtyBytes === 0 && pending.runCount === 0) return false;
    if (this.#replayBytes - this.#failedBytes < this.#replayBytesMax / 16) return false;
    return (
      this.#replayBytes > this.#replayBytesMax ||
      transaction() - this.#superblock.transaction > REPLAY_TRANSACTIONS_MAX ||
      forest.edits > REPLAY_EDITS_MAX ||
      forest.dirtyBytes + pending.bytes > this.#options.dirtyBytesMax ||
      this.#hasFreedMuch ||
      space.dirtyBlocks > space.dirtyBlocksMax * FULL_PART ||
      stripeBudget.isSpent
    );
  }
}
