/**
 * Plants faults in the image of a store: changes bytes of a block and then, if asked, makes every
 * checksum right again on the way up to the superblock, so that only the meaning is wrong.
 *
 * - Checksums are found by their eight bytes: whatever block holds the old one gets the new one
 *   and is sealed again in turn. Blocks that nothing refers to any more may be changed too.
 */

import { GroupBitmap } from '../../src/alloc/group-bitmap.js';
import { runSync } from '../../src/blockdev/io.js';
import type { MemoryDevice } from '../../src/blockdev/memory-device.js';
import { NODE_STATE, Node } from '../../src/btree/node.js';
import { adoptBody } from '../../src/btree/node-check.js';
import { BODY_START } from '../../src/btree/node-format.js';
import { entry, readEntry } from '../../src/btree/node-view.js';
import { BLOCK_HEADER, BLOCK_MAGIC, BLOCK_TYPE } from '../../src/format/block.js';
import { getU32, getU64, setU32 } from '../../src/format/bytes.js';
import { writeHash } from '../../src/format/checksum.js';
import { GROUP_SUMMARY } from '../../src/format/group-summary.js';
import {
  encodeSuperblock,
  SUPERBLOCK,
  SUPERBLOCK_SIZE,
  type Superblock,
} from '../../src/format/superblock.js';
import { readSuperblocks, slotOffsets } from '../../src/txn/superblock-slots.js';

/** A record of a leaf, or an entry of a branch, in the image. */
export interface PlantedEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export class Planter {
  readonly #device: MemoryDevice;
  readonly image: Uint8Array;
  readonly superblock: Superblock;

  constructor(device: MemoryDevice) {
    this.#device = device;
    this.image = new Uint8Array(device.size);
    device.readSync(0, this.image);
    this.superblock = runSync(readSuperblocks(device)).newest;
  }

  /** Writes the image back. */
  write(): void {
    this.#device.writeSync(0, [this.image]);
  }

  /** Bytes of a run of blocks, in place. */
  page(address: number): Uint8Array {
    const { blockSize } = this.superblock;
    const at = address * blockSize;
    const length = getU32(this.image, at + BLOCK_HEADER.length);
    return this.image.subarray(at, at + length);
  }

