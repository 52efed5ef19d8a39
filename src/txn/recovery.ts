/**
 * Opening a store: the newest superblock, what the journal holds behind it, and the engine.
 *
 * 1. Read the superblocks; scan the journal from the newest one's position.
 * 2. Claim every extent that a record names. Data written ahead is read again where its flush
 *    may not have returned: if it is not there, the journal ends before that record.
 * 3. Apply the records in memory.
 * 4. Only now write, and only if the store is opened for writing: the same roots as the next
 *    superblock (so that limbo is empty by definition), a record that names what was cut, and
 *    zeros over the tail.
 *
 * - A crash anywhere in this leaves what a crash before it left: opening can be repeated.
 * - A damaged record that was durable refuses a writable open; a read-only one shows the state
 *   before it. Where a read-only open can't apply the records, it shows the last checkpoint, and
 *   the records stay pending: what is damaged of that fails when it is read.
 */

import { Allocator } from '../alloc/allocator.js';
import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io, IoStep } from '../blockdev/io.js';
import type { ComparatorRegistry } from '../btree/comparator.js';
import { Forest } from '../btree/forest.js';
import { Tree } from '../btree/tree.js';
import type { TreeSpec } from '../btree/tree-spec.js';
import { CorruptError, hasCode, StoreError } from '../errors.js';
import { matchesHash } from '../format/checksum.js';
import { decodeGroups, RECORD_TYPE } from '../format/journal-record.js';
import { erasesFreed, isWritable, type Superblock, storeTagOf } from '../format/superblock.js';
import { DEVICE_BLOCKS_MAX } from '../format/superblock-bounds.js';
import type { PlacedExtent } from '../onode/context.js';
import { SCHEMAS } from '../onode/schemas.js';
import { applyTransaction } from './apply.js';
import { Engine } from './engine.js';
import { type Environment, SYSTEM_ENVIRONMENT } from './environment.js';
import { suspect } from './eraser.js';
import { BitmapReader, GROUPS_SPEC, readSummaries } from './group-store.js';
import { Healer } from './healer.js';
import { Journal } from './journal.js';
import { type JournalLoss, placeJournal } from './journal-place.js';
import {
  damagedScan,
  type JournalEnd,
  type JournalScan,
  type ScannedRecord,
} from './journal-scan.js';
import { fixedRuns } from './make-store.js';
import { checkOnDevice, DeviceNodeReader } from './node-reader.js';
import { decodeReservation, heldBlocks, type MetadataShape } from './reservation.js';
import { openEncoding } from './sealed-transaction.js';
import { type Counters, type Placer, STORE_SPECS, StoreState } from './store-state.js';
import { StripeMeter } from './stripe-meter.js';
import {
  emptyOldSlots,
  readSuperblocks,
  type SlotFault,
  type SuperblocksRead,
} from './superblock-slots.js';
import type { SuperblockWriter } from './superblock-writer.js';
import {
  decodeTransactionRecords,
  runsNamedBy,
  type TransactionRecord,
} from './transaction-record.js';

/**
 * Bytes that the leaves of a generation may take on the device, as a multiple of the memory for
 * what is dirty, when puts into them are kept as deltas. With stripes they may take none: a
 * checkpoint writes nodes, bitmaps and data of one stripe together, so it can't write in pieces.
 */
const DEFERRED_PART = 8;

export interface OpenEngineOptions {
  readonly device: BlockDevice;
  /** The journal's, where it has one of its own. */
  readonly journalDevice?: BlockDevice;
  /**
   * Opens the store also when its journal is not there: everything behind the newest superblock is
   * lost, and an open for writing makes another journal.
   */
  readonly acceptJournalLoss?: boolean;
  /** The system's by default. */
  readonly environment?: Environment;
  readonly readOnly: boolean;
  readonly comparators: ComparatorRegistry;
  /** Bytes of clean nodes kept in memory. */
  readonly cacheBytes: number;
  /** Bytes of dirty nodes and pending data at which a checkpoint begins. */
  readonly dirtyBytesMax: number;
  /**
   * Takes the loss of what the journal can't give: the chain ends before a damaged record, and a
   * transaction that can't be applied to what is left of its objects is skipped.
   */
  readonly repair?: boolean;
}

