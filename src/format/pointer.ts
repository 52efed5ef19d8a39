/**
 * Pointers to tree nodes, as they stand in branches and in root records.
 *
 * - A pointer holds everything that is needed to verify what it points to, and the totals of
 *   what lies below, so that both halves of a split know their figures.
 * - In memory only, a pointer may be *provisional*: its node has no address yet, `address` is
 *   the node's number, and checksum and totals mean nothing. None ever reaches the device.
 * - A second copy is the same bytes at another place, the header with the address of the first
 *   included: one checksum is that of both.
 */

import { assert } from '../assert.js';
import { getU16, getU32, getU48, setU16, setU32, setU48 } from './bytes.js';
import { layout } from './layout.js';

export const POINTER = layout({
  address: 'u48', // block index of the node's first block
  length: 'u16', // blocks of the node
  checksum: 'u64', // xxh64 as in BLOCK_HEADER
  birth: 'u48', // epoch in which the node was written
  level: 'u8', // 0 for a leaf
  flags: 'u8', // POINTER_FLAG
  records: 'u48', // records in the leaves below
  copy: 'u48', // block index of the second copy's first block, 0: there is none
  bytes: 'u64', // stored bytes that the records below account for
});
assert(POINTER.size === 44, 'POINTER is 44 bytes');

/** Records below one node are fewer, so that its own pointer can hold their number. */
export const RECORDS_LIMIT = 2 ** 48;

export const POINTER_FLAG = {
  plain: 1, // no record below owns a block
  provisional: 2, // in memory only
} as const;

/** Highest level of a node: fanout is at least 2, so no tree of 2^48 blocks is deeper. */
export const LEVEL_MAX = 48;

export function isProvisional(bytes: Uint8Array, at: number): boolean {
  return ((bytes[at + POINTER.flags] as number) & POINTER_FLAG.provisional) !== 0;
}

export function isPlain(bytes: Uint8Array, at: number): boolean {
  return ((bytes[at + POINTER.flags] as number) & POINTER_FLAG.plain) !== 0;
}

/** Block index, or the node's number when provisional. */
export function pointerAddress(bytes: Uint8Array, at: number): number {
  return getU48(bytes, at + POINTER.address);
}

/** Block index of the second copy; 0: there is none. */
export function pointerCopy(bytes: Uint8Array, at: number): number {
  return getU48(bytes, at + POINTER.copy);
}

/** Blocks. */
export function pointerLength(bytes: Uint8Array, at: number): number {
  return getU16(bytes, at + POINTER.length);
}

export function pointerLevel(bytes: Uint8Array, at: number): number {
  return bytes[at + POINTER.level] as number;
}

export function pointerBirth(bytes: Uint8Array, at: number): number {
  return getU48(bytes, at + POINTER.birth);
}

export function pointerRecords(bytes: Uint8Array, at: number): number {
  return getU48(bytes, at + POINTER.records);
}

/** Low and high half of the checksum. */
export function pointerChecksumLow(bytes: Uint8Array, at: number): number {
  return getU32(bytes, at + POINTER.checksum);
}

export function pointerChecksumHigh(bytes: Uint8Array, at: number): number {
  return getU32(bytes, at + POINTER.checksum + 4);
}

/** Writes a pointer to a node that has no address yet. */
export function putProvisional(
  bytes: Uint8Array,
  at: number,
  number: number,
  length: number,
  level: number,
  birth: number,
): void {
  bytes.fill(0, at, at + POINTER.size);
  setU48(bytes, at + POINTER.address, number);
  setU16(bytes, at + POINTER.length, length);
  setU48(bytes, at + POINTER.birth, birth);
  bytes[at + POINTER.level] = level;
  bytes[at + POINTER.flags] = POINTER_FLAG.provisional;
}

/** A pointer whose node is sealed: everything but the checksum, whose halves come as two words. */
export interface ResolvedPointer {
  readonly address: number;
  readonly copy: number;
  readonly length: number; // blocks
  readonly low: number;
  readonly high: number;
  readonly birth: number;
  readonly level: number;
  readonly plain: boolean;
  readonly records: number;
  readonly bytes: number;
}

/** Writes a pointer to a sealed node. */
export function putPointer(bytes: Uint8Array, at: number, pointer: ResolvedPointer): void {
  setU48(bytes, at + POINTER.address, pointer.address);
  setU16(bytes, at + POINTER.length, pointer.length);
  setU32(bytes, at + POINTER.checksum, pointer.low);
  setU32(bytes, at + POINTER.checksum + 4, pointer.high);
  setU48(bytes, at + POINTER.birth, pointer.birth);
  bytes[at + POINTER.level] = pointer.level;
  bytes[at + POINTER.flags] = pointer.plain ? POINTER_FLAG.plain : 0;
  setU48(bytes, at + POINTER.records, pointer.records);
  setU48(bytes, at + POINTER.copy, pointer.copy);
  setU32(bytes, at + POINTER.bytes, pointer.bytes % 2 ** 32);
  setU32(bytes, at + POINTER.bytes + 4, Math.floor(pointer.bytes / 2 ** 32));
}
