/**
 * The header that every metadata block run starts with, and the check of a whole run.
 *
 * - The checksum covers everything behind itself: header, body and padding, so a block that was
 *   written to another place (address), is older (birth) or plays another part (type, level,
 *   role) never matches.
 * - What is kept twice is the same in both places, byte by byte: the second copy names the place
 *   of the first as its address.
 * - The checksum is stored twice: here, for salvage by scanning, and in the pointer of the parent, which
 *   is the one that counts: a block can't vouch for itself.
 * - Type 0 is never valid, so that a zeroed block isn't.
 */

import { assert } from '../assert.js';
import { CorruptError } from '../errors.js';
import { getU32, getU64, setU32, setU64 } from './bytes.js';
import { checksum, hash } from './checksum.js';
import { layout } from './layout.js';

export const BLOCK_HEADER = layout({
  checksum: 'u64', // xxh64 of bytes [8, length)
  magic: 'u32', // 'HFBK'
  version: 'u8', // of the block format, 1
  type: 'u8', // BLOCK_TYPE
  level: 'u8', // node: 0 for a leaf; otherwise 0
  role: 'u8', // node: ROLE of its tree; otherwise 0
  address: 'u64', // own address, block index; in a second copy that of the first
  birth: 'u64', // generation in which it was made
  owner: 'u64', // hint for salvage: id at birth, or 0; bitmap: group; body: first transaction
  length: 'u32', // bytes of the whole run, header included
  store: 'u32', // first four bytes of the store's uuid
});
assert(BLOCK_HEADER.size === 48, 'BLOCK_HEADER is 48 bytes');

export const BLOCK_MAGIC = 0x4b42_4648; // 'HFBK'
export const BLOCK_VERSION = 1;

export const BLOCK_TYPE = {
  node: 1,
  bitmap: 2,
  journal: 3, // body of a journal record that is too large for the ring
  summary: 4, // owners at birth of a packed run
} as const;

export type BlockType = (typeof BLOCK_TYPE)[keyof typeof BLOCK_TYPE];

/** What a header says beside checksum, magic and version. */
export interface BlockIdentity {
  readonly type: BlockType;
  readonly level: number;
  readonly role: number;
  readonly address: number; // block index
  readonly birth: number; // epoch
  readonly owner: number;
  readonly store: number;
}

/**
 * Fills in the header of `page` (the whole run) and its checksum, which is left in `checksum`
 * for the parent's pointer. Everything behind the header must be in place.
 */
export function sealBlock(page: Uint8Array, identity: BlockIdentity): void {
  setU32(page, BLOCK_HEADER.magic, BLOCK_MAGIC);
  page[BLOCK_HEADER.version] = BLOCK_VERSION;
  page[BLOCK_HEADER.type] = identity.type;
  page[BLOCK_HEADER.level] = identity.level;
  page[BLOCK_HEADER.role] = identity.role;
  setU64(page, BLOCK_HEADER.address, identity.address);
  setU64(page, BLOCK_HEADER.birth, identity.birth);
  setU64(page, BLOCK_HEADER.owner, identity.owner);
  setU32(page, BLOCK_HEADER.length, page.length);
  setU32(page, BLOCK_HEADER.store, identity.store);
  hash(page, BLOCK_HEADER.magic, page.length);
  setU32(page, BLOCK_HEADER.checksum, checksum.low);
  setU32(page, BLOCK_HEADER.checksum + 4, checksum.high);
}

/**
 * What is wrong with a run that was read, or undefined when nothing is.
 * `low` and `high` are the halves of the checksum that the parent holds.
 */
export function blockFault(
  page: Uint8Array,
  expected: Omit<BlockIdentity, 'owner' | 'store'>,
  low: number,
  high: number,
): string | undefined {
  hash(page, BLOCK_HEADER.magic, page.length);
  if (checksum.low !== low || checksum.high !== high) return 'checksum differs from its pointer';
  return headerFault(page, expected);
}

/** The part of `blockFault` behind the checksum. */
export function headerFault(
  page: Uint8Array,
  expected: Omit<BlockIdentity, 'owner' | 'store'>,
): string | undefined {
  if (getU32(page, BLOCK_HEADER.magic) !== BLOCK_MAGIC) return 'magic differs';
  if (page[BLOCK_HEADER.version] !== BLOCK_VERSION) return 'block version is unknown';
  if (page[BLOCK_HEADER.type] !== expected.type) return 'type differs';
  if (page[BLOCK_HEADER.level] !== expected.level) return 'level differs from its pointer';
  if (page[BLOCK_HEADER.role] !== expected.role) return 'role differs from its tree';
  if (getU64(page, BLOCK_HEADER.address) !== expected.address) return 'address is not its own';
  if (getU64(page, BLOCK_HEADER.birth) !== expected.birth) return 'birth differs from its pointer';
  if (getU32(page, BLOCK_HEADER.length) !== page.length) return 'length differs from its pointer';
  if (!Number.isSafeInteger(getU64(page, BLOCK_HEADER.owner))) return 'owner is out of range';
  return undefined;
}

/** @throws CorruptError naming the device offset when `blockFault` finds something. */
export function checkBlock(
  page: Uint8Array,
  expected: Omit<BlockIdentity, 'owner' | 'store'>,
  low: number,
  high: number,
  blockSize: number,
): void {
  const fault = blockFault(page, expected, low, high);
  if (fault === undefined) return;
  const offset = expected.address * blockSize;
  throw new CorruptError(`Cannot read block at device offset ${offset}: ${fault}`, offset);
}

/** True when the copy of its checksum in a block's header is the one that its pointer has. */
export function hasOwnChecksum(page: Uint8Array, low: number, high: number): boolean {
  const at = BLOCK_HEADER.checksum;
  return getU32(page, at) === low && getU32(page, at + 4) === high;
}

/** Puts the checksum that a parent holds, halves `low` and `high`, into the header of a page. */
export function restoreChecksum(page: Uint8Array, low: number, high: number): void {
  setU32(page, BLOCK_HEADER.checksum, low);
  setU32(page, BLOCK_HEADER.checksum + 4, high);
}

/** Writes the parent's copy of the checksum that `sealBlock` or `hash` left behind. */
export function putChecksum(target: Uint8Array, at: number): void {
  setU32(target, at, checksum.low);
  setU32(target, at + 4, checksum.high);
}

/** Groups are fewer; what is above in the owner of a bitmap are features of the store. */
const GROUPS_LIMIT = 2 ** 40;

/** What the header of a bitmap says for salvage. */
export interface BitmapOwner {
  readonly group: number;
  /** RO_COMPAT of the store. */
  readonly roCompat: number;
}

/** `owner` in the header of a bitmap. */
export function bitmapOwner({ group, roCompat }: BitmapOwner): number {
  return group + roCompat * GROUPS_LIMIT;
}

/** What `owner` in the header of a bitmap says. */
export function readBitmapOwner(owner: number): BitmapOwner {
  return { group: owner % GROUPS_LIMIT, roCompat: Math.floor(owner / GROUPS_LIMIT) };
}

/** Rounds `size` bytes up to whole blocks. */
export function blocksFor(size: number, blockSize: number): number {
  return Math.ceil(size / blockSize);
}

/** Zeroes `page[from, to)`: padding is never left over from something else. */
export function zeroFill(page: Uint8Array, from: number, to = page.length): void {
  page.fill(0, from, to);
}