/** What opening found. */
export interface RecoveryReport {
  /** Transactions applied from the journal. */
  readonly replayed: number;
  /** Transactions of the journal that a read-only open can't apply: it shows the state before. */
  readonly pending: number;
  /** Why it can't apply them. */
  readonly obstacle?: string;
  /** Why a read-only open does not know how much space there is. */
  readonly spaceFault?: string;
  /** A tail that was cut: it had not been acknowledged for certain. */
  readonly cut?: JournalEnd;
  /** A record that had been durable and is not there; with a read-only open or a repair only. */
  readonly damage?: JournalEnd;
  /** Transactions that a repair could not apply. */
  readonly skipped: number;
  /** A journal that was not there, and whose loss was accepted. */
  readonly lost?: JournalLoss;
  /** Superblock slots that were not as they should be. */
  readonly faults: readonly SlotFault[];
}

export interface OpenedEngine {
  readonly engine: Engine;
  readonly report: RecoveryReport;
}

/**
 * Memory of bitmaps of free space that stay loaded: those of about 850 GiB in blocks of 4 KiB. With
 * the table of the groups (8 MiB on 16 TiB) and 2048 groups more that one generation loads it is
 * less than 64 MB (bench/allocator.bench.ts).
 */
const BITMAP_BYTES_MAX = 32 * 2 ** 20;

/** Opens the store on `device`, which stays the caller's to close when this throws. */
export function* openEngine(options: OpenEngineOptions): Io<OpenedEngine> {
  const { device, readOnly, repair = false, environment = SYSTEM_ENVIRONMENT } = options;
  const { journalDevice, acceptJournalLoss: acceptLoss = false } = options;
  const read = yield* readSuperblocks(device);
  const { newest: found, older, faults } = read;
  if (!readOnly && !isWritable(found)) {
    throw new StoreError(
      'E_VERSION',
      `Cannot open ${device.path} for writing: a newer version has features there; open it read-only`,
    );
  }
  device.limitTo(found.deviceBlocksMax * found.blockSize);
  const where = { device, journalDevice, acceptLoss, readOnly, environment };
  const place = yield* placeJournal(where, found);
  const { superblock: newest, superblocks, lost } = place;
  const journal = new Journal(place.ring);
  journal.announces = erasesFreed(newest);
  const isLast = place.isLast && isClosed(read);
  const scan = yield* journal.scan(newest.journalStart, { isClosed: isLast });
  if (scan.damage !== undefined && !readOnly && !repair) {
    throw new StoreError(
      'E_DAMAGED_JOURNAL',
      `Cannot open ${device.path} for writing: journal record ${scan.damage.sequence} is damaged (${scan.damage.reason}); open it read-only or repair it`,
    );
  }
  const epoch = scan.records.reduce((top, record) => Math.max(top, record.epoch), newest.epoch);
  const recovered = yield* recoverState(options, newest, journal, scan, epoch + 1);
  const { state, found: records, replayed, skipped, obstacle, spaceFault } = recovered;
  if (!readOnly && state.erases) yield* suspectWritten(state, journal, records);
  const transaction = newest.transaction + replayed;
  if (!readOnly && older !== undefined) yield* emptyOldSlots(device, older, newest);
  const superblock = readOnly
    ? newest
    : yield* beginWriting(superblocks, journal, newest, records, state);
  const { dirtyBytesMax } = options;
  const engine = new Engine({
    device,
    environment,
    state,
    journal,
    superblock,
    superblocks,
    dirtyBytesMax,
    readOnly,
    transaction,
  });
  if (!readOnly) yield* engine.settleRecovery();
  const report = {
    replayed: replayed - skipped,
    skipped,
    pending: obstacle === undefined ? 0 : transactionsIn(records),
    faults,
    ...(obstacle !== undefined && { obstacle }),
    ...(spaceFault !== undefined && { spaceFault }),
    ...(records.cut !== undefined && { cut: records.cut }),
    ...(records.damage !== undefined && { damage: records.damage }),
    ...(lost !== undefined && { lost }),
  };
  return { engine, report };
}

/** The state that an open comes to. */
interface Recovered {
  readonly state: StoreState;
  /** The journal as far as it counts. */
  readonly found: JournalScan;
  readonly replayed: number;
  readonly skipped: number;
  /** Why the records were not applied. */
  readonly obstacle?: string;
  readonly spaceFault?: string;
}

