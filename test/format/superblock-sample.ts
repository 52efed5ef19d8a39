/** A superblock in its bounds, for tests to vary. */

import { JOURNAL_ORIGIN } from '../../src/format/journal-record.js';
import type { Superblock } from '../../src/format/superblock.js';

export const MIB = 1024 * 1024;

const EMPTY = new Uint8Array(0);

/** A store of 16 MiB in blocks of 4 KiB: slots at 0, 64 KiB, 8 MiB, 8 MiB + 64 KiB. */
export function sampleSuperblock(changes: Partial<Superblock> = {}): Superblock {
  return {
    number: 1,
    uuid: Uint8Array.from({ length: 16 }, (_, i) => i + 1),
    label: 'kelp',
    compat: 0,
    roCompat: 0,
    incompat: 0,
    blockSize: 4096,
    nodeSize: 8192,
    deviceBlocks: 4096,
    deviceBlocksMax: 8192,
    groupBlocks: 1024,
    stripeUnit: 0,
    stripeWidth: 0,
    slotStride: 65536,
    farOffset: 8 * MIB,
    metadataCopies: 1,
    journalUuid: Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i),
    journalOffset: MIB,
    journalBytes: MIB,
    journalStart: JOURNAL_ORIGIN,
    epoch: 7,
    transaction: 11,
    nextObject: 13,
    nextCollection: 17,
    nextDrop: 19,
    storedBytes: 2 ** 40 + 23,
    objects: 29,
    createdMs: 1_790_000_000_000,
    writtenMs: 1_790_000_000_001,
    cleanClose: false,
    roots: {
      collections: Uint8Array.of(1, 2, 3),
      references: EMPTY,
      groups: Uint8Array.of(4),
      drops: EMPTY,
      reservations: EMPTY,
      runs: Uint8Array.of(5, 6),
    },
    ...changes,
  };
}
