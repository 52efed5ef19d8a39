/**
 * What is on a device already: a store, a file system, a partition table, a member of an array.
 *
 * - Looks at every place where the common formats keep their magic numbers, copies and those at
 *   the end included. A device on which nothing is found may still hold something; one on which
 *   something is found does.
 * - In order: what says more comes first. A boot sector is the last guess.
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import { hasCode } from '../errors.js';
import { JOURNAL_HEADER } from '../format/journal-header.js';
import { readSuperblocks } from '../txn/superblock-slots.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** Byte offset of a magic number on a device of `size` bytes. */
type Place = (size: number) => number;

interface Signature {
  readonly what: string;
  /** One of these, as Latin-1 text. */
  readonly magics: readonly string[];
  readonly places: readonly Place[];
}

/** Bytes from the start. */
function at(...offsets: readonly number[]): Place[] {
  return offsets.map((offset) => () => offset);
}

/** Bytes from the end. */
function fromEnd(...offsets: readonly number[]): Place[] {
  return offsets.map((offset) => (size) => size - offset);
}

/** A place `back` bytes before the last multiple of `align`. */
function aligned(align: number, back: number): Place {
  return (size) => size - (size % align) - back;
}

const EXT = ['\x53\xef'];
const F2FS = ['\x10\x20\xf5\xf2'];
const MD = ['\xfc\x4e\x2b\xa9', '\xa9\x2b\x4e\xfc'];
const UBERBLOCK = ['\x0c\xb1\xba\x00\x00\x00\x00\x00', '\x00\x00\x00\x00\x00\xba\xb1\x0c'];

/** A label of ZFS, four of which are on a device, holds uberblocks in its second half. */
const ZFS_LABEL = 256 * KIB;

function zfsPlaces(): Place[] {
  const uberblocks = Array.from({ length: 128 }, (_, i) => 128 * KIB + i * KIB);
  return uberblocks.flatMap((offset): Place[] => [
    ...at(offset, ZFS_LABEL + offset),
    (size) => size - (size % ZFS_LABEL) - 2 * ZFS_LABEL + offset,
    (size) => size - (size % ZFS_LABEL) - ZFS_LABEL + offset,
  ]);
}

/** Swap areas end their first page with it, whatever a page is. */
const SWAP_ENDS = [4, 8, 16, 32, 64].map((kib) => kib * KIB - 10);

/** Where LUKS2 keeps the copy of its header. */
const LUKS_COPIES = [16, 32, 64, 128, 256, 512, 1024, 2048, 4096].map((kib) => kib * KIB);

export const SIGNATURES: readonly Signature[] = [
  { what: "a Holdfast store's journal", magics: ['HOLDJRNL'], places: at(JOURNAL_HEADER.magic) },
  { what: 'a ZFS pool member', magics: UBERBLOCK, places: zfsPlaces() },
  {
    what: 'a RAID member',
    magics: MD,
    places: [...at(0, 4 * KIB), aligned(4 * KIB, 8 * KIB), aligned(64 * KIB, 64 * KIB)],
  },
  { what: 'a RAID member', magics: ['Intel Raid ISM Cfg Sig. '], places: fromEnd(1024) },
  { what: 'a RAID member', magics: ['\xde\x11\xde\x11'], places: fromEnd(512) },
  {
    what: 'a LUKS container',
    magics: ['LUKS\xba\xbe', 'SKUL\xba\xbe'],
    places: at(0, ...LUKS_COPIES),
  },
  { what: 'an LVM physical volume', magics: ['LABELONE'], places: at(0, 512, 1024, 1536) },
  { what: 'a VDO volume', magics: ['dmvdo001'], places: at(0) },
  { what: 'a dm-integrity device', magics: ['integrt\0'], places: at(0) },
  { what: 'a dm-verity device', magics: ['verity\0\0'], places: at(0) },
  {
    what: 'a bcache device',
    magics: ['\xc6\x85\x73\xf6\x4e\x1a\x45\xca'],
    places: at(4096 + 24),
  },
  {
    what: 'a bcachefs file system',
    magics: ['\xc6\x85\x73\xf6\x66\xce\x90\xa9'],
    places: at(4096 + 24),
  },
  { what: 'a BlueStore device', magics: ['bluestore block device\n'], places: at(0) },
  {
    what: 'a Btrfs file system',
    magics: ['_BHRfS_M'],
    places: at(64 * KIB + 64, 64 * MIB + 64, 256 * GIB + 64),
  },
  { what: 'an XFS file system', magics: ['XFSB'], places: at(0) },
  { what: 'an ext2, ext3 or ext4 file system', magics: EXT, places: at(1080) },
  { what: 'an F2FS file system', magics: F2FS, places: at(1024, 4096 + 1024) },
  {
    what: 'a ReiserFS file system',
    magics: ['ReIsErFs', 'ReIsEr2Fs', 'ReIsEr3Fs'],
    places: at(64 * KIB + 52),
  },
  { what: 'a JFS file system', magics: ['JFS1'], places: at(32 * KIB) },
  { what: 'an APFS container', magics: ['NXSB'], places: at(32) },
  { what: 'an HFS+ file system', magics: ['H+\0\x04', 'HX\0\x05'], places: at(1024) },
  { what: 'an NTFS file system', magics: ['NTFS    '], places: at(3) },
  { what: 'an exFAT file system', magics: ['EXFAT   '], places: at(3) },
  { what: 'a FAT file system', magics: ['FAT12   ', 'FAT16   '], places: at(54) },
  { what: 'a FAT file system', magics: ['FAT32   '], places: at(82) },
  { what: 'a SquashFS file system', magics: ['hsqs'], places: at(0) },
  { what: 'an ISO 9660 file system', magics: ['CD001'], places: at(32 * KIB + 1) },
  {
    what: 'a swap area',
    magics: ['SWAPSPACE2', 'SWAP-SPACE'],
    places: at(...SWAP_ENDS),
  },
  {
    what: 'the image of a suspended system',
    magics: ['S1SUSPEND', 'S2SUSPEND', 'ULSUSPEND', 'LINHIB0001'],
    places: at(...SWAP_ENDS),
  },
  {
    what: 'a GPT partition table',
    magics: ['EFI PART'],
    places: [...at(512, 4096), ...fromEnd(512, 4096)],
  },
  { what: 'a boot sector or partition table', magics: ['\x55\xaa'], places: at(510) },
];