  /** Addresses of the reachable nodes of a role and level, in order. */
  nodes(role: number, level: number): number[] {
    return this.#reachable().filter((address) => {
      const page = this.page(address);
      const isNode = page[BLOCK_HEADER.type] === BLOCK_TYPE.node;
      return isNode && page[BLOCK_HEADER.role] === role && page[BLOCK_HEADER.level] === level;
    });
  }

  /** Addresses of the bitmap blocks in use. */
  bitmaps(): number[] {
    return this.#reachable().filter(
      (address) => this.page(address)[BLOCK_HEADER.type] === BLOCK_TYPE.bitmap,
    );
  }

  /** Marks a block as used in the bitmap of its group, and leaves the summary as it is. */
  mark(block: number): void {
    const { groupBlocks } = this.superblock;
    for (const address of this.bitmaps()) {
      const page = this.page(address);
      const bit = block - getU64(page, BLOCK_HEADER.owner) * groupBlocks;
      if (bit < 0 || bit >= groupBlocks) continue;
      const at = BLOCK_HEADER.size + (bit >>> 3);
      page[at] = (page[at] as number) | (1 << (bit & 7));
      this.seal(address);
    }
  }

  /** Marks blocks as used or as free in the bitmap of their group, with the summary that this has. */
  markWhole(block: number, isUsed: boolean, length = 1): void {
    const { groupBlocks, deviceBlocks } = this.superblock;
    const group = Math.floor(block / groupBlocks);
    const address = this.bitmapOf(group);
    const page = this.page(address);
    const bits = page.subarray(BLOCK_HEADER.size);
    for (let i = block - group * groupBlocks; i < block - group * groupBlocks + length; i++) {
      const mask = 1 << (i & 7);
      bits[i >>> 3] = isUsed ? (bits[i >>> 3] ?? 0) | mask : (bits[i >>> 3] ?? 0) & ~mask;
    }
    const size = Math.min(groupBlocks, deviceBlocks - group * groupBlocks);
    const bitmap = GroupBitmap.fromBytes(bits, size);
    for (const summary of this.summariesOf(group)) {
      setU32(summary, GROUP_SUMMARY.free, bitmap.free);
      setU32(summary, GROUP_SUMMARY.longest, bitmap.longestFree());
    }
    this.seal(address);
  }

  /** The first block of the last `length` blocks of a group that are free, as is the one behind. */
  freeRun(group: number, length: number): number {
    const bits = this.page(this.bitmapOf(group)).subarray(BLOCK_HEADER.size);
    let free = 0;
    for (let i = this.superblock.groupBlocks - 1; i >= 0; i--) {
      free = ((bits[i >>> 3] ?? 0) & (1 << (i & 7))) === 0 ? free + 1 : 0;
      if (free > length + 1) return group * this.superblock.groupBlocks + i + 1;
    }
    throw new RangeError(`Cannot find ${length} free blocks in group ${group}`);
  }

  /** Address of the bitmap of a group. */
  bitmapOf(group: number): number {
    const found = this.bitmaps().find(
      (address) => getU64(this.page(address), BLOCK_HEADER.owner) === group,
    );
    if (found === undefined) throw new RangeError(`Cannot find a bitmap of group ${group}`);
    return found;
  }

  /** The GROUP_SUMMARY of a group in each slot of the newest superblock, in place. */
  summariesOf(group: number): Uint8Array[] {
    const page = this.page(this.bitmapOf(group));
    const checksum = page.slice(BLOCK_HEADER.checksum, BLOCK_HEADER.magic);
    return this.#slots().map((offset) => {
      const slot = this.image.subarray(offset, offset + SUPERBLOCK_SIZE);
      const at = Buffer.from(slot.buffer, slot.byteOffset, slot.length).indexOf(checksum);
      return slot.subarray(at - GROUP_SUMMARY.checksum);
    });
  }

  /** Makes the checksums of the newest superblock's slots right. */
  sealSuperblock(): void {
    for (const offset of this.#slots()) {
      sealSlot(this.image.subarray(offset, offset + SUPERBLOCK_SIZE));
    }
  }

  /** The entries of a node, in place. */
  entries(address: number): PlantedEntry[] {
    const page = this.page(address);
    const node = new Node(NODE_STATE.clean);
    adoptBody(node, page, BODY_START, page.length - BODY_START, {
      level: page[BLOCK_HEADER.level] as number,
      blockSize: this.superblock.blockSize,
      provisional: false,
    });
    return Array.from({ length: node.count }, (_, i) => {
      readEntry(node, i);
      const { keyStart, keyEnd, valueStart, valueEnd } = entry;
      return { key: page.subarray(keyStart, keyEnd), value: page.subarray(valueStart, valueEnd) };
    });
  }

  /** Makes the checksum of a changed block right, and those of everything above it. */
  seal(address: number): void {
    const page = this.page(address);
    const before = page.slice(BLOCK_HEADER.checksum, BLOCK_HEADER.magic);
    writeHash(page, BLOCK_HEADER.checksum, page, BLOCK_HEADER.magic, page.length);
    const after = page.slice(BLOCK_HEADER.checksum, BLOCK_HEADER.magic);
    if (Buffer.compare(before, after) === 0) return;
    for (const other of this.#blocks()) {
      if (other !== address && replace(this.page(other), before, after)) this.seal(other);
    }
    for (const offset of this.#slots()) this.#replaceInSlot(offset, before, after);
  }

  /** Replaces bytes wherever they stand in reachable nodes and in the superblock; seals these. */
  replaceAll(before: Uint8Array, after: Uint8Array): void {
    for (const address of this.#reachable()) {
      if (replace(this.page(address), before, after)) this.seal(address);
    }
    for (const offset of this.#slots()) this.#replaceInSlot(offset, before, after);
  }

  /** Writes the newest superblock, changed, to both of its slots. */
  putSuperblock(changes: Partial<Superblock>): void {
    const changed = { ...this.superblock, ...changes };
    for (const offset of slotOffsets(this.superblock, changed.number % 2)) {
      this.image.set(encodeSuperblock(changed, offset), offset);
    }
  }

  /** Makes both superblocks name the newest state, as opening for writing does. */
  forgetOlder(): void {
    const { superblock, image } = this;
    const number = superblock.number - 1;
    for (const offset of slotOffsets(superblock, number % 2)) {
      image.set(encodeSuperblock({ ...superblock, number }, offset), offset);
    }
  }

  /** Offsets of the four slots. */
  slots(): number[] {
    return [0, 1].flatMap((parity) => slotOffsets(this.superblock, parity));
  }

  /** Offsets of the newest superblock's slots. */
  #slots(): number[] {
    return slotOffsets(this.superblock, this.superblock.number % 2);
  }

  #replaceInSlot(offset: number, before: Uint8Array, after: Uint8Array): void {
    const slot = this.image.subarray(offset, offset + SUPERBLOCK_SIZE);
    if (replace(slot.subarray(SUPERBLOCK.size), before, after)) sealSlot(slot);
  }

  /** Addresses of everything that begins with a block header of its own place. */
  #blocks(): number[] {
    const { blockSize } = this.superblock;
    const found: number[] = [];
    for (let at = 0; at < this.image.length; at += blockSize) {
      const isBlock = getU32(this.image, at + BLOCK_HEADER.magic) === BLOCK_MAGIC;
      if (isBlock && getU64(this.image, at + BLOCK_HEADER.address) === at / blockSize) {
        found.push(at / blockSize);
      }
    }
    return found;
  }

  #reachable(): number[] {
    const [near] = this.#slots();
    const holders = [this.image.subarray(near, (near as number) + SUPERBLOCK_SIZE)];
    const rest = new Set(this.#blocks());
    const found: number[] = [];
    for (let holder = holders.pop(); holder !== undefined; holder = holders.pop()) {
      for (const address of rest) {
        const page = this.page(address);
        const named = page.subarray(BLOCK_HEADER.checksum, BLOCK_HEADER.magic);
        if (Buffer.from(holder.buffer, holder.byteOffset, holder.length).indexOf(named) < 0) {
          continue;
        }
        rest.delete(address);
        found.push(address);
        holders.push(page.subarray(BLOCK_HEADER.size));
      }
    }
    return found.sort((a, b) => a - b);
  }
}

/** Makes the checksum of a superblock slot right. */
export function sealSlot(slot: Uint8Array): void {
  writeHash(slot, SUPERBLOCK.checksum, slot, SUPERBLOCK.magic, SUPERBLOCK_SIZE);
}

/** Replaces every occurrence of some bytes by as many others; true when there was one. */
export function replace(page: Uint8Array, before: Uint8Array, after: Uint8Array): boolean {
  const bytes = Buffer.from(page.buffer, page.byteOffset, page.length);
  let isFound = false;
  for (let at = bytes.indexOf(before); at >= 0; at = bytes.indexOf(before, at + 1)) {
    bytes.set(after, at);
    isFound = true;
  }
  return isFound;
}

/** Changes one byte by its complement. */
export function flip(bytes: Uint8Array, at: number): void {
  bytes[at] = ~(bytes[at] as number);
}

/** Adds to a u32 in place. */
export function addU32(bytes: Uint8Array, at: number, amount: number): void {
  setU32(bytes, at, getU32(bytes, at) + amount);
}
