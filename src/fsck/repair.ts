/**
 * Repair: makes a store whole again from what can be verified, and says what can't be.
 *
 * 1. A check says what is wrong; where nothing is that a repair could heal, nothing is written.
 * 2. The newest superblock goes to all four slots: both states are the same, and a block that it
 *    does not refer to is free. Where it has lost something that the one before it has not, that
 *    one goes there, and 5 loses nothing (older-state.ts). On a device that has become shorter this
 *    waits: the slots get the mended state only, at places in front of the new end.
 * 3. Trees are mended, from the collections down, by copying: new nodes go to blocks that are
 *    free. Then reference counts, bitmaps and summaries are made anew from what the trees refer
 *    to. The drop list ends: what only it referred to is free by that.
 * 4. The superblock switches.
 * 5. What the journal holds is applied; a damaged record is cut off, and all behind it.
 * 6. Another check says what is left.
 *
 * - Before the switch nothing is overwritten that anything refers to, but bad copies by their own
 *   bytes, where nothing else is wrong with trees or space: a repair that is killed leaves the store
 *   as it was, or mended, and can be run again.
 * - Data is never written over: what differs from its checksum stays a damaged range.
 * - Memory is bounded as that of a check is, and by the number of damaged nodes.
 */

import { GroupGeometry } from '../alloc/group-geometry.js';
import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import { emptyRoot } from '../btree/root-record.js';
import { hasCode, StoreError } from '../errors.js';
import { EMPTY } from '../format/bytes.js';
import type { GroupSummary } from '../format/group-summary.js';
import { ROLE } from '../format/role.js';
import { erasesFreed, isWritable, type Superblock } from '../format/superblock.js';
import { hasSeparateJournal } from '../format/superblock-bounds.js';
import { SUPERBLOCK_EMBED_MAX } from '../txn/checkpoint.js';
import { SYSTEM_ENVIRONMENT } from '../txn/environment.js';
import { Healer } from '../txn/healer.js';
import { type JournalPlace, journalFault, placeJournal } from '../txn/journal-place.js';
import { ringOf } from '../txn/journal-scan.js';
import { clearRing, newHeader } from '../txn/make-journal.js';
import { fixedRuns } from '../txn/make-store.js';
import { openEngine } from '../txn/recovery.js';
import { DROP_FIRST, STORE_SPECS } from '../txn/store-state.js';
import { findSuperblocks, missingBytes } from '../txn/superblock-slots.js';
import { SuperblockWriter } from '../txn/superblock-writer.js';
import { type Finding, type FindingCode, REMEDIES, type Remedy } from './finding.js';
import { FreeBlocks } from './free-blocks.js';
import { type FsckOptions, type FsckReport, fsck, WINDOW_BLOCKS, walkAll } from './fsck.js';
import { innerCheck } from './inner-check.js';
import { checkJournal } from './journal-check.js';
import { inferStore } from './lost-superblock.js';
import { CollectionsMender, ReservationsMender } from './object-repair.js';
import { wholeOlderState } from './older-state.js';
import { holdOrphans } from './orphan-scan.js';
import { RepairContext } from './repair-context.js';
import { salvage } from './salvage.js';
import { cutToDevice } from './short-device.js';
import { checkBitmap } from './space-check.js';
import { rebuildSpace } from './space-rebuild.js';
import { type Mender, mendTree } from './tree-repair.js';

/** A finding, and what repair does about its kind. */
export interface TreatedFinding extends Finding {
  readonly remedy: Remedy;
}

export interface RepairOptions extends Omit<FsckOptions, 'onFinding'> {
  /** Called for each finding of the check before the repair. */
  readonly onFinding: (finding: TreatedFinding) => void;
  /** Called for each finding that is left. */
  readonly onLeft: (finding: Finding) => void;
  /** Where no superblock is left, makes one from what blocks say of themselves. */
  readonly rebuildSuperblock?: boolean;
  /**
   * Makes another journal where that of its own device is not there, on `journalDevice` or on the
   * store's device: what only the lost one held is lost.
   */
  readonly acceptJournalLoss?: boolean;
  /** Bytes of new nodes that are kept before they are written; DIRTY_BYTES_MAX unless given. */
  readonly dirtyBytesMax?: number;
}

