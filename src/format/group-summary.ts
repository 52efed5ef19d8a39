/**
 * The record that stands for one allocation group in the tree of groups: what an open reads
 * instead of the group's bitmap.
 *
 * - `free` and `longest` speak of the bitmap that `address` points to, not of what is in memory.
 * - Address 0 means that no bitmap was ever written: everything in the group is free but the
 *   blocks at fixed places (superblock slots, journal). A group without a record is the same.
 */

import { assert } from '../assert.js';
import { getU32, getU48, setU32, setU48 } from './bytes.js';
import { layout } from './layout.js';

export const GROUP_SUMMARY = layout({
  free: 'u32', // blocks, at most those of the group
  longest: 'u32', // blocks of the longest free run, at most `free`
  address: 'u48', // block index of the bitmap block, 0 when it was never written
  birth: 'u48', // epoch in which the bitmap block was written
  checksum: 'u64', // xxh64 of the bitmap block as in BLOCK_HEADER
  copy: 'u48', // block index of its second copy, 0: there is none
  flags: 'u8', // GROUP_FLAG
});
assert(GROUP_SUMMARY.size === 35, 'GROUP_SUMMARY is 35 bytes');

export const GROUP_FLAG = {
  unerased: 1, // free blocks may hold what was removed, in a store that erases
} as const;

/** A decoded GROUP_SUMMARY; the checksum comes as its two 32-bit halves. */
export interface GroupSummary {
  readonly free: number; // blocks
  readonly longest: number; // blocks
  readonly address: number; // block index
  readonly copy: number; // block index, 0 without a second copy
  readonly birth: number; // epoch
  readonly low: number;
  readonly high: number;
  /** Free blocks may hold what was removed. */
  readonly unerased: boolean;
}

/** Decodes the record at `bytes[at]`. Checks nothing: the allocator knows the group's size. */
export function getGroupSummary(bytes: Uint8Array, at: number): GroupSummary {
  return {
    free: getU32(bytes, at + GROUP_SUMMARY.free),
    longest: getU32(bytes, at + GROUP_SUMMARY.longest),
    address: getU48(bytes, at + GROUP_SUMMARY.address),
    copy: getU48(bytes, at + GROUP_SUMMARY.copy),
    birth: getU48(bytes, at + GROUP_SUMMARY.birth),
    low: getU32(bytes, at + GROUP_SUMMARY.checksum),
    high: getU32(bytes, at + GROUP_SUMMARY.checksum + 4),
    unerased: ((bytes[at + GROUP_SUMMARY.flags] as number) & GROUP_FLAG.unerased) !== 0,
  };
}

/** Encodes `summary` into the GROUP_SUMMARY.size bytes at `bytes[at]`. */
export function putGroupSummary(bytes: Uint8Array, at: number, summary: GroupSummary): void {
  assert(summary.longest <= summary.free, 'a free run is not longer than all that is free');
  setU32(bytes, at + GROUP_SUMMARY.free, summary.free);
  setU32(bytes, at + GROUP_SUMMARY.longest, summary.longest);
  setU48(bytes, at + GROUP_SUMMARY.address, summary.address);
  setU48(bytes, at + GROUP_SUMMARY.birth, summary.birth);
  setU48(bytes, at + GROUP_SUMMARY.copy, summary.copy);
  setU32(bytes, at + GROUP_SUMMARY.checksum, summary.low);
  setU32(bytes, at + GROUP_SUMMARY.checksum + 4, summary.high);
  bytes[at + GROUP_SUMMARY.flags] = summary.unerased ? GROUP_FLAG.unerased : 0;
}
