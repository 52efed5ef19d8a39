/**
 * Integers in byte arrays, without a bigint on any path.
 *
 * - All little-endian except the `BigEndian` pair, which makes u64 keys sort as bytes do.
 * - u48 and u64 are JS numbers. Writers assert that they are safe integers; `getU64` gives
 *   `Infinity` for what no writer of ours can have written, so that bounds checks reject it.
 * - varints are LEB128: seven bits a byte, low first, at most eight bytes.
 */

import { constants } from 'node:buffer';
import { assert } from '../assert.js';
import { StoreError } from '../errors.js';

const TWO_32 = 2 ** 32;
const TWO_16 = 2 ** 16;

/** Longest varint, in bytes: a safe integer has 53 bits. */
export const VARINT_SIZE_MAX = 8;

export function getU16(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}

export function setU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

export function getU32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}

export function setU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

export function getU48(bytes: Uint8Array, at: number): number {
  return getU32(bytes, at) + getU16(bytes, at + 4) * TWO_32;
}

export function setU48(bytes: Uint8Array, at: number, value: number): void {
  assert(value >= 0 && value < TWO_32 * TWO_16, 'a u48 is in [0, 2^48)');
  setU32(bytes, at, value % TWO_32);
  setU16(bytes, at + 4, Math.floor(value / TWO_32));
}

export function getU64(bytes: Uint8Array, at: number): number {
  const high = getU32(bytes, at + 4);
  return high < 2 ** 21 ? high * TWO_32 + getU32(bytes, at) : Number.POSITIVE_INFINITY;
}

export function setU64(bytes: Uint8Array, at: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, 'a u64 is a safe integer');
  setU32(bytes, at, value % TWO_32);
  setU32(bytes, at + 4, Math.floor(value / TWO_32));
}

/** Big-endian u64: as a key, byte order is number order. */
export function getU64BigEndian(bytes: Uint8Array, at: number): number {
  const high =
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0;
  const low =
    (((bytes[at + 4] as number) << 24) |
      ((bytes[at + 5] as number) << 16) |
      ((bytes[at + 6] as number) << 8) |
      (bytes[at + 7] as number)) >>>
    0;
  return high < 2 ** 21 ? high * TWO_32 + low : Number.POSITIVE_INFINITY;
}

export function setU64BigEndian(bytes: Uint8Array, at: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, 'a u64 is a safe integer');
  const high = Math.floor(value / TWO_32);
  const low = value % TWO_32;
  for (let i = 0; i < 4; i++) {
    bytes[at + i] = high >>> (24 - 8 * i);
    bytes[at + 4 + i] = low >>> (24 - 8 * i);
  }
}

/** Encoded size of `value` as a varint, in bytes. */
export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
}

