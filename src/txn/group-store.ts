/**
 * Free-space bitmaps on the device, and the tree of their summaries.
 */

import type { GroupSource } from '../alloc/group-cache.js';
import type { BitmapPointer } from '../alloc/group-table.js';
import type { BlockDevice } from '../blockdev/block-device.js';
import { U64 } from '../btree/comparator.js';
import type { Tree } from '../btree/tree.js';
import { treeSpec } from '../btree/tree-spec.js';
import { hasCode } from '../errors.js';
import {
  type BitmapOwner,
  BLOCK_HEADER,
  BLOCK_TYPE,
  bitmapOwner,
  checkBlock,
  restoreChecksum,
  sealBlock,
} from '../format/block.js';
import { getU64BigEndian, setU64BigEndian } from '../format/bytes.js';
import {
  GROUP_SUMMARY,
  type GroupSummary,
  getGroupSummary,
  putGroupSummary,
} from '../format/group-summary.js';
import { ROLE } from '../format/role.js';
import type { Healer } from './healer.js';

/** Group index -> GROUP_SUMMARY. */
export const GROUPS_SPEC = treeSpec({
  role: ROLE.groups,
  comparator: U64,
  valueSize: GROUP_SUMMARY.size,
});

/** Reads bitmap blocks and checks them against their summary; a bad first copy is healed. */
export class BitmapReader implements GroupSource {
  readonly #device: BlockDevice;
  readonly #page: Uint8Array;
  readonly #healer: Healer;

  constructor(device: BlockDevice, blockSize: number, healer: Healer) {
    this.#device = device;
    this.#page = new Uint8Array(blockSize);
    this.#healer = healer;
  }

  load(_group: number, pointer: BitmapPointer): Uint8Array {
    try {
      this.#read(pointer, pointer.address);
    } catch (error) {
      const isBad = hasCode(error, 'E_IO') || hasCode(error, 'E_CORRUPT');
      if (pointer.copy === 0 || !isBad) throw error;
      this.#recover(pointer, error);
    }
    return this.#page.subarray(BLOCK_HEADER.size);
  }

  /** Reads the second copy where the first one failed with `error`. */
  #recover(pointer: BitmapPointer, error: unknown): void {
    try {
      this.#read(pointer, pointer.copy);
    } catch {
      throw error;
    }
    restoreChecksum(this.#page, pointer.low, pointer.high);
    this.#healer.heal(pointer.address, this.#page);
  }

  /** Reads what the pointer names from one of its places. */
  #read({ address, birth, low, high }: BitmapPointer, place: number): void {
    const blockSize = this.#page.length;
    this.#device.readSync(place * blockSize, this.#page);
    const expected = { type: BLOCK_TYPE.bitmap, level: 0, role: 0, address, birth };
    checkBlock(this.#page, expected, low, high, blockSize);
  }
}

/** What a bitmap block is sealed with. */
export interface BitmapIdentity extends BitmapOwner {
  readonly address: number; // block index
  readonly birth: number; // epoch
  /** First bytes of the store's uuid. */
  readonly store: number;
}

/** Seals the bitmap block of a group; its checksum is left for the summary. */
export function sealBitmap(
  page: Uint8Array,
  { address, birth, store, ...of }: BitmapIdentity,
): void {
  const owner = bitmapOwner(of);
  sealBlock(page, { type: BLOCK_TYPE.bitmap, level: 0, role: 0, address, birth, owner, store });
}

/** Writes the record of one group. */
export function putSummary(groups: Tree, group: number, summary: GroupSummary): void {
  const key = new Uint8Array(8);
  setU64BigEndian(key, 0, group);
  const value = new Uint8Array(GROUP_SUMMARY.size);
  putGroupSummary(value, 0, summary);
  groups.put(key, value);
}

/** All records, in order of the groups. */
export function* readSummaries(groups: Tree): Generator<readonly [number, GroupSummary]> {
  const cursor = groups.cursor();
  for (cursor.seekFirst(); cursor.valid; cursor.next()) {
    const group = getU64BigEndian(cursor.keyBytes, cursor.keyStart);
    yield [group, getGroupSummary(cursor.valueBytes, cursor.valueStart)];
  }
}
