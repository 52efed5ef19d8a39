/**
 * One record of the journal: a header, and behind it or in an extent of its own the body.
 *
 * - The header's checksum covers the header, which holds the body's checksum: a header can be
 *   believed while its body is torn, and the body is hashed once, where it lies.
 * - `previous` chains the records: one that another history left behind never continues this
 *   one. `offset` is the record's own place, so that one that was written elsewhere, or a copy
 *   inside somebody's data, is not taken for one.
 * - A body in an extent is a block run with a BLOCK_HEADER (type journal); its checksum is
 *   that of the run. Such a record's ring part is the header alone.
 * - Type 0 is never valid. Reserved bytes are zero and checked.
 */

import { assert } from '../assert.js';
import { CorruptError } from '../errors.js';
import { BLOCK_HEADER, BLOCK_TYPE, blocksFor, putChecksum, sealBlock } from './block.js';
import { ByteReader, ByteWriter, getU32, getU48, getU64, setU32, setU48, setU64 } from './bytes.js';
import { checksum, hash, matchesHash } from './checksum.js';
import { lengthOf } from './hash-list.js';
import { layout } from './layout.js';

export const RECORD = layout({
  checksum: 'u64', // xxh64 of bytes [8, 128), and what the next record calls previous
  magic: 'u32', // 'HFJR'
  version: 'u8', // of the record format, 1
  type: 'u8', // RECORD_TYPE
  reserved: 'u16', // zero
  uuid: 'bytes16', // of the journal
  offset: 'u64', // own place, bytes from the start of the ring
  incarnation: 'u64', // raised by every recovery, in [1, COUNTED_LIMIT)
  sequence: 'u64', // one more than its predecessor's, in [1, COUNTED_LIMIT)
  previous: 'bytes8', // checksum of its predecessor, zeros for the first of all
  durable: 'u64', // highest sequence whose flush had returned, below the own sequence
  epoch: 'u64', // generation in which it was written
  firstTransaction: 'u64', // number of its first transaction
  transactionCount: 'u32',
  bodyLength: 'u32', // bytes, in [0, RECORD_BODY_BYTES_MAX]
  bodyChecksum: 'u64', // of the body, or of its block run; 0 when bodyLength is 0
  bodyAddress: 'u48', // block index of the body's run, 0 when it follows the header
  bodyBlocks: 'u32', // blocks of the body's run, 0 when it follows the header
  padding: 'bytes14', // zero
});
assert(RECORD.size === 128, 'RECORD is 128 bytes');

export const RECORD_MAGIC = 0x524a_4648; // 'HFJR'
export const RECORD_VERSION = 1;

export const RECORD_TYPE = {
  transactions: 1, // whole transactions
  mark: 2, // says only which records are durable
  pad: 3, // the record behind it stands at the start of the ring
  recovered: 4, // first of an incarnation: says what a recovery cut off
  groups: 5, // allocation groups that are going to be written to, in a store that erases
} as const;

export type RecordType = (typeof RECORD_TYPE)[keyof typeof RECORD_TYPE];

/** Sequences, incarnations and the superblock's counters stay below this. */
export const COUNTER_LIMIT = 2 ** 52;

/**
 * What counts up is below this when it is read: a store that counts a million a second reaches it
 * in 71 years, and what is read can be counted up without a check.
 */
export const COUNTED_LIMIT = 2 ** 51;

/** The same for epochs, which pointers and blocks hold as u48: checkpoints, some a second. */
export const EPOCH_LIMIT = 2 ** 47;

/** Largest body, in bytes: what a replay holds in memory at once. */
export const RECORD_BODY_BYTES_MAX = 64 * 1024 * 1024;

/** A place in the journal: what stands there continues what came before it. */
export interface JournalPosition {
  /** Byte offset within the ring. */
  readonly head: number;
  /** Sequence of the record that begins here. */
  readonly sequence: number;
  /** Checksum of the record before it: 8 bytes. */
  readonly previous: Uint8Array;
  /** No record from here on is of a lower incarnation. */
  readonly incarnation: number;
}

