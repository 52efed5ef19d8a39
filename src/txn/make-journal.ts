/**
 * Making an empty journal on a device of its own, or in the place that a store keeps for it.
 *
 * - The ring is written whole, so that its space is really there.
 * - What holds anything but zeros, or an old journal of the same store, is never taken.
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import { CorruptError, invalidArgument, StoreError } from '../errors.js';
import { equalBytes } from '../format/bytes.js';
import {
  decodeJournalHeader,
  JOURNAL_HEADER_SIZE,
  type JournalHeader,
  separateJournalSize,
} from '../format/journal-header.js';
import type { Superblock } from '../format/superblock.js';
import { JOURNAL_BLOCKS_MIN, JOURNAL_BYTES_MAX } from '../format/superblock-bounds.js';
import type { JournalRing } from './journal-scan.js';

/** Bytes at the start of a device that are looked at: the common formats are known by them. */
const LOOKED_AT_BYTES = 136 * 1024;

/** Bytes that are zeroed at once. */
const PIECE_BYTES = 1024 * 1024;

/**
 * Bytes of the ring on `device`: all that is between the headers.
 *
 * @throws StoreError E_TOO_SMALL; E_INVALID_ARGUMENT where blocks are no whole sectors
 */
export function separateRingBytes(device: BlockDevice, blockSize: number): number {
  const { path, size, sectorSize } = device;
  if (blockSize % sectorSize !== 0) {
    throw invalidArgument(
      `Cannot make journal on ${path}: blocks of ${blockSize} bytes are no whole sectors of ${sectorSize}`,
    );
  }
  const most = Math.min(JOURNAL_BYTES_MAX, size - separateJournalSize(blockSize, 0));
  const bytes = most - (most % blockSize);
  const least = JOURNAL_BLOCKS_MIN * blockSize;
  if (bytes >= least) return bytes;
  const needed = separateJournalSize(blockSize, least);
  throw new StoreError(
    'E_TOO_SMALL',
    `Cannot make journal on ${path}: ${size} bytes are too small, ${needed} are needed`,
  );
}

/** The header of a new journal, to which no superblock was announced yet. */
export function newHeader(superblock: Superblock): JournalHeader {
  const { uuid: store, journalUuid, journalBytes, number } = superblock;
  return { store, journalUuid, journalBytes, number, seals: [] };
}

/** Zeroes a ring; durable when it has ended. */
export function* clearRing({ device, offset, bytes }: JournalRing): Io<void> {
  const zeros = new Uint8Array(Math.min(PIECE_BYTES, bytes));
  for (let at = 0; at < bytes; at += zeros.length) {
    const sources = [zeros.subarray(0, Math.min(zeros.length, bytes - at))];
    yield { kind: 'write', device, offset: offset + at, sources, durable: false };
  }
  yield { kind: 'flush', device };
}

/**
 * Checks that a journal of the store `uuid` may be made on `device`: it begins with zeros, or with
 * the header of an earlier one.
 *
 * @throws StoreError E_EXISTS
 */
export function* checkUnused(device: BlockDevice, uuid: Uint8Array): Io<void> {
  const { size, sectorSize } = device;
  const length = Math.min(LOOKED_AT_BYTES, size - (size % sectorSize));
  const target = new Uint8Array(length);
  yield { kind: 'read', device, offset: 0, target };
  if (isOwnJournal(target, uuid) || target.every((byte) => byte === 0)) return;
  throw new StoreError(
    'E_EXISTS',
    `Cannot make journal on ${device.path}: it holds something else; clear its start first`,
  );
}

function isOwnJournal(bytes: Uint8Array, uuid: Uint8Array): boolean {
  if (bytes.length < JOURNAL_HEADER_SIZE) return false;
  try {
    const { store } = decodeJournalHeader(bytes.subarray(0, JOURNAL_HEADER_SIZE), 0);
    return equalBytes(store, uuid);
  } catch (error) {
    if (error instanceof CorruptError) return false;
    throw error;
  }
}
