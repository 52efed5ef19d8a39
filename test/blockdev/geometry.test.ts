import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { NO_STRIPES } from '../../src/blockdev/block-device.js';
import * as geometry from '../../src/blockdev/geometry.js';
import { deviceNumbers, readFacts } from '../../src/blockdev/geometry.js';
import { plantRecorded, recordedNames } from '../support/sysfs-tree.js';
import { temporaryDirectory } from '../support/temp-directory.js';

/** A sysfs of attributes by their path below the root. */
function sysfs(t: ExecutionContext, attributes: Record<string, string | number>): string {
  const root = temporaryDirectory(t);
  for (const [path, value] of Object.entries(attributes)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${value}\n`);
  }
  return root;
}

/** Unit and width that are found. */
function readGeometry(directory: string) {
  const { unit, width } = geometry.readGeometry(directory);
  return { unit, width };
}

function md(level: string, disks: number | string, more: Record<string, number> = {}) {
  return {
    'md/level': level,
    'md/chunk_size': 65_536,
    'md/raid_disks': disks,
    'queue/minimum_io_size': 512,
    'queue/optimal_io_size': 0,
    ...more,
  };
}

test('readGeometry() counts the data disks of an md array', (t) => {
  const unit = 65_536;
  t.deepEqual(readGeometry(sysfs(t, md('raid5', 4))), { unit, width: 3 * unit });
  t.deepEqual(readGeometry(sysfs(t, md('raid6', 6))), { unit, width: 4 * unit });
  t.deepEqual(readGeometry(sysfs(t, md('raid0', 3))), { unit, width: 3 * unit });
  t.deepEqual(readGeometry(sysfs(t, md('raid4', 3))), { unit, width: 2 * unit });
  t.deepEqual(readGeometry(sysfs(t, md('raid10', 4, { 'md/layout': 0x102 }))), {
    unit,
    width: 2 * unit,
  });
});

test('readGeometry() finds no stripes where an array has none', (t) => {
  t.deepEqual(readGeometry(sysfs(t, md('raid1', 2))), NO_STRIPES);
  t.deepEqual(readGeometry(sysfs(t, md('linear', 3))), NO_STRIPES);
  t.deepEqual(readGeometry(sysfs(t, md('raid5', 2))), NO_STRIPES);
  t.deepEqual(readGeometry(sysfs(t, md('raid10', 3, { 'md/layout': 0x102 }))), NO_STRIPES);
  t.deepEqual(readGeometry(sysfs(t, md('raid5', '4 (3)'))), NO_STRIPES);
  t.deepEqual(readGeometry(sysfs(t, md('raid5', ''))), NO_STRIPES);
});

test('readGeometry() takes the I/O sizes of a queue only when they look like stripes', (t) => {
  const sizes = (minimum: number | string, optimal: number | string) =>
    readGeometry(sysfs(t, { 'queue/minimum_io_size': minimum, 'queue/optimal_io_size': optimal }));
  t.deepEqual(sizes(65_536, 196_608), { unit: 65_536, width: 196_608 });
  t.deepEqual(sizes(512, 0), NO_STRIPES);
  t.deepEqual(sizes(4096, 4096), NO_STRIPES);
  t.deepEqual(sizes(512, 1_048_576), NO_STRIPES);
  t.deepEqual(sizes(65_536, 100_000), NO_STRIPES);
  t.deepEqual(sizes(4096, 4_294_963_200), NO_STRIPES);
  t.deepEqual(sizes('x', -1), NO_STRIPES);
  t.deepEqual(readGeometry(temporaryDirectory(t)), NO_STRIPES);
});

test('readFacts() finds a disk and its aligned partition by their numbers', (t) => {
  const root = sysfs(t, {
    'devices/sdb/size': 4_194_304,
    'devices/sdb/ro': 0,
    'devices/sdb/queue/logical_block_size': 4096,
    'devices/sdb/queue/minimum_io_size': 65_536,
    'devices/sdb/queue/optimal_io_size': 131_072,
    'devices/sdb/sdb1/partition': 1,
    'devices/sdb/sdb1/size': 2048,
    'devices/sdb/sdb1/start': 2048,
    'devices/sdb/sdb1/ro': 1,
    'devices/sdb/sdb2/partition': 2,
    'devices/sdb/sdb2/size': 2048,
    'devices/sdb/sdb2/start': 4097,
  });
  mkdirSync(join(root, 'dev/block'), { recursive: true });
  symlinkSync('../../devices/sdb', join(root, 'dev/block/8:16'));
  symlinkSync('../../devices/sdb/sdb1', join(root, 'dev/block/8:17'));
  symlinkSync('../../devices/sdb/sdb2', join(root, 'dev/block/8:18'));
  const stripes = { unit: 65_536, width: 131_072 };

  const disk = readFacts(8, 16, root);
  t.is(disk?.size, 2 ** 31);
  t.is(disk?.sectorSize, 4096);
  t.is(disk?.isReadOnly, false);
  t.deepEqual(disk?.geometry, { ...stripes, origin: 'I/O sizes of sdb' });

  const aligned = readFacts(8, 17, root);
  t.is(aligned?.size, 1_048_576);
  t.is(aligned?.sectorSize, 4096);
  t.is(aligned?.isReadOnly, true);
  t.deepEqual(aligned?.geometry, { ...stripes, origin: 'I/O sizes of sdb' });

  t.deepEqual(readFacts(8, 18, root)?.geometry, {
    ...NO_STRIPES,
    origin: 'sdb2 begins 512 bytes behind the start of a stripe of 131072 bytes: none is used',
  });
  t.is(readFacts(8, 19, root), undefined);
});

interface Recorded {
  /** Number of the device. */
  readonly device: readonly [major: number, minor: number];
  /** Bytes. */
  readonly size: number;
  readonly sector: number;
  readonly unit: number;
  readonly width: number;
  readonly origin?: string;
}

const KIB = 1024;

/** What is found in the trees of test/blockdev/sysfs. */
const RECORDED: Readonly<Record<string, Recorded>> = {
  'md-raid5': {
    ...found([9, 0], 3_000_206_622_720, 512 * KIB, 1536 * KIB),
    origin: 'md0, raid5 of 4 disks',
  },
  'md-raid5-3': {
    ...found([9, 0], 2_000_136_699_904, 256 * KIB, 512 * KIB),
    origin: 'md0, raid5 of 3 disks',
  },
  'md-raid6': {
    ...found([9, 2000], 8_001_590_919_168, 64 * KIB, 256 * KIB),
    origin: 'md2000, raid6 of 6 disks',
  },
  'md-raid10': {
    ...found([9, 0], 1_996_212_928_512, 128 * KIB, 256 * KIB),
    origin: 'md0, raid10 of 4 disks',
  },
  'md-raid10-reshaping': {
    ...found([9, 2], 48_002_289_893_376, 0, 0),
    origin: 'md2 is being reshaped: no stripes are used',
  },
  'hardware-raid': {
    ...found([8, 0], 599_013_720_064, 256 * KIB, 512 * KIB),
    origin: 'I/O sizes of sda',
  },
  'hardware-raid-strip-only': found([8, 0], 40_001_177_911_296, 0, 0),
  ssd: found([8, 0], 240_057_409_536, 0, 0),
  'disk-512e': found([8, 0], 8_001_563_222_016, 0, 0),
  'disk-4kn': { ...found([8, 0], 1_000_204_886_016, 0, 0), sector: 4096 },
  nvme: found([259, 0], 240_057_409_536, 0, 0),
  'dm-thin': found([252, 4], 1_099_511_627_776, 0, 0),
  loop: found([7, 0], 67_108_864, 0, 0),
  'loop-4k': { ...found([7, 0], 67_108_864, 0, 0), sector: 4096 },
  virtio: found([254, 0], 274_877_906_944, 0, 0),
};

function found(device: Recorded['device'], size: number, unit: number, width: number): Recorded {
  return { device, size, sector: 512, unit, width };
}

for (const [name, { device, size, sector, unit, width, origin }] of Object.entries(RECORDED)) {
  test(`readFacts() of the recorded tree ${name}`, (t) => {
    const facts = readFacts(...device, plantRecorded(t, name));
    t.is(facts?.size, size);
    t.is(facts?.sectorSize, sector);
    t.is(facts?.isReadOnly, false);
    t.deepEqual(facts?.geometry, origin === undefined ? NO_STRIPES : { unit, width, origin });
  });
}

test('every recorded tree is looked at', (t) => {
  t.deepEqual(recordedNames().sort(), Object.keys(RECORDED).sort());
});

/** Attributes of a queue, in bytes but for the longest transfer. */
interface Queue {
  readonly logical: number;
  readonly physical: number;
  readonly minimum: number;
  readonly optimal: number;
  readonly transferKb: number;
}

function disk(t: ExecutionContext, queue: Queue, more: Record<string, string | number> = {}) {
  return sysfs(t, {
    'queue/logical_block_size': queue.logical,
    'queue/physical_block_size': queue.physical,
    'queue/minimum_io_size': queue.minimum,
    'queue/optimal_io_size': queue.optimal,
    'queue/max_hw_sectors_kb': queue.transferKb,
    alignment_offset: 0,
    ...more,
  });
}

/** Disks as kernels describe them. */
const DISKS: Readonly<Record<string, readonly [queue: Queue, unit: number, width: number]>> = {
  'a SATA SSD': [disk512(512, 512, 0, 32_767), 0, 0],
  'a 512e disk': [disk512(4096, 4096, 0, 32_767), 0, 0],
  'a 4Kn disk': [{ ...disk512(4096, 4096, 0, 32_767), logical: 4096 }, 0, 0],
  'a disk that recommends its longest transfer': [disk512(4096, 8192, 16_776_192, 16_383), 0, 0],
  'an NVMe disk': [disk512(512, 512, 512, 1024), 0, 0],
  'an NVMe disk with large pages': [disk512(131_072, 131_072, 131_072, 512), 0, 0],
  'an SSD that recommends whole megabytes of its pages': [
    disk512(4096, 4096, 1_048_576, 4096),
    0,
    0,
  ],
  'an SSD that recommends all that a command can move': [disk512(512, 4096, 16_773_120, 0), 0, 0],
  'a loop device': [disk512(512, 512, 0, 1280), 0, 0],
  'a hardware RAID-5 of 9 disks': [disk512(512, 262_144, 2_097_152, 1024), 262_144, 2_097_152],
  'dm-linear over a RAID-5 of 5 disks': [disk512(4096, 65_536, 262_144, 4096), 65_536, 262_144],
};

function disk512(physical: number, minimum: number, optimal: number, transferKb: number): Queue {
  return { logical: 512, physical, minimum, optimal, transferKb };
}

for (const [name, [queue, unit, width]] of Object.entries(DISKS)) {
  test(`readGeometry() of ${name}`, (t) => {
    t.deepEqual(readGeometry(disk(t, queue)), { unit, width });
  });
}

test('readGeometry() takes no stripes that do not begin with the device, and says so', (t) => {
  const [queue] = DISKS['dm-linear over a RAID-5 of 5 disks'] as [Queue, number, number];
  const found = geometry.readGeometry(disk(t, queue, { alignment_offset: 32_768 }));
  t.is(found.width, 0);
  t.regex(found.origin ?? '', /begins 32768 bytes before a stripe of 262144 bytes: none is used/);
});

test('readGeometry() of partitions on an array is that of the array, or none', (t) => {
  const attributes = Object.entries(md('raid6', 10)).map(([path, value]) => [`md5/${path}`, value]);
  const root = sysfs(t, {
    ...Object.fromEntries(attributes),
    'md5/md5p1/partition': 1,
    'md5/md5p1/start': 2048,
    'md5/md5p2/partition': 2,
    'md5/md5p2/start': 2048 + 100,
    'md5/md5p3/partition': 3,
  });
  t.deepEqual(geometry.readGeometry(join(root, 'md5/md5p1')), {
    unit: 65_536,
    width: 524_288,
    origin: 'md5, raid6 of 10 disks',
  });
  const second = geometry.readGeometry(join(root, 'md5/md5p2'));
  t.is(second.width, 0);
  t.regex(second.origin ?? '', /md5p2 begins 51200 bytes behind the start of a stripe/);
  const third = geometry.readGeometry(join(root, 'md5/md5p3'));
  t.is(third.width, 0);
  t.regex(third.origin ?? '', /unknown/);
});

test('deviceNumbers() takes the numbers apart as Linux puts them together', (t) => {
  t.deepEqual(deviceNumbers(0x0810), { major: 8, minor: 16 });
  t.deepEqual(deviceNumbers(0x700), { major: 7, minor: 0 });
  t.deepEqual(deviceNumbers(0x10_3_05), { major: 259, minor: 5 });
  t.deepEqual(deviceNumbers(0x10_00_08_01), { major: 8, minor: 65_537 });
});