/** The superblock's state with the records applied; without them where a reader has to do so. */
function* recoverState(
  options: OpenEngineOptions,
  newest: Superblock,
  journal: Journal,
  scan: JournalScan,
  generation: number,
): Io<Recovered> {
  const { device, readOnly, repair = false } = options;
  let found = scan;
  try {
    const state = yield* openState(options, newest, generation);
    found = yield* claimAll(state, device, journal, scan, repair);
    const skipped = yield* replayAll(state, journal, found, repair);
    return { state, found, replayed: transactionsIn(found), skipped };
  } catch (error) {
    if (!readOnly || !isObstacle(error)) throw error;
    const shown = yield* checkpointState(options, newest, generation);
    return { ...shown, found, replayed: 0, skipped: 0, obstacle: error.message };
  }
}

/** Something of the store can't be read, or is not known: a reader does with what is left. */
function isObstacle(error: unknown): error is StoreError {
  return hasCode(error, 'E_COMPARATOR') || isUnreadable(error);
}

function isUnreadable(error: unknown): error is StoreError {
  return hasCode(error, 'E_CORRUPT') || hasCode(error, 'E_IO');
}

/** The superblock's state, for reading: space is not known where its trees can't be read. */
function* checkpointState(
  options: OpenEngineOptions,
  superblock: Superblock,
  generation: number,
): Io<Pick<Recovered, 'state' | 'spaceFault'>> {
  try {
    return { state: yield* openState(options, superblock, generation) };
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    const state = yield* openState(options, superblock, generation, 'unknown space');
    return { state, spaceFault: error.message };
  }
}

/** Applies all records in memory; gives the number of transactions that were skipped. */
function* replayAll(
  state: StoreState,
  journal: Journal,
  scan: JournalScan,
  repair: boolean,
): Io<number> {
  let skipped = 0;
  for (const record of scan.records) {
    if (record.type !== RECORD_TYPE.transactions) continue;
    const body = yield* journal.readBody(record);
    for (const one of decodeTransactionRecords(body)) {
      try {
        yield replayStep(state, one);
      } catch (error) {
        if (!repair || !(error instanceof StoreError) || UNSKIPPABLE.has(error.code)) throw error;
        skipped++;
      }
    }
    if (record.bodyRun !== undefined) {
      const { address: start, blocks: length } = record.bodyRun;
      state.allocator.adopt({ start, length });
      state.allocator.free({ start, length });
    }
    state.allocator.keep();
  }
  return skipped;
}

/** Failures that say nothing about the transaction. */
const UNSKIPPABLE: ReadonlySet<string> = new Set(['E_COMPARATOR', 'E_IO', 'E_NO_SPACE']);

/** What is free in groups that were not erased, or written to since the checkpoint, may hold anything. */
function* suspectWritten(state: StoreState, journal: Journal, scan: JournalScan): Io<void> {
  const written = yield* announcedGroups(journal, scan);
  for (const group of new Set([...state.allocator.erasing.groups, ...written])) {
    suspect(state.allocator, group);
  }
}

/** Groups that may have been written to since the newest checkpoint. */
function* announcedGroups(journal: Journal, scan: JournalScan): Io<number[]> {
  const groups: number[] = [];
  for (const record of scan.records) {
    if (record.type !== RECORD_TYPE.groups) continue;
    for (const group of decodeGroups(yield* journal.readBody(record))) groups.push(group);
  }
  return groups;
}

/** Transactions in the records of a scan. */
function transactionsIn(scan: JournalScan): number {
  return scan.records.reduce((sum, record) => sum + record.transactionCount, 0);
}

