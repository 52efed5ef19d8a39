/**
 * Runs fsck on the store at a path.
 */

import type { FsckProgress } from '../fsck/context.js';
import type { Finding } from '../fsck/finding.js';
import { type FsckReport, fsck } from '../fsck/fsck.js';
import { withDevice } from '../store/check.js';

export interface CheckOptions {
  readonly path: string;
  /** Reads all data and verifies its checksums. */
  readonly deep: boolean;
  /** Takes a file whose owner can't be judged. */
  readonly force?: boolean;
  readonly onFinding: (finding: Finding) => void;
  readonly onProgress?: (progress: FsckProgress) => void;
}

/** Checks a store that nobody has open for writing. */
export async function checkStore(options: CheckOptions): Promise<FsckReport> {
  const { path, deep, force = false, onFinding, onProgress } = options;
  return await withDevice(path, { force, medium: deep }, (device, comparators) =>
    fsck(device, {
      deep,
      comparators,
      onFinding,
      ...(onProgress !== undefined && { onProgress }),
    }),
  );
}
