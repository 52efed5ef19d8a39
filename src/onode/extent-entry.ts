/**
 * Records of a blob stream: what lies at a range of an object's bytes.
 *
 * - The key is the byte offset in the object; entries tile [0, size) without gap or overlap.
 * - An extent entry holds one reference on each of its blocks. It speaks of whole checksum
 *   chunks, of which its own bytes may be a part: `skip` bytes of the first chunk are not its
 *   own, nor is what lies behind `skip + length`.
 * - Entries keep the epoch of their birth, holes too, so that a diff can never miss a change.
 */

import { CorruptError } from '../errors.js';
import {
  ByteReader,
  copyBytes,
  EMPTY,
  newBytes,
  setU48,
  setU64BigEndian,
  setVarint,
  varintSize,
} from '../format/bytes.js';
import type { PlacedExtent } from './context.js';

export const ENTRY_KIND = { extent: 1, inline: 2, hole: 3 } as const;

/** A run of data blocks with the checksums of its chunks. */
export interface ExtentEntry {
  readonly kind: typeof ENTRY_KIND.extent;
  readonly birth: number; // epoch
  readonly length: number; // bytes of the object
  readonly shift: number; // chunk size is 2^shift bytes
  readonly skip: number; // bytes in the first chunk before the entry's own
  readonly blocks: number; // blocks of all its chunks; the last chunk may be short
  readonly address: number; // block index of the first chunk
  readonly checksums: Uint8Array; // 8 bytes for each chunk
}

/** Bytes kept in the leaf itself. */
export interface InlineEntry {
  readonly kind: typeof ENTRY_KIND.inline;
  readonly birth: number;
  readonly length: number;
  readonly data: Uint8Array;
}

/** Zeros that take no space. */
export interface HoleEntry {
  readonly kind: typeof ENTRY_KIND.hole;
  readonly birth: number;
  readonly length: number;
}

export type BlobEntry = ExtentEntry | InlineEntry | HoleEntry;

/** Bytes of the address in an extent entry: it stands right in front of the checksums. */
export const ADDRESS_SIZE = 6;

/** Key of the entry at byte `offset` of an object. */
export function blobKey(offset: number): Uint8Array {
  const key = newBytes(8);
  setU64BigEndian(key, 0, offset);
  return key;
}

/** The entry of all of an extent that has got its place. */
export function extentOf(placed: PlacedExtent, birth: number): ExtentEntry {
  const { address, blocks, length, shift, checksums } = placed;
  return { kind: ENTRY_KIND.extent, birth, length, shift, skip: 0, blocks, address, checksums };
}

/** Bytes of an entry's record. */
export function entryLength(entry: BlobEntry): number {
  const head = 1 + varintSize(entry.birth) + varintSize(entry.length);
  if (entry.kind === ENTRY_KIND.hole) return head;
  if (entry.kind === ENTRY_KIND.inline) return head + entry.data.length;
  const { skip, blocks, checksums } = entry;
  return head + 1 + varintSize(skip) + varintSize(blocks) + ADDRESS_SIZE + checksums.length;
}

/** Writes an entry's record, `entryLength` bytes, to `bytes` from `at` on. */
export function writeEntry(entry: BlobEntry, bytes: Uint8Array, at: number): void {
  bytes[at] = entry.kind;
  let next = setVarint(bytes, setVarint(bytes, at + 1, entry.birth), entry.length);
  if (entry.kind === ENTRY_KIND.extent) {
    bytes[next] = entry.shift;
    next = setVarint(bytes, setVarint(bytes, next + 1, entry.skip), entry.blocks);
    setU48(bytes, next, entry.address);
    copyBytes(entry.checksums, 0, entry.checksums.length, bytes, next + ADDRESS_SIZE);
  } else if (entry.kind === ENTRY_KIND.inline) bytes.set(entry.data, next);
}

