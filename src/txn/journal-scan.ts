/**
 * Reading a journal back: which records continue the superblock's position, and what the ring
 * behind the last of them says about its end.
 *
 * - The *walk* follows the chain from the start. A record counts when its header, its place in
 *   the chain and its body hold.
 * - The *sweep* looks at every block of the ring that the walk did not reach. A sound record
 *   found there of this incarnation or a later one, with a sequence beyond the end, is a
 *   witness: its `durable` tells a damaged end from a torn one. One of an earlier incarnation
 *   was cut off by the recovery in between and says nothing.
 * - Of a journal that was closed cleanly, and that nobody can have written to since, the sweep is
 *   left out where the walk ends at a place with nothing of this journal: no record was begun there.
 * - Damage is never cut: `damage` is set and the engine decides. `cut` is a tail whose flush
 *   had not returned.
 * - A read error goes to the caller: it is never the end of the journal.
 */

import { assert } from '../assert.js';
import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import { CorruptError } from '../errors.js';
import { BLOCK_HEADER, BLOCK_TYPE, blockFault, blocksFor } from '../format/block.js';
import { equalBytes, getU64 } from '../format/bytes.js';
import { checksum } from '../format/checksum.js';
import { hashList } from '../format/hash-list.js';
import {
  bodyRunBlocks,
  decodeRecordHeader,
  inlineLength,
  isRecord,
  type JournalPosition,
  RECORD,
  RECORD_TYPE,
  type RecordHeader,
  recordFault,
} from '../format/journal-record.js';
import type { Superblock } from '../format/superblock.js';

/** A journal's place, and where the bodies lie that are not in it. */
export interface JournalRing {
  /** The device of the ring. */
  readonly device: BlockDevice;
  /** Byte offset of the ring on its device, a multiple of `blockSize`. */
  readonly offset: number;
  /** Bytes of the ring, a multiple of `blockSize`. */
  readonly bytes: number;
  readonly blockSize: number;
  /** Bytes that records start at multiples of: a stripe unit, of which the ring is a multiple. */
  readonly align?: number;
  /** The journal's, 16 bytes. */
  readonly uuid: Uint8Array;
  /** The device of body runs, where it is not that of the ring. */
  readonly bodyDevice?: BlockDevice;
}

/** The ring of a store on `device`, where its journal has no device of its own. */
export function ringOf(
  device: BlockDevice,
  superblock: Superblock,
  journalDevice: BlockDevice = device,
): JournalRing {
  return {
    device: journalDevice,
    offset: superblock.journalOffset,
    bytes: superblock.journalBytes,
    blockSize: superblock.blockSize,
    align:
      journalDevice === device && superblock.stripeUnit > 0
        ? superblock.stripeUnit
        : superblock.blockSize,
    uuid: superblock.journalUuid,
    bodyDevice: device,
  };
}

/** A record that continues the chain, and the ring offset behind it (0 after the last block). */
export interface ScannedRecord extends RecordHeader {
  readonly end: number;
}

/** Where the chain ended although something was there, and why. */
export interface JournalEnd {
  readonly sequence: number;
  readonly offset: number; // bytes from the start of the ring
  readonly reason: string;
}

/** Bytes [offset, offset + length) of the ring. */
export interface RingRegion {
  readonly offset: number;
  readonly length: number;
}

/** What a scan found. */
export interface JournalScan {
  readonly start: JournalPosition;
  /** In sequence order, pads and marks included. */
  readonly records: readonly ScannedRecord[];
  /** Every sequence up to here was durable for certain. */
  readonly highestDurable: number;
  /** Highest incarnation seen in the ring or at the start: the next one must be higher. */
  readonly highestIncarnation: number;
  /** Where the chain ends; its incarnation is that of the last record. */
  readonly next: JournalPosition;
  /** A tail whose flush had not returned. */
  readonly cut?: JournalEnd;
  /** A record that was durable is not there: a writable open must be refused. */
  readonly damage?: JournalEnd;
  /** What lies behind the end and is to be cleared, in ring order. */
  readonly stale: readonly RingRegion[];
}

