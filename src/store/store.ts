/**
 * The public object store: opening and closing one, submitting transactions, reading.
 *
 * - One process has a store open for writing; a second opener gets E_BUSY.
 * - What is read is the present state, applied transactions included; `snapshot` gives a state
 *   that stays.
 */

import type { StripeCounts } from '../alloc/stripe-survey.js';
import type { BlockDevice } from '../blockdev/block-device.js';
import { Drive } from '../blockdev/drive.js';
import { type Io, runAsync, runSync } from '../blockdev/io.js';
import { openDevice, openDeviceSync } from '../blockdev/open-device.js';
import { RawDevice } from '../blockdev/raw-device.js';
import { type Comparator, ComparatorRegistry } from '../btree/comparator.js';
import {
  CorruptError,
  checkOptions,
  hasCode,
  invalidArgument,
  type OptionNames,
  StoreError,
} from '../errors.js';
import { SUPERBLOCK_VERSION } from '../format/superblock.js';
import { DEVICE_BLOCKS_MAX } from '../format/superblock-bounds.js';
import { type ScrubOptions, type ScrubReport, scrub } from '../scrub/scrub.js';
import type { Bytes } from '../txn/argument.js';
import type { Engine } from '../txn/engine.js';
import type { Environment } from '../txn/environment.js';
import type { EraseOptions, EraseReport } from '../txn/eraser.js';
import { Overdue } from '../txn/overdue.js';
import { PackedTransaction } from '../txn/packed-transaction.js';
import { type OpenedEngine, openEngine, type RecoveryReport } from '../txn/recovery.js';
import { decodeReservation, heldBlocks } from '../txn/reservation.js';
import type { SealedTransaction } from '../txn/sealed-transaction.js';
import type { Submission } from '../txn/submission.js';
import { type ReservationUnits, Transaction } from '../txn/transaction.js';
import { openJournal } from './journal-device.js';
import { listNames, listNamesSync, type NamePage } from './name-page.js';
import { findSignatures } from './signature.js';
import { StoredCollection } from './stored-collection.js';
import { PresentView, SnapshotView, type View } from './view.js';

/** Bytes of clean nodes and data that are kept in memory where nothing else is asked. */
const CACHE_BYTES_DEFAULT = 64 * 1024 * 1024;

/** How a store is opened. */
export interface OpenOptions {
  readonly readOnly?: boolean;
  /** Bytes of memory for nodes that are not dirty and for data that is read often; 64 MiB by default. */
  readonly cacheBytes?: number;
  /** Bytes of changes in memory at which a checkpoint begins; half of cacheBytes by default. */
  readonly dirtyBytes?: number;
  /** Comparators of map streams beyond `bytes`, `u64` and `reverse`. */
  readonly comparators?: readonly Comparator[];
  /** Takes a file whose owner can't be judged. */
  readonly force?: boolean;
  /** Path of the journal's device, where it has one of its own; it may have moved. */
  readonly journal?: string;
  /** That device, where it is open already. It then belongs to the store. */
  readonly journalDevice?: BlockDevice;
  /**
   * Opens the store also when its journal is not there, at the newest checkpoint; `recovery.lost`
   * says what that costs. Unless read-only, another journal is made: on the journal device that is
   * given, if it is empty or held an earlier one, else on the store's own.
   */
  readonly acceptJournalLoss?: boolean;
  /** Where the time and timers come from; the system's by default. */
  readonly environment?: Environment;
}

/** All names of OpenOptions. */
export const OPEN_OPTIONS: OptionNames<OpenOptions> = {
  readOnly: true,
  cacheBytes: true,
  dirtyBytes: true,
  comparators: true,
  force: true,
  journal: true,
  journalDevice: true,
  acceptJournalLoss: true,
  environment: true,
};

/** Where the space is, in bytes. */
export interface Statfs {
  /** The store's limit. */
  readonly total: number;
  /** Bytes of the device that are in use. */
  readonly allocated: number;
  /** Sum of the sizes of all objects. */
  readonly stored: number;
  /** Held back by reservations. */
  readonly reserved: number;
  /**
   * In limbo or on the drop list: will be free without anybody doing anything. Of the drop list
   * the sizes of what is listed count, shared or not.
   */
  readonly pending: number;
  /**
   * Free or pending, and not overwritten yet, in a store that erases. What may be reused counts in
   * `available` too.
   */
  readonly unerased: number;
  /** What transactions may use: free now, or what a file may still grow by if its host has it. */
  readonly available: number;
  readonly objects: number;
  /** Where the store has stripe geometry. */
  readonly stripes?: StripeUse;
}

