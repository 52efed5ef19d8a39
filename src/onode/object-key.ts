/**
 * Keys of objects in their collection's tree.
 *
 * - Name-ordered: the name's bytes.
 * - Hash-ordered: the 32-bit hash with its bits reversed, big-endian, then the name's bytes.
 */

import { StoreError } from '../errors.js';
import { compareBytes, EMPTY, newBytes } from '../format/bytes.js';
import { hash32 } from '../format/checksum.js';
import { COLLECTION_KIND, type CollectionKind } from './cnode.js';
import { NAME_SIZE_MAX } from './limits.js';

/** Bytes of the reversed hash in front of a name. */
export const HASH_SIZE = 4;

/** The 32 bits of `value` in reverse order. */
export function reverseBits(value: number): number {
  let v = value >>> 0;
  v = ((v >>> 1) & 0x5555_5555) | ((v & 0x5555_5555) << 1);
  v = ((v >>> 2) & 0x3333_3333) | ((v & 0x3333_3333) << 2);
  v = ((v >>> 4) & 0x0f0f_0f0f) | ((v & 0x0f0f_0f0f) << 4);
  v = ((v >>> 8) & 0x00ff_00ff) | ((v & 0x00ff_00ff) << 8);
  return ((v >>> 16) | (v << 16)) >>> 0;
}

function putHash(key: Uint8Array, hash: number): void {
  const reversed = reverseBits(hash);
  key[0] = reversed >>> 24;
  key[1] = reversed >>> 16;
  key[2] = reversed >>> 8;
  key[3] = reversed;
}

/** Hash of a name where the program gives none of its own. */
export function nameHash(name: Uint8Array): number {
  return hash32(name);
}

/**
 * Key of the object `name`; `hash` is a u32 and counts in hash-ordered collections only.
 *
 * @throws StoreError E_TOO_BIG when the name is longer than NAME_SIZE_MAX.
 */
export function objectKey(kind: CollectionKind, name: Uint8Array, hash?: number): Uint8Array {
  if (name.length > NAME_SIZE_MAX) {
    throw new StoreError(
      'E_TOO_BIG',
      `Cannot use object name: ${name.length} bytes exceed ${NAME_SIZE_MAX}`,
    );
  }
  if (kind === COLLECTION_KIND.name) return name;
  const key = newBytes(HASH_SIZE + name.length);
  putHash(key, hash ?? nameHash(name));
  key.set(name, HASH_SIZE);
  return key;
}

/** The name in an object's key, as a view. */
export function nameOf(kind: CollectionKind, key: Uint8Array): Uint8Array {
  return kind === COLLECTION_KIND.name ? key : key.subarray(HASH_SIZE);
}

/** The hash in a hash-ordered key. */
export function hashOf(key: Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = key;
  return reverseBits(((a << 24) | (b << 16) | (c << 8) | d) >>> 0);
}

/** True when the hashes of two hash-ordered keys agree in their low `bits` bits. */
export function sharesBits(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  return bits === 0 || (hashOf(a) ^ hashOf(b)) << (32 - bits) === 0;
}

/** Keys [from, to) of the objects whose low `bits` hash bits are `remainder`; `to` may be open. */
export function hashRange(
  bits: number,
  remainder: number,
): { readonly from: Uint8Array; readonly to: Uint8Array | undefined } {
  if (bits === 0) return { from: EMPTY, to: undefined };
  const start = reverseBits(remainder);
  const end = start + 2 ** (32 - bits);
  const from = new Uint8Array(HASH_SIZE);
  putHash(from, remainder);
  if (end >= 2 ** 32) return { from, to: undefined };
  const to = new Uint8Array(HASH_SIZE);
  putHash(to, reverseBits(end));
  return { from, to };
}

/** True when `key` lies in [from, to). */
export function isInRange(key: Uint8Array, from: Uint8Array, to: Uint8Array | undefined): boolean {
  return compareBytes(key, from) >= 0 && (to === undefined || compareBytes(key, to) < 0);
}