export interface ScanOptions {
  /** Highest sequence that is known to have been durable from elsewhere (a newer superblock). */
  readonly knownDurable?: number;
  /** The writer closed at the start, and all four slots say that none came after it. */
  readonly isClosed?: boolean;
}

/** Bytes read at once, at most. */
const WINDOW_BYTES = 4 * 1024 * 1024;

/** Bytes read first: enough where at most the last writer's mark is expected. */
const WINDOW_BYTES_MIN = 64 * 1024;

/** Bytes of the ring that a record covers. */
export function recordSpan(record: RecordHeader, ring: JournalRing): number {
  if (record.type === RECORD_TYPE.pad) return ring.bytes - record.offset;
  return spanOf(inlineLength(record), ring);
}

/** Bytes of the ring that a record with so many bytes of body in it covers. */
export function spanOf(inline: number, { blockSize, align = blockSize }: JournalRing): number {
  return Math.ceil((RECORD.size + inline) / align) * align;
}

/** Bytes of the ring that are written for a record; what is behind them is old. */
function writtenBytes(record: RecordHeader, { blockSize }: JournalRing): number {
  return blocksFor(RECORD.size + inlineLength(record), blockSize) * blockSize;
}

/**
 * Scans the ring from `start`, a superblock's position. Nothing is written.
 *
 * @throws StoreError E_IO when a read fails.
 */
export function* scanJournal(
  ring: JournalRing,
  start: JournalPosition,
  options: ScanOptions = {},
): Io<JournalScan> {
  const { isClosed = false } = options;
  const reader = new RingReader(ring);
  const walk = yield* walkChain(ring, reader, start);
  const isKnownEnd = isClosed && walk.reason === undefined;
  const sweep = isKnownEnd ? NOTHING_BEHIND : yield* sweepRest(ring, walk);
  const known = Math.max(start.sequence - 1, options.knownDurable ?? 0, sweep.witnessed);
  const highestDurable = walk.records.reduce((high, one) => Math.max(high, one.durable), known);
  const highestIncarnation = Math.max(walk.next.incarnation, sweep.incarnation);
  const scan = { start, records: walk.records, highestDurable, highestIncarnation };
  const { next } = walk;
  return { ...scan, next, ...endOf(walk, sweep, highestDurable), stale: sweep.stale };
}

/**
 * The scan without `record` and all behind it, whose out-of-line data turned out to be torn.
 * Only a record above `highestDurable` may be cut: below it, the data is damaged.
 */
export function cutScan(
  ring: JournalRing,
  scan: JournalScan,
  record: ScannedRecord,
  reason: string,
): JournalScan {
  assert(record.sequence > scan.highestDurable, 'a durable record is never cut');
  assert(scan.damage === undefined, 'a damaged journal is not cut further');
  const { sequence, offset } = record;
  return { ...scanBefore(ring, scan, record), cut: { sequence, offset, reason } };
}

/** The scan without `record` and all behind it: what it holds can't be replayed. */
export function damagedScan(
  ring: JournalRing,
  scan: JournalScan,
  record: ScannedRecord,
  reason: string,
): JournalScan {
  const { sequence, offset } = record;
  return { ...scanBefore(ring, scan, record), damage: { sequence, offset, reason } };
}

/** The part of a scan before one of its records. */
function scanBefore(ring: JournalRing, scan: JournalScan, record: ScannedRecord): JournalScan {
  const index = scan.records.indexOf(record);
  assert(index >= 0, 'a record to cut at is one of the scan');
  const { offset, sequence, previous } = record;
  const last = scan.records[index - 1];
  const incarnation = last?.incarnation ?? scan.start.incarnation;
  const spans = scan.records
    .slice(index)
    .map((one) => ({ offset: one.offset, length: recordSpan(one, ring) }));
  return {
    ...scan,
    records: scan.records.slice(0, index),
    next: { head: offset, sequence, previous, incarnation },
    stale: mergeRegions([...spans, ...scan.stale]),
  };
}

