/** What mkfs finds on a device before it destroys it. */

import { execFileSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { runSync } from '../../src/blockdev/io.js';
import { MemoryDevice } from '../../src/blockdev/memory-device.js';
import { openDeviceSync } from '../../src/blockdev/open-device.js';
import { hasCode } from '../../src/errors.js';
import { mkfs, mkfsSync, Store } from '../../src/index.js';
import {
  findSignature,
  findSignatures,
  SIGNATURES,
  wipeSignatures,
} from '../../src/store/signature.js';
import { temporaryDirectory } from '../support/temp-directory.js';
import { makeLoopDevice } from '../support/temp-loop-device.js';

const MIB = 1024 * 1024;

/** Bytes of the device: not a multiple of anything but sectors. */
const SIZE = 257 * 1024 * MIB + 66 * 1024 + 512;

/** Ends of the device, rounded down as the formats do. */
const END_4K = SIZE - (SIZE % 4096);
const END_64K = SIZE - (SIZE % 65536);
const END_256K = SIZE - (SIZE % 262144);

/** What the formats document: magic numbers and where they stand. */
const CASES: readonly (readonly [what: string, magic: string, offsets: readonly number[]])[] = [
  ["a Holdfast store's journal", 'HOLDJRNL', [8]],
  ['an ext2, ext3 or ext4 file system', '\x53\xef', [0x438]],
  ['an XFS file system', 'XFSB', [0]],
  ['a Btrfs file system', '_BHRfS_M', [0x10040, 0x4000040, 0x4000000040]],
  [
    'a ZFS pool member',
    '\x0c\xb1\xba\0\0\0\0\0',
    [0x20000, 0x20400, 0x3fc00, 0x60000, 0x7fc00, END_256K - 0x60000, END_256K - 0x20000],
  ],
  ['a ZFS pool member', '\0\0\0\0\0\xba\xb1\x0c', [0x20000, END_256K - 0x400]],
  ['an LVM physical volume', 'LABELONE', [0, 512, 1024, 1536]],
  ['a RAID member', '\xfc\x4e\x2b\xa9', [END_64K - 65536, END_4K - 8192, 0, 4096]],
  ['a RAID member', '\xa9\x2b\x4e\xfc', [END_64K - 65536]],
  ['a RAID member', 'Intel Raid ISM Cfg Sig. ', [SIZE - 1024]],
  ['a RAID member', '\xde\x11\xde\x11', [SIZE - 512]],
  ['a swap area', 'SWAPSPACE2', [0xff6, 0x1ff6, 0x3ff6, 0x7ff6, 0xfff6]],
  ['a swap area', 'SWAP-SPACE', [0xff6]],
  ['the image of a suspended system', 'S1SUSPEND', [0xff6]],
  ['a GPT partition table', 'EFI PART', [512, 4096, SIZE - 512, SIZE - 4096]],
  ['a LUKS container', 'LUKS\xba\xbe', [0]],
  ['a LUKS container', 'SKUL\xba\xbe', [0x4000, 0x8000, 0x40000, 0x400000]],
  ['a FAT file system', 'FAT12   ', [54]],
  ['a FAT file system', 'FAT16   ', [54]],
  ['a FAT file system', 'FAT32   ', [82]],
  ['an NTFS file system', 'NTFS    ', [3]],
  ['an exFAT file system', 'EXFAT   ', [3]],
  ['an F2FS file system', '\x10\x20\xf5\xf2', [1024, 5120]],
  ['a bcache device', '\xc6\x85\x73\xf6\x4e\x1a\x45\xca', [4120]],
  ['a bcachefs file system', '\xc6\x85\x73\xf6\x66\xce\x90\xa9', [4120]],
  ['a BlueStore device', 'bluestore block device\n', [0]],
  ['a ReiserFS file system', 'ReIsEr2Fs', [65588]],
  ['a JFS file system', 'JFS1', [32768]],
  ['an APFS container', 'NXSB', [32]],
  ['an HFS+ file system', 'H+\0\x04', [1024]],
  ['a SquashFS file system', 'hsqs', [0]],
  ['an ISO 9660 file system', 'CD001', [32769]],
  ['a VDO volume', 'dmvdo001', [0]],
  ['a dm-integrity device', 'integrt\0', [0]],
  ['a dm-verity device', 'verity\0\0', [0]],
  ['a boot sector or partition table', '\x55\xaa', [510]],
];

test('findSignatures() names what stands at every documented place', (t) => {
  const path = join(temporaryDirectory(t), 'sparse');
  writeFileSync(path, '');
  truncateSync(path, SIZE);
  const device = openDeviceSync(path);
  t.teardown(() => device.closeSync());
  t.deepEqual(runSync(findSignatures(device)), []);
  for (const [what, magic, offsets] of CASES) {
    for (const offset of offsets) {
      const from = offset - (offset % 512);
      const sectors = Buffer.alloc(1024);
      sectors.write(magic, offset - from, 'latin1');
      const target = sectors.subarray(0, offset + magic.length > from + 512 ? 1024 : 512);
      device.writeSync(from, [target]);
      const found = runSync(findSignatures(device));
      t.deepEqual(found[0], { what, offset, length: magic.length }, `${what} at ${offset}`);
      runSync(wipeSignatures(device));
      t.deepEqual(runSync(findSignatures(device)), [], `${what} at ${offset} is wiped`);
    }
  }
  const named = new Set(CASES.map(([what]) => what));
  t.deepEqual(
    SIGNATURES.filter(({ what }) => !named.has(what)),
    [],
  );
});

test('findSignatures() of devices smaller than what is looked for', (t) => {
  for (const size of [512, 1024, 4096, 65536]) {
    t.deepEqual(runSync(findSignatures(new MemoryDevice({ size }))), []);
  }
});

test('mkfs() and open() name what a file holds instead of a store', async (t) => {
  const path = join(temporaryDirectory(t), 'image');
  const image = Buffer.alloc(32 * MIB);
  image.write('XFSB', 0, 'latin1');
  writeFileSync(path, image);
  const message = /it holds an XFS file system/;
  await t.throwsAsync(mkfs(path, { size: 32 * MIB }), { code: 'E_EXISTS', message });
  t.throws(() => mkfsSync(path, { size: 32 * MIB }), { code: 'E_EXISTS', message });
  await t.throwsAsync(Store.open(path), { code: 'E_NOT_A_STORE', message });
  t.throws(() => Store.openSync(path), { code: 'E_NOT_A_STORE', message });
  await mkfs(path, { size: 32 * MIB, force: true });
  await t.throwsAsync(mkfs(path), { code: 'E_EXISTS', message: /it holds a Holdfast store/ });
});

const TOOLS: readonly (readonly [string, readonly string[], string])[] = [
  ['mkfs.ext4', ['-q', '-F'], 'an ext2, ext3 or ext4 file system'],
  ['mkfs.xfs', ['-q', '-f'], 'an XFS file system'],
  ['mkswap', ['-q'], 'a swap area'],
  ['pvcreate', ['-q', '-y'], 'an LVM physical volume'],
];

for (const [tool, args, what] of TOOLS) {
  test.serial(`what ${tool} has made is found on a block device`, async (t) => {
    const loop = makeLoopDevice(310 * MIB);
    if (typeof loop === 'string') {
      t.log(`not run: ${loop}`);
      t.pass();
      return;
    }
    t.teardown(() => loop.close());
    try {
      execFileSync(tool, [...args, loop.path], { stdio: 'pipe' });
    } catch (error) {
      t.log(`not run: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : ''}`);
      t.pass();
      return;
    }
    const device = openDeviceSync(loop.path);
    t.is(runSync(findSignature(device)), what);
    device.closeSync();
    t.true(hasCode(await t.throwsAsync(mkfs(loop.path)), 'E_EXISTS'));
    await mkfs(loop.path, { force: true });
    const made = openDeviceSync(loop.path);
    t.deepEqual(runSync(findSignatures(made)), []);
    made.closeSync();
  });
}
