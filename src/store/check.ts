/**
 * Lends the device of a store to a check or a repair, which works on it without opening the store.
 *
 * - It is refused while somebody has the store open for writing. A check opens it read-only.
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import { type Io, runAsync } from '../blockdev/io.js';
import { mediaOf } from '../blockdev/media-device.js';
import { openDevice } from '../blockdev/open-device.js';
import { type Comparator, ComparatorRegistry } from '../btree/comparator.js';
import { openJournal } from './journal-device.js';

export interface CheckAccess {
  /** Comparators of map streams beyond `bytes`, `u64` and `reverse`. */
  readonly comparators?: readonly Comparator[];
  /** Takes a file whose owner can't be judged. */
  readonly force?: boolean;
  /** Reads past the page cache: what is checked is what the medium holds. */
  readonly medium?: boolean;
  /** Opens the device for writing. */
  readonly writes?: boolean;
  /** Path of the journal's device, where it has one of its own. */
  readonly journal?: string | undefined;
}

/** A store's device, and that of its journal where it has one of its own. */
export interface CheckedDevices {
  readonly device: BlockDevice;
  readonly journalDevice: BlockDevice | undefined;
}

/**
 * What `check` makes of the device at `path`.
 *
 * @throws StoreError E_NOT_FOUND, E_BUSY, E_PERMISSION, E_INVALID, E_IO
 */
export async function withDevice<T>(
  path: string,
  { comparators = [], force = false, medium = false, writes = false, journal }: CheckAccess,
  check: (devices: CheckedDevices, comparators: ComparatorRegistry) => Io<T>,
): Promise<T> {
  const registry = new ComparatorRegistry();
  for (const comparator of comparators) registry.register(comparator);
  const device = await openDevice(path, { readOnly: !writes, force });
  let journalDevice: BlockDevice | undefined;
  try {
    journalDevice = openJournal(journal, { readOnly: !writes, force }).device;
    const lent = (one: BlockDevice): BlockDevice => (medium ? mediaOf(one) : one);
    const devices = { device: lent(device), journalDevice: journalDevice && lent(journalDevice) };
    return await runAsync(check(devices, registry));
  } finally {
    device.closeSync();
    journalDevice?.closeSync();
  }
}