/**
 * Reads the body of a record that a scan returned: its bytes, owned by the caller, verified.
 *
 * @throws CorruptError when the body is not what the record says.
 * @throws StoreError E_IO when a read fails.
 */
export function* readBody(ring: JournalRing, record: RecordHeader): Io<Uint8Array> {
  const page = yield* readBodyPage(ring, record);
  const fault = bodyPageFault(page, record);
  if (fault === undefined) return bodyOf(page, record);
  throw new CorruptError(`Cannot read body of journal record ${record.sequence}: ${fault}`);
}

/** The blocks that the body lies in; none when it cannot lie there. */
function* readBodyPage(ring: JournalRing, record: RecordHeader): Io<Uint8Array> {
  const { bodyRun } = record;
  if (bodyRun === undefined) {
    const page = new Uint8Array(writtenBytes(record, ring));
    yield { kind: 'read', device: ring.device, offset: ring.offset + record.offset, target: page };
    return page;
  }
  const device = ring.bodyDevice ?? ring.device;
  const offset = bodyRun.address * ring.blockSize;
  const length = bodyRunBlocks(bodyRun.bodyLength, ring.blockSize) * ring.blockSize;
  if (offset + length > device.size || bodyRun.blocks * ring.blockSize !== length) return EMPTY;
  const page = new Uint8Array(length);
  yield { kind: 'read', device, offset, target: page };
  return page;
}

const EMPTY = new Uint8Array(0);

function bodyOf(page: Uint8Array, record: RecordHeader): Uint8Array {
  const at = record.bodyRun === undefined ? RECORD.size : BLOCK_HEADER.size;
  return page.subarray(at, at + record.bodyLength);
}

function bodyPageFault(page: Uint8Array, record: RecordHeader): string | undefined {
  const { bodyRun } = record;
  if (bodyRun === undefined) return inlineFault(bodyOf(page, record), record);
  if (page.length === 0) return 'its run is not one';
  const expected = {
    type: BLOCK_TYPE.journal,
    level: 0,
    role: 0,
    address: bodyRun.address,
    birth: record.epoch,
  } as const;
  return blockFault(page, expected, bodyRun.low, bodyRun.high);
}

function inlineFault(body: Uint8Array, record: RecordHeader): string | undefined {
  if (record.bodyLength === 0) return undefined;
  hashList([body]);
  const same = checksum.low === record.bodyLow && checksum.high === record.bodyHigh;
  return same ? undefined : 'body checksum differs';
}

interface Walk {
  readonly records: ScannedRecord[];
  readonly next: JournalPosition;
  /** Bytes from the start's head to the next one's. */
  readonly bytes: number;
  /** Why the chain ends where something of this journal stands. */
  readonly reason: string | undefined;
}

function* walkChain(ring: JournalRing, reader: RingReader, start: JournalPosition): Io<Walk> {
  const records: ScannedRecord[] = [];
  let next = start;
  let bytes = 0;
  while (bytes < ring.bytes) {
    const block = yield* reader.view(next.head, ring.blockSize);
    const fault = recordFault(block, 0, ring.uuid, next.head);
    if (fault !== undefined) {
      const isOurs = isRecord(block, 0, ring.uuid) || continues(block, next);
      const reason = isOurs ? fault : undefined;
      return { records, next, bytes, reason };
    }
    const own = block.slice(RECORD.checksum, RECORD.checksum + 8);
    const record = decodeRecordHeader(block, 0);
    const span = recordSpan(record, ring);
    const broken = chainFault(record, next, span, ring, bytes);
    if (broken !== undefined) return { records, next, bytes, reason: broken.reason };
    const bad = yield* readBodyFault(ring, reader, record);
    if (bad !== undefined) return { records, next, bytes, reason: bad };
    bytes += span;
    const head = (record.offset + span) % ring.bytes;
    const { incarnation } = record;
    records.push({ ...record, end: head });
    next = { head, sequence: record.sequence + 1, previous: own, incarnation };
  }
  return { records, next, bytes, reason: undefined };
}

