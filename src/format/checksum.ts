/**
 * XXH64 of byte ranges (https://github.com/Cyan4973/xxHash, seed 0), as two 32-bit halves.
 *
 * - The wasm module initialises asynchronously; this file awaits it once when it is loaded, so
 *   that everything behind it, a synchronous open included, hashes synchronously.
 * - A result stays in `checksum.low` / `checksum.high` until the next call: no bigint reaches
 *   a caller and nothing is allocated but the hasher's own result.
 */

import xxhash from 'xxhash-wasm';
import { getU32, setU32 } from './bytes.js';

const hasher = await xxhash();
const wide = new BigUint64Array(1);
const halves = new Uint32Array(wide.buffer);

/** The halves of the last hash: read them before the next call. */
export const checksum = { low: 0, high: 0 };

/** Hashes `bytes[from, to)` into `checksum`. */
export function hash(bytes: Uint8Array, from: number, to: number): void {
  wide[0] = hasher.h64Raw(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to));
  checksum.low = halves[0] as number;
  checksum.high = halves[1] as number;
}

/** Hashes `bytes[from, to)` and writes the u64 at `target[at]`. */
export function writeHash(
  target: Uint8Array,
  at: number,
  bytes: Uint8Array,
  from: number,
  to: number,
): void {
  hash(bytes, from, to);
  setU32(target, at, checksum.low);
  setU32(target, at + 4, checksum.high);
}

/** True when the u64 at `expected[at]` is the hash of `bytes[from, to)`. */
export function matchesHash(
  expected: Uint8Array,
  at: number,
  bytes: Uint8Array,
  from: number,
  to: number,
): boolean {
  hash(bytes, from, to);
  return getU32(expected, at) === checksum.low && getU32(expected, at + 4) === checksum.high;
}

/** Low 32 bits of the hash: where 32 bits are a name, not a promise (hash-ordered names). */
export function hash32(bytes: Uint8Array): number {
  hash(bytes, 0, bytes.length);
  return checksum.low;
}
