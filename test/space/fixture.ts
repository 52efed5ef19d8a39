/** Small stores in memory that tests fill to the last block. */

import { runSync } from '../../src/blockdev/io.js';
import { ComparatorRegistry } from '../../src/btree/comparator.js';
import type { Finding } from '../../src/fsck/finding.js';
import { fsck } from '../../src/fsck/fsck.js';
import { hasCode, type MkfsOptions, mkfsOn, Store } from '../../src/index.js';
import type { MemoryImage } from '../support/memory-image.js';
import type { Prng } from '../support/prng.js';
import { SimulatedDevice } from '../support/simulated-device.js';

const KiB = 1024;
const MiB = 1024 * KiB;

/** Memory that makes checkpoints happen after a few dozen transactions. */
export const OPEN = { cacheBytes: 512 * KiB, dirtyBytes: 256 * KiB };

export interface SmallStore {
  readonly device: SimulatedDevice;
  readonly store: Store;
}

/** A new store of `size` bytes with a collection `c`. */
export function smallStore(size = 8 * MiB, options: MkfsOptions = {}): SmallStore {
  const device = new SimulatedDevice({ size, history: false });
  mkfsOn(device, { journalBytes: 512 * KiB, ...options });
  const store = Store.openOnSync(device, OPEN);
  store.commitSync(store.transaction().createCollection('c'));
  return { device, store };
}

/** The store in `image`, opened again. */
export function reopen(image: MemoryImage): SmallStore {
  const device = new SimulatedDevice({ image, history: false });
  return { device, store: Store.openOnSync(device, OPEN) };
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

/** What a deep fsck finds in the store on `device`, but for notes. */
export function fsckFindings(device: SimulatedDevice): string[] {
  const found: string[] = [];
  const copy = new SimulatedDevice({ image: device.image(), readOnly: true });
  const onFinding = ({ severity, code, message }: Finding): void => {
    if (severity !== 'note') found.push(`${code}: ${message}`);
  };
  runSync(fsck(copy, { deep: true, comparators: new ComparatorRegistry(), onFinding }));
  return found;
}
