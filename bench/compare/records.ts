/**
 * Keys and values that every system gets alike.
 *
 * - The key of an index is always the same 16 bytes; the order of keys has nothing to do with it.
 * - Values differ from one number to the next and do not compress: nobody can skip writing one
 *   that is there already, or write less than was asked.
 */

/** Bytes of every key. */
export const KEY_BYTES = 16;

/** Where a key says its index, for the plain file, which has no index to look keys up in. */
const INDEX_AT = 4;

/** More than the largest value, so that values can begin at many places. */
const POOL_BYTES = 8 * 1024 ** 2;

/** Whole numbers in [0, 2^32), one for each; a permutation (the end of MurmurHash3). */
export function scramble(value: number): number {
  let mixed = value >>> 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** The value that `scramble` makes `mixed` of. */
export function unscramble(mixed: number): number {
  let value = mixed ^ (mixed >>> 16);
  value = Math.imul(value, 0x7ed1b41d); // times the other factor: 1 modulo 2^32
  value ^= (value >>> 13) ^ (value >>> 26);
  value = Math.imul(value, 0xa5cb9243);
  return (value ^ (value >>> 16)) >>> 0;
}

/** The first `count` indexes in the order of their keys, which begin with the scrambled index. */
export function indexesInKeyOrder(count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => scramble(index)).sort();
  return order.map(unscramble);
}

/** The key of record `index`. */
export function keyOf(index: number): Buffer {
  const key = Buffer.allocUnsafe(KEY_BYTES);
  key.writeUInt32BE(scramble(index), 0);
  key.writeUInt32BE(index, INDEX_AT);
  key.writeUInt32BE(scramble(index ^ 0x5bd1e995), 8);
  key.writeUInt32BE(scramble(index + 0x9e3779b9), 12);
  return key;
}

/** The index that `keyOf` made `key` of. */
export function indexOf(key: Uint8Array): number {
  return new DataView(key.buffer, key.byteOffset).getUint32(INDEX_AT);
}

/** Key of a piece of a large object: longer than other keys, and apart from them. */
export function pieceKey(name: string, piece: number): Buffer {
  const key = Buffer.alloc(KEY_BYTES + 4);
  key.write(name);
  key.writeUInt32BE(piece, KEY_BYTES);
  return key;
}

/** Integers in [0, below), the same in every run and for every system. */
export function makeRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x9e3779b9) >>> 0;
    return Math.floor((scramble(state) / 2 ** 32) * below);
  };
}

let pool: Buffer | undefined;

function randomPool(): Buffer {
  if (pool !== undefined) return pool;
  pool = Buffer.allocUnsafe(POOL_BYTES);
  for (let at = 0; at < POOL_BYTES; at += 4) pool.writeUInt32LE(scramble(at), at);
  return pool;
}

/** Value `number` of `size` bytes: a part of a pool that nobody changes. */
export function makeValue(number: number, size: number): Buffer {
  const from = scramble(number) % (POOL_BYTES - size);
  return randomPool().subarray(from, from + size);
}
