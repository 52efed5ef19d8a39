/**
 * Checking and repairing the store at a path, without opening it.
 *
 * - Both are refused while somebody has the store open for writing.
 * - Findings come as they are made; nothing of them is kept.
 */

import type { Comparator } from '../btree/comparator.js';
import { checkOptions, type OptionNames } from '../errors.js';
import type { FsckProgress } from '../fsck/context.js';
import type { Finding } from '../fsck/finding.js';
import { type FsckReport, fsck } from '../fsck/fsck.js';
import { type RepairReport, repair, type TreatedFinding } from '../fsck/repair.js';
import { type CheckAccess, withDevice } from './check.js';

/** How a store is checked. */
export interface CheckStoreOptions {
  /** Reads all data, past the page cache, and verifies its checksums. */
  readonly deep?: boolean;
  /** Comparators of map streams beyond `bytes`, `u64` and `reverse`. */
  readonly comparators?: readonly Comparator[];
  /** Takes a file whose owner can't be judged. */
  readonly force?: boolean;
  /** Path of the journal's device, where it has one of its own. */
  readonly journal?: string | undefined;
  /** Called for each finding, as soon as it is made. */
  readonly onFinding?: (finding: Finding) => void;
  /** Called now and then. */
  readonly onProgress?: (progress: FsckProgress) => void;
}

const CHECK_OPTIONS: OptionNames<CheckStoreOptions> = {
  deep: true,
  comparators: true,
  force: true,
  journal: true,
  onFinding: true,
  onProgress: true,
};

/** How a store is repaired. */
export interface RepairStoreOptions extends Omit<CheckStoreOptions, 'onFinding'> {
  /** Makes a superblock where none is left. */
  readonly rebuildSuperblock?: boolean;
  /** Makes another journal where that of its own device is not there: docs/journal.md. */
  readonly acceptJournalLoss?: boolean;
  /** Called for each finding of the check before. */
  readonly onFinding?: (finding: TreatedFinding) => void;
  /** Called for each finding of the check behind the repair. */
  readonly onLeft?: (finding: Finding) => void;
}

const REPAIR_OPTIONS: OptionNames<RepairStoreOptions> = {
  ...CHECK_OPTIONS,
  rebuildSuperblock: true,
  acceptJournalLoss: true,
  onLeft: true,
};

/**
 * Checks the store at `path`, a file or a block device, and writes nothing; docs/fsck.md.
 *
 * @throws StoreError E_NOT_FOUND, E_BUSY, E_PERMISSION, E_INVALID, E_IO
 */
export async function checkStore(
  path: string,
  options: CheckStoreOptions = {},
): Promise<FsckReport> {
  const { deep = false, onFinding = ignore, onProgress } = checkOptions(options, CHECK_OPTIONS);
  const access = { medium: deep, ...accessOf(options) };
  const progress = onProgress === undefined ? {} : { onProgress };
  return await withDevice(path, access, ({ device, journalDevice }, comparators) =>
    fsck(device, { deep, journalDevice, comparators, onFinding, ...progress }),
  );
}

/**
 * Checks the store at `path` and mends what can be mended; docs/fsck.md says what is given up.
 *
 * @throws StoreError as checkStore; E_READ_ONLY, E_VERSION, E_NO_JOURNAL; E_NO_SPACE where there is no room for
 *   what has to be written anew
 */
export async function repairStore(
  path: string,
  options: RepairStoreOptions = {},
): Promise<RepairReport> {
  checkOptions(options, REPAIR_OPTIONS);
  const { deep = false, rebuildSuperblock = false, acceptJournalLoss = false } = options;
  const { onFinding = ignore, onLeft = ignore, onProgress } = options;
  const access = { writes: true, ...accessOf(options) };
  const progress = onProgress === undefined ? {} : { onProgress };
  return await withDevice(path, access, ({ device, journalDevice }, comparators) =>
    repair(device, {
      deep,
      journalDevice,
      acceptJournalLoss,
      comparators,
      rebuildSuperblock,
      onFinding,
      onLeft,
      ...progress,
    }),
  );
}

function accessOf({
  comparators,
  force,
  journal,
}: Pick<CheckStoreOptions, 'comparators' | 'force' | 'journal'>): CheckAccess {
  return { journal, ...(comparators && { comparators }), ...(force && { force }) };
}

function ignore(): void {
  // Nobody asked for findings one by one: the report counts them.
}
