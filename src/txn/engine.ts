/**
 * The engine: takes transactions in order, applies them, makes them durable, and runs the
 * checkpoints behind them.
 *
 * A transaction's way:
 * 1. `submit`: its large data is written ahead to claimed blocks, off-thread.
 * 2. It is accepted in one synchronous step when its turn has come: applied under a savepoint,
 *    charged for what it took, rolled back whole if anything fails. Now it is *applied*.
 * 3. The committer puts it into a journal record; when that is durable it is *committed*.
 *
 * - Transactions that share a collection or reservation are accepted in submission order.
 * - A transaction that finds no room waits while something is being freed that could serve it.
 * - A failed write or flush poisons the engine: everything fails with the reason from then on.
 * - Every wait has a synchronous form: `commitSync` finishes what is under way before it.
 */

import { assert } from '../assert.js';
import type { BlockDevice } from '../blockdev/block-device.js';
import { Drive, waitFor } from '../blockdev/drive.js';
import { type Io, type IoStep, runSync } from '../blockdev/io.js';
import { Overtaken } from '../blockdev/overtaken.js';
import { hasCode, StoreError } from '../errors.js';
import { type Superblock, storeTagOf } from '../format/superblock.js';
import { Acceptor } from './acceptor.js';
import { Announcer } from './announcer.js';
import { Checkpointer } from './checkpointer.js';
import { Cleaner, type CleanerOptions } from './cleaner.js';
import { Committer, GROUP_BYTES_MAX } from './committer.js';
import { DataPlaces } from './data-places.js';
import { DropWorker } from './drop-worker.js';
import type { Environment } from './environment.js';
import { Eraser } from './eraser.js';
import { ExtentSplitter } from './extent-splitter.js';
import { Gatherer } from './gatherer.js';
import { Housekeeping } from './housekeeping.js';
import type { Journal } from './journal.js';
import { lookUp } from './object-table.js';
import { Overdue, untilLanded } from './overdue.js';
import { type Reader, Readers } from './readers.js';
import { Relief } from './relief.js';
import { isEntitled, type SealedTransaction } from './sealed-transaction.js';
import { limitSize } from './size-limit.js';
import { SpaceKeeper } from './space-keeper.js';
import { SpacePolicy } from './space-policy.js';
import type { StoreState } from './store-state.js';
import { StripeBudget } from './stripe-budget.js';
import { beingClosed, Entry, noRuns, noSpace, Shortage, type Submission } from './submission.js';
import type { SuperblockWriter } from './superblock-writer.js';
import { TransactionQueue } from './transaction-queue.js';

export interface EngineOptions {
  readonly device: BlockDevice;
  readonly environment: Environment;
  readonly state: StoreState;
  readonly journal: Journal;
  readonly superblock: Superblock;
  readonly superblocks: SuperblockWriter;
  /** Bytes of dirty nodes and pending data at which a checkpoint begins. */
  readonly dirtyBytesMax: number;
  readonly readOnly: boolean;
  /** Last transaction that the state contains. */
  readonly transaction: number;
}

export class Engine {
  readonly device: BlockDevice;
  readonly state: StoreState;
  readonly readers: Readers;
  readonly space: SpacePolicy;
  readonly readOnly: boolean;
  readonly eraser: Eraser;
  readonly #journal: Journal;
  readonly #committer: Committer;
  readonly #acceptor: Acceptor;
  readonly #announcer: Announcer;
  readonly #keeper: SpaceKeeper;
  readonly #places: DataPlaces;
  readonly #checkpointer: Checkpointer;
  readonly #drops: DropWorker;
  readonly #housekeeping: Housekeeping;
  readonly #relief: Relief;
  /** What moves data on its own works with. */
  readonly #movers: CleanerOptions;
  /** Writes that may still land: no place is given to others before they have. */
  readonly #overtaken = new Overtaken(() => this.#landed());
  readonly #queue = new TransactionQueue();
  #current: Drive<void> | undefined;
  readonly #attempt = (entry: Entry): void => this.#acceptor.attempt(entry);
  #pumping = false;
  #poison: StoreError | undefined;
  /** The last checkpoint is near: what came now would stand behind it in the journal. */
  #closing = false;
  #closed = false;
  readonly #end = new AbortController();