/** Record bytes of an entry: a copy of its own. */
export function encodeEntry(entry: BlobEntry): Uint8Array {
  const bytes = newBytes(entryLength(entry));
  writeEntry(entry, bytes, 0);
  return bytes;
}

/** Smallest and largest chunk a stored entry may name: 1 KiB blocks, 2^26 to be generous. */
const SHIFT_MIN = 10;
const SHIFT_MAX = 26;

/** Reads the fields of every entry that is decoded. */
const reader = new ByteReader(EMPTY);

/**
 * Decodes the record `bytes[start, end)`; data and checksums are views into it.
 *
 * @throws CorruptError when the record makes no sense.
 */
export function decodeEntry(bytes: Uint8Array, start: number, end: number): BlobEntry {
  reader.seek(bytes, start, end);
  const kind = reader.u8();
  const birth = reader.varint();
  const length = reader.varint();
  if (kind === ENTRY_KIND.hole && reader.at === end && !reader.failed) {
    return { kind, birth, length };
  }
  if (kind === ENTRY_KIND.inline && length === end - reader.at && !reader.failed) {
    return { kind, birth, length, data: reader.take(length) };
  }
  if (kind !== ENTRY_KIND.extent) throw new CorruptError(`Cannot decode blob entry: kind ${kind}`);
  const shift = reader.u8();
  const skip = reader.varint();
  const blocks = reader.varint();
  const address = reader.u48();
  const checksums = reader.take(end - reader.at);
  const entry: ExtentEntry = { kind, birth, length, shift, skip, blocks, address, checksums };
  if (reader.failed || !isSound(entry)) {
    throw new CorruptError('Cannot decode blob entry: extent contradicts itself');
  }
  return entry;
}

function isSound(entry: ExtentEntry): boolean {
  if (entry.shift < SHIFT_MIN || entry.shift > SHIFT_MAX) return false;
  const chunk = 1 << entry.shift;
  const chunks = Math.ceil((entry.skip + entry.length) / chunk);
  return (
    entry.length > 0 &&
    entry.skip < chunk &&
    entry.blocks > 0 &&
    entry.checksums.length === chunks * 8
  );
}

/** What is wrong with the blocks of an extent, or undefined: they are those of its chunks. */
export function extentFault(extent: ExtentEntry, blockSize: number): string | undefined {
  const chunk = 1 << extent.shift;
  if (chunk < blockSize) return `chunks of ${chunk} bytes are smaller than a block`;
  const chunks = extent.checksums.length / 8;
  const least = Math.max(
    Math.ceil((extent.skip + extent.length) / blockSize),
    (chunks - 1) * (chunk / blockSize) + 1,
  );
  const most = chunks * (chunk / blockSize);
  if (extent.blocks >= least && extent.blocks <= most) return undefined;
  return `it has ${extent.blocks} blocks, and should have ${least} to ${most}`;
}

/**
 * The part of `entry` that covers its bytes [from, to), counted from its own start.
 * For an extent: the chunks that hold these bytes, whole.
 */
export function sliceEntry(
  entry: BlobEntry,
  from: number,
  to: number,
  blockSize: number,
): BlobEntry {
  const length = to - from;
  if (length === entry.length) return entry;
  if (entry.kind === ENTRY_KIND.hole) return { ...entry, length };
  if (entry.kind === ENTRY_KIND.inline) {
    return { ...entry, length, data: entry.data.subarray(from, to) };
  }
  const chunk = 1 << entry.shift;
  const chunkBlocks = chunk / blockSize;
  const first = Math.floor((entry.skip + from) / chunk);
  const end = Math.ceil((entry.skip + to) / chunk);
  return {
    ...entry,
    length,
    skip: entry.skip + from - first * chunk,
    address: entry.address + first * chunkBlocks,
    blocks: Math.min(end * chunkBlocks, entry.blocks) - first * chunkBlocks,
    checksums: entry.checksums.subarray(first * 8, end * 8),
  };
}
