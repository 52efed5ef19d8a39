/** Running fsck on a sample store. */

import type { BlockDevice } from '../../src/blockdev/block-device.js';
import { runSync } from '../../src/blockdev/io.js';
import { ComparatorRegistry } from '../../src/btree/comparator.js';
import type { Finding } from '../../src/fsck/finding.js';
import { fsck } from '../../src/fsck/fsck.js';
import { SAMPLE_COMPARATORS } from './sample-store.js';

const registry = new ComparatorRegistry();
for (const comparator of SAMPLE_COMPARATORS) registry.register(comparator);

export function sampleRegistry(): ComparatorRegistry {
  return registry;
}

/** Ends a check early. */
class Enough extends Error {}

/** The findings of a deep check; up to the first that is `enough`, if that is given. */
export function checkSample(
  device: BlockDevice,
  enough?: (finding: Finding) => boolean,
): readonly Finding[] {
  const findings: Finding[] = [];
  const onFinding = (finding: Finding): void => {
    findings.push(finding);
    if (enough?.(finding) === true) throw new Enough();
  };
  try {
    runSync(fsck(device, { deep: true, comparators: registry, onFinding }));
  } catch (error) {
    if (!(error instanceof Enough)) throw error;
  }
  return findings;
}
