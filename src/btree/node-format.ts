/**
 * The body of a tree node: slots in key order in front, a heap of entries behind.
 *
 *     body:   NODE_BODY | slot u16 x count | zeros | entry 0 | entry 1 | ... | end of body
 *     leaf:   [key length] [value length] key value
 *     branch: [key length] key POINTER
 *
 * - A slot is the offset of its entry from the start of the body.
 * - A length below 128 takes one byte, else two: 0x80 | high seven bits, then the low eight. A
 *   length that the tree fixes isn't stored.
 * - A body says itself how its entries are encoded, so drop list, scrub and salvage walk a node
 *   without its tree's root record.
 * - Sealed and embedded bodies are canonical: entry 0 begins at `heapStart`, each entry right
 *   behind its predecessor, the last ends with the body. Nothing overlaps, nothing is garbage.
 * - The key of entry 0 of a branch stands for "below everything": empty, or zeros when fixed.
 *   Child i holds the keys in [key i, key i + 1).
 * - In a node on the device the body lies behind a BLOCK_HEADER and reaches to the end of the
 *   run. An embedded root has no header; its body is exactly as long as it needs to be.
 */

import { assert } from '../assert.js';
import { BLOCK_HEADER } from '../format/block.js';
import { layout } from '../format/layout.js';
import { POINTER } from '../format/pointer.js';

export const NODE_BODY = layout({
  count: 'u16', // entries, at least 1
  heapStart: 'u16', // bytes from the start of the body to entry 0
  keySize: 'u16', // bytes of every key, 0: variable
  valueSize: 'u16', // bytes of every value, 0: a set, 0xffff: variable
});
assert(NODE_BODY.size === 8, 'NODE_BODY is 8 bytes');

/** `valueSize` of a body whose values have a length each. */
export const VALUE_SIZE_VARIABLE = 0xffff;

/** Bytes of a slot. */
export const SLOT_SIZE = 2;

/** Offset of the body in the page of a node that has a block of its own. */
export const BODY_START = BLOCK_HEADER.size;

/**
 * Bytes of the largest key: a key that holds two names of 2 KiB each and 256 bytes of its
 * owner's framing. A branch of NODE_SIZE_MAX holds more than ten of them.
 */
export const KEY_SIZE_MAX = 4352;

/** Bytes of the largest value: a record and its slot stay within two blocks of 4 KiB. */
export const VALUE_SIZE_MAX = 8192 - 512;

/** Bytes of the smallest node. */
export const NODE_SIZE_MIN = 512;

/** Bytes of the largest node: offsets into its body are 16 bits. */
export const NODE_SIZE_MAX = 65536;

/** Bytes of a node where the store says nothing else. */
export const NODE_SIZE_DEFAULT = 8192;

/** A node with fewer entries than this grows where another would split. */
export const GROW_COUNT = 4;

/** Bytes of a branch entry's payload. */
export const POINTER_SIZE = POINTER.size;

/** Longest prefix of an entry in front of its key, in bytes. */
const LENGTHS_SIZE_MAX = 4;

assert(
  (GROW_COUNT + 1) * (SLOT_SIZE + LENGTHS_SIZE_MAX + KEY_SIZE_MAX + VALUE_SIZE_MAX) <=
    NODE_SIZE_MAX - BODY_START - NODE_BODY.size,
  'a node of the largest size holds more than GROW_COUNT of the largest records',
);

/** Bytes that a stored length takes. */
export function lengthSize(length: number): number {
  return length < 128 ? 1 : 2;
}

/** Writes a length in [0, 2^15); returns the offset behind it. */
export function setLength(bytes: Uint8Array, at: number, length: number): number {
  if (length < 128) {
    bytes[at] = length;
    return at + 1;
  }
  bytes[at] = 128 | (length >>> 8);
  bytes[at + 1] = length;
  return at + 2;
}