/** Something that was found. */
export interface FoundSignature {
  readonly what: string;
  readonly offset: number; // bytes
  readonly length: number;
}

/** Longest magic number. */
const MAGIC_MAX = 32;

/** What was found on a device first; undefined when nothing was. */
export function* findSignature(device: BlockDevice): Io<string | undefined> {
  if (yield* holdsStore(device)) return 'a Holdfast store';
  return (yield* findSignatures(device))[0]?.what;
}

/** All that was found, but for stores. */
export function* findSignatures(device: BlockDevice): Io<FoundSignature[]> {
  const found: FoundSignature[] = [];
  const reader = new SectorReader(device);
  for (const { what, magics, places } of SIGNATURES) {
    for (const place of places) {
      const offset = place(device.size);
      const text = yield* reader.textAt(offset);
      const magic = magics.find((one) => text.startsWith(one));
      if (magic !== undefined) found.push({ what, offset, length: magic.length });
    }
  }
  return found;
}

/** Overwrites what was found, so that nobody takes the device for what it was. */
export function* wipeSignatures(device: BlockDevice): Io<void> {
  const { sectorSize } = device;
  for (const { offset, length } of yield* findSignatures(device)) {
    const from = offset - (offset % sectorSize);
    const to = Math.ceil((offset + length) / sectorSize) * sectorSize;
    const sources = [new Uint8Array(to - from)];
    yield { kind: 'write', device, offset: from, sources, durable: false };
  }
}

/** Reads pieces of a device, a window of it at a time. */
class SectorReader {
  readonly #device: BlockDevice;
  #from = 0;
  #window: Uint8Array = new Uint8Array(0);

  constructor(device: BlockDevice) {
    this.#device = device;
  }

  /** Up to MAGIC_MAX bytes at an offset as Latin-1; nothing where the device has none. */
  *textAt(offset: number): Io<string> {
    const { size } = this.#device;
    if (offset < 0 || offset >= size) return '';
    const end = Math.min(size, offset + MAGIC_MAX);
    if (offset < this.#from || end > this.#from + this.#window.length) {
      yield* this.#load(offset, end);
    }
    const bytes = this.#window.subarray(offset - this.#from, end - this.#from);
    return Buffer.from(bytes).toString('latin1');
  }

  *#load(offset: number, end: number): Io<void> {
    const device = this.#device;
    const { sectorSize } = device;
    this.#from = offset - (offset % sectorSize);
    const to = Math.ceil(end / sectorSize) * sectorSize;
    const target = new Uint8Array(Math.min(to, device.size) - this.#from);
    yield { kind: 'read', device, offset: this.#from, target };
    this.#window = target;
  }
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
