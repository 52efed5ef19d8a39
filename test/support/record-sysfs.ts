/**
 * Records what sysfs knows of a block device, in the form of test/blockdev/sysfs: what the finder of
 * stripes reads, and what tells a person which kind of device it is.
 *
 *     npm run record:sysfs -- --device /dev/md0 > test/blockdev/sysfs/md-raid5.txt
 */

import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { arch, release } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { deviceNumbers, SYSFS_ROOT } from '../../src/blockdev/geometry.js';
import { ScriptOptions } from './script-options.js';

const USAGE = `Usage: npm run record:sysfs -- --device PATH

  --device PATH   a block device: its attributes go to the standard output
`;

/** Attributes, below the directory of the disk and of its partition. */
const ATTRIBUTES: readonly string[] = [
  'alignment_offset',
  'dev',
  'partition',
  'ro',
  'size',
  'start',
  'device/model',
  'device/vendor',
  'dm/name',
  'dm/uuid',
  'md/chunk_size',
  'md/layout',
  'md/level',
  'md/metadata_version',
  'md/raid_disks',
  'queue/chunk_sectors',
  'queue/hw_sector_size',
  'queue/logical_block_size',
  'queue/max_hw_sectors_kb',
  'queue/max_sectors_kb',
  'queue/minimum_io_size',
  'queue/optimal_io_size',
  'queue/physical_block_size',
  'queue/rotational',
];

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function recordDirectory(directory: string): void {
  for (const attribute of ATTRIBUTES) {
    const path = join(directory, attribute);
    const value = read(path);
    if (value !== undefined) print(`${relative(SYSFS_ROOT, path)}: ${value}`);
  }
}

/** One line of text; undefined where there is no such attribute, or it has no value now. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim().split('\n')[0] || undefined;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined;
    throw error;
  }
}

const path = ScriptOptions.read(USAGE, { device: '' }).text('device');
const { major, minor } = deviceNumbers(statSync(path).rdev);
const link = join(SYSFS_ROOT, 'dev/block', `${major}:${minor}`);
const directory = realpathSync(link);
print(`# ${path}`);
print(`# Source: recorded by npm run record:sysfs, Linux ${release()}, ${arch()}.`);
print(`${relative(SYSFS_ROOT, link)} -> ${relative(dirname(link), directory)}`);
const isPartition = readdirSync(directory).includes('partition');
if (isPartition) recordDirectory(dirname(directory));
recordDirectory(directory);
