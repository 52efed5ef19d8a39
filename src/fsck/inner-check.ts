/** A check that a repair makes for itself, of a superblock that it chooses. */

import type { BlockDevice } from '../blockdev/block-device.js';
import type { Superblock } from '../format/superblock.js';
import { CheckContext, type ContextOptions } from './context.js';
import { DeviceMap } from './device-map.js';
import { type Finding, Findings } from './finding.js';
import type { FsckOptions } from './fsck.js';

export function innerCheck(
  device: BlockDevice,
  superblock: Superblock,
  { comparators, journalDevice }: Pick<FsckOptions, 'comparators' | 'journalDevice'>,
  onFinding: (finding: Finding) => void,
  heal?: ContextOptions['heal'],
): CheckContext {
  return new CheckContext({
    device,
    journalDevice,
    superblock,
    map: new DeviceMap(device, superblock),
    findings: new Findings(onFinding),
    comparators,
    deep: false,
    progress: () => undefined,
    heal,
  });
}
