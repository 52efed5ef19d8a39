/**
 * Forges stores: changes fields of a sample store's image and makes every checksum right again, so
 * that what is wrong gets past them and only the checks of meaning are left.
 *
 * - A block is found by what its header says of itself, and so is whatever names it: all places
 *   with its checksum get the new one, and are sealed in turn, up to the superblock.
 * - Records of the journal are chained anew behind a changed one.
 */

import { runSync } from '../../src/blockdev/io.js';
import { NODE_STATE, Node } from '../../src/btree/node.js';
import { adoptBody } from '../../src/btree/node-check.js';
import { BODY_START, NODE_BODY } from '../../src/btree/node-format.js';
import { entry, readEntry } from '../../src/btree/node-view.js';
import { BLOCK_HEADER, BLOCK_MAGIC, BLOCK_TYPE } from '../../src/format/block.js';
import { getU32, getU64, setU16 } from '../../src/format/bytes.js';
import { writeHash } from '../../src/format/checksum.js';
import { RECORD } from '../../src/format/journal-record.js';
import { fieldsOf } from '../../src/format/layout.js';
import { POINTER } from '../../src/format/pointer.js';
import { SUPERBLOCK, SUPERBLOCK_SIZE, type Superblock } from '../../src/format/superblock.js';
import { type ScannedRecord, scanJournal } from '../../src/txn/journal-scan.js';
import { readSuperblocks, slotOffsets } from '../../src/txn/superblock-slots.js';
import { ImageDevice } from './image-device.js';
import type { Prng } from './prng.js';

/** Bytes [from, to) of the image, and what they are. */
interface Field {
  readonly what: string;
  readonly from: number;
  readonly to: number;
}

/** Values that a length or count should never be trusted with. */
const INTERESTING = [0, 1, 2, 127, 128, 254, 255] as const;

/** Deepest chain of checksums that is mended: a cycle of pointers has no end. */
const SEAL_DEPTH_MAX = 40;

export class Forger {
  readonly bytes: Uint8Array;
  /** What was forged, for a message. */
  readonly done: string[] = [];
  readonly #prng: Prng;
  readonly #superblock: Superblock;
  readonly #records: readonly ScannedRecord[];
  /** Byte offsets of all runs with a header of their own place, and their lengths. */
  readonly #runs = new Map<number, number>();

  /** `bytes` is changed in place. */
  constructor(bytes: Uint8Array, prng: Prng) {
    this.bytes = bytes;
    this.#prng = prng;
    const device = new ImageDevice(bytes, { readOnly: true });
    this.#superblock = runSync(readSuperblocks(device)).newest;
    const { journalOffset: offset, journalBytes, blockSize, journalUuid } = this.#superblock;
    const ring = { device, offset, bytes: journalBytes, blockSize, uuid: journalUuid };
    this.#records = runSync(scanJournal(ring, this.#superblock.journalStart)).records;
    this.#findRuns();
  }

  /** Changes one thing. */
  forge(): void {
    const kinds = [
      () => this.#forgeNode(),
      () => this.#forgeNode(),
      () => this.#forgeNode(),
      () => this.#forgePointer(),
      () => this.#forgePointer(),
      () => this.#forgeHeader(),
      () => this.#forgeBitmap(),
      () => this.#forgeSuperblock(),
      () => this.#forgeRecord(),
      () => this.#forgeBody(),
    ];
    this.#prng.pick(kinds)();
  }

  // What is changed

  /** A field, slot, length, key or value of a node. */
  #forgeNode(): void {
    const at = this.#pickRun(BLOCK_TYPE.node);
    const fields = [...this.#fieldsOfNode(at)];
    for (let count = this.#prng.pick([1, 1, 1, 2, 5]); count > 0; count--) {
      this.#scribble(this.#prng.pick(fields));
    }
    this.#seal(at);
  }

  *#fieldsOfNode(at: number): Generator<Field> {
    const body = at + BODY_START;
    for (const { name, offset, size } of fieldsOf(NODE_BODY)) {
      yield { what: name, from: body + offset, to: body + offset + size };
    }
    const slots = body + NODE_BODY.size;
    const node = this.#nodeAt(at);
    const { count } = node;
    yield { what: 'slots', from: slots, to: slots + 2 * Math.max(1, count) };
    for (let round = 0; round < 6 && count > 0; round++) {
      readEntry(node, this.#prng.below(count));
      const { keyStart, keyEnd, valueStart, valueEnd } = entry;
      yield { what: 'lengths', from: keyStart - 2, to: keyStart };
      if (keyEnd > keyStart) yield { what: 'key', from: keyStart, to: keyEnd };
      if (valueEnd > valueStart) {
        yield { what: 'value', from: valueStart, to: valueEnd };
        yield { what: 'head of value', from: valueStart, to: Math.min(valueEnd, valueStart + 8) };
      }
    }
  }