/** The state of a superblock, with its trees open and nothing replayed. */
function* openState(
  options: OpenEngineOptions,
  superblock: Superblock,
  generation: number,
  space: 'known space' | 'unknown space' = 'known space',
): Io<StoreState> {
  const { device, comparators } = options;
  const { blockSize, nodeSize, roots } = superblock;
  const healer = new Healer(device, superblock, options.readOnly);
  const free = { node: (_start: number, _length: number, _role: number): void => undefined };
  const erases = erasesFreed(superblock);
  const reader = new DeviceNodeReader(device, blockSize, healer);
  const forest = new Forest({
    reader,
    erases,
    blockSize,
    nodeSize,
    storeTag: storeTagOf(superblock.uuid),
    cacheBytes: options.cacheBytes,
    schemas: SCHEMAS,
    deferredBytesMax: superblock.stripeWidth === 0 ? DEFERRED_PART * options.dirtyBytesMax : 0,
    deferredFromBytes: options.dirtyBytesMax / 2,
    counts: { isShared: () => false, retain: () => undefined, release: () => false },
    onFree: (start, length, role) => free.node(start, length, role),
    generation,
  });
  const open = (spec: TreeSpec, root: Uint8Array): Tree =>
    new Tree(forest, spec, { bytes: root, at: 0, end: root.length });
  const trees = {
    collections: open(STORE_SPECS.collections, roots.collections),
    references: open(STORE_SPECS.references, roots.references),
    groups: open(GROUPS_SPEC, roots.groups),
    drops: open(STORE_SPECS.drops, roots.drops),
    reservations: open(STORE_SPECS.reservations, roots.reservations),
  };
  let summaries: ReturnType<typeof summariesOf> = [];
  let held = 0;
  if (space === 'known space') {
    yield inForest(forest, () => {
      summaries = summariesOf(trees.groups);
      held = heldBy(trees.reservations, superblock);
    });
  }
  const allocator = new Allocator({
    blockSize,
    blockCount: superblock.deviceBlocks,
    stripeBlocks: superblock.stripeWidth / blockSize,
    fixed: fixedRuns(superblock),
    summaries,
    source: new BitmapReader(device, blockSize, healer),
    metadataCopies: superblock.metadataCopies,
    generation: 0,
    bitmapBytesMax: BITMAP_BYTES_MAX,
    erases,
  });
  // A crash may have come between a growth and the checkpoint that knows of it.
  const there = Math.floor(Math.min(device.size, device.sizeMax) / blockSize);
  const blocks = Math.min(there, superblock.deviceBlocksMax);
  if (blocks > allocator.totalBlocks) allocator.grow(blocks);
  const counters: Counters = {
    nextObject: superblock.nextObject,
    nextCollection: superblock.nextCollection,
    nextDrop: superblock.nextDrop,
    objects: superblock.objects,
    storedBytes: superblock.storedBytes,
    heldBlocks: held,
  };
  const state = new StoreState({
    forest,
    comparators,
    allocator,
    trees,
    counters,
    blockSize,
    nodeSize,
    erases,
    readBlocks: (address, target) => reader.readSync(address, target),
    metadataCopies: superblock.metadataCopies,
    healer,
    stripes: new StripeMeter(blockSize, superblock.stripeWidth),
  });
  free.node = (start, length, role) => state.freeNode(start, length, role);
  return state;
}

function summariesOf(groups: Tree) {
  return [...readSummaries(groups)];
}

/** Blocks that all reservations hold back. */
function heldBy(reservations: Tree, shape: MetadataShape): number {
  let held = 0;
  const cursor = reservations.cursor();
  for (cursor.seekFirst(); cursor.valid; cursor.next()) {
    held += heldBlocks(decodeReservation(cursor.value()), shape);
  }
  if (held > DEVICE_BLOCKS_MAX) {
    throw new CorruptError('Cannot open reservations: they hold back more than a device has');
  }
  return held;
}

/** Work on trees, as a step: repeated after misses when driven asynchronously. */
function inForest(forest: Forest, work: () => void): IoStep {
  return { kind: 'until', start: () => forest.run(work), force: () => forest.sync(work) };
}

/**
 * Claims every extent that the records name; gives the scan as it counts: ended before the first
 * record whose data is not there although nobody was told that it is.
 */
function* claimAll(
  state: StoreState,
  device: BlockDevice,
  journal: Journal,
  scan: JournalScan,
  repair: boolean,
): Io<JournalScan> {
  for (const record of scan.records) {
    if (record.type !== RECORD_TYPE.transactions) continue;
    const transactions = yield* transactionsOf(journal, record, repair);
    if (transactions === undefined) {
      return damagedScan(journal.ring, scan, record, 'it holds no transactions');
    }
    if (record.sequence > scan.highestDurable) {
      const missing = yield* missingData(state, device, transactions);
      if (missing !== undefined) return journal.cut(scan, record, missing);
    }
    for (const run of runsNamedBy(record.bodyRun, transactions)) {
      const isRun = run.length > 0 && run.start + run.length <= state.allocator.totalBlocks;
      if (isRun && state.allocator.claim(run)) continue;
      if (repair) return damagedScan(journal.ring, scan, record, 'its blocks are in use');
      throw new CorruptError(
        `Cannot replay journal record ${record.sequence}: blocks ${run.start}+${run.length} are not free`,
        run.start * state.blockSize,
      );
    }
  }
  return scan;
}

