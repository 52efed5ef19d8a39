/**
 * XXH64 of several byte arrays as if they stood one behind the other, left in `checksum`.
 *
 * - How the bytes are divided does not change the result.
 * - Little is gathered in one buffer and hashed in one call; much is streamed, so that nothing
 *   large is copied in JavaScript. A stream costs 0.8 us to set up and nothing per byte, a copy
 *   0.05 us per 4 KiB in the cache: measured, they meet between 16 and 64 KiB.
 * - One array is hashed in one call up to what a group of transactions has in a journal record.
 * - Streams run in pieces: the wasm memory that they pass through never grows with the input.
 */

import xxhash from 'xxhash-wasm';
import { checksum, hash } from './checksum.js';

/** Bytes up to which sources are gathered. */
const GATHER_BYTES_MAX = 32 * 1024;

/** Bytes up to which one array is hashed in one call. */
const CALL_BYTES_MAX = 256 * 1024;

/** Bytes given to the stream at once. */
const PIECE_BYTES = 64 * 1024;

const hasher = await xxhash();
const gathered = new Uint8Array(GATHER_BYTES_MAX);
const wide = new BigUint64Array(1);
const halves = new Uint32Array(wide.buffer);

/** Bytes of all sources together. */
export function lengthOf(sources: readonly Uint8Array[]): number {
  let length = 0;
  for (const source of sources) length += source.length;
  return length;
}

/** Hashes the sources into `checksum`. */
export function hashList(sources: readonly Uint8Array[]): void {
  const length = lengthOf(sources);
  const only = sources.length === 1 ? sources[0] : undefined;
  if (only !== undefined && length <= CALL_BYTES_MAX) hash(only, 0, length);
  else if (length <= GATHER_BYTES_MAX) hashGathered(sources);
  else hashStreamed(sources);
}

function hashGathered(sources: readonly Uint8Array[]): void {
  let at = 0;
  for (const source of sources) {
    gathered.set(source, at);
    at += source.length;
  }
  hash(gathered, 0, at);
}

function hashStreamed(sources: readonly Uint8Array[]): void {
  const stream = hasher.create64();
  for (const source of sources) {
    for (let at = 0; at < source.length; at += PIECE_BYTES) {
      stream.update(source.subarray(at, at + PIECE_BYTES));
    }
  }
  wide[0] = stream.digest();
  checksum.low = halves[0] as number;
  checksum.high = halves[1] as number;
}