/** Where the journal of a new store begins. */
export const JOURNAL_ORIGIN: JournalPosition = {
  head: 0,
  sequence: 1,
  previous: new Uint8Array(8),
  incarnation: 1,
};

/** Where a body lies that is not in the ring. */
export interface BodyRun {
  readonly address: number; // block index on the store's device
  readonly blocks: number;
  readonly bodyLength: number; // bytes of the body in it
  readonly low: number; // halves of the run's checksum
  readonly high: number;
}

export interface RecordHeader {
  readonly type: RecordType;
  readonly offset: number; // bytes from the start of the ring
  readonly incarnation: number;
  readonly sequence: number;
  readonly previous: Uint8Array; // 8 bytes
  readonly durable: number;
  readonly epoch: number;
  readonly firstTransaction: number;
  readonly transactionCount: number;
  readonly bodyLength: number; // bytes
  readonly bodyLow: number; // halves of bodyChecksum
  readonly bodyHigh: number;
  readonly bodyRun?: BodyRun;
}

/**
 * Writes a header at `bytes[at, at + RECORD.size)`, which must be zero, and its checksum. The
 * checksum stays in `checksum` too.
 */
export function encodeRecordHeader(
  bytes: Uint8Array,
  at: number,
  uuid: Uint8Array,
  header: RecordHeader,
): void {
  setU32(bytes, at + RECORD.magic, RECORD_MAGIC);
  bytes[at + RECORD.version] = RECORD_VERSION;
  bytes[at + RECORD.type] = header.type;
  bytes.set(uuid, at + RECORD.uuid);
  setU64(bytes, at + RECORD.offset, header.offset);
  setU64(bytes, at + RECORD.incarnation, header.incarnation);
  setU64(bytes, at + RECORD.sequence, header.sequence);
  bytes.set(header.previous, at + RECORD.previous);
  setU64(bytes, at + RECORD.durable, header.durable);
  setU64(bytes, at + RECORD.epoch, header.epoch);
  setU64(bytes, at + RECORD.firstTransaction, header.firstTransaction);
  setU32(bytes, at + RECORD.transactionCount, header.transactionCount);
  setU32(bytes, at + RECORD.bodyLength, header.bodyLength);
  setU32(bytes, at + RECORD.bodyChecksum, header.bodyLow);
  setU32(bytes, at + RECORD.bodyChecksum + 4, header.bodyHigh);
  setU48(bytes, at + RECORD.bodyAddress, header.bodyRun?.address ?? 0);
  setU32(bytes, at + RECORD.bodyBlocks, header.bodyRun?.blocks ?? 0);
  hash(bytes, at + RECORD.magic, at + RECORD.size);
  putChecksum(bytes, at + RECORD.checksum);
}

/** True when the bytes claim to be a record of this journal; says nothing about their state. */
export function isRecord(bytes: Uint8Array, at: number, uuid: Uint8Array): boolean {
  if (getU32(bytes, at + RECORD.magic) !== RECORD_MAGIC) return false;
  for (let i = 0; i < uuid.length; i++) {
    if (bytes[at + RECORD.uuid + i] !== uuid[i]) return false;
  }
  return true;
}

/**
 * What is wrong with the header at `bytes[at, at + RECORD.size)`, or undefined. `offset` is the
 * place in the ring where it was found.
 */
