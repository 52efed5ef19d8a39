/**
 * What each byte of a sample store's image is for: which checksum covers it, if any, and what a
 * store must say when it is not as it was.
 *
 * - Derived from an undamaged image: slots and journal from the superblock and its records, the
 *   rest from the allocation bitmaps and from the runs that pending records name.
 * - Free blocks may be read, as reads go over small gaps, but nobody looks at them. Checked here:
 *   fsck reads every block in use; a read begins and ends in one; and it finds nothing when all
 *   free blocks hold something else. So a byte is called free only because nobody refers to it.
 */

import { runSync } from '../../src/blockdev/io.js';
import { BLOCK_HEADER } from '../../src/format/block.js';
import { RECORD } from '../../src/format/journal-record.js';
import { SUPERBLOCK_SIZE, type Superblock } from '../../src/format/superblock.js';
import { readSummaries } from '../../src/txn/group-store.js';
import { readBody, type ScannedRecord, scanJournal } from '../../src/txn/journal-scan.js';
import { fixedRuns } from '../../src/txn/make-store.js';
import { openEngine } from '../../src/txn/recovery.js';
import { readSuperblocks, slotOffsets } from '../../src/txn/superblock-slots.js';
import { decodeTransactionRecords } from '../../src/txn/transaction-record.js';
import { ImageDevice } from './image-device.js';
import { checkSample, sampleRegistry } from './sample-check.js';

/** What a byte belongs to. */
export type ByteClass = (typeof CLASSES)[number];

const CLASSES = [
  'free', // nobody refers to the block
  'padding', // of the ring, behind and between records
  'slot', // of a superblock
  'record', // of the journal: header, and body where it is behind it
  'body', // of a record, in a run of blocks
  'ahead', // data that a pending transaction has written ahead
  'used', // marked in a bitmap: node, bitmap, data
  'copy', // a block header's copy of the checksum that its pointer holds
] as const;

/** A record of the journal, with everything that it takes to believe it. */
export interface MappedRecord {
  readonly record: ScannedRecord;
  /** Byte offset on the device. */
  readonly offset: number;
  /** Transactions in the records before it. */
  readonly before: number;
}

/** Bytes [offset, offset + length) of the device. */
export interface ByteRun {
  readonly offset: number;
  readonly length: number;
}

export class SampleMap {
  readonly superblock: Superblock;
  readonly records: readonly MappedRecord[];
  readonly slots: readonly number[];
  /** Runs that begin with a BLOCK_HEADER or RECORD, their headers only. */
  readonly headers: readonly ByteRun[];
  readonly #blockSize: number;
  readonly #classes: Uint8Array;
  readonly #owners = new Map<number, MappedRecord>();

  constructor(bytes: Uint8Array) {
    const device = new ImageDevice(bytes, { readOnly: true });
    const { newest } = runSync(readSuperblocks(device));
    this.superblock = newest;
    this.#blockSize = newest.blockSize;
    this.#classes = new Uint8Array(bytes.length);
    this.slots = [0, 1].flatMap((parity) => slotOffsets(newest, parity));
    const fixed = new Set<number>();
    for (const run of fixedRuns(newest)) for (const block of blocksOf(run)) fixed.add(block);
    const used = usedBlocks(device).filter((block) => !fixed.has(block));
    for (const block of used) this.#mark(block * this.#blockSize, this.#blockSize, 'used');
    this.#mark(newest.journalOffset, newest.journalBytes, 'padding');
    for (const offset of this.slots) this.#mark(offset, SUPERBLOCK_SIZE, 'slot');
    this.records = this.#mapRecords(device);
    this.#checkRead(bytes, fixed);
    this.headers = this.#findHeaders(bytes);
  }

  classOf(offset: number): ByteClass {
    return CLASSES[this.#classes[offset] as number] ?? 'free';
  }

  /** The record that a byte of class `record`, `body` or `ahead` belongs to. */
  recordOf(offset: number): MappedRecord | undefined {
    return this.#owners.get(Math.floor(offset / this.#blockSize));
  }

  /**
   * The state that a store shows when these records can't be believed: how many transactions are
   * in it, and whether more had been durable for certain.
   */
  stateWithout(lost: ReadonlySet<MappedRecord>): { transactions: number; isDamage: boolean } {
    const first = this.records.find((one) => lost.has(one));
    if (first === undefined) return { transactions: this.transactions, isDamage: false };
    let durable = this.superblock.journalStart.sequence - 1;
    for (const one of this.records) {
      if (!lost.has(one)) durable = Math.max(durable, one.record.durable);
    }
    const isDamage = first.record.sequence <= durable;
    return { transactions: first.before, isDamage };
  }

  /** Transactions in the journal. */
  get transactions(): number {
    return this.records.reduce((sum, { record }) => sum + record.transactionCount, 0);
  }

  /** True when recovery reads the data again that this record's transactions wrote ahead. */
  isRead(one: MappedRecord): boolean {
    const durable = this.records.map(({ record }) => record.durable);
    return one.record.sequence > Math.max(...durable);
  }

  #mark(offset: number, length: number, name: ByteClass): void {
    this.#classes.fill(CLASSES.indexOf(name), offset, offset + length);
  }