/**
 * True when the bytes name sequence and predecessor that come next, whatever else they say. The
 * first record of all has no predecessor to be known by.
 */
function continues(block: Uint8Array, next: JournalPosition): boolean {
  if (next.previous.every((byte) => byte === 0)) return false;
  const previous = block.subarray(RECORD.previous, RECORD.previous + next.previous.length);
  return getU64(block, RECORD.sequence) === next.sequence && equalBytes(previous, next.previous);
}

/** Why a sound header does not continue the chain; the reason is undefined for an old lap's. */
function chainFault(
  record: RecordHeader,
  next: JournalPosition,
  span: number,
  ring: JournalRing,
  walked: number,
): { reason: string | undefined } | undefined {
  if (record.sequence < next.sequence || record.incarnation < next.incarnation) {
    return { reason: undefined };
  }
  if (record.sequence !== next.sequence) {
    return { reason: `record ${record.sequence} stands in its place` };
  }
  if (record.previous.some((byte, i) => byte !== next.previous[i])) {
    return { reason: 'it continues another record' };
  }
  if (record.offset + span > ring.bytes) return { reason: 'it reaches over the end of the ring' };
  if (walked + span > ring.bytes) return { reason: 'it reaches over the start of the journal' };
  return undefined;
}

function* readBodyFault(
  ring: JournalRing,
  reader: RingReader,
  record: RecordHeader,
): Io<string | undefined> {
  if (record.bodyRun !== undefined) {
    return bodyPageFault(yield* readBodyPage(ring, record), record);
  }
  if (record.bodyLength === 0) return undefined;
  return bodyPageFault(yield* reader.view(record.offset, writtenBytes(record, ring)), record);
}

interface Sweep {
  /** Highest `durable` of a witness, 0 without one. */
  readonly witnessed: number;
  /** Lowest sequence of a witness, or undefined. */
  readonly follower: number | undefined;
  readonly incarnation: number;
  readonly stale: readonly RingRegion[];
}

const NOTHING_BEHIND: Sweep = { witnessed: 0, follower: undefined, incarnation: 0, stale: [] };

/** The sound and unsound headers of this journal in the blocks behind the walk's end. */
function* headersBehind(ring: JournalRing, walk: Walk): Io<HeaderFound[]> {
  const { device, offset } = ring;
  const buffer = new Uint8Array(Math.min(ring.bytes, WINDOW_BYTES));
  const found: HeaderFound[] = [];
  const rest = ring.bytes - walk.bytes;
  for (let swept = 0; swept < rest; ) {
    const at = (walk.next.head + swept) % ring.bytes;
    const length = Math.min(WINDOW_BYTES, ring.bytes - at, rest - swept);
    const window = buffer.subarray(0, length);
    yield { kind: 'read', device, offset: offset + at, target: window };
    for (let from = 0; from < length; from += ring.blockSize) {
      if (!isRecord(window, from, ring.uuid)) continue;
      const fault = recordFault(window, from, ring.uuid, at + from);
      const record = fault === undefined ? decodeRecordHeader(window, from) : undefined;
      found.push({ at: at + from, swept: swept + from, record });
    }
    swept += length;
  }
  return found;
}

interface HeaderFound {
  readonly at: number; // offset in the ring
  readonly swept: number; // bytes behind the walk's end
  /** Undefined where it isn't sound. */
  readonly record: RecordHeader | undefined;
}

