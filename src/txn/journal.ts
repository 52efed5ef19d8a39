/**
 * The journal: a ring of chained, checksummed records, each holding whole transactions.
 *
 * 1. A journal begins at a position (`begin`, of a new or cleanly closed store) or continues
 *    what a scan found (`resume`).
 * 2. After `resume`, the first record is `appendRecovered`; it is written and flushed, then
 *    `clearTail` is driven, then the device flushed again.
 * 3. `append` encodes a record and says what is to be written where; it does no I/O. The caller
 *    writes in sequence order and reports flushes with `noteDurable`.
 * 4. `release` gives up what the older of the two superblocks no longer needs.
 *
 * - Records start at block boundaries and are padded with zeros to whole blocks: a block that
 *   was written is never written again with other bytes until its record is released.
 * - With stripes, records start at stripe units: no write ends in the unit where another began.
 * - A record never wraps. Where the rest of the ring is too short, a pad fills it.
 * - What is being appended never reaches what is still needed: `fits` is asked before.
 */

import { assert } from '../assert.js';
import type { Io } from '../blockdev/io.js';
import { blocksFor } from '../format/block.js';
import { checksum } from '../format/checksum.js';
import { hashList, lengthOf } from '../format/hash-list.js';
import {
  type BodyRun,
  encodeRecordHeader,
  encodeRecovered,
  type JournalPosition,
  RECORD,
  RECORD_BODY_BYTES_MAX,
  RECORD_TYPE,
  type RecordHeader,
  type RecordType,
} from '../format/journal-record.js';
import {
  cutScan,
  type JournalRing,
  type JournalScan,
  type RingRegion,
  readBody,
  type ScannedRecord,
  type ScanOptions,
  scanJournal,
  spanOf,
} from './journal-scan.js';

/**
 * Blocks of the ring that only a `recovered` record may use, and one record's place at least:
 * recovery never finds it full.
 */
const RESERVED_BLOCKS = 4;

/** Blocks beside these that only records of groups may use: a checkpoint needs one to make room. */
const ANNOUNCING_BLOCKS = 4;

/** A body in the ring takes at most this part of it. */
const INLINE_DIVISOR = 8;

/** Bytes that `clearTail` writes at once. */
const CLEAR_BYTES = 1024 * 1024;

/** Bytes of a slab that headers are cut from. */
const SLAB_BYTES = 128 * RECORD.size;

const ZEROS = new Uint8Array(65536);

/** What a record is to hold. */
export interface RecordInput {
  readonly type: RecordType;
  /** The body's parts, empty when `bodyRun` is given; not copied: unchanged until durable. */
  readonly body: readonly Uint8Array[];
  readonly epoch: number;
  readonly firstTransaction: number;
  readonly transactionCount: number;
  /** Where the body lies when it is over `inlineBytesMax`; written before the record is. */
  readonly bodyRun?: BodyRun;
}

/** One device write, at a byte offset of the ring's device. */
export interface JournalWrite {
  readonly offset: number;
  readonly sources: readonly Uint8Array[];
}

/** A record that is in the chain and is now to be written. */
export interface AppendedRecord {
  readonly sequence: number;
  /** In order: perhaps a pad, then the record. They may be written again, as they are. */
  readonly writes: readonly JournalWrite[];
  /** Bytes of all writes. */
  readonly bytes: number;
}

export class Journal {
  readonly ring: JournalRing;
  /** Largest body that goes into the ring; larger ones need a run. */
  readonly inlineBytesMax: number;
  /** Records of groups are going to be written. */
  announces = false;

  #head = 0;
  #sequence = 1;
  #incarnation = 1;
  #durable = 0;
  #usedBytes = 0;
  #stale: readonly RingRegion[] = [];
  #recovered: Uint8Array | undefined;
  #slab: Uint8Array = new Uint8Array(0);
  #slabAt = 0;
  readonly #previous = new Uint8Array(8);