  /** A pointer of a branch: to another node with its right checksum, or with another field. */
  #forgePointer(): void {
    const branches = this.#runsOf(BLOCK_TYPE.node).filter(
      (at) => (this.bytes[at + BLOCK_HEADER.level] as number) > 0,
    );
    const at = this.#prng.pick(branches);
    const node = this.#nodeAt(at);
    readEntry(node, this.#prng.below(node.count));
    const pointer = entry.valueStart;
    if (this.#prng.chance(0.5)) this.#redirect(pointer, at);
    else {
      const { name, offset, size } = this.#prng.pick([...fieldsOf(POINTER)]);
      this.#scribble({ what: name, from: pointer + offset, to: pointer + offset + size });
    }
    this.#seal(at);
  }

  /** Makes a pointer name another node: of its own tree or not, above it or not. */
  #redirect(pointer: number, from: number): void {
    const runs = this.#runsOf(BLOCK_TYPE.node);
    const to = this.#prng.pick([from, this.#prng.pick(runs), this.#prng.pick(runs)]);
    this.done.push(`pointer at ${pointer} to ${to}`);
    const { bytes } = this;
    const address = to / this.#superblock.blockSize;
    for (let i = 0; i < 6; i++) bytes[pointer + POINTER.address + i] = (address / 256 ** i) & 255;
    const blocks = (this.#runs.get(to) ?? 0) / this.#superblock.blockSize;
    setU16(bytes, pointer + POINTER.length, blocks);
    bytes.copyWithin(pointer + POINTER.checksum, to, to + 8);
    bytes.copyWithin(pointer + POINTER.birth, to + BLOCK_HEADER.birth, to + BLOCK_HEADER.birth + 6);
    if (this.#prng.chance(0.5)) {
      bytes[pointer + POINTER.level] = bytes[to + BLOCK_HEADER.level] as number;
    }
  }

  #forgeHeader(): void {
    const at = this.#prng.pick([...this.#runs.keys()]);
    const { name, offset, size } = this.#prng.pick([...fieldsOf(BLOCK_HEADER)].slice(1));
    this.#scribble({ what: name, from: at + offset, to: at + offset + size });
    this.#seal(at);
  }

  #forgeBitmap(): void {
    const at = this.#pickRun(BLOCK_TYPE.bitmap);
    const from = at + BLOCK_HEADER.size;
    const to = at + (this.#runs.get(at) ?? 0);
    if (this.#prng.chance(0.3)) {
      this.done.push(`bitmap at ${at} filled`);
      this.bytes.fill(this.#prng.pick([0, 255]), from, to);
    } else {
      const start = this.#prng.between(from, from + 150);
      this.#scribble({ what: 'bits', from: start, to: Math.min(to, start + 10) });
    }
    this.#seal(at);
  }

  #forgeSuperblock(): void {
    const [slot = 0] = slotOffsets(this.#superblock, this.#superblock.number % 2);
    const fields = [...fieldsOf(SUPERBLOCK)]
      .filter(({ offset }) => offset > SUPERBLOCK.address)
      .map(({ name, offset, size }) => ({
        what: name,
        from: slot + offset,
        to: slot + offset + size,
      }));
    const roots = { what: 'roots', from: slot + SUPERBLOCK.size, to: slot + SUPERBLOCK.size + 900 };
    this.#scribble(this.#prng.chance(0.6) ? this.#prng.pick(fields) : roots);
    this.#sealSlots(slot);
  }

  #forgeRecord(): void {
    const index = this.#prng.below(this.#records.length);
    const start = this.#startOf(index);
    const { name, offset, size } = this.#prng.pick([...fieldsOf(RECORD)].slice(1));
    this.#scribble({ what: `record ${name}`, from: start + offset, to: start + offset + size });
    this.#chain(index);
  }

  /** Bytes of the transactions in a record. */
  #forgeBody(): void {
    const index = this.#prng.below(this.#records.length);
    const { bodyRun, bodyLength } = this.#records[index] as ScannedRecord;
    const { blockSize } = this.#superblock;
    const from =
      bodyRun === undefined
        ? this.#startOf(index) + RECORD.size
        : bodyRun.address * blockSize + BLOCK_HEADER.size;
    if (bodyLength === 0) return;
    const length = this.#prng.chance(0.7) ? Math.min(bodyLength, 90) : bodyLength;
    const isTail = this.#prng.chance(0.4);
    const start = isTail ? from + bodyLength - length : from;
    for (let count = this.#prng.pick([1, 1, 2, 4]); count > 0; count--) {
      this.#scribble({ what: 'record body', from: start, to: start + length });
    }
    if (bodyRun !== undefined) this.#seal(bodyRun.address * blockSize);
    this.#chain(index);
  }

  /** Writes something into a field. */
  #scribble({ what, from, to }: Field): void {
    const prng = this.#prng;
    const at = prng.between(from, to);
    const byte = prng.chance(0.6) ? prng.pick(INTERESTING) : prng.below(256);
    const isWhole = to - from <= 8 && prng.chance(0.4);
    if (isWhole) this.bytes.fill(byte, from, to);
    else this.bytes[at] = byte;
    this.done.push(`${what} at ${isWhole ? `${from}+${to - from}` : at} is ${byte}`);
  }

  // Finding and mending

  #findRuns(): void {
    const { blockSize } = this.#superblock;
    for (let at = 0; at + blockSize <= this.bytes.length; at += blockSize) {
      if (getU32(this.bytes, at + BLOCK_HEADER.magic) !== BLOCK_MAGIC) continue;
      if (getU64(this.bytes, at + BLOCK_HEADER.address) !== at / blockSize) continue;
      const length = getU32(this.bytes, at + BLOCK_HEADER.length);
      if (this.#isNamed(at)) this.#runs.set(at, length);
    }
  }

  /** True when something holds the checksum of the block at `at`. */
  #isNamed(at: number): boolean {
    return [...this.#holders(this.bytes.slice(at, at + 8))].some((place) => place !== at);
  }

  /** Offsets of a checksum in the image. */
  *#holders(checksum: Uint8Array): Generator<number> {
    const image = Buffer.from(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length);
    for (let at = image.indexOf(checksum); at >= 0; at = image.indexOf(checksum, at + 1)) yield at;
  }

  #runsOf(type: number): number[] {
    return [...this.#runs.keys()].filter((at) => this.bytes[at + BLOCK_HEADER.type] === type);
  }

  #pickRun(type: number): number {
    return this.#prng.pick(this.#runsOf(type));
  }

  #nodeAt(at: number): Node {
    const node = new Node(NODE_STATE.clean);
    adoptBody(node, this.bytes, at + BODY_START, (this.#runs.get(at) ?? 0) - BODY_START, {
      level: this.bytes[at + BLOCK_HEADER.level] as number,
      blockSize: this.#superblock.blockSize,
      provisional: false,
    });
    return node;
  }

  #seal(at: number, depth = 0): void {
    const { bytes } = this;
    const end = at + (this.#runs.get(at) ?? 0);
    const before = bytes.slice(at, at + 8);
    writeHash(bytes, at, bytes, at + BLOCK_HEADER.magic, end);
    const after = bytes.slice(at, at + 8);
    if (Buffer.compare(before, after) === 0 || depth > SEAL_DEPTH_MAX) return;
    for (const place of [...this.#holders(before)]) {
      bytes.set(after, place);
      this.#sealAround(place, depth + 1);
    }
  }

  /** Mends the checksum of what holds the byte at `place`. */
  #sealAround(place: number, depth: number): void {
    for (const [at, length] of this.#runs) {
      if (place >= at + BLOCK_HEADER.size && place < at + length) this.#seal(at, depth);
    }
    for (const slot of slotOffsets(this.#superblock, this.#superblock.number % 2)) {
      if (place >= slot && place < slot + SUPERBLOCK_SIZE) this.#sealSlot(slot);
    }
    this.#records.forEach((_, index) => {
      const start = this.#startOf(index);
      if (place >= start && place < start + RECORD.size) this.#chain(index);
    });
  }

  /** The slot at `from` is the truth for both. */
  #sealSlots(from: number): void {
    const { bytes } = this;
    for (const slot of slotOffsets(this.#superblock, this.#superblock.number % 2)) {
      const address = bytes.slice(slot + SUPERBLOCK.address, slot + SUPERBLOCK.number);
      bytes.copyWithin(slot, from, from + SUPERBLOCK_SIZE);
      bytes.set(address, slot + SUPERBLOCK.address);
      this.#sealSlot(slot);
    }
  }

  #sealSlot(slot: number): void {
    const { bytes } = this;
    const end = slot + SUPERBLOCK_SIZE;
    writeHash(bytes, slot + SUPERBLOCK.checksum, bytes, slot + SUPERBLOCK.magic, end);
  }

  #startOf(index: number): number {
    return this.#superblock.journalOffset + (this.#records[index] as ScannedRecord).offset;
  }

  /** Mends the checksums of a record and of all behind it. */
  #chain(index: number): void {
    const { bytes } = this;
    for (let i = index; i < this.#records.length; i++) {
      const start = this.#startOf(i);
      const { bodyRun, bodyLength } = this.#records[i] as ScannedRecord;
      const body = start + RECORD.size;
      if (i > index)
        bytes.copyWithin(start + RECORD.previous, this.#startOf(i - 1), this.#startOf(i - 1) + 8);
      if (bodyRun === undefined && bodyLength > 0) {
        writeHash(bytes, start + RECORD.bodyChecksum, bytes, body, body + bodyLength);
      }
      writeHash(bytes, start, bytes, start + RECORD.magic, start + RECORD.size);
    }
  }
}