  #mapRecords(device: ImageDevice): MappedRecord[] {
    const { journalOffset, journalBytes, blockSize, journalUuid, journalStart } = this.superblock;
    const ring = { device, offset: journalOffset, bytes: journalBytes, blockSize };
    const whole = { ...ring, uuid: journalUuid };
    let before = 0;
    return runSync(scanJournal(whole, journalStart)).records.map((record) => {
      const one = { record, offset: journalOffset + record.offset, before };
      before += record.transactionCount;
      const { bodyRun, bodyLength } = record;
      this.#own(one, one.offset, RECORD.size + (bodyRun === undefined ? bodyLength : 0), 'record');
      const body = runSync(readBody(whole, record));
      const list = record.transactionCount === 0 ? [] : [...decodeTransactionRecords(body)];
      if (bodyRun !== undefined) {
        this.#own(one, bodyRun.address * blockSize, bodyRun.blocks * blockSize, 'body');
      }
      for (const { ahead } of list) {
        for (const { address, blocks } of ahead.flatMap(({ extents }) => extents)) {
          this.#own(one, address * blockSize, blocks * blockSize, 'ahead');
        }
      }
      return one;
    });
  }

  #own(one: MappedRecord, offset: number, length: number, name: ByteClass): void {
    this.#mark(offset, length, name);
    const from = Math.floor(offset / this.#blockSize);
    const to = Math.ceil((offset + length) / this.#blockSize);
    for (let block = from; block < to; block++) this.#owners.set(block, one);
  }

  /** Fsck reads all that is in use, goes over free blocks only on the way, and looks at none. */
  #checkRead(bytes: Uint8Array, fixed: ReadonlySet<number>): void {
    const device = new ImageDevice(bytes.slice(), { readOnly: true });
    const isFree = (block: number): boolean =>
      !fixed.has(block) && this.classOf(block * this.#blockSize) === 'free';
    const read = new Set<number>();
    device.onRead = (offset, length) => {
      const from = Math.floor(offset / this.#blockSize);
      const to = Math.ceil((offset + length) / this.#blockSize);
      for (let block = from; block < to; block++) read.add(block);
      if (isFree(from) || isFree(to - 1)) throw new Error(`A read ends in a free block: ${from}`);
    };
    if (checkSample(device).length > 0) throw new Error('The undamaged image has findings');
    for (let block = 0; block < bytes.length / this.#blockSize; block++) {
      const offset = block * this.#blockSize;
      if (isFree(block)) device.bytes.fill(block % 251, offset, offset + this.#blockSize);
      else if (!fixed.has(block) && !read.has(block)) throw new Error(`Block ${block} is not read`);
    }
    const [first] = checkSample(device);
    if (first !== undefined) throw new Error(`Fsck looks at a free block: ${first.message}`);
  }

  #findHeaders(bytes: Uint8Array): ByteRun[] {
    const magic = Buffer.from('HFBK');
    const found: ByteRun[] = this.records.map(({ offset }) => ({ offset, length: RECORD.size }));
    for (let offset = 0; offset < bytes.length; offset += this.#blockSize) {
      const name = this.classOf(offset);
      if (name !== 'used' && name !== 'body') continue;
      const at = bytes.subarray(offset + BLOCK_HEADER.magic, offset + BLOCK_HEADER.magic + 4);
      if (Buffer.compare(magic, at) === 0) found.push({ offset, length: BLOCK_HEADER.size });
    }
    for (const { offset, length } of found) {
      if (length === BLOCK_HEADER.size) this.#mark(offset, BLOCK_HEADER.magic, 'copy');
    }
    return found;
  }
}

function* blocksOf({ start, length }: { start: number; length: number }): Generator<number> {
  for (let block = start; block < start + length; block++) yield block;
}

/** Blocks that the bitmaps of the last checkpoint mark, and those that hold the bitmaps. */
function usedBlocks(device: ImageDevice): number[] {
  const { engine } = runSync(
    openEngine({
      device,
      readOnly: true,
      comparators: sampleRegistry(),
      cacheBytes: 1e6,
      dirtyBytesMax: 1e6,
    }),
  );
  const { superblock } = engine;
  const blocks: number[] = [];
  for (const [group, { address }] of readSummaries(engine.state.trees.groups)) {
    const bits = device.bytes.subarray(
      address * superblock.blockSize + BLOCK_HEADER.size,
      (address + 1) * superblock.blockSize,
    );
    for (let i = 0; i < superblock.groupBlocks; i++) {
      if (((bits[i >>> 3] as number) & (1 << (i & 7))) === 0) continue;
      blocks.push(group * superblock.groupBlocks + i);
    }
  }
  return blocks;
}