/** What a repair has found, done and left. */
export interface RepairReport {
  readonly before: FsckReport;
  /** What the check behind the repair says: that before it, if nothing was written. */
  readonly after: FsckReport;
  readonly isRepaired: boolean;
  /** It went on from the state of the older superblock, which was whole. */
  readonly isOlderState: boolean;
  /** Transactions of the journal that were applied. */
  readonly replayed: number;
  /** Those that could not be applied to what is left. */
  readonly skipped: number;
}

/** Bytes of new nodes that are kept before they are written. */
export const DIRTY_BYTES_MAX = 16 * 1024 * 1024;

/** Findings for which no tree has to be touched. */
const OUTSIDE_TREES: ReadonlySet<FindingCode> = new Set([
  'superblock-slot',
  'superblock-twins',
  'superblock-gap',
  'journal-lost',
  'journal-torn',
  'journal-damaged',
  'journal-record',
  'pending-torn',
]);

/**
 * Checks the store on `device`, which nobody else has open, and repairs it.
 *
 * @throws StoreError E_IO when the journal can't be read, or a write fails
 * @throws StoreError E_NO_SPACE when there is no room for what has to be written anew
 * @throws StoreError E_VERSION when a newer version has features there
 * @throws StoreError E_NO_JOURNAL when the journal's own device is not there and that is not accepted
 */
export function* repair(device: BlockDevice, options: RepairOptions): Io<RepairReport> {
  const codes = new Set<FindingCode>();
  const before = yield* fsck(device, {
    ...options,
    onFinding: (finding) => {
      codes.add(finding.code);
      options.onFinding({ ...finding, remedy: REMEDIES[finding.code].remedy });
    },
  });
  if (codes.has('no-superblock') && options.rebuildSuperblock === true) {
    const inferred = yield* inferStore(device, options.journalDevice);
    if (inferred !== undefined) {
      const { superblock, summaries } = inferred;
      const superblocks = yield* emptyJournal(device, superblock, options.journalDevice);
      const place = { before: superblock, superblock, superblocks };
      yield* mendStore(device, place, options, true, summaries);
      const after = yield* fsck(device, { ...options, onFinding: options.onLeft });
      return { before, after, isRepaired: true, ...NOTHING_APPLIED };
    }
  }
  const healable = [...codes].filter((code) => REMEDIES[code].remedy !== 'none');
  if (healable.length === 0) {
    return { before, after: before, isRepaired: false, ...NOTHING_APPLIED };
  }
  const { newest, older } = yield* findSuperblocks(device);
  if (!isWritable(newest)) {
    throw new StoreError('E_VERSION', 'Cannot repair: a newer version has features there');
  }
  const placed = yield* placeState(device, newest, options);
  // Where the device fails to read, what the journal makes anew could go to the same place.
  const mayGoBack = before.isIncomplete && !codes.has('unreadable');
  const whole = mayGoBack
    ? yield* wholeOlderState(device, placed.before, older, options)
    : undefined;
  const inTrees = healable.filter((code) => !OUTSIDE_TREES.has(code));
  if (whole === undefined && codes.has('device-short')) {
    yield* mendStore(device, placed, options, before.isIncomplete);
  } else {
    // All four slots hold the state from which the repair goes on.
    const { superblocks } = placed;
    const state = { ...(whole ?? placed.before), cleanClose: false };
    const superblock = yield* writeTwice(device, superblocks, state);
    if (whole === undefined && inTrees.length > 0) {
      const areCopies = inTrees.every((code) => code === 'copy-damaged');
      const isHealed = areCopies && (yield* healCopies(device, superblock, options));
      const place = { before: superblock, superblock, superblocks };
      if (!isHealed) yield* mendStore(device, place, options, before.isIncomplete);
    }
  }
  const settled = yield* settleJournal(device, options);
  const after = yield* fsck(device, { ...options, onFinding: options.onLeft });
  return { before, after, isRepaired: true, isOlderState: whole !== undefined, ...settled };
}

