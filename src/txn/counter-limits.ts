/**
 * What the counters of a store must obey after each transaction, so that the next superblock can
 * hold them.
 *
 * - A sum over its limit is the caller's affair. A total below zero, or an id over its limit, no
 *   caller can bring about: what was read of the device was not true.
 */

import { CorruptError, StoreError } from '../errors.js';
import { COUNTED_LIMIT, COUNTER_LIMIT } from '../format/journal-record.js';
import { STORED_BYTES_MAX } from '../onode/limits.js';
import type { Counters } from './store-state.js';

/**
 * @throws CorruptError when a counter is what no transaction can have made of it
 * @throws StoreError E_TOO_BIG when a sum is over its limit
 */
export function checkCounters(counters: Counters): void {
  const { objects, storedBytes, heldBlocks, nextObject, nextCollection, nextDrop } = counters;
  const least = Math.min(objects, storedBytes, heldBlocks);
  if (!(least >= 0)) fail(`a total would be ${least}`);
  const highest = Math.max(nextObject, nextCollection, nextDrop);
  if (!(highest < COUNTED_LIMIT)) fail(`an id would be ${highest}`);
  if (storedBytes > STORED_BYTES_MAX) tooBig('the sum of all sizes');
  if (objects >= COUNTER_LIMIT) tooBig('the number of objects');
}

function fail(fault: string): never {
  throw new CorruptError(`Cannot apply transaction: ${fault}`);
}

function tooBig(what: string): never {
  throw new StoreError('E_TOO_BIG', `Cannot apply transaction: ${what} is too big`);
}