function* sweepRest(ring: JournalRing, walk: Walk): Io<Sweep> {
  const { next } = walk;
  const sequenceMax = next.sequence + ring.bytes / ring.blockSize;
  const stale: RingRegion[] = [];
  let witnessed = 0;
  let incarnation = 0;
  let follower: number | undefined;
  for (const { at, swept, record } of yield* headersBehind(ring, walk)) {
    if (record === undefined) {
      stale.push({ offset: at, length: ring.blockSize });
      continue;
    }
    incarnation = Math.max(incarnation, record.incarnation);
    if (record.sequence < next.sequence || record.sequence > sequenceMax) continue;
    const length = Math.min(recordSpan(record, ring), ring.bytes - at);
    stale.push({ offset: at, length: Math.min(length, ring.bytes - walk.bytes - swept) });
    if (record.incarnation < next.incarnation) continue;
    witnessed = Math.max(witnessed, record.durable);
    if (record.sequence > next.sequence) {
      follower = Math.min(follower ?? record.sequence, record.sequence);
    }
  }
  return { witnessed, follower, incarnation, stale: mergeRegions(stale) };
}

/** Rule 4: torn above the highest durable sequence, damaged at or below it. */
function endOf(
  walk: Walk,
  sweep: Sweep,
  highestDurable: number,
): { cut?: JournalEnd; damage?: JournalEnd } {
  const { sequence, head: offset } = walk.next;
  const follows =
    sweep.follower === undefined ? undefined : `it is missing in front of ${sweep.follower}`;
  const reason = walk.reason ?? follows;
  if (sequence <= highestDurable) {
    return { damage: { sequence, offset, reason: reason ?? 'it is not there' } };
  }
  return reason === undefined ? {} : { cut: { sequence, offset, reason } };
}

/** Joins regions that touch or overlap; the result is in ring order. */
function mergeRegions(regions: readonly RingRegion[]): RingRegion[] {
  const merged: RingRegion[] = [];
  for (const one of [...regions].sort((a, b) => a.offset - b.offset)) {
    const last = merged.at(-1);
    if (last === undefined || one.offset > last.offset + last.length) merged.push(one);
    else {
      const end = Math.max(last.offset + last.length, one.offset + one.length);
      merged[merged.length - 1] = { offset: last.offset, length: end - last.offset };
    }
  }
  return merged;
}

/**
 * Reads the ring through a window, so that small records do not cost a read each. It grows as long as
 * one view follows the other: a short chain costs a short read.
 */
class RingReader {
  readonly #ring: JournalRing;
  #window: Uint8Array;
  #from = 0;
  #to = 0;

  constructor(ring: JournalRing) {
    this.#ring = ring;
    this.#window = new Uint8Array(Math.min(ring.bytes, WINDOW_BYTES_MIN));
  }

  /** Bytes [at, at + length) of the ring, as a view that holds until the next call. */
  *view(at: number, length: number): Io<Uint8Array> {
    assert(at + length <= this.#ring.bytes, 'a view is inside the ring');
    if (length > this.#window.length) {
      const whole = new Uint8Array(length);
      yield* this.#read(at, whole);
      return whole;
    }
    if (at < this.#from || at + length > this.#to) {
      this.#grow(at);
      this.#to = 0;
      const target = this.#window.subarray(0, this.#ring.bytes - at);
      yield* this.#read(at, target);
      this.#from = at;
      this.#to = at + target.length;
    }
    return this.#window.subarray(at - this.#from, at - this.#from + length);
  }

  /** Doubles the window where a view at `at` goes on from what was read last. */
  #grow(at: number): void {
    const isGoingOn = this.#to > 0 && at >= this.#from && at <= this.#to;
    const size = Math.min(this.#ring.bytes, WINDOW_BYTES, 2 * this.#window.length);
    if (isGoingOn && size > this.#window.length) this.#window = new Uint8Array(size);
  }

  *#read(at: number, target: Uint8Array): Io<void> {
    const { device, offset } = this.#ring;
    yield { kind: 'read', device, offset: offset + at, target };
  }
}