/** The state that is repaired, and how superblocks of it are written. */
interface Placed extends Pick<JournalPlace, 'superblock' | 'superblocks'> {
  /** The one that the slots hold: another one where the device has become shorter. */
  readonly before: Superblock;
}

/** The newest state, as it is for a device of this size, with its journal. */
function* placeState(device: BlockDevice, newest: Superblock, options: RepairOptions): Io<Placed> {
  const { journalDevice, acceptJournalLoss: acceptLoss = false } = options;
  const environment = SYSTEM_ENVIRONMENT;
  const where = { device, journalDevice, acceptLoss, readOnly: false, environment };
  if (missingBytes(device, newest) === 0) {
    const { superblock, superblocks } = yield* placeJournal(where, newest);
    return { before: superblock, superblock, superblocks };
  }
  const cut = yield* cutToDevice(device, newest, options);
  // Another journal is a switch of its own, to slots that have to be there.
  const isLost =
    hasSeparateJournal(newest) && (yield* journalFault(journalDevice, newest)) !== undefined;
  const { superblock: before, superblocks } = yield* placeJournal(where, isLost ? cut : newest);
  const { deviceBlocks, deviceBlocksMax, farOffset } = cut;
  const superblock = { ...before, deviceBlocks, deviceBlocksMax, farOffset, cleanClose: false };
  return { before, superblock, superblocks };
}

const NOTHING_APPLIED = { isOlderState: false, replayed: 0, skipped: 0 } as const;

/** A writer of superblocks for a store with a new journal; clears that on a device of its own. */
function* emptyJournal(
  device: BlockDevice,
  superblock: Superblock,
  journalDevice: BlockDevice | undefined,
): Io<SuperblockWriter> {
  if (!hasSeparateJournal(superblock) || journalDevice === undefined) {
    return new SuperblockWriter(device);
  }
  yield* clearRing(ringOf(device, superblock, journalDevice));
  return new SuperblockWriter(device, { device: journalDevice, header: newHeader(superblock) });
}

/** Writes bad copies anew from the other ones, in their places; false when not all could be. */
function* healCopies(
  device: BlockDevice,
  superblock: Superblock,
  options: RepairOptions,
): Io<boolean> {
  const healer = new Healer(device, superblock, false);
  const context = innerCheck(
    device,
    superblock,
    options,
    () => undefined,
    (address, page) => healer.healIo(address, page, () => true),
  );
  const { groups } = yield* walkAll(context);
  for (const [group, summary] of groups.summaries) yield* checkBitmap(context, group, summary);
  return healer.bad === healer.healed;
}

/** Writes a state as the next two superblocks; gives the second. All of it is durable. */
function* writeTwice(
  device: BlockDevice,
  superblocks: SuperblockWriter,
  state: Superblock,
): Io<Superblock> {
  let written = state;
  for (let i = 0; i < 2; i++) {
    written = { ...written, number: written.number + 1 };
    yield* superblocks.write(written);
    yield { kind: 'flush', device };
  }
  return written;
}

