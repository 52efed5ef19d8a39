/**
 * What sysfs knows of a block device: its name, size, sector and stripes.
 *
 * - The root is a parameter, so that recorded trees can be read as well.
 * - Stripes: those of an md array from its own attributes; of anything else, hardware RAID and
 *   device mapper over an array among them, from the I/O sizes that the queue recommends, when they
 *   look like stripes. A partition inherits those of its disk. Where a stripe does not begin with
 *   the device aligned writes would not be aligned: then there are none, and it is said why.
 * - What is missing or makes no sense is as good as none: geometry only steers placement.
 */

import { basename, dirname, join } from 'node:path';
import { NO_STRIPES, type StripeGeometry } from './block-device.js';
import { readText, resolvePath } from './system.js';

export const SYSFS_ROOT = '/sys';

/** Sizes in sysfs count in these, whatever the device's sector is. */
const SYSFS_UNIT = 512;

/** A wider stripe than this is no stripe but a driver's wish for large I/O. */
const WIDTH_MAX = 64 * 1024 * 1024;

/** More units in a stripe are no disks: a drive that wishes for a megabyte of its pages, say. */
const DISKS_MAX = 256;

/** A stripe unit is whole pages. */
const UNIT_MIN = 4096;

/** Disks of an md array that hold parity, by its level; levels without stripes are missing. */
const PARITY_DISKS: Readonly<Record<string, number>> = {
  raid0: 0,
  raid4: 1,
  raid5: 1,
  raid6: 2,
};

export interface BlockDeviceFacts {
  /** Directory of the device in sysfs. */
  readonly directory: string;
  readonly size: number;
  /** Bytes of a logical block: what a write must be a multiple of. */
  readonly sectorSize: number;
  readonly geometry: StripeGeometry;
  /** The kernel refuses writes. */
  readonly isReadOnly: boolean;
}

/** Facts of the block device with this number; undefined where sysfs does not know it. */
export function readFacts(
  major: number,
  minor: number,
  root = SYSFS_ROOT,
): BlockDeviceFacts | undefined {
  const directory = resolvePath(join(root, 'dev/block', `${major}:${minor}`));
  if (directory === undefined) return undefined;
  const units = readNumber(join(directory, 'size'));
  if (units === undefined) return undefined;
  const disk = diskOf(directory);
  return {
    directory,
    size: units * SYSFS_UNIT,
    sectorSize: readNumber(join(disk, 'queue/logical_block_size')) ?? SYSFS_UNIT,
    geometry: readGeometry(directory),
    isReadOnly: readNumber(join(directory, 'ro')) === 1,
  };
}

/** Stripes of the device whose sysfs directory this is. */
export function readGeometry(directory: string): StripeGeometry {
  const disk = diskOf(directory);
  const stripes = mdStripes(disk) ?? queueStripes(disk) ?? NO_STRIPES;
  if (stripes.width === 0) return stripes;
  const start = disk === directory ? 0 : readNumber(join(directory, 'start'));
  const over = start === undefined ? undefined : (start * SYSFS_UNIT) % stripes.width;
  const offset = readNumber(join(directory, 'alignment_offset')) ?? 0;
  if (over === 0 && offset === 0) return stripes;
  const where =
    offset > 0 ? `${offset} bytes before` : `${over ?? 'unknown'} bytes behind the start of`;
  const what = `${basename(directory)} begins ${where} a stripe of ${stripes.width} bytes`;
  return { ...NO_STRIPES, origin: `${what}: none is used` };
}

/** Major and minor number of a `stat().rdev` of Linux. */
export function deviceNumbers(rdev: number): { major: number; minor: number } {
  const number = BigInt(rdev);
  const major = ((number >> 32n) & 0xffff_f000n) | ((number >> 8n) & 0xfffn);
  const minor = ((number >> 12n) & 0xffff_ff00n) | (number & 0xffn);
  return { major: Number(major), minor: Number(minor) };
}

/** The directory of the whole disk: a partition's is its parent. */
function diskOf(directory: string): string {
  return readText(join(directory, 'partition')) === undefined ? directory : dirname(directory);
}

function mdStripes(disk: string): StripeGeometry | undefined {
  const level = readText(join(disk, 'md/level'))?.trim();
  if (level === undefined) return undefined;
  const unit = readNumber(join(disk, 'md/chunk_size'));
  const disks = readNumber(join(disk, 'md/raid_disks'));
  if (unit === undefined || disks === undefined) return unsettled(disk);
  const dataDisks = level === 'raid10' ? raid10Disks(disk, disks) : plainDisks(level, disks);
  if (unit === 0 || dataDisks < 2) return NO_STRIPES;
  return { unit, width: unit * dataDisks, origin: `${basename(disk)}, ${level} of ${disks} disks` };
}

/** While an array is reshaped, numbers are followed by what they were: its stripes are of two kinds. */
function unsettled(disk: string): StripeGeometry {
  const isReshaped = ['chunk_size', 'raid_disks'].some((name) =>
    readText(join(disk, 'md', name))?.includes('('),
  );
  if (!isReshaped) return NO_STRIPES;
  return { ...NO_STRIPES, origin: `${basename(disk)} is being reshaped: no stripes are used` };
}

function plainDisks(level: string, disks: number): number {
  const parity = PARITY_DISKS[level];
  return parity === undefined ? 0 : disks - parity;
}

/** The layout's low bytes are the near and the far copies; uneven arrays have no whole stripe. */
function raid10Disks(disk: string, disks: number): number {
  const arrangement = readNumber(join(disk, 'md/layout')) ?? 0x102;
  const copies = (arrangement & 0xff) * ((arrangement >> 8) & 0xff);
  return copies > 0 && disks % copies === 0 ? disks / copies : 0;
}

/**
 * A disk without stripes recommends its physical block, or nothing, or the longest transfer that it
 * takes.
 */
function queueStripes(disk: string): StripeGeometry | undefined {
  const unit = readNumber(join(disk, 'queue/minimum_io_size'));
  const width = readNumber(join(disk, 'queue/optimal_io_size'));
  if (unit === undefined || width === undefined) return undefined;
  const physical = readNumber(join(disk, 'queue/physical_block_size')) ?? UNIT_MIN / 2;
  const transfer = readNumber(join(disk, 'queue/max_hw_sectors_kb')) ?? 0;
  const isUnit = unit >= UNIT_MIN && unit % UNIT_MIN === 0 && unit > physical;
  const isWhole = width > unit && width % unit === 0;
  const isWidth = isWhole && width <= Math.min(WIDTH_MAX, DISKS_MAX * unit);
  if (!isUnit || !isWidth || width === transfer * 1024) return undefined;
  return { unit, width, origin: `I/O sizes of ${basename(disk)}` };
}

function readNumber(path: string): number | undefined {
  const text = readText(path)?.trim();
  if (text === undefined || !/^\d+$/.test(text)) return undefined;
  return Number(text);
}