/** The transactions of a record; in a repair undefined when it does not hold what it says. */
function* transactionsOf(
  journal: Journal,
  record: ScannedRecord,
  repair: boolean,
): Io<readonly TransactionRecord[] | undefined> {
  const body = yield* journal.readBody(record);
  try {
    const transactions = [...decodeTransactionRecords(body)];
    return repair && transactions.length !== record.transactionCount ? undefined : transactions;
  } catch (error) {
    if (!repair || !hasCode(error, 'E_CORRUPT')) throw error;
    return undefined;
  }
}

/** Says which data written ahead is not on the device, if any. */
function* missingData(
  state: StoreState,
  device: BlockDevice,
  transactions: readonly TransactionRecord[],
): Io<string | undefined> {
  for (const { ahead } of transactions) {
    for (const { extents } of ahead) {
      for (const extent of extents) {
        const offset = extent.address * state.blockSize;
        checkOnDevice(device, offset, extent.blocks * state.blockSize, 'data');
        const bytes = new Uint8Array(extent.blocks * state.blockSize);
        yield { kind: 'read', device, offset, target: bytes };
        if (!matches(extent, bytes)) return `data at device offset ${offset} was not written`;
      }
    }
  }
  return undefined;
}

function matches(extent: PlacedExtent, bytes: Uint8Array): boolean {
  const chunk = 2 ** extent.shift;
  for (let at = 0, slot = 0; at < bytes.length; at += chunk, slot += 8) {
    const end = Math.min(bytes.length, at + chunk);
    if (!matchesHash(extent.checksums, slot, bytes, at, end)) return false;
  }
  return true;
}

/** Applies a transaction of the journal with the choices that were made. */
function replayStep(state: StoreState, record: TransactionRecord): IoStep {
  return inForest(state.forest, () => {
    const { choices, ahead } = record;
    let next = 0;
    const placer: Placer = {
      place: (blocks) => {
        const runs = choices.placements[next++];
        if (runs?.reduce((sum, { length }) => sum + length, 0) !== blocks) {
          throw new CorruptError('Cannot replay transaction: a placement is missing or too short');
        }
        for (const run of runs) state.allocator.adopt(run);
        return runs;
      },
    };
    state.begin(placer);
    const { nextObject, nextCollection } = state.counters;
    try {
      state.counters.nextObject = choices.firstObject;
      state.counters.nextCollection = choices.firstCollection;
      for (const { extents } of ahead) {
        for (const { address: start, blocks: length } of extents) {
          state.allocator.adopt({ start, length });
        }
      }
      applyTransaction(state, openEncoding(record.bytes), ahead, { replay: true });
      // A repair may have given ids that are higher.
      state.counters.nextObject = Math.max(state.counters.nextObject, nextObject);
      state.counters.nextCollection = Math.max(state.counters.nextCollection, nextCollection);
    } catch (error) {
      state.rollback();
      throw error;
    }
    state.commit();
  });
}

/**
 * True when the last writer closed with the newest superblock and none came after it: its first
 * write would have been the next number, in the slots that hold the one before.
 */
function isClosed({ newest, older, faults }: SuperblocksRead): boolean {
  return newest.cleanClose && faults.length === 0 && older?.number === newest.number - 1;
}

/** The first writes of a writable open; gives the superblock that counts from now on. */
function* beginWriting(
  superblocks: SuperblockWriter,
  journal: Journal,
  newest: Superblock,
  scan: JournalScan,
  state: StoreState,
): Io<Superblock> {
  const superblock = { ...newest, number: newest.number + 1, cleanClose: false };
  yield* superblocks.write(superblock);
  journal.resume(scan, scan.highestIncarnation + 1);
  if (!journal.fits(64, RECORD_TYPE.recovered)) return superblock;
  const { device } = journal.ring;
  const record = journal.appendRecovered(state.generation);
  for (const { offset, sources } of record.writes) {
    yield { kind: 'write', device, offset, sources, durable: true };
  }
  journal.noteDurable(record.sequence);
  yield* journal.clearTail();
  yield { kind: 'flush', device };
  return superblock;
}
