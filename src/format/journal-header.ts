/**
 * The header of a journal that has a device of its own: whose journal it is, and which superblocks
 * of the store there are.
 *
 * - It stands in two places, in front of the ring and behind it, in JOURNAL_HEADER_SIZE bytes each.
 * - A superblock is *announced* here, durably, before it is written: the header holds its seal, and
 *   the seals of the two before it. A superblock whose seal is missing is not this journal's: one
 *   of the two devices is a copy of earlier.
 */

import { assert } from '../assert.js';
import { CorruptError } from '../errors.js';
import { equalBytes, getU32, getU64, setU32, setU64 } from './bytes.js';
import { matchesHash, writeHash } from './checksum.js';
import { COUNTED_LIMIT } from './journal-record.js';
import { layout } from './layout.js';

export const JOURNAL_HEADER = layout({
  checksum: 'u64', // xxh64 of bytes [8, 4096)
  magic: 'bytes8', // 'HOLDJRNL'
  version: 'u32', // of the header, 1
  address: 'u64', // own byte offset
  store: 'bytes16', // uuid of the store
  journalUuid: 'bytes16', // as in the superblock
  journalBytes: 'u64', // bytes of the ring
  number: 'u64', // of the newest superblock that was announced
  newest: 'bytes8', // its seal
  older: 'bytes8', // that of the one before it, zeros where there is none
  oldest: 'bytes8', // that of the one before that, zeros where there is none
});
assert(JOURNAL_HEADER.size === 100, 'JOURNAL_HEADER is 100 bytes');

export const JOURNAL_HEADER_SIZE = 4096;
export const JOURNAL_HEADER_VERSION = 1;

/** Bytes of a seal. */
export const SEAL_SIZE = 8;

/** Superblocks whose seals are kept: the newest, and as many as a loss may bring back. */
export const SEALS = ['newest', 'older', 'oldest'] as const;

const MAGIC = new TextEncoder().encode('HOLDJRNL');

export interface JournalHeader {
  readonly store: Uint8Array; // 16 bytes
  readonly journalUuid: Uint8Array; // 16 bytes
  readonly journalBytes: number;
  /** Of the newest superblock that was announced. */
  readonly number: number;
  /** Seals of the superblocks `number`, `number` - 1 and `number` - 2. */
  readonly seals: readonly Uint8Array[];
}

/** Byte offset of the ring: what a header covers, in whole blocks. */
export function separateRingOffset(blockSize: number): number {
  return Math.max(JOURNAL_HEADER_SIZE, blockSize);
}

/** Byte offsets of the headers of a ring of `journalBytes`. */
export function headerOffsets(blockSize: number, journalBytes: number): [number, number] {
  return [0, separateRingOffset(blockSize) + journalBytes];
}

/** Bytes of a device that holds a ring of `journalBytes` and its headers. */
export function separateJournalSize(blockSize: number, journalBytes: number): number {
  return journalBytes + 2 * separateRingOffset(blockSize);
}

/** The header at byte `offset`: JOURNAL_HEADER_SIZE bytes, owned by the caller. */
export function encodeJournalHeader(header: JournalHeader, offset: number): Uint8Array {
  const bytes = new Uint8Array(JOURNAL_HEADER_SIZE);
  bytes.set(MAGIC, JOURNAL_HEADER.magic);
  setU32(bytes, JOURNAL_HEADER.version, JOURNAL_HEADER_VERSION);
  setU64(bytes, JOURNAL_HEADER.address, offset);
  bytes.set(header.store, JOURNAL_HEADER.store);
  bytes.set(header.journalUuid, JOURNAL_HEADER.journalUuid);
  setU64(bytes, JOURNAL_HEADER.journalBytes, header.journalBytes);
  setU64(bytes, JOURNAL_HEADER.number, header.number);
  for (const [i, name] of SEALS.entries()) {
    const seal = header.seals[i];
    if (seal !== undefined) bytes.set(seal, JOURNAL_HEADER[name]);
  }
  writeHash(bytes, JOURNAL_HEADER.checksum, bytes, JOURNAL_HEADER.magic, JOURNAL_HEADER_SIZE);
  return bytes;
}

/** True when the bytes claim to be a header, whatever their state. */
export function isJournalHeader(bytes: Uint8Array): boolean {
  return equalBytes(bytes.subarray(JOURNAL_HEADER.magic, JOURNAL_HEADER.magic + 8), MAGIC);
}

/** @throws CorruptError when the bytes found at `offset` are not a sound header */
export function decodeJournalHeader(bytes: Uint8Array, offset: number): JournalHeader {
  if (!isJournalHeader(bytes)) fail(offset, 'no magic');
  if (!matchesHash(bytes, JOURNAL_HEADER.checksum, bytes, JOURNAL_HEADER.magic, bytes.length)) {
    fail(offset, 'checksum differs');
  }
  if (getU32(bytes, JOURNAL_HEADER.version) !== JOURNAL_HEADER_VERSION) {
    fail(offset, 'its version is not known');
  }
  if (getU64(bytes, JOURNAL_HEADER.address) !== offset) fail(offset, 'it belongs elsewhere');
  const number = getU64(bytes, JOURNAL_HEADER.number);
  if (number < 1 || number >= COUNTED_LIMIT) fail(offset, 'number is out of range');
  for (let at: number = JOURNAL_HEADER.size; at < bytes.length; at++) {
    if (bytes[at] !== 0) fail(offset, 'its end is not zero');
  }
  const take = (at: number, length: number): Uint8Array => bytes.slice(at, at + length);
  return {
    store: take(JOURNAL_HEADER.store, 16),
    journalUuid: take(JOURNAL_HEADER.journalUuid, 16),
    journalBytes: getU64(bytes, JOURNAL_HEADER.journalBytes),
    number,
    seals: SEALS.map((name) => take(JOURNAL_HEADER[name], SEAL_SIZE)),
  };
}

function fail(offset: number, fault: string): never {
  const message = `Cannot decode journal header at device offset ${offset}: ${fault}`;
  throw new CorruptError(message, offset);
}
