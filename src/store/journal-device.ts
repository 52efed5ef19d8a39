/**
 * Opens the device of a journal that has one of its own, together with that of its store.
 */

import { existsSync, rmSync } from 'node:fs';
import type { BlockDevice } from '../blockdev/block-device.js';
import { FileDevice } from '../blockdev/file-device.js';
import type { Io } from '../blockdev/io.js';
import { openDeviceSync } from '../blockdev/open-device.js';
import { StoreError } from '../errors.js';
import { separateJournalSize } from '../format/journal-header.js';
import { BLOCK_SIZE_DEFAULT, journalBytesFor, type MakeStoreOptions } from '../txn/make-store.js';
import { findSignature } from './signature.js';

/** A device of a journal, and what to do when its store can't be made or opened after all. */
export interface OpenedJournal {
  readonly device: BlockDevice | undefined;
  /** Closes the device, and removes the file that was made for it. */
  abandon(): void;
}

const NONE: OpenedJournal = { device: undefined, abandon: () => undefined };

/**
 * Opens the device at `path`, if one is given.
 *
 * @throws StoreError as `openDevice`
 */
export function openJournal(
  path: string | undefined,
  { readOnly, force }: { readonly readOnly: boolean; readonly force: boolean },
): OpenedJournal {
  if (path === undefined) return NONE;
  const device = openDeviceSync(path, { readOnly, force });
  return { device, abandon: () => device.closeSync() };
}

/**
 * Makes the file at `path`, if one is given, large enough for the journal of a store of up to
 * `sizeMax` bytes; or opens the block device there.
 *
 * @throws StoreError E_EXISTS when it holds something and `overwrite` is not set
 */
export function createJournal(
  path: string | undefined,
  sizeMax: number,
  options: MakeStoreOptions & { readonly force?: boolean },
): OpenedJournal {
  if (path === undefined) return NONE;
  const { blockSize = BLOCK_SIZE_DEFAULT, force: overwrite = false } = options;
  const size = separateJournalSize(blockSize, journalBytesFor(sizeMax, options));
  const isNew = !existsSync(path);
  const device = openDeviceSync(path, { create: { size, overwrite } });
  const abandon = (): void => {
    device.closeSync();
    if (isNew) rmSync(path, { force: true });
  };
  return { device, abandon };
}

/** Refuses a block device on which something is found. A file was refused when it was opened. */
export function* checkJournalEmpty(device: BlockDevice | undefined, force: boolean): Io<void> {
  if (device === undefined || device instanceof FileDevice || force) return;
  const found = yield* findSignature(device);
  if (found === undefined) return;
  throw new StoreError(
    'E_EXISTS',
    `Cannot make journal on ${device.path}: it holds ${found}; use force to destroy it`,
  );
}