  constructor(ring: JournalRing) {
    assert(ring.offset % ring.blockSize === 0, 'a ring starts at a block');
    assert(ring.bytes % (ring.align ?? ring.blockSize) === 0, 'a ring is whole places of records');
    assert(ring.bytes > INLINE_DIVISOR * ring.blockSize, 'a ring holds several records');
    this.ring = ring;
    const share = Math.floor(ring.bytes / INLINE_DIVISOR) - RECORD.size;
    this.inlineBytesMax = Math.min(share, RECORD_BODY_BYTES_MAX);
  }

  /** See `scanJournal`. */
  scan(start: JournalPosition, options?: ScanOptions): Io<JournalScan> {
    return scanJournal(this.ring, start, options);
  }

  /** See `readBody` of journal-scan.ts. */
  readBody(record: ScannedRecord): Io<Uint8Array> {
    return readBody(this.ring, record);
  }

  /** See `cutScan`. */
  cut(scan: JournalScan, record: ScannedRecord, reason: string): JournalScan {
    return cutScan(this.ring, scan, record, reason);
  }

  /** Starts, with nothing to replay, at the position of a new or cleanly closed store. */
  begin(position: JournalPosition): void {
    this.#seek(position);
    this.#incarnation = position.incarnation;
    this.#durable = position.sequence - 1;
    this.#usedBytes = 0;
    this.#stale = [];
    this.#recovered = undefined;
  }

