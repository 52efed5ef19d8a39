/**
 * Limits of names, keys and values, each with its reason.
 */

import { assert } from '../assert.js';

/** Longest object, collection, attribute and reservation name, in bytes; ext4 has 255. */
export const NAME_SIZE_MAX = 4096;

/** Longest key of a map stream, in bytes: as for names, so that a path can be a key. */
export const MAP_KEY_SIZE_MAX = 4096;

/**
 * Longest value of an attribute or of a map record, in bytes. Values are written and read whole,
 * so this bounds the memory of one operation.
 */
export const VALUE_SIZE_MAX = 64 * 1024 * 1024;

/** Largest object, in bytes: offsets are safe integers with room to add lengths. */
export const OBJECT_SIZE_MAX = 2 ** 50;

/** Most bytes that all objects may account for, holes included: what the superblock can hold. */
export const STORED_BYTES_MAX = 2 ** 52 - 1;

/** Checksum chunks are never smaller: 8 bytes for 4096 are 0.2 %. */
export const CHUNK_SIZE_MIN = 4096;

/** Nor larger: a random read verifies at most this much more than it was asked for. */
export const CHUNK_SIZE_MAX = 64 * 1024;

/** Fewer chunks than this keep the smallest chunk: 32 checksums are 256 bytes. */
export const CHUNKS_PREFERRED = 32;

/** Most checksums in one extent entry, so that an entry stays near 1 KiB. */
const CHUNKS_MAX = 128;

/** Most checksums of one entry in a store with nodes of `nodeSize` bytes: 1/8 of a node. */
export function chunksMax(nodeSize: number): number {
  return Math.max(8, Math.min(CHUNKS_MAX, nodeSize / 64));
}

/** Three embedded roots of this size and an onode's head stay below a tree's largest value. */
const EMBED_MAX = 2048;

/** Largest root node that is embedded in an onode or cnode record, in bytes: 1/8 of a node. */
export function embedMax(nodeSize: number): number {
  return Math.min(nodeSize / 8, EMBED_MAX);
}

/**
 * Longest data that is kept inside a blob stream's leaf, in bytes: with its entry it still
 * fits an embedded root, so that a small object is one record.
 */
export function inlineMax(nodeSize: number): number {
  return embedMax(nodeSize) - 40;
}

/**
 * Checksum chunk for an extent of `length` bytes in blocks of `blockSize`: a power of two. At the
 * end of an object that it has made `grownTo` bytes long, it is what suits all these bytes, as long
 * as the extent is whole chunks: what is appended next then continues it.
 */
export function chunkSizeFor(length: number, blockSize: number, grownTo = 0): number {
  let size = Math.max(CHUNK_SIZE_MIN, blockSize);
  while (size * 4 <= CHUNK_SIZE_MAX) {
    const larger = size * 4;
    const isGrowing = grownTo > size * CHUNKS_PREFERRED && length % larger === 0;
    if (length <= size * CHUNKS_PREFERRED && !isGrowing) break;
    size = larger;
  }
  return size;
}

assert(CHUNK_SIZE_MAX % CHUNK_SIZE_MIN === 0, 'chunks grow in whole steps');
