/**
 * Checking the journal behind the newest superblock: how it ends, how many transactions wait in
 * it, and which blocks they have claimed.
 *
 * - Nothing is replayed: the trees are checked as the superblock holds them.
 * - A damaged record ends what is known; the transactions before it are pending.
 * - Offsets in findings are those of the ring's device.
 */

import { type BlockRun, mergeRuns } from '../alloc/block-run.js';
import { RunSet } from '../alloc/run-set.js';
import type { Io } from '../blockdev/io.js';
import { hasCode } from '../errors.js';
import { matchesHash } from '../format/checksum.js';
import { type BodyRun, RECORD_TYPE } from '../format/journal-record.js';
import { hasSeparateJournal } from '../format/superblock-bounds.js';
import type { PlacedExtent } from '../onode/context.js';
import { journalFault } from '../txn/journal-place.js';
import {
  type JournalRing,
  type JournalScan,
  readBody,
  ringOf,
  type ScannedRecord,
  type ScanOptions,
  scanJournal,
} from '../txn/journal-scan.js';
import {
  decodeTransactionRecords,
  runsNamedBy,
  type TransactionRecord,
} from '../txn/transaction-record.js';
import type { CheckContext } from './context.js';

/** Bits of the smallest and the largest chunk that is hashed. */
const SHIFT_MIN = 10;
const SHIFT_MAX = 26;

/** Blocks that pending transactions have claimed; no bitmap marks them yet. */
export class PendingClaims {
  readonly #runs = new RunSet();
  /** Transactions that the next open applies. */
  readonly transactions: number;

  constructor(runs: readonly BlockRun[], transactions: number) {
    for (const run of mergeRuns(runs)) this.#runs.add(run.start, run.length);
    this.transactions = transactions;
  }

  has(block: number): boolean {
    return this.#runs.contains(block, 1);
  }

  /** The claimed parts of a run of blocks. */
  within(start: number, length: number): Iterable<BlockRun> {
    return this.#runs.within(start, length);
  }
}

/**
 * Scans the journal from the superblock's position. `options` say what is known to have been
 * durable.
 */
export function* checkJournal(context: CheckContext, options: ScanOptions = {}): Io<PendingClaims> {
  const { device, journalDevice, superblock, findings } = context;
  if (hasSeparateJournal(superblock)) {
    const fault = yield* journalFault(journalDevice, superblock);
    if (fault !== undefined) {
      findings.add('journal-lost', `The journal is not there: ${fault}`);
      return new PendingClaims([], 0);
    }
    return yield* checkRing(context, ringOf(device, superblock, journalDevice), options);
  }
  return yield* checkRing(context, ringOf(device, superblock), options);
}

function* checkRing(
  context: CheckContext,
  ring: JournalRing,
  options: ScanOptions,
): Io<PendingClaims> {
  const { findings } = context;
  const runs: BlockRun[] = [];
  let transactions = 0;
  try {
    const scan = yield* scanJournal(ring, context.superblock.journalStart, options);
    context.bytesRead += ring.bytes;
    reportEnd(context, scan);
    for (const record of scan.records) {
      if (record.type !== RECORD_TYPE.transactions) continue;
      const list = yield* readRecord(context, ring, record);
      if (list === undefined) break;
      if (context.isVerifying && !(yield* verifyAhead(context, scan, record, list))) break;
      transactions += record.transactionCount;
      for (const run of runsNamedBy(record.bodyRun, list))
        if (isThere(context, run)) runs.push(run);
    }
  } catch (error) {
    if (!hasCode(error, 'E_IO')) throw error;
    findings.add('unreadable', `Cannot read journal: ${error.message}`);
  }
  return new PendingClaims(runs, transactions);
}

function reportEnd({ findings, superblock }: CheckContext, scan: JournalScan): void {
  const end = scan.damage ?? scan.cut;
  if (end === undefined) return;
  const code = scan.damage === undefined ? 'journal-torn' : 'journal-damaged';
  const offset = superblock.journalOffset + end.offset;
  findings.add(code, `Journal ends before record ${end.sequence}: ${end.reason}`, { offset });
}

