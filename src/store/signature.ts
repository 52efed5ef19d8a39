/**
 * What is on a device already: a store, a file system, a partition table, a member of an array.
 *
 * - Looks at the places where the common formats have their magic numbers. A device on which
 *   nothing is found may still hold something; one on which something is found does.
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import { hasCode } from '../errors.js';
import { readSuperblocks } from '../txn/superblock-slots.js';

interface Signature {
  readonly what: string;
  /** Bytes from the start of the device; from its end when negative. */
  readonly offset: number;
  /** Latin-1 text. */
  readonly magic: string;
}

const SIGNATURES: readonly Signature[] = [
  { what: 'an ext2, ext3 or ext4 file system', offset: 1080, magic: '\x53\xef' },
  { what: 'an XFS file system', offset: 0, magic: 'XFSB' },
  { what: 'a Btrfs file system', offset: 65600, magic: '_BHRfS_M' },
  { what: 'an F2FS file system', offset: 1024, magic: '\x10\x20\xf5\xf2' },
  { what: 'an NTFS file system', offset: 3, magic: 'NTFS    ' },
  { what: 'an exFAT file system', offset: 3, magic: 'EXFAT   ' },
  { what: 'a SquashFS file system', offset: 0, magic: 'hsqs' },
  { what: 'an ISO 9660 file system', offset: 32769, magic: 'CD001' },
  { what: 'a ZFS pool member', offset: 131072, magic: '\x0c\xb1\xba\x00\x00\x00\x00\x00' },
  { what: 'a BlueStore device', offset: 0, magic: 'bluestore block device\n' },
  { what: 'a bcache device', offset: 4120, magic: '\xc6\x85\x73\xf6\x4e\x1a\x45\xca' },
  { what: 'a LUKS container', offset: 0, magic: 'LUKS\xba\xbe' },
  { what: 'an LVM physical volume', offset: 512, magic: 'LABELONE' },
  { what: 'an LVM physical volume', offset: 0, magic: 'LABELONE' },
  { what: 'a swap area', offset: 4086, magic: 'SWAPSPACE2' },
  { what: 'a RAID member', offset: 4096, magic: '\xfc\x4e\x2b\xa9' },
  { what: 'a RAID member', offset: 0, magic: '\xfc\x4e\x2b\xa9' },
  { what: 'a RAID member', offset: -8192, magic: '\xfc\x4e\x2b\xa9' },
  { what: 'a RAID member', offset: -65536, magic: '\xfc\x4e\x2b\xa9' },
  { what: 'a GPT partition table', offset: 512, magic: 'EFI PART' },
  { what: 'a GPT partition table', offset: 4096, magic: 'EFI PART' },
  { what: 'a GPT partition table', offset: -512, magic: 'EFI PART' },
  { what: 'a boot sector or partition table', offset: 510, magic: '\x55\xaa' },
];

/** Bytes at the start and at the end that hold all of them. */
const HEAD_BYTES = 136 * 1024;
const TAIL_BYTES = 64 * 1024;

/** What was found on a device; undefined when nothing was. */
export function* findSignature(device: BlockDevice): Io<string | undefined> {
  if (yield* holdsStore(device)) return 'a Holdfast store';
  const { size } = device;
  const head = new Uint8Array(Math.min(HEAD_BYTES, size));
  yield { kind: 'read', device, offset: 0, target: head };
  const tail = new Uint8Array(Math.min(TAIL_BYTES, size));
  yield { kind: 'read', device, offset: size - tail.length, target: tail };
  const found = SIGNATURES.find(({ offset, magic }) =>
    offset >= 0 ? holds(head, offset, magic) : holds(tail, tail.length + offset, magic),
  );
  return found?.what;
}

function holds(bytes: Uint8Array, at: number, magic: string): boolean {
  if (at < 0 || at + magic.length > bytes.length) return false;
  return Buffer.from(bytes.subarray(at, at + magic.length)).toString('latin1') === magic;
}

/** True also for a store that is damaged, or of a newer version. */
function* holdsStore(device: BlockDevice): Io<boolean> {
  try {
    yield* readSuperblocks(device);
  } catch (error) {
    if (hasCode(error, 'E_NOT_A_STORE')) return false;
    if (hasCode(error, 'E_VERSION') || hasCode(error, 'E_CORRUPT')) return true;
    throw error;
  }
  return true;
}