export function recordFault(
  bytes: Uint8Array,
  at: number,
  uuid: Uint8Array,
  offset: number,
): string | undefined {
  if (!isRecord(bytes, at, uuid)) return 'not a record of this journal';
  if (!matchesHash(bytes, at + RECORD.checksum, bytes, at + RECORD.magic, at + RECORD.size)) {
    return 'header checksum differs';
  }
  if (bytes[at + RECORD.version] !== RECORD_VERSION) return 'record version is unknown';
  const type = bytes[at + RECORD.type] as number;
  if (type < RECORD_TYPE.transactions || type > RECORD_TYPE.groups) return 'type is unknown';
  if (getU64(bytes, at + RECORD.offset) !== offset) return 'offset is not its own';
  if (!hasZeroReserve(bytes, at)) return 'reserved bytes are not zero';
  return numbersFault(bytes, at) ?? bodyFault(bytes, at, type);
}

function hasZeroReserve(bytes: Uint8Array, at: number): boolean {
  if (bytes[at + RECORD.reserved] !== 0 || bytes[at + RECORD.reserved + 1] !== 0) return false;
  for (let i = at + RECORD.padding; i < at + RECORD.size; i++) if (bytes[i] !== 0) return false;
  return true;
}

function numbersFault(bytes: Uint8Array, at: number): string | undefined {
  const incarnation = getU64(bytes, at + RECORD.incarnation);
  if (incarnation < 1 || incarnation >= COUNTED_LIMIT) return 'incarnation is out of range';
  const sequence = getU64(bytes, at + RECORD.sequence);
  if (sequence < 1 || sequence >= COUNTED_LIMIT) return 'sequence is out of range';
  if (getU64(bytes, at + RECORD.durable) >= sequence) return 'durable is not below sequence';
  if (getU64(bytes, at + RECORD.epoch) >= EPOCH_LIMIT) return 'epoch is out of range';
  if (getU64(bytes, at + RECORD.firstTransaction) >= COUNTED_LIMIT) {
    return 'first transaction is out of range';
  }
  return undefined;
}

function bodyFault(bytes: Uint8Array, at: number, type: number): string | undefined {
  const length = getU32(bytes, at + RECORD.bodyLength);
  const address = getU48(bytes, at + RECORD.bodyAddress);
  const blocks = getU32(bytes, at + RECORD.bodyBlocks);
  if (length > RECORD_BODY_BYTES_MAX) return 'body is over its limit';
  if ((address === 0) !== (blocks === 0)) return 'body run is half there';
  const bare = type === RECORD_TYPE.pad || type === RECORD_TYPE.mark;
  if (bare && (length !== 0 || address !== 0)) return 'body where there can be none';
  if (address !== 0 && length === 0) return 'body run is empty';
  return undefined;
}

/** Reads a header in which `recordFault` found nothing. Nothing refers to `bytes` afterwards. */
export function decodeRecordHeader(bytes: Uint8Array, at: number): RecordHeader {
  const bodyLength = getU32(bytes, at + RECORD.bodyLength);
  const low = getU32(bytes, at + RECORD.bodyChecksum);
  const high = getU32(bytes, at + RECORD.bodyChecksum + 4);
  const address = getU48(bytes, at + RECORD.bodyAddress);
  const blocks = getU32(bytes, at + RECORD.bodyBlocks);
  return {
    type: bytes[at + RECORD.type] as RecordType,
    offset: getU64(bytes, at + RECORD.offset),
    incarnation: getU64(bytes, at + RECORD.incarnation),
    sequence: getU64(bytes, at + RECORD.sequence),
    previous: bytes.slice(at + RECORD.previous, at + RECORD.previous + 8),
    durable: getU64(bytes, at + RECORD.durable),
    epoch: getU64(bytes, at + RECORD.epoch),
    firstTransaction: getU64(bytes, at + RECORD.firstTransaction),
    transactionCount: getU32(bytes, at + RECORD.transactionCount),
    bodyLength,
    bodyLow: low,
    bodyHigh: high,
    ...(address !== 0 && { bodyRun: { address, blocks, bodyLength, low, high } }),
  };
}

/** Bytes that the body takes behind the header. */
export function inlineLength(header: Pick<RecordHeader, 'bodyLength' | 'bodyRun'>): number {
  return header.bodyRun === undefined ? header.bodyLength : 0;
}

