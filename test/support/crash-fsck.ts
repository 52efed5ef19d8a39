/**
 * What fsck says of an image that a crash, or a clean end, has left.
 *
 * - A superblock slot that was being written when the power failed is no fault; everything else
 *   that costs anything is one, leaked blocks too.
 */

import type { BlockDevice } from '../../src/blockdev/block-device.js';
import { runSync } from '../../src/blockdev/io.js';
import { openDeviceSync } from '../../src/blockdev/open-device.js';
import { ComparatorRegistry } from '../../src/btree/comparator.js';
import type { Finding, FindingCode } from '../../src/fsck/finding.js';
import { fsck } from '../../src/fsck/fsck.js';
import type { MemoryImage } from './memory-image.js';
import { SimulatedDevice } from './simulated-device.js';

const TOLERATED: ReadonlySet<FindingCode> = new Set(['superblock-slot', 'superblock-gap']);

/**
 * The findings of a deep check that a crash does not excuse, as text; undefined without any.
 * `journal` is that of a store whose journal has a device of its own.
 */
export function fsckFault(image: MemoryImage, journal?: MemoryImage): string | undefined {
  const journalDevice = journal && new SimulatedDevice({ image: journal, readOnly: true });
  return faultOf(new SimulatedDevice({ image, readOnly: true }), journalDevice);
}

function faultOf(device: BlockDevice, journalDevice?: BlockDevice): string | undefined {
  const findings: Finding[] = [];
  const options = {
    deep: true,
    journalDevice,
    comparators: new ComparatorRegistry(),
    onFinding: (finding: Finding): void => {
      if (finding.severity !== 'note' && !TOLERATED.has(finding.code)) findings.push(finding);
    },
  };
  runSync(fsck(device, options));
  if (findings.length === 0) return undefined;
  const first = findings.slice(0, 5).map(({ code, message }) => `${code}: ${message}`);
  return `fsck has ${findings.length} findings: ${first.join('; ')}`;
}

/** As `fsckFault`, for the store in a file that nobody has open. */
export function fsckFileFault(path: string): string | undefined {
  const device = openDeviceSync(path, { readOnly: true });
  try {
    return faultOf(device);
  } finally {
    device.closeSync();
  }
}