/** The whole stripes of a device, and how writes meet them. */
export interface StripeUse extends StripeCounts {
  /** Bytes of a stripe. */
  readonly width: number;
  /** Since the store was opened, outside its fixed places: stripes that one write covered. */
  readonly fullWrites: number;
  /** Stripes of which a write covered a part only: no whole one was free. */
  readonly partialWrites: number;
  /** Bytes that were moved so that stripes become free, and objects lie in few runs. */
  readonly moved: number;
}

/** A reservation in a listing. */
export interface ListedReservation extends ReservationUnits {
  readonly name: Uint8Array;
  readonly owner: Uint8Array;
  /** Bytes of the device that it holds back. */
  readonly heldBytes: number;
}

/** What is known about a store beyond its space. */
export interface StoreInfo {
  readonly path: string;
  readonly uuid: string;
  readonly label: string;
  readonly formatVersion: number;
  /** Bits of what the store uses that other versions may not know; format.md. */
  readonly features: {
    readonly compat: number;
    readonly roCompat: number;
    readonly incompat: number;
  };
  readonly blockSize: number;
  readonly nodeSize: number;
  /** Places of each metadata block: 1 or 2. */
  readonly metadataCopies: number;
  readonly stripeUnit: number;
  readonly stripeWidth: number;
  readonly journalBytes: number;
  readonly journalUsedBytes: number;
  /** Path of the journal's device, where it has one of its own. */
  readonly journalPath: string | undefined;
  /** What is freed is overwritten. */
  readonly erasesFreed: boolean;
  readonly epoch: number;
  readonly transaction: number;
  readonly durableTransaction: number;
  readonly queued: number;
  readonly readers: number;
  readonly createdMs: number;
  /** Bytes of the file or block device. */
  readonly deviceBytes: number;
  /** Bytes written to it since it was opened, the zeros of growing not counted. */
  readonly writtenBytes: number | undefined;
  /** 0 when the free blocks of each allocation group are one run, towards 1 when they are crumbs. */
  readonly freeFragmentation: number;
  /** Copies of metadata that reads and scrubs have found bad since the store was opened. */
  readonly badCopies: number;
  /** Those of them that were written anew from the other copy. */
  readonly healedCopies: number;
  readonly recovery: RecoveryReport;
}

/** A state that stays as it is while the store goes on; close it. */
export interface Snapshot {
  collection(name: Bytes): StoredCollection;
  listCollectionsSync(options?: NamePage): Uint8Array[];
  /** As `listCollectionsSync`. */
  listCollections(options?: NamePage): Promise<Uint8Array[]>;
  close(): void;
}

/** The error of opening `device`, with what it holds instead of a store. */
function* strangerIo(device: BlockDevice, error: unknown): Io<unknown> {
  if (!hasCode(error, 'E_NOT_A_STORE')) return error;
  try {
    const [found] = yield* findSignatures(device);
    if (found === undefined) return error;
    const what = `${error.message}; it holds ${found.what}`;
    return new StoreError('E_NOT_A_STORE', what, { cause: error });
  } catch {
    return error; // what is to be told is the first error
  }
}

/** A store that is open: the only writer of its device. */
export class Store {
  readonly #device: BlockDevice;
  readonly #engine: Engine;
  readonly #view: View;
  /** What opening found. */
  readonly recovery: RecoveryReport;
  readonly #journalDevice: BlockDevice | undefined;
  /** The closing, once somebody has asked for it. */
  #ending: Drive<void> | undefined;
  #closed = false;

  private constructor(device: BlockDevice, opened: OpenedEngine, options: OpenOptions) {
    this.#device = device;
    this.#journalDevice = options.journalDevice;
    this.#engine = opened.engine;
    this.recovery = opened.report;
    this.#view = new PresentView(opened.engine);
  }

  /**
   * Opens the store at `path`.
   *
   * @throws StoreError E_NOT_FOUND, E_NOT_A_STORE, E_BUSY, E_VERSION, E_CORRUPT, E_PERMISSION,
   *   E_DAMAGED_JOURNAL, E_NO_JOURNAL, E_COMPARATOR
   */
  static async open(path: string, options: OpenOptions = {}): Promise<Store> {
    const { readOnly = false, force = false } = checkOptions(options, OPEN_OPTIONS);
    const device = await openDevice(path, { readOnly, force });
    return await Store.openOn(device, withJournal(device, options));
  }

