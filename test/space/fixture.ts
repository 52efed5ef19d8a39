/** Small stores that tests fill to the last block, on any medium. */

import { hasCode, type Store } from '../../src/index.js';
import { type Medium, SimulatedMedium } from '../support/medium.js';
import { MediumBed, type MediumBedOptions } from '../support/medium-bed.js';
import type { Prng } from '../support/prng.js';

const KiB = 1024;

/** Bytes of a small store. */
export const SMALL_SIZE = 8 * 1024 * KiB;

/** A journal and memory that make checkpoints happen after a few dozen transactions. */
const SMALL: MediumBedOptions = {
  journalBytes: 512 * KiB,
  cacheBytes: 512 * KiB,
  dirtyBytes: 256 * KiB,
};

/** A new store with a collection `c`. */
export function smallStore(
  medium: Medium = smallMemory(),
  options: MediumBedOptions = {},
): MediumBed {
  const bed = new MediumBed(medium, { ...SMALL, ...options });
  bed.commit((transaction) => transaction.createCollection('c'));
  return bed;
}

export function smallMemory(size = SMALL_SIZE): Medium {
  return new SimulatedMedium({ size, history: false });
}

/** Writes object `name` with random bytes; false when the answer is E_NO_SPACE. */
export function put(store: Store, name: string, bytes: Uint8Array, collection = 'c'): boolean {
  try {
    store.commitSync(store.transaction().write(collection, name, 0, bytes));
    return true;
  } catch (error) {
    if (hasCode(error, 'E_NO_SPACE')) return false;
    throw error;
  }
}

export function remove(store: Store, name: string, collection = 'c'): void {
  store.commitSync(store.transaction().remove(collection, name));
}

/** Removes every object, one a transaction. */
export function removeAll(store: Store, collection = 'c'): void {
  for (;;) {
    const page = store.collection(collection).listSync();
    if (page.length === 0) return;
    for (const { name } of page) {
      store.commitSync(store.transaction().remove(collection, name));
    }
  }
}

/**
 * Fills the store with objects of up to `sizes` bytes, one size after the other, then with ones of
 * a block and of a byte, until not even these fit.
 *
 * @returns the names of those with data of a block or more
 */
export function fill(store: Store, prefix: string, prng: Prng, sizes: readonly number[]): string[] {
  const names: string[] = [];
  let count = 0;
  for (const size of [...sizes, 4096, 1]) {
    for (;;) {
      const name = `${prefix}${count++}`;
      if (!put(store, name, prng.bytes(Math.max(1, prng.between(size >> 1, size + 1))))) break;
      if (size > 1) names.push(name);
    }
  }
  return names;
}

/** What a deep fsck finds in the store that was closed, but for notes. */
export async function fsckFindings(bed: MediumBed): Promise<string[]> {
  await bed.medium.released();
  const found = bed.findings().filter(({ severity }) => severity !== 'note');
  return found.map(({ code, message }) => `${code}: ${message}`);
}
