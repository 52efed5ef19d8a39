/**
 * What a superblock says about places: which blocks are there, which are fixed, how groups are
 * cut, and reading them.
 *
 * - Only blocks that the superblock counts are there: what the device has grown by since is not
 *   in any checkpoint. On a device that has become shorter those behind its end are not there either,
 *   but groups are cut as the superblock says.
 */

import { GroupGeometry } from '../alloc/group-geometry.js';
import { RunSet } from '../alloc/run-set.js';
import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import { hasCode } from '../errors.js';
import type { Superblock } from '../format/superblock.js';
import { fixedRuns } from '../txn/make-store.js';
import { ReadAhead } from './read-ahead.js';

/** Why a run can't be where it is. */
export type MisplacedCode = 'outside-device' | 'in-fixed-place';

export class DeviceMap {
  readonly blockSize: number;
  /** Blocks of the store that are there. */
  readonly blocks: number;
  /** Places of each node and bitmap: 1 or 2. */
  readonly metadataCopies: number;
  readonly groups: GroupGeometry;
  /** Blocks at fixed places: superblock slots and journal. */
  readonly fixed = new RunSet();
  /** What was read before it is asked for. */
  readonly ahead: ReadAhead;
  readonly #device: BlockDevice;

  /** @throws StoreError E_INVALID_ARGUMENT when a stripe is larger than a group */
  constructor(device: BlockDevice, superblock: Superblock) {
    const { blockSize, deviceBlocks, stripeWidth } = superblock;
    this.blockSize = blockSize;
    this.blocks = Math.min(deviceBlocks, Math.floor(device.size / blockSize));
    this.metadataCopies = superblock.metadataCopies;
    this.groups = new GroupGeometry(blockSize, deviceBlocks, stripeWidth / blockSize);
    for (const run of fixedRuns(superblock)) this.fixed.add(run.start, run.length);
    this.#device = device;
    this.ahead = new ReadAhead(device, blockSize);
  }

  /** What is wrong with the place of a run that something refers to. */
  placeFault(start: number, length: number): MisplacedCode | undefined {
    if (!(start + length <= this.blocks)) return 'outside-device';
    return this.fixed.intersects(start, length) ? 'in-fixed-place' : undefined;
  }

  /** Bytes from the start of the device. */
  offsetOf(block: number): number {
    return block * this.blockSize;
  }

  /** Where a run lies, for a finding. */
  run(start: number, length: number): { readonly offset: number; readonly length: number } {
    return { offset: start * this.blockSize, length: length * this.blockSize };
  }

  /** As `run`, of numbers that were read somewhere: nothing where no such blocks are there. */
  runInside(start: number, length: number): { readonly offset?: number; readonly length?: number } {
    return start + length <= this.blocks ? this.run(start, length) : {};
  }

  /** The bytes of a run inside the device, owned by the caller; or why they can't be read. */
  *read(start: number, length: number): Io<Uint8Array | string> {
    const page = this.ahead.take(start, length);
    if (page !== undefined) return page;
    return yield* readBytes(this.#device, start * this.blockSize, length * this.blockSize);
  }
}

/** Bytes of the device, read in whole sectors; or the device's own words when it fails. */
export function* readBytes(
  device: BlockDevice,
  offset: number,
  length: number,
): Io<Uint8Array | string> {
  const { sectorSize } = device;
  const from = offset - (offset % sectorSize);
  const to = Math.ceil((offset + length) / sectorSize) * sectorSize;
  const target = new Uint8Array(to - from);
  try {
    yield { kind: 'read', device, offset: from, target };
  } catch (error) {
    if (hasCode(error, 'E_IO')) return error.message;
    throw error;
  }
  return target.subarray(offset - from, offset - from + length);
}