/** Mends all trees and makes the state of space anew; switches to the result. */
function* mendStore(
  device: BlockDevice,
  { before, superblock, superblocks }: Placed,
  options: RepairOptions,
  isIncomplete: boolean,
  summaries?: ReadonlyMap<number, GroupSummary>,
): Io<void> {
  const windowBlocks = options.windowBlocks ?? WINDOW_BLOCKS;
  const faults = new Set<FindingCode>();
  const check = innerCheck(device, superblock, options, ({ code }) => faults.add(code));
  const claims = yield* checkJournal(check);
  if (faults.has('unreadable')) {
    throw new StoreError('E_IO', 'Cannot repair: what the journal has claimed cannot be read');
  }
  const free = new FreeBlocks(check.quiet(), claims, windowBlocks, summaries);
  // Where far slots move the switch empties the place that they had.
  for (const { start, length } of fixedRuns(before)) free.hold(start, length);
  // What is free may hold what was removed, and nothing else notes where.
  if (erasesFreed(superblock)) {
    for (let group = 0; group < check.map.groups.groupCount; group++) free.touched.add(group);
  }
  const { dirtyBytesMax = DIRTY_BYTES_MAX } = options;
  const parts = { check, free, windowBlocks, dirtyBytesMax, knownSummaries: summaries };
  const repairing = new RepairContext(parts);
  if (isIncomplete) free.beforeMarked = () => holdOrphans(repairing, free);
  const mender = new CollectionsMender(repairing);
  const draft = yield* mendTrees(repairing, mender);
  const found = isIncomplete ? yield* salvage(repairing, draft, mender) : draft;
  const whole = yield* rebuildSpace(repairing, found);
  yield { kind: 'flush', device };
  // What was made last is of the generation before the one that is being filled now.
  const epoch = repairing.generation - 1;
  yield* superblocks.switchTwice(before, { ...whole, epoch, writtenMs: Date.now() });
}

/** Mends the trees that hold something; all nodes are on the device then. */
function* mendTrees(repairing: RepairContext, mender: CollectionsMender): Io<Superblock> {
  const { superblock, map, forest } = repairing;
  const { roots, blockSize, deviceBlocks, stripeWidth } = superblock;
  const collections = yield* mendRoot(repairing, mender, roots.collections);
  const reservations = yield* mendRoot(repairing, new ReservationsMender(), roots.reservations);
  yield* repairing.flush();
  forest.resolveReferences(collections, 0, collections.length, ROLE.collections);
  forest.resolveReferences(reservations, 0, reservations.length, ROLE.reservations);
  const geometry = new GroupGeometry(blockSize, deviceBlocks, stripeWidth / map.blockSize);
  return {
    ...superblock,
    groupBlocks: geometry.groupBlocks,
    nextCollection: mender.collectionIds.next,
    nextObject: mender.objectIds.next,
    nextDrop: Math.max(superblock.nextDrop, DROP_FIRST),
    roots: {
      ...roots,
      collections,
      reservations,
      drops: emptyRoot(STORE_SPECS.drops),
      runs: EMPTY,
    },
  };
}

function* mendRoot(repairing: RepairContext, mender: Mender, root: Uint8Array): Io<Uint8Array> {
  const outcome = yield* mendTree(repairing, mender, root, repairing.superblock.epoch);
  if (outcome === 'keep') return root;
  return repairing.edit(() => outcome.encodeRoot(SUPERBLOCK_EMBED_MAX));
}

/** Bytes of memory for applying what the journal holds. */
const REPLAY_BYTES = 16 * 1024 * 1024;

/**
 * Applies what the journal holds, as the next open would, but takes the loss of what it can't
 * give. Where a comparator is missing everything stays as it is.
 */
function* settleJournal(
  device: BlockDevice,
  { comparators, journalDevice }: RepairOptions,
): Io<{ readonly replayed: number; readonly skipped: number }> {
  const memory = { cacheBytes: REPLAY_BYTES, dirtyBytesMax: REPLAY_BYTES };
  const journal = journalDevice === undefined ? {} : { journalDevice };
  const options = { device, ...journal, readOnly: false, comparators, repair: true, ...memory };
  try {
    const { engine, report } = yield* openEngine(options);
    yield* engine.closeIo();
    engine.markClosed();
    return { replayed: report.replayed, skipped: report.skipped };
  } catch (error) {
    if (hasCode(error, 'E_COMPARATOR') || hasCode(error, 'E_IO')) {
      return { replayed: 0, skipped: 0 };
    }
    throw error;
  }
}
