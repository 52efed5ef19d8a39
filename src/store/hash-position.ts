/**
 * Where objects stand in hash-ordered collections.
 */

import { reverseBits } from '../onode/object-key.js';

/**
 * The place of the hash (u32) among all hashes of a hash-ordered collection: its bits in reverse
 * order, so that hashes whose low bits agree are neighbours. It is its own inverse.
 */
export function hashPosition(hash: number): number {
  return reverseBits(hash);
}