/** Writes `value` at `at`; returns the offset behind it. */
export function setVarint(bytes: Uint8Array, at: number, value: number): number {
  if (value === (value & 127)) {
    bytes[at] = value;
    return at + 1;
  }
  assert(Number.isSafeInteger(value) && value >= 0, 'a varint is a safe integer');
  let rest = value;
  let to = at;
  while (rest >= 128) {
    bytes[to++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  bytes[to++] = rest;
  return to;
}

/**
 * A cursor over bytes that come from the device or from a caller.
 * Every read is checked against `end`; past it, `failed` is set and zeros come back, so that
 * a decoder checks once at its end instead of at every field.
 */
export class ByteReader {
  bytes: Uint8Array;
  at: number;
  end: number;
  failed = false;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  /** Begins anew at `bytes[at]`, up to `end`. */
  seek(bytes: Uint8Array, at: number, end: number): void {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
    this.failed = false;
  }

  #take(size: number): number {
    const from = this.at;
    if (size > this.end - from) {
      this.failed = true;
      this.at = this.end;
      return -1;
    }
    this.at = from + size;
    return from;
  }

  u8(): number {
    const from = this.#take(1);
    return from < 0 ? 0 : (this.bytes[from] as number);
  }

  u16(): number {
    const from = this.#take(2);
    return from < 0 ? 0 : getU16(this.bytes, from);
  }

  u32(): number {
    const from = this.#take(4);
    return from < 0 ? 0 : getU32(this.bytes, from);
  }

  u48(): number {
    const from = this.#take(6);
    return from < 0 ? 0 : getU48(this.bytes, from);
  }

  u64(): number {
    const from = this.#take(8);
    return from < 0 ? 0 : getU64(this.bytes, from);
  }

  varint(): number {
    const first = this.at < this.end ? (this.bytes[this.at] as number) : 128;
    if (!(first < 128)) return this.#longVarint();
    this.at++;
    return first;
  }

  /** A varint of several bytes, or one that is cut short. */
  #longVarint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < VARINT_SIZE_MAX; i++) {
      const byte = this.u8();
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (!Number.isSafeInteger(value)) this.failed = true;
        return value;
      }
      scale *= 128;
    }
    this.failed = true;
    return 0;
  }

  /** `length` bytes as a view, not a copy. */
  take(length: number): Uint8Array {
    const from = this.#take(length);
    return from < 0 ? EMPTY : this.bytes.subarray(from, from + length);
  }

  /** Bytes behind a varint length, as a view. */
  lengthPrefixed(): Uint8Array {
    return this.take(this.varint());
  }

  /** The same as a copy. */
  copyPrefixed(): Uint8Array {
    const length = this.varint();
    const from = this.#take(length);
    return from < 0 ? EMPTY : copyOut(this.bytes, from, from + length);
  }

  /** Passes `length` bytes by; gives where they stand in `bytes`, -1 when they aren't there. */
  skip(length: number): number {
    return this.#take(length);
  }
}

export const EMPTY = new Uint8Array(0);

/** Bytes of the buffers that writers hand on to each other, and how many wait at most. */
const SPARE_SIZE = 16 * 1024;
const SPARES_MAX = 64;

const spares: Uint8Array[] = [];

/** Append-only bytes that grow by doubling. */
export class ByteWriter {
  bytes: Uint8Array;
  at = 0;

  constructor(capacity = 256) {
    this.bytes =
      capacity <= SPARE_SIZE
        ? (spares.pop() ?? new Uint8Array(SPARE_SIZE))
        : new Uint8Array(capacity);
  }

  /** Gives the buffer back to other writers: nothing may look at it any more. */
  release(): void {
    if (this.bytes.length === SPARE_SIZE && spares.length < SPARES_MAX) spares.push(this.bytes);
    this.bytes = EMPTY;
    this.at = 0;
  }

  /** Makes room for `size` more bytes. */
  reserve(size: number): void {
    const needed = this.at + size;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.at));
    this.bytes = grown;
  }

  u8(value: number): void {
    this.reserve(1);
    this.bytes[this.at++] = value;
  }

  u16(value: number): void {
    this.reserve(2);
    setU16(this.bytes, this.at, value);
    this.at += 2;
  }

  u32(value: number): void {
    this.reserve(4);
    setU32(this.bytes, this.at, value);
    this.at += 4;
  }

  u48(value: number): void {
    this.reserve(6);
    setU48(this.bytes, this.at, value);
    this.at += 6;
  }

  u64(value: number): void {
    this.reserve(8);
    setU64(this.bytes, this.at, value);
    this.at += 8;
  }

  varint(value: number): void {
    this.reserve(VARINT_SIZE_MAX);
    this.at = setVarint(this.bytes, this.at, value);
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  lengthPrefixed(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.raw(bytes);
  }

  /** Text with one character for each byte, behind its length. */
  text(text: string): void {
    const { length } = text;
    this.varint(length);
    this.reserve(length);
    const { bytes, at } = this;
    for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i);
    this.at = at + length;
  }

  /** What was written, as a view that the next write may detach. */
  done(): Uint8Array {
    return this.bytes.subarray(0, this.at);
  }

  /** What was written, as a copy of its own; the writer is released. */
  copy(): Uint8Array {
    const copy = copyOut(this.bytes, 0, this.at);
    this.release();
    return copy;
  }
}

