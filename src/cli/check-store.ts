/**
 * Runs fsck, or a repair, on the store at a path.
 */

import type { FsckProgress } from '../fsck/context.js';
import type { Finding } from '../fsck/finding.js';
import { type FsckReport, fsck } from '../fsck/fsck.js';
import { type RepairReport, repair, type TreatedFinding } from '../fsck/repair.js';
import { withDevice } from '../store/check.js';

export interface CheckOptions {
  readonly path: string;
  /** Reads all data and verifies its checksums. */
  readonly deep: boolean;
  /** Takes a file whose owner can't be judged. */
  readonly force?: boolean;
  /** Path of the journal's device, where it has one of its own. */
  readonly journal?: string | undefined;
  readonly onFinding: (finding: Finding) => void;
  readonly onProgress?: (progress: FsckProgress) => void;
}

/** Checks a store that nobody has open for writing. */
export async function checkStore(options: CheckOptions): Promise<FsckReport> {
  const { path, deep, force = false, journal, onFinding, onProgress } = options;
  const access = { force, medium: deep, journal };
  return await withDevice(path, access, ({ device, journalDevice }, comparators) =>
    fsck(device, {
      deep,
      journalDevice,
      comparators,
      onFinding,
      ...(onProgress !== undefined && { onProgress }),
    }),
  );
}

export interface MendOptions extends Omit<CheckOptions, 'onFinding'> {
  /** Makes a superblock where none is left. */
  readonly rebuildSuperblock: boolean;
  /** Makes another journal where that of its own device is not there. */
  readonly acceptJournalLoss: boolean;
  /** Called for each finding of the check before. */
  readonly onFinding: (finding: TreatedFinding) => void;
  /** Called for each finding of the check behind a repair. */
  readonly onLeft: (finding: Finding) => void;
}

/** Repairs a store that nobody has open. */
export async function mendStore(options: MendOptions): Promise<RepairReport> {
  const { path, deep, force = false, journal, rebuildSuperblock, acceptJournalLoss } = options;
  const { onFinding, onLeft, onProgress } = options;
  const access = { force, writes: true, journal };
  return await withDevice(path, access, ({ device, journalDevice }, comparators) =>
    repair(device, {
      deep,
      journalDevice,
      acceptJournalLoss,
      comparators,
      rebuildSuperblock,
      onFinding,
      onLeft,
      ...(onProgress !== undefined && { onProgress }),
    }),
  );
}