  constructor(options: EngineOptions) {
    const { device, environment, state, journal, superblock } = options;
    this.device = device;
    this.state = state;
    this.readOnly = options.readOnly;
    this.#journal = journal;
    const storeTag = storeTagOf(superblock.uuid);
    this.space = new SpacePolicy(state);
    this.#keeper = new SpaceKeeper(device, state, this.space, this.#overtaken);
    if (!options.readOnly) this.#keeper.fillPool();
    this.#places = new DataPlaces({
      device,
      state,
      space: this.space,
      keeper: this.#keeper,
      overtaken: this.#overtaken,
      recordBytesMax: Math.min(GROUP_BYTES_MAX, journal.inlineBytesMax),
      relieve: (blocks, entitled) => this.#relieve(blocks, entitled),
      announce: (runs) => this.#announcer.announce(runs),
      predecessor: (entry) => this.#queue.predecessor(entry),
      readers: () => this.readers,
      check: () => this.check(),
    });
    this.readers = new Readers(() => this.#checkpointer.releaseLimbo());
    state.forest.readers = this.readers;
    this.#committer = new Committer(
      {
        journal,
        device,
        environment,
        blockSize: state.blockSize,
        storeTag,
        epoch: () => state.generation,
        unannounced: (run) => this.#announcer.take([run]),
        overtaken: this.#overtaken,
        failed: (error) => this.poison(error),
      },
      options.transaction,
    );
    this.#acceptor = new Acceptor(
      {
        state,
        space: this.space,
        keeper: this.#keeper,
        places: this.#places,
        committer: this.#committer,
        overtaken: this.#overtaken,
      },
      options.transaction,
    );
    this.#announcer = new Announcer(state, this.#committer, () => this.checkpointIo());
    const stripeBudget = new StripeBudget(state, this.space);
    this.#checkpointer = new Checkpointer(
      {
        device,
        environment,
        state,
        journal,
        committer: this.#committer,
        announcer: this.#announcer,
        superblocks: options.superblocks,
        readers: this.readers,
        space: this.space,
        keeper: this.#keeper,
        stripeBudget,
        overtaken: this.#overtaken,
        storeTag,
        readOnly: options.readOnly,
        dirtyBytesMax: options.dirtyBytesMax,
        transaction: () => this.#acceptor.transaction,
        check: () => this.check(),
        poison: (error) => this.poison(error),
      },
      superblock,
    );
    this.#drops = new DropWorker({
      state,
      space: this.space,
      isOpen: () => this.#poison === undefined && !this.#closing && !this.#closed,
      checkpoint: () => this.checkpointIo(),
    });
    this.#movers = {
      device,
      state,
      space: this.space,
      keeper: this.#keeper,
      stripeBudget,
      dirtyBytesMax: options.dirtyBytesMax,
      isOpen: () => this.#poison === undefined && this.#housekeeping.mayClean,
      checkpoint: () => this.checkpointIo(),
      beginRead: () => this.beginRead(),
      endRead: (reader) => this.readers.end(reader),
    };
    this.#housekeeping = new Housekeeping({
      drops: this.#drops,
      cleaner: new Cleaner(this.#movers),
      gatherer: new Gatherer(this.#movers),
      readers: this.readers,
      overtaken: this.#overtaken,
      checkpointCount: () => this.#checkpointer.count,
    });
    this.#relief = new Relief({
      state,
      space: this.space,
      keeper: this.#keeper,
      drops: this.#drops,
      readers: this.readers,
      overtaken: this.#overtaken,
      checkpoint: () => this.checkpointIo(),
    });
    this.eraser = new Eraser({
      engine: this,
      environment,
      journal,
      drops: this.#drops,
      isOpen: () => this.#poison === undefined && !this.#closed,
    });
    this.eraser.start();
  }

  /** Aborts when the engine is poisoned or closed: nobody need wait for anything then. */
  get ended(): AbortSignal {
    return this.#end.signal;
  }

  /** The newest superblock that is durable. */
  get superblock(): Superblock {
    return this.#checkpointer.superblock;
  }

  /** Brings what a recovery has left in memory within its budget. */
  *settleRecovery(): Io<void> {
    if (this.#isOverBudget) yield* this.checkpointIo();
  }

  /** Lets the store grow to `blocksMax` blocks; see `limitSize`. @throws StoreError E_READ_ONLY too */
  *limitIo(blocksMax: number): Io<void> {
    this.check();
    if (this.readOnly) {
      throw new StoreError('E_READ_ONLY', 'Cannot resize store: it is open read-only');
    }
    const checkpoint = (): Io<void> => this.checkpointIo();
    const parts = { checkpointer: this.#checkpointer, keeper: this.#keeper, checkpoint };
    yield* limitSize({ device: this.device, state: this.state, ...parts }, blocksMax);
    this.#pump();
  }

  /** Works the drop list off: what nothing refers to any more is free then. */
  *dropIo(): Io<void> {
    const { running } = this.#housekeeping;
    if (running !== undefined) yield waitFor(running);
    yield* this.#drops.dropAll();
  }

  /** Cuts long extents that reach behind the block `end`, so that a shrink finds room for them. */
  *splitIo(end: number): Io<void> {
    yield* new ExtentSplitter(this.#movers, end).run();
  }

  /** Begins a checkpoint unless one is under way, and waits for its end. E_CLOSED near the last. */
  *checkpointIo(): Io<void> {
    this.check();
    if (this.#closing) throw beingClosed('write checkpoint');
    yield* this.#checkpointer.io();
  }

  /** Last transaction that was applied. */
  get transaction(): number {
    return this.#acceptor.transaction;
  }

  /** Last transaction that is durable. */
  get durableTransaction(): number {
    return this.#committer.durableTransaction;
  }

  /** Transactions that were submitted and are not applied yet. */
  get queued(): number {
    return this.#queue.length;
  }

  get checkpointCount(): number {
    return this.#checkpointer.count;
  }

  /** The journal's own device; undefined where it is on the store's. */
  get journalDevice(): BlockDevice | undefined {
    const { device } = this.#journal.ring;
    return device === this.device ? undefined : device;
  }

  get journalUsedBytes(): number {
    return this.#journal.usedBytes;
  }

  /** @throws StoreError E_CLOSED; E_IO with the reason once a write or flush failed. */
  check(): void {
    if (this.#poison !== undefined) {
      throw new StoreError('E_IO', this.#poison.message, { cause: this.#poison.cause });
    }
    if (this.#closed) throw new StoreError('E_CLOSED', 'Cannot use store: it is closed');
  }

  /** Ends all work: `error` came from a write or flush, so what is on the device is unknown. */
  poison(error: unknown): void {
    if (this.#poison !== undefined || this.#closed) return;
    const reason = error instanceof Error ? error.message : String(error);
    this.#poison = new StoreError('E_IO', `Cannot go on: ${reason}; reopen the store`, {
      cause: error,
    });
    this.state.healer.stop();
    this.#committer.stop(this.#poison);
    this.#queue.refuseAll(this.#poison);
    this.#end.abort();
  }

  // Transactions

  /** Queues a transaction. */
  submit(sealed: SealedTransaction): Submission {
    const entry = this.#accept(sealed);
    this.#queue.push(entry);
    if (!entry.ready) this.#writeAhead(entry);
    this.#pump();
    return entry;
  }

  /** Applies a transaction and makes it durable before it returns its sequence number. */
  commitSync(sealed: SealedTransaction): number {
    const entry = this.#accept(sealed);
    this.#queue.push(entry);
    try {
      this.#drainSync();
    } catch (error) {
      if (!(error instanceof Overdue)) throw error;
      if (!entry.settled) this.#refuse(entry, error);
      this.#goOn();
    }
    if (entry.failure !== undefined) throw entry.failure;
    this.#committer.force();
    this.#keeper.growIfCramped();
    this.#afterApply(false);
    this.#checkpointer.finishIfStarved();
    return entry.sequence;
  }

  #accept(sealed: SealedTransaction): Entry {
    this.check();
    if (this.readOnly) {
      throw new StoreError('E_READ_ONLY', 'Cannot submit transaction: the store is read-only');
    }
    if (this.#closing) throw beingClosed('submit transaction');
    return new Entry(sealed);
  }

  #refuse(entry: Entry, error: unknown): void {
    this.#places.giveBack(entry);
    entry.refuse(error);
  }

  /** Goes on asynchronously with what a synchronous caller could not finish. */
  #goOn(): void {
    for (const entry of this.#queue.unwritten()) this.#writeAhead(entry);
    this.#pump();
  }

  /** Nothing that was overtaken is under way any more: what waited for it goes on. */
  #landed(): void {
    if (this.#poison !== undefined || this.#closed) return;
    this.#places.releaseRefused();
    this.#checkpointer.releaseOld();
  }

  #writeAhead(entry: Entry): void {
    entry.writing = new Drive(this.#aheadIo(entry), this.#overtaken);
    entry.writing.promise.then(
      () => this.#pump(),
      () => this.#pump(),
    );
  }

  /** Writes the transaction's large data; refuses the transaction when that can't be. */
  *#aheadIo(entry: Entry): Io<void> {
    try {
      yield* this.#places.writeAhead(entry);
    } catch (error) {
      if (error instanceof Overdue) {
        this.#places.giveBack(entry);
        entry.ahead = [];
        entry.writing = undefined;
        throw error;
      }
      if (hasCode(error, 'E_IO')) this.poison(error);
      if (!entry.settled) this.#refuse(entry, error);
    }
  }

  /**
   * Takes queued transactions in order, asynchronously. Not before the promises that are settled
   * now have had their say: what follows on a record that has become durable is queued by then,
   * all of it, and can be halved.
   */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    process.nextTick(() => void this.#pumpAll());
  }

  /**
   * Half of what is queued goes to the committer at once, so that its record is being written
   * while the other half is applied.
   */
  async #pumpAll(): Promise<void> {
    let before = Math.ceil(this.#queue.length / 2);
    for (let entry = this.#queue.next(); entry !== undefined; entry = this.#queue.next()) {
      if (before-- === 0) this.#committer.start();
      if (this.#tryFast(entry)) continue;
      const drive = new Drive(this.#processIo(entry), this.#overtaken);
      this.#current = drive;
      try {
        await drive.promise;
      } catch (error) {
        if (!(error instanceof Overdue)) throw error; // else it is its turn again, and can wait
      }
      if (this.#current === drive) this.#current = undefined;
    }
    this.#pumping = false;
    this.#committer.start();
    this.#afterApply();
  }

  /** Applies a transaction at once if nothing has to be waited for. */
  #tryFast(entry: Entry): boolean {
    if (this.#mustWait(entry)) return false;
    return this.state.forest.attempt(this.#attempt, entry); // what failed is tried again
  }

  /** Applies one transaction, waiting for what it needs; refuses it when it can't be. */
  *#processIo(entry: Entry): Io<void> {
    const { forest } = this.state;
    try {
      while (!entry.settled) {
        while (this.#mustWait(entry)) yield* this.#makeRoom(entry);
        try {
          yield {
            kind: 'until',
            start: () => forest.run(() => this.#gatherAndAttempt(entry)),
            force: () => forest.sync(() => this.#acceptor.attempt(entry)),
          };
        } catch (error) {
          if (!(error instanceof Shortage)) throw error;
          if (yield* this.#relieve(error.blocks, isEntitled(entry.sealed))) continue;
          const { isHostFull } = this.#keeper.growth;
          throw error.blocks > 0 ? noSpace(entry.sealed, isHostFull) : noRuns();
        }
      }
    } catch (error) {
      if (error instanceof Overdue) throw error;
      if (!entry.settled) this.#refuse(entry, error);
    }
  }

  /** Where one lacks a node, what those behind it will lack is read with it. */
  #gatherAndAttempt(entry: Entry): void {
    const { state } = this;
    state.forest.gather(this.#queue.named(), (named) => lookUp(state, named));
    this.#acceptor.attempt(entry);
  }

  /** @throws Overdue; then the transaction waits as before */
  #processSync(entry: Entry): void {
    if (!this.#mustWait(entry)) {
      try {
        this.state.forest.sync(() => this.#acceptor.attempt(entry));
        return;
      } catch (error) {
        if (!(error instanceof Shortage)) {
          this.#refuse(entry, error);
          return;
        }
      }
    }
    runSync(this.#processIo(entry));
  }

  /** Applies everything that is queued, now. @throws Overdue; then the rest is queued still */
  #drainSync(): void {
    this.#current?.finish();
    for (let entry = this.#queue.first; entry !== undefined; entry = this.#queue.first) {
      if (!entry.settled && !entry.ready && entry.writing === undefined) {
        runSync(this.#aheadIo(entry));
      }
      if (!entry.settled && !entry.ready) entry.writing?.finish();
      if (!entry.settled) this.#processSync(entry);
      this.#queue.drop(entry);
    }
  }

  /** Applies everything that is queued; what has to wait goes on by itself. @throws Overdue */
  #settleSync(): void {
    try {
      this.#drainSync();
    } catch (error) {
      this.#goOn();
      throw error;
    }
  }

  // Room: in the journal, in memory, on the device

  /** True while a transaction has to wait for a checkpoint before it may be applied. */
  #mustWait(entry: Entry): boolean {
    if (!this.#acceptor.hasRecordRoom(entry)) return true;
    if (this.state.forest.dirtyBytes === 0) return false;
    return !this.#keeper.fitsGeneration || this.#isOverBudget;
  }

  /** True while changes take more memory than they may. */
  get #isOverBudget(): boolean {
    const { forest, pending } = this.state;
    return forest.dirtyBytes + forest.packingBytes + pending.bytes > 2 * this.#movers.dirtyBytesMax;
  }

  /** Waits until the file has grown, or a checkpoint has made room and that may be used. */
  *#makeRoom(entry: Entry): Io<void> {
    if (!this.#keeper.fitsGeneration && (yield* this.#keeper.growForGeneration())) return;
    const before = this.#checkpointer.count;
    yield* this.checkpointIo();
    assert(this.#checkpointer.count > before, 'a checkpoint has ended');
    if (!this.#acceptor.hasRecordRoom(entry)) yield untilLanded(this.#overtaken);
  }

  /** Tries to make room, as `Relief` says. */
  *#relieve(blocks: number, entitled: boolean): Io<boolean> {
    this.check();
    return yield* this.#relief.make(blocks, entitled);
  }

  /** Starts in the background what is due: a checkpoint, the next turn of dropping. */
  #afterApply(hasTime = true): void {
    const { state } = this;
    if (this.#poison !== undefined || this.#closed || this.readOnly) return;
    state.trim();
    if (hasTime && !this.#closing) this.#keeper.growAhead();
    this.#checkpointer.startIfDue();
    this.#housekeeping.startIfDue();
  }

  // Readers

  /** Begins a snapshot: nothing it sees is changed in place or reused from now on. */
  beginSnapshot(): Reader {
    const { forest, allocator } = this.state;
    const sees = forest.generation;
    forest.raiseGeneration();
    return this.readers.begin(allocator.generation, sees);
  }

  /** Begins a read of the present state, which may take a while. */
  beginRead(): Reader {
    return this.readers.begin(this.state.allocator.generation, -1);
  }

  /** Begins a check of the newest durable checkpoint: it stays until the end, or expires. */
  beginCheck(): Reader {
    return this.readers.beginCheck(this.#checkpointer.superblockLimbo);
  }

  // Ending

  /** Makes all durable and writes a last checkpoint. After an Overdue it can be begun again. */
  *closeIo(): Io<void> {
    this.#housekeeping.stop();
    yield {
      kind: 'until',
      start: () => this.#queue.settle(() => this.#poison !== undefined),
      force: () => this.#settleSync(),
    };
    this.check();
    this.#closing = true;
    yield this.#committerIdle();
    yield* this.#checkpointer.idle();
    yield this.#keeper.growth.ended();
    this.check();
    if (this.readOnly) return;
    yield waitFor(this.#checkpointer.start(true));
    // The journal's mark may have come due meanwhile: nothing is under way when the device goes.
    yield this.#committerIdle();
  }

  #committerIdle(): IoStep {
    const committer = this.#committer;
    return { kind: 'until', start: () => committer.idle(), force: () => committer.force() };
  }

  /** Refuses everything from now on. */
  markClosed(): void {
    const closed = new StoreError('E_CLOSED', 'Cannot use store: it is closed');
    this.#committer.stop(closed);
    this.#queue.refuseAll(closed);
    this.#closed = true;
    this.#end.abort();
  }
}
