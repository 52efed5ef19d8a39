/**
 * A device that is a whole block device or a partition.
 *
 * - The lock is the kernel's: an exclusive open (O_EXCL) is refused while the device is mounted,
 *   part of an array, or open exclusively anywhere on the machine.
 * - Data goes through the page cache, durable writes through a second O_DSYNC descriptor of the
 *   same cache, so nothing has to be made coherent. O_DIRECT is used only by `readMedia`, for which
 *   the kernel writes dirty pages back first, and for writes that nobody reads before the device is
 *   opened again: direct writes of anything else would save a copy and cost the cache's.
 * - Size, sector and stripes are what sysfs says at open. What the device grows by meanwhile counts
 *   from `refreshSize` on.
 */

import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import { StoreError } from '../errors.js';
import { checkGrowth, wholeSectors } from './access.js';
import type { StripeGeometry } from './block-device.js';
import { DescriptorDevice } from './descriptor-device.js';
import { systemCode } from './descriptor-io.js';
import { userOf } from './device-users.js';
import { type BlockDeviceFacts, deviceNumbers, readFacts } from './geometry.js';
import { holderOf, resolvePath } from './system.js';

export interface RawDeviceOptions {
  readonly path: string;
  /** Of a block device, opened exclusively unless `readOnly`; the device closes it. */
  readonly fd: number;
  readonly readOnly: boolean;
  readonly size: number;
  readonly sectorSize: number;
  readonly geometry: StripeGeometry;
}

export class RawDevice extends DescriptorDevice {
  #size: number;

  /** Use `openDevice` or `openDeviceSync`. */
  constructor(options: RawDeviceOptions) {
    super({ ...options, lock: undefined });
    this.#size = wholeSectors(options.size, options.sectorSize);
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Takes over what the device has grown by since it was opened.
   * @throws StoreError E_INVALID when its size can't be found
   */
  refreshSize(): void {
    this.checkOpen();
    const { size } = factsOf(this.path, this.buffered.fd);
    this.#size = Math.max(this.#size, wholeSectors(size, this.sectorSize));
  }

  get sizeMax(): number {
    return this.size;
  }

  limitTo(_bytes: number): void {
    this.checkOpen();
  }

  growSync(size: number): void {
    this.checkOpen();
    checkGrowth(this, size);
  }

  async grow(size: number): Promise<void> {
    this.growSync(size);
  }
}

/**
 * Opens the block device at `path`; errors of the operating system are left as they are.
 * @throws StoreError E_BUSY, E_READ_ONLY, E_INVALID when its size can't be found
 */
export function openRawDevice(path: string, { readOnly }: { readOnly: boolean }): RawDevice {
  const fd = openExclusively(path, readOnly ? constants.O_RDONLY : constants.O_RDWR);
  try {
    const facts = factsOf(path, fd);
    if (facts.isReadOnly && !readOnly) {
      throw new StoreError('E_READ_ONLY', `Cannot open ${path}: the device is read-only`);
    }
    const { size, sectorSize, geometry } = facts;
    // Readers share: the exclusive open only asked whether there is a writer.
    const kept = readOnly ? openSync(path, constants.O_RDONLY) : fd;
    const device = new RawDevice({ path, fd: kept, readOnly, size, sectorSize, geometry });
    if (kept !== fd) closeSync(fd);
    return device;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * How long a device that is in use is tried again. While a process starts a child, the child has
 * copies of its descriptors for a moment: a device that was just closed is still held.
 */
const HELD_MS = 1000;

function openExclusively(path: string, flags: number): number {
  const until = performance.now() + HELD_MS;
  for (;;) {
    try {
      return openSync(path, flags | constants.O_EXCL);
    } catch (cause) {
      if (systemCode(cause) !== 'EBUSY') throw cause;
      if (performance.now() > until) throw inUse(path, cause);
    }
  }
}

function inUse(path: string, cause: unknown): StoreError {
  const user = systemUser(path) ?? processUser(path) ?? 'it is mounted or part of an array';
  return new StoreError('E_BUSY', `Cannot open ${path}: ${user}; free the device first`, {
    cause,
  });
}

function systemUser(path: string): string | undefined {
  const { major, minor } = deviceNumbers(statSync(path).rdev);
  return userOf(major, minor);
}

function processUser(path: string): string | undefined {
  const pid = holderOf(resolvePath(path) ?? path);
  return pid === undefined ? undefined : `process ${pid} has it`;
}

function factsOf(path: string, fd: number): BlockDeviceFacts {
  const { major, minor } = deviceNumbers(fstatSync(fd).rdev);
  const facts = readFacts(major, minor);
  if (facts !== undefined) return facts;
  const what = `Cannot open ${path}: its size is unknown`;
  throw new StoreError('E_INVALID', `${what}, /sys/dev/block/${major}:${minor} is missing`);
}
