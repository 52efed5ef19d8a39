import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { NO_STRIPES } from '../../src/blockdev/block-device.js';
import { deviceNumbers, readFacts, readGeometry } from '../../src/blockdev/geometry.js';
import { temporaryDirectory } from '../support/temp-directory.js';

/** A recorded sysfs: attributes by their path below the root. */
function sysfs(t: ExecutionContext, attributes: Record<string, string | number>): string {
  const root = temporaryDirectory(t);
  for (const [path, value] of Object.entries(attributes)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${value}\n`);
  }
  return root;
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
});

test('readGeometry() takes the I/O sizes of a queue only when they look like stripes', (t) => {
  const geometry = (minimum: number | string, optimal: number | string) =>
    readGeometry(sysfs(t, { 'queue/minimum_io_size': minimum, 'queue/optimal_io_size': optimal }));
  t.deepEqual(geometry(65_536, 196_608), { unit: 65_536, width: 196_608 });
  t.deepEqual(geometry(512, 0), NO_STRIPES);
  t.deepEqual(geometry(4096, 4096), NO_STRIPES);
  t.deepEqual(geometry(512, 1_048_576), NO_STRIPES);
  t.deepEqual(geometry(65_536, 100_000), NO_STRIPES);
  t.deepEqual(geometry(4096, 4_294_963_200), NO_STRIPES);
  t.deepEqual(geometry('x', -1), NO_STRIPES);
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
  t.deepEqual(disk?.geometry, stripes);

  const aligned = readFacts(8, 17, root);
  t.is(aligned?.size, 1_048_576);
  t.is(aligned?.sectorSize, 4096);
  t.is(aligned?.isReadOnly, true);
  t.deepEqual(aligned?.geometry, stripes);

  t.deepEqual(readFacts(8, 18, root)?.geometry, NO_STRIPES);
  t.is(readFacts(8, 19, root), undefined);
});

test('deviceNumbers() takes the numbers apart as Linux puts them together', (t) => {
  t.deepEqual(deviceNumbers(0x0810), { major: 8, minor: 16 });
  t.deepEqual(deviceNumbers(0x700), { major: 7, minor: 0 });
  t.deepEqual(deviceNumbers(0x10_3_05), { major: 259, minor: 5 });
  t.deepEqual(deviceNumbers(0x10_00_08_01), { major: 8, minor: 65_537 });
});