  /**
   * Continues behind what `scan` found, in an incarnation above any that it saw. A damaged
   * journal is only continued by a repair.
   */
  resume(scan: JournalScan, incarnation: number): void {
    assert(incarnation > scan.highestIncarnation, 'an incarnation is above all that were');
    this.#seek(scan.next);
    this.#incarnation = incarnation;
    this.#durable = Math.min(scan.highestDurable, scan.next.sequence - 1);
    this.#usedBytes = this.#bytesFrom(scan.start);
    this.#stale = scan.stale;
    const end = scan.damage ?? scan.cut;
    this.#recovered = encodeRecovered({
      sequence: end?.sequence ?? 0,
      offset: end?.offset ?? 0,
      damaged: scan.damage !== undefined,
    });
  }

  /**
   * The record that a recovery begins with. When the ring has no room even for it (`fits` says
   * so for this type), the engine writes a superblock at `position()` instead.
   */
  appendRecovered(epoch: number): AppendedRecord {
    const body = this.#recovered;
    assert(body !== undefined, 'only a recovery appends a recovered record');
    this.#recovered = undefined;
    const { recovered: type } = RECORD_TYPE;
    return this.append({ type, body: [body], epoch, firstTransaction: 0, transactionCount: 0 });
  }

  /**
   * Zeroes what the recovery cut off, except where this journal has appended since. To be driven
   * when the recovered record is durable; the flush behind it is the caller's.
   */
  *clearTail(): Io<void> {
    const { device, offset } = this.ring;
    for (const region of this.#unusedParts(this.#stale)) {
      const end = region.offset + region.length;
      for (let at = region.offset; at < end; at += CLEAR_BYTES) {
        const sources = zeros(Math.min(CLEAR_BYTES, end - at));
        yield { kind: 'write', device, offset: offset + at, sources, durable: false };
      }
    }
    this.#stale = [];
  }

  /**
   * Zeroes everything that is not needed any more, in pieces; each is chosen and written in one
   * step, so that no record goes there meanwhile. Flushed when it has ended.
   */
  *clearUnused(): Io<void> {
    const { device, offset, bytes } = this.ring;
    for (let at = 0; at < bytes; at += CLEAR_BYTES) {
      const piece = { offset: at, length: Math.min(CLEAR_BYTES, bytes - at) };
      const clear = (): void => {
        for (const part of this.#unusedParts([piece])) {
          device.writeSync(offset + part.offset, zeros(part.length));
        }
      };
      yield { kind: 'until', start: async () => clear(), force: clear };
      yield { kind: 'pause' };
    }
    yield { kind: 'flush', device };
  }

  /** Where the next record goes: what a checkpoint frozen now stores as its start. */
  position(): JournalPosition {
    return {
      head: this.#head,
      sequence: this.#sequence,
      previous: this.#previous.slice(),
      incarnation: this.#incarnation,
    };
  }

  /** Highest sequence that is durable for certain. */
  get durable(): number {
    return this.#durable;
  }

  /** Bytes of the ring that are still needed. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Bytes of the ring used since `position`, which has not been released. */
  bytesSince(position: JournalPosition): number {
    const bytes = this.#bytesFrom(position);
    assert(bytes <= this.#usedBytes, 'a position has not been released');
    return bytes;
  }

  /** True when a record with `bodyLength` bytes of body in the ring can be appended now. */
  fits(bodyLength: number, type: RecordType = RECORD_TYPE.transactions): boolean {
    const kept = this.#keptFrom(type);
    const span = spanOf(bodyLength, this.ring);
    const rest = this.ring.bytes - this.#head;
    const needed = span > rest ? rest + span : span;
    return needed <= this.ring.bytes - this.#usedBytes - kept;
  }

  /** Bytes of the ring that a record of this type leaves alone: room for others in any case. */
  #keptFrom(type: RecordType): number {
    if (type === RECORD_TYPE.recovered) return 0;
    const isAnnounced = type !== RECORD_TYPE.groups && this.announces;
    return this.#roomFor(RESERVED_BLOCKS) + (isAnnounced ? this.#roomFor(ANNOUNCING_BLOCKS) : 0);
  }

  #roomFor(blocks: number): number {
    return Math.max(blocks * this.ring.blockSize, spanOf(0, this.ring));
  }

  /** Gives up all records before `position`: the start of the older superblock. */
  release(position: JournalPosition): void {
    const bytes = this.#bytesFrom(position);
    assert(position.sequence <= this.#durable + 1, 'only durable records are released');
    assert(bytes <= this.#usedBytes, 'a released position does not come back');
    this.#usedBytes = bytes;
  }

  /** A flush begun after the write of `sequence` and all before it had completed has returned. */
  noteDurable(sequence: number): void {
    assert(sequence < this.#sequence, 'what is durable was appended');
    if (sequence > this.#durable) this.#durable = sequence;
  }

  /**
   * Puts a record into the chain. No I/O: the caller writes `writes`, and may do so again until
   * the record is durable.
   */
  append(input: RecordInput): AppendedRecord {
    const inline = input.bodyRun === undefined ? lengthOf(input.body) : 0;
    assert(inline <= this.inlineBytesMax, 'a body in the ring is within its limit');
    assert(input.bodyRun === undefined || input.body.length === 0, 'a body is in one place');
    assert(this.fits(inline, input.type), 'a record is appended only where it fits');
    const writes: JournalWrite[] = [];
    const span = spanOf(inline, this.ring);
    if (span > this.ring.bytes - this.#head) writes.push(this.#pad(input.epoch));
    const padBytes = writes.length * this.ring.blockSize;
    const sequence = this.#sequence;
    writes.push(this.#write(input, inline, span));
    return { sequence, writes, bytes: padBytes + span };
  }

  /** Fills the rest of the ring. */
  #pad(epoch: number): JournalWrite {
    const pad = { type: RECORD_TYPE.pad, body: [], epoch, firstTransaction: 0 };
    return this.#write({ ...pad, transactionCount: 0 }, 0, this.ring.bytes - this.#head);
  }

  /** Encodes one record that takes `span` bytes of the ring, and goes behind it. */
  #write(input: RecordInput, inline: number, span: number): JournalWrite {
    const { bodyRun } = input;
    if (bodyRun === undefined) hashBody(input.body, inline);
    const header = this.#takeHeader();
    const fields: RecordHeader = {
      type: input.type,
      offset: this.#head,
      incarnation: this.#incarnation,
      sequence: this.#sequence,
      previous: this.#previous,
      durable: this.#durable,
      epoch: input.epoch,
      firstTransaction: input.firstTransaction,
      transactionCount: input.transactionCount,
      bodyLength: bodyRun?.bodyLength ?? inline,
      bodyLow: bodyRun?.low ?? checksum.low,
      bodyHigh: bodyRun?.high ?? checksum.high,
      ...(bodyRun !== undefined && { bodyRun }),
    };
    encodeRecordHeader(header, 0, this.ring.uuid, fields);
    const offset = this.ring.offset + this.#head;
    const padding = this.#writtenFor(inline) - RECORD.size - inline;
    this.#advance(header, span);
    return { offset, sources: [header, ...input.body, ...zeros(padding)] };
  }

  /**
   * Bytes that are written for a record with so many bytes of body in the ring: whole blocks, but
   * whole units of one longer than a stripe unit. A unit that is written in part would have to be
   * read, or more of the others.
   */
  #writtenFor(inline: number): number {
    const { blockSize, align = blockSize } = this.ring;
    const span = spanOf(inline, this.ring);
    return span > align ? span : blocksFor(RECORD.size + inline, blockSize) * blockSize;
  }

  #advance(header: Uint8Array, span: number): void {
    this.#previous.set(header.subarray(RECORD.checksum, RECORD.checksum + 8));
    this.#head = (this.#head + span) % this.ring.bytes;
    this.#usedBytes += span;
    this.#sequence++;
  }

  /** A zeroed header of its own; slabs live as long as one of their headers is in flight. */
  #takeHeader(): Uint8Array {
    if (this.#slabAt === this.#slab.length) {
      this.#slab = new Uint8Array(SLAB_BYTES);
      this.#slabAt = 0;
    }
    const at = this.#slabAt;
    this.#slabAt += RECORD.size;
    return this.#slab.subarray(at, at + RECORD.size);
  }

  #seek(position: JournalPosition): void {
    assert(position.head < this.ring.bytes, 'a head is inside the ring');
    this.#head = position.head;
    this.#sequence = position.sequence;
    this.#previous.set(position.previous);
  }

  /** Bytes from `position` to the head; the ring is full when they coincide but for sequence. */
  #bytesFrom(position: JournalPosition): number {
    assert(position.sequence <= this.#sequence, 'a position is not ahead of the journal');
    if (position.sequence === this.#sequence) return 0;
    const distance = this.#head - position.head;
    return distance > 0 ? distance : distance + this.ring.bytes;
  }

  /** The regions without what lies in [head - usedBytes, head). */
  #unusedParts(regions: readonly RingRegion[]): RingRegion[] {
    const free = this.ring.bytes - this.#usedBytes;
    const first = { offset: this.#head, length: Math.min(free, this.ring.bytes - this.#head) };
    const second = { offset: 0, length: free - first.length };
    return regions.flatMap((one) => [...overlap(one, first), ...overlap(one, second)]);
  }
}

/** Leaves the body's checksum in `checksum`: zero when there is no body. */
function hashBody(body: readonly Uint8Array[], length: number): void {
  if (length > 0) {
    hashList(body);
    return;
  }
  checksum.low = 0;
  checksum.high = 0;
}

function overlap(a: RingRegion, b: RingRegion): RingRegion[] {
  const offset = Math.max(a.offset, b.offset);
  const end = Math.min(a.offset + a.length, b.offset + b.length);
  return end > offset ? [{ offset, length: end - offset }] : [];
}

function zeros(length: number): Uint8Array[] {
  const sources: Uint8Array[] = [];
  for (let rest = length; rest > 0; rest -= ZEROS.length) sources.push(ZEROS.subarray(0, rest));
  return sources;
}