/** Blocks that the run of a body of `bodyLength` bytes needs. */
export function bodyRunBlocks(bodyLength: number, blockSize: number): number {
  return blocksFor(BLOCK_HEADER.size + bodyLength, blockSize);
}

/** What the block run of a body says about itself. */
export interface BodyRunIdentity {
  readonly address: number; // block index
  readonly blockSize: number; // bytes
  readonly epoch: number; // that of the record
  readonly firstTransaction: number; // that of the record; a hint for salvage
  readonly store: number; // first four bytes of the store's uuid
}

/**
 * Makes the block run of a body that is too large for the ring: the whole page to be written at
 * `address`, owned by the caller, and the run that the record names.
 */
export function sealBody(
  body: readonly Uint8Array[],
  identity: BodyRunIdentity,
): { page: Uint8Array; run: BodyRun } {
  const bodyLength = lengthOf(body);
  assert(bodyLength > 0 && bodyLength <= RECORD_BODY_BYTES_MAX, 'a body run is in its limits');
  const blocks = bodyRunBlocks(bodyLength, identity.blockSize);
  const page = new Uint8Array(blocks * identity.blockSize);
  let at = BLOCK_HEADER.size;
  for (const source of body) {
    page.set(source, at);
    at += source.length;
  }
  sealBlock(page, {
    type: BLOCK_TYPE.journal,
    level: 0,
    role: 0,
    address: identity.address,
    birth: identity.epoch,
    owner: identity.firstTransaction,
    store: identity.store,
  });
  const { low, high } = checksum;
  return { page, run: { address: identity.address, blocks, bodyLength, low, high } };
}

/** Body of a `recovered` record. */
export const RECOVERED = layout({
  sequence: 'u64', // first sequence that was cut off, 0 when nothing was
  offset: 'u64', // its place in the ring, bytes
  damaged: 'u8', // 1 when it had been durable and was cut off by a repair
});

/** What a recovery cut off; undefined fields of a record that cut nothing are zero. */
export interface Recovered {
  readonly sequence: number;
  readonly offset: number;
  readonly damaged: boolean;
}

export function encodeRecovered(recovered: Recovered): Uint8Array {
  const bytes = new Uint8Array(RECOVERED.size);
  setU64(bytes, RECOVERED.sequence, recovered.sequence);
  setU64(bytes, RECOVERED.offset, recovered.offset);
  bytes[RECOVERED.damaged] = recovered.damaged ? 1 : 0;
  return bytes;
}

/** Undefined when the bytes are not the body of a `recovered` record. */
export function decodeRecovered(bytes: Uint8Array): Recovered | undefined {
  if (bytes.length !== RECOVERED.size) return undefined;
  const sequence = getU64(bytes, RECOVERED.sequence);
  const offset = getU64(bytes, RECOVERED.offset);
  const damaged = bytes[RECOVERED.damaged] as number;
  if (!Number.isFinite(sequence) || !Number.isFinite(offset) || damaged > 1) return undefined;
  return { sequence, offset, damaged: damaged === 1 };
}

/** Body of a `groups` record: a count, then that many groups. */
export function encodeGroups(groups: readonly number[]): Uint8Array {
  const writer = new ByteWriter(4 + 4 * groups.length);
  writer.varint(groups.length);
  for (const group of groups) writer.varint(group);
  return writer.copy();
}

/** The groups in such a body. @throws CorruptError when it is none */
export function decodeGroups(body: Uint8Array): number[] {
  const reader = new ByteReader(body, 0, body.length);
  const groups: number[] = [];
  for (let left = reader.varint(); left > 0 && !reader.failed; left--) groups.push(reader.varint());
  if (!reader.failed && reader.at === body.length) return groups;
  throw new CorruptError('Cannot decode journal record: it names no allocation groups');
}