/** Bytes of the slab that small copies are cut from. */
const SLAB_SIZE = 16 * 1024;

/** Copies up to this long are cut from a slab: a typed array's own buffer costs more than that. */
const SLAB_COPY_MAX = 512;

let slab = new ArrayBuffer(SLAB_SIZE);
let slabAt = 0;

/**
 * `length` zeros. Small arrays share a slab of 16 KiB, which lives as long as one of them does, and
 * is never used again.
 */
export function newBytes(length: number): Uint8Array {
  if (length > SLAB_COPY_MAX) return new Uint8Array(length);
  if (slabAt + length > SLAB_SIZE) {
    slab = new ArrayBuffer(SLAB_SIZE);
    slabAt = 0;
  }
  slabAt += length;
  return new Uint8Array(slab, slabAt - length, length);
}

/** Bytes of the slab that arrays to be filled are cut from, and the longest of these. */
const UNSET_SLAB_SIZE = 64 * 1024;
const UNSET_CUT_MAX = 8 * 1024;

/**
 * Bytes in front of a long array. One with memory of its own begins 16 bytes behind the start of a
 * page otherwise, and the copy of a `read` to there takes up to 2.5 times as long on processors with
 * FSRM (measured on AMD's family 25: 186 us instead of 76 for 1 MiB).
 */
const UNSET_LEAD = 32;

let unsetSlab = new ArrayBuffer(0);
let unsetAt = 0;

/**
 * `length` bytes of whatever memory held before: for a caller that overwrites each of them, or
 * gives none away. Short ones share a slab of 64 KiB.
 * @throws StoreError E_TOO_BIG when that is more than one array can have
 */
export function unsetBytes(length: number): Uint8Array {
  if (length > UNSET_CUT_MAX) {
    if (UNSET_LEAD + length > constants.MAX_LENGTH) {
      const message = `Cannot read ${length} bytes into one array: read them in pieces`;
      throw new StoreError('E_TOO_BIG', message);
    }
    const { buffer } = Buffer.allocUnsafeSlow(UNSET_LEAD + length);
    return new Uint8Array(buffer, UNSET_LEAD);
  }
  if (unsetAt + length > unsetSlab.byteLength) {
    unsetSlab = Buffer.allocUnsafeSlow(UNSET_SLAB_SIZE).buffer;
    unsetAt = 0;
  }
  unsetAt += length;
  return new Uint8Array(unsetSlab, unsetAt - length, length);
}

/** A copy of `bytes[start, end)`, from a slab as `newBytes` says. */
export function copyOut(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const length = end - start;
  if (length > SLAB_COPY_MAX) return bytes.slice(start, end);
  const copy = newBytes(length);
  copyBytes(bytes, start, end, copy, 0);
  return copy;
}

/** From this length on a copy through a view is faster than a loop (45 ns against 1.8 ns a byte). */
const LOOP_COPY_MAX = 24;

/** Copies `source[from, to)` to `target[at]`. */
export function copyBytes(
  source: Uint8Array,
  from: number,
  to: number,
  target: Uint8Array,
  at: number,
): void {
  if (to - from > LOOP_COPY_MAX) {
    target.set(from === 0 && to === source.length ? source : source.subarray(from, to), at);
    return;
  }
  const shift = at - from;
  for (let i = from; i < to; i++) target[i + shift] = source[i] as number;
}

/** Bytes of text with a character for each; undefined when it has others than ASCII. */
export function asciiBytes(text: string): Uint8Array | undefined {
  const bytes = newBytes(text.length);
  for (let i = 0; i < bytes.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127) return undefined;
    bytes[i] = code;
  }
  return bytes;
}

/** Bytes as text that is equal exactly when they are: one character for each byte. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

/** Bytewise lexicographic order: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** True when both hold the same bytes. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0;
}