  /** As `open`, without returning to the event loop. */
  static openSync(path: string, options: OpenOptions = {}): Store {
    const { readOnly = false, force = false } = checkOptions(options, OPEN_OPTIONS);
    const device = openDeviceSync(path, { readOnly, force });
    return Store.openOnSync(device, withJournal(device, options));
  }

  /**
   * Opens the store on `device`, which then belongs to it, as does `journalDevice`; they are closed
   * when this throws.
   */
  static async openOn(device: BlockDevice, options: OpenOptions = {}): Promise<Store> {
    try {
      return new Store(device, await runAsync(openEngine(engineOptions(device, options))), options);
    } catch (error) {
      const told = await runAsync(strangerIo(device, error));
      closeAll(device, options);
      throw told;
    }
  }

  /** As `openOn`, without returning to the event loop. */
  static openOnSync(device: BlockDevice, options: OpenOptions = {}): Store {
    try {
      return new Store(device, runSync(openEngine(engineOptions(device, options))), options);
    } catch (error) {
      const told = runSync(strangerIo(device, error));
      closeAll(device, options);
      throw told;
    }
  }

  // Transactions

  /** A new, empty transaction. */
  transaction(): Transaction {
    return new Transaction();
  }

  /**
   * Submits a transaction. `applied` resolves when its changes can be read, `committed` when
   * they are durable; both reject when it is refused, and then nothing of it happened.
   */
  submit(transaction: Transaction | PackedTransaction): Submission {
    return this.#engine.submit(sealed(transaction));
  }

  /** Submits a transaction; resolves with its sequence number when it is durable. */
  commit(transaction: Transaction | PackedTransaction): Promise<number> {
    return this.submit(transaction).committed;
  }

  /** As `commit`, without returning to the event loop: the lowest latency for a lone writer. */
  commitSync(transaction: Transaction | PackedTransaction): number {
    return this.#engine.commitSync(sealed(transaction));
  }

  /** Last transaction that is durable. */
  get durableTransaction(): number {
    return this.#engine.durableTransaction;
  }