/** The transactions of a record; undefined when it holds something else. */
function* readRecord(
  context: CheckContext,
  ring: JournalRing,
  record: ScannedRecord,
): Io<readonly TransactionRecord[] | undefined> {
  const list = yield* decodeBody(ring, record);
  const isWhole = 'value' in list && list.value.length === record.transactionCount;
  if (isWhole) {
    if (record.bodyRun !== undefined) yield* checkBodyCopy(context, record.bodyRun);
    return list.value;
  }
  const reason =
    'fault' in list
      ? list.fault
      : `it holds ${list.value.length} transactions, not ${record.transactionCount}`;
  const offset = ring.offset + record.offset;
  const message = `Journal record ${record.sequence}: ${reason}`;
  context.findings.add('journal-record', message, { offset });
  return undefined;
}

/** The body was read and is sound: what is left is the copy of its checksum. */
function* checkBodyCopy(context: CheckContext, { address, low, high }: BodyRun): Io<void> {
  const page = yield* context.map.read(address, 1);
  if (typeof page === 'string') return;
  context.checkCopy(page, low, high, { tree: 'journal', ...context.map.run(address, 1) });
}

function* decodeBody(
  ring: JournalRing,
  record: ScannedRecord,
): Io<{ readonly value: readonly TransactionRecord[] } | { readonly fault: string }> {
  try {
    const body = yield* readBody(ring, record);
    return { value: [...decodeTransactionRecords(body)] };
  } catch (error) {
    if (hasCode(error, 'E_CORRUPT')) return { fault: error.message };
    throw error;
  }
}

/** Checks that a claimed run can be one. The device may have grown since the superblock. */
function isThere(context: CheckContext, run: BlockRun): boolean {
  const { device, map, findings } = context;
  const blocks = Math.floor(device.size / map.blockSize);
  const isInside = run.length > 0 && run.start + run.length <= blocks;
  if (isInside && !map.fixed.intersects(run.start, run.length)) return true;
  const code = isInside ? 'in-fixed-place' : 'outside-device';
  const message = `A pending transaction claims blocks ${run.start}+${run.length}`;
  findings.add(code, message, map.run(run.start, run.length));
  return false;
}

/** Reads the data that a record's transactions have written ahead. False: the journal ends here. */
function* verifyAhead(
  context: CheckContext,
  scan: JournalScan,
  record: ScannedRecord,
  transactions: readonly TransactionRecord[],
): Io<boolean> {
  for (const { ahead } of transactions) {
    for (const extent of ahead.flatMap(({ extents }) => extents)) {
      const reason = yield* extentFault(context, extent);
      if (reason === undefined) continue;
      const isDurable = record.sequence <= scan.highestDurable;
      const code = isDurable ? 'pending-data' : 'pending-torn';
      const message = `Data of journal record ${record.sequence}: ${reason}`;
      context.findings.add(code, message, context.map.run(extent.address, extent.blocks));
      if (!isDurable) return false;
    }
  }
  return true;
}

function* extentFault(context: CheckContext, extent: PlacedExtent): Io<string | undefined> {
  const { address, blocks, shift, checksums } = extent;
  const chunk = 2 ** shift;
  const size = blocks * context.map.blockSize;
  if (shift < SHIFT_MIN || shift > SHIFT_MAX) return `chunks of 2^${shift} bytes are impossible`;
  if (checksums.length !== Math.ceil(size / chunk) * 8) return 'it has other chunks than checksums';
  if (!isThere(context, { start: address, length: blocks })) return 'it is in no place for data';
  const bytes = yield* context.map.read(address, blocks);
  if (typeof bytes === 'string') return bytes;
  context.count('bytesVerified', size);
  for (let at = 0, slot = 0; at < size; at += chunk, slot += 8) {
    if (!matchesHash(checksums, slot, bytes, at, Math.min(size, at + chunk))) {
      return 'it was not written';
    }
  }
  return undefined;
}
