/**
 * Bytes that a trace gives by seed and length.
 *
 * - T is the SHA-256 digests of `ceph-trace-0` to `ceph-trace-8191`, one behind the other. Byte j
 *   of seed s is T[(s x 7919 + j) mod |T|] xor (s mod 256).
 */

import { createHash } from 'node:crypto';

const DIGESTS = 8192;
const TABLE_BYTES = DIGESTS * 32;
const STRIDE = 7919;

let table: Uint8Array | undefined;

function seedTable(): Uint8Array {
  const bytes = new Uint8Array(TABLE_BYTES);
  for (let i = 0; i < DIGESTS; i++) {
    bytes.set(createHash('sha256').update(`ceph-trace-${i}`).digest(), i * 32);
  }
  return bytes;
}

/** `length` bytes of the seed, a safe integer from 0 on; the caller's own. */
export function seededData(seed: number, length: number): Uint8Array {
  table ??= seedTable();
  const bytes = new Uint8Array(length);
  const mask = seed % 256;
  let from = ((seed % TABLE_BYTES) * STRIDE) % TABLE_BYTES;
  for (let at = 0; at < length; at++) {
    bytes[at] = (table[from] as number) ^ mask;
    from = from + 1 === TABLE_BYTES ? 0 : from + 1;
  }
  return bytes;
}