  /** Writes a checkpoint: opening afterwards replays nothing that came before. */
  async checkpoint(): Promise<void> {
    await runAsync(checkpointAll(this.#engine));
  }

  /** As `checkpoint`. @throws StoreError E_BUSY when writes under way have to land first */
  checkpointSync(): void {
    runSync(checkpointAll(this.#engine));
  }

  // Reading

  /** A handle of a collection, which need not exist. */
  collection(name: Bytes): StoredCollection {
    return new StoredCollection(this.#view, name);
  }

  /** Names of collections in order, a page of them. */
  listCollectionsSync(options: NamePage = {}): Uint8Array[] {
    return listNamesSync(this.#view, options);
  }

  /** As `listCollectionsSync`. */
  listCollections(options: NamePage = {}): Promise<Uint8Array[]> {
    return listNames(this.#view, options);
  }

  /** The present state, kept as it is until it is closed. */
  snapshot(): Snapshot {
    this.#engine.check();
    const view = new SnapshotView(this.#engine);
    return {
      collection: (name) => new StoredCollection(view, name),
      listCollectionsSync: (options = {}) => listNamesSync(view, options),
      listCollections: (options = {}) => listNames(view, options),
      close: () => view.close(),
    };
  }

  /** All reservations, in order of their names. */
  reservationsSync(): ListedReservation[] {
    return this.#view.sync(() => this.#reservations());
  }

  /** As `reservationsSync`. */
  reservations(): Promise<ListedReservation[]> {
    return this.#view.run(() => this.#reservations());
  }

  /**
   * Where the space is.
   *
   * @throws CorruptError where a read-only open could not read what space there is
   */
  statfsSync(): Statfs {
    return this.#view.sync(() => this.#statfs());
  }

  /** As `statfsSync`. */
  statfs(): Promise<Statfs> {
    return this.#view.run(() => this.#statfs());
  }

  #stripeUse(): StripeUse {
    const { state } = this.#engine;
    const { width, fullWrites, partialWrites, movedBytes: moved } = state.stripes;
    return { ...state.allocator.stripes.count(), width, fullWrites, partialWrites, moved };
  }

  /** What is known beside the space; reads nothing. */
  info(): StoreInfo {
    this.#engine.check();
    const { superblock, readers, state } = this.#engine;
    const { compat, roCompat, incompat } = superblock;
    return {
      path: this.#device.path,
      uuid: uuidText(superblock.uuid),
      label: superblock.label,
      formatVersion: SUPERBLOCK_VERSION,
      features: { compat, roCompat, incompat },
      blockSize: superblock.blockSize,
      nodeSize: superblock.nodeSize,
      metadataCopies: superblock.metadataCopies,
      stripeUnit: superblock.stripeUnit,
      stripeWidth: superblock.stripeWidth,
      journalBytes: superblock.journalBytes,
      journalUsedBytes: this.#engine.journalUsedBytes,
      erasesFreed: this.#engine.state.erases,
      journalPath: this.#engine.journalDevice?.path,
      epoch: superblock.epoch,
      transaction: this.#engine.transaction,
      durableTransaction: this.#engine.durableTransaction,
      queued: this.#engine.queued,
      readers: readers.count,
      createdMs: superblock.createdMs,
      deviceBytes: this.#device.size,
      writtenBytes: this.#device.writtenBytes,
      freeFragmentation: state.allocator.fragmentation(),
      badCopies: state.healer.bad,
      healedCopies: state.healer.healed,
      recovery: this.recovery,
    };
  }

  /**
   * Verifies everything that the store has on its medium while it is in use; docs/scrub.md.
   * Damage is a finding in the report and nothing else: what can be read stays readable.
   *
   * @throws StoreError E_INVALID_ARGUMENT for options that make no sense; E_CLOSED, E_IO
   */
  scrub(options: ScrubOptions = {}): Promise<ScrubReport> {
    return scrub(this.#engine, options);
  }

  /**
   * Overwrites everything that was removed before the call, in a store that was made with
   * `eraseFreed`; docs/erase.md. Waits for snapshots and reads that still see any of it.
   *
   * @throws StoreError E_INVALID for a store made without it; E_READ_ONLY, E_CLOSED, E_IO
   * @throws StoreError E_INVALID_ARGUMENT for a rate that makes no sense
   */
  erase(options: EraseOptions = {}): Promise<EraseReport> {
    return this.#engine.eraser.erase(options);
  }

  /**
   * Lets the store grow to `size` bytes, rounded down to blocks; of a block device that has grown
   * it takes over what is there up to `size`. A smaller `size` than before is a lower limit: not
   * below what the file has grown to, for which the store has to be closed (`resizeStore`). The
   * store stays in use meanwhile; when this ends, the limit is durable. Of several changes at a time
   * the last one counts.
   *
   * @throws StoreError E_INVALID_ARGUMENT for a size that no store can have
   * @throws StoreError E_INVALID when the store is larger than that; E_NO_SPACE when a block
   *   device is smaller; E_READ_ONLY, E_CLOSED, E_IO
   */
  async resize(size: number): Promise<void> {
    const { device, state } = this.#engine;
    const blocks = Number.isSafeInteger(size) ? Math.floor(size / state.blockSize) : 0;
    if (blocks < 1 || blocks > DEVICE_BLOCKS_MAX) {
      throw invalidArgument(`Cannot resize store to ${String(size)} bytes`);
    }
    if (device instanceof RawDevice) {
      device.refreshSize();
      if (device.size < blocks * state.blockSize) {
        const what = `Cannot resize store to ${size} bytes`;
        throw new StoreError('E_NO_SPACE', `${what}: the device has ${device.size}`);
      }
    }
    await runAsync(this.#engine.limitIo(blocks));
  }

  // Ending

  /**
   * Waits for everything submitted, writes a checkpoint and gives the device back. Reads under way
   * end with E_CLOSED. Idempotent: whoever calls again waits for the same end.
   *
   * @throws StoreError E_IO when the store was poisoned; the device is given back all the same
   */
  async close(): Promise<void> {
    try {
      if (!this.#closed) await this.#end().promise;
    } finally {
      if (this.#closed) await this.#released();
    }
  }

  /**
   * As `close`, without returning to the event loop; it also ends a `close` under way at once. A
   * device is given back only when reads that are under way off-thread have ended.
   *
   * @throws StoreError E_BUSY when it can't be done without returning there: call it again then
   */
  closeSync(): void {
    if (!this.#closed) this.#end().finish();
  }

  #end(): Drive<void> {
    this.#ending ??= new Drive(this.#closeIo());
    return this.#ending;
  }

  *#closeIo(): Io<void> {
    let canRepeat = false;
    try {
      yield* this.#engine.closeIo();
    } catch (error) {
      canRepeat = error instanceof Overdue;
      throw error;
    } finally {
      if (canRepeat) this.#ending = undefined;
      else this.#giveBack();
    }
  }

  #giveBack(): void {
    this.#closed = true;
    this.#engine.markClosed();
    this.#device.closeSync();
    this.#journalDevice?.closeSync();
  }

  async #released(): Promise<void> {
    await this.#device.released?.();
    await this.#journalDevice?.released?.();
  }

  #statfs(): Statfs {
    const { spaceFault } = this.recovery;
    if (spaceFault !== undefined) throw new CorruptError(`Cannot tell space: ${spaceFault}`);
    const { state, space, superblock } = this.#engine;
    const { allocator, counters, blockSize } = state;
    const total = Math.max(superblock.deviceBlocksMax, allocator.totalBlocks);
    return {
      total: total * blockSize,
      allocated: allocator.usedBlocks * blockSize,
      stored: counters.storedBytes,
      reserved: counters.heldBlocks * blockSize,
      pending: allocator.limboBlocks * blockSize + state.droppedBytes(),
      unerased: allocator.erasing.blocks * blockSize,
      available: (space.available + total - allocator.totalBlocks) * blockSize,
      objects: counters.objects,
      ...(state.stripes.width > 0 && { stripes: this.#stripeUse() }),
    };
  }

  #reservations(): ListedReservation[] {
    const { state } = this.#engine;
    const listed: ListedReservation[] = [];
    const cursor = state.trees.reservations.cursor();
    for (cursor.seekFirst(); cursor.valid; cursor.next()) {
      const reservation = decodeReservation(cursor.value());
      const heldBytes = heldBlocks(reservation, state) * state.blockSize;
      listed.push({ name: cursor.key(), ...reservation, heldBytes });
    }
    return listed;
  }
}

/** What the engine takes of a transaction. */
function sealed(transaction: Transaction | PackedTransaction): SealedTransaction {
  if (transaction instanceof Transaction || transaction instanceof PackedTransaction) {
    return transaction.seal();
  }
  throw invalidArgument(`Cannot submit ${String(transaction)}: it is no transaction`);
}

/** The options with the journal's device opened; `device` is closed when that can't be. */
function withJournal(device: BlockDevice, options: OpenOptions): OpenOptions {
  const { readOnly = false, force = false, journal: path, ...rest } = options;
  try {
    const { device: journalDevice } = openJournal(path, { readOnly, force });
    return { ...rest, readOnly, force, ...(journalDevice !== undefined && { journalDevice }) };
  } catch (error) {
    device.closeSync();
    throw error;
  }
}

function closeAll(device: BlockDevice, { journalDevice }: OpenOptions): void {
  device.closeSync();
  journalDevice?.closeSync();
}

function engineOptions(device: BlockDevice, options: OpenOptions) {
  checkOptions(options, OPEN_OPTIONS);
  const { readOnly = device.readOnly, cacheBytes = CACHE_BYTES_DEFAULT } = options;
  checkBytes(cacheBytes, 'cache');
  const comparators = new ComparatorRegistry();
  for (const comparator of options.comparators ?? []) comparators.register(comparator);
  if (options.dirtyBytes !== undefined) checkBytes(options.dirtyBytes, 'dirty bytes');
  const dirtyBytesMax = options.dirtyBytes ?? Math.max(4 * 1024 * 1024, cacheBytes / 2);
  const { environment, journalDevice, acceptJournalLoss = false } = options;
  const given = {
    ...(environment !== undefined && { environment }),
    ...(journalDevice !== undefined && { journalDevice }),
  };
  const common = { device, readOnly, comparators, cacheBytes, dirtyBytesMax };
  return { ...common, acceptJournalLoss, ...given };
}

function checkBytes(count: number, what: string): void {
  if (typeof count === 'number' && count >= 0) return;
  throw invalidArgument(
    `Cannot use ${what} of ${String(count)} bytes: expected a number from 0 on`,
  );
}

function uuidText(uuid: Uint8Array): string {
  const hex = Buffer.from(uuid).toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** A checkpoint of all that is applied now; one that is under way may have begun before. */
function* checkpointAll(engine: Engine): Io<void> {
  const { transaction } = engine;
  do yield* engine.checkpointIo();
  while (engine.superblock.transaction < transaction);
}
