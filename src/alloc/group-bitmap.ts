/**
 * A bitmap of one group, with two summaries above it.
 *
 * - Bit set = used, clear = free; offsets are blocks in [0, size).
 * - A bit of `full` says that a word of `words` has no clear bit, a bit of `top` the same of a
 *   word of `full`, so that a search leaps over used space.
 * - Bits at and behind `size` are set on every level: no search runs off the end.
 * - Bytes outside (load, store) are LSB first, with zeros behind `size`.
 */

import { assert } from '../assert.js';

const WORD_FULL = 0xffff_ffff;

/** A bitmap's object, four views, and their buffer. */
const OBJECT_BYTES = 600;

/** Index of the lowest set bit; `bits` is not 0. */
function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}

/** Marks each bit at which `length` set bits in a row begin; `length` in [1, 31]. */
function startsOfRuns(bits: number, length: number): number {
  let starts = bits;
  for (let covered = 1; covered < length && starts !== 0; ) {
    const step = Math.min(covered, length - covered);
    starts &= starts >>> step;
    covered += step;
  }
  return starts;
}

/** Words for `bits` bits. */
function wordsFor(bits: number): number {
  return Math.ceil(bits / 32);
}

/** Sets the bits of a level behind its first `bits` ones. */
function endAt(bits: number, words: Uint32Array): void {
  if (bits % 32 !== 0) words[words.length - 1] = (words.at(-1) as number) | (-1 << (bits % 32));
}

/** True when no bit at or behind `size` is set, `bytes` being longer or not. */
export function hasZeroTail(bytes: Uint8Array, size: number): boolean {
  for (let i = size >>> 3; i < bytes.length; i++) {
    const bits = bytes[i] as number;
    if ((i === size >>> 3 ? bits >>> (size & 7) : bits) !== 0) return false;
  }
  return true;
}

export class GroupBitmap {
  /** Blocks. */
  readonly size: number;
  /** Blocks whose bit is set. */
  used = 0;
  /** All levels, one behind the other. */
  readonly #levels: Uint32Array;
  readonly #words: Uint32Array;
  readonly #full: Uint32Array;
  readonly #top: Uint32Array;

  /** All free. */
  constructor(size: number) {
    assert(size > 0, 'a group has at least one block');
    this.size = size;
    const words = wordsFor(size);
    const full = wordsFor(words);
    this.#levels = new Uint32Array(words + full + wordsFor(full));
    this.#words = this.#levels.subarray(0, words);
    this.#full = this.#levels.subarray(words, words + full);
    this.#top = this.#levels.subarray(words + full);
    endAt(size, this.#words);
    endAt(words, this.#full);
    endAt(full, this.#top);
  }

  /** From raw bits, of which those behind `size` are ignored; missing bytes are zero. */
  static fromBytes(bytes: Uint8Array, size: number): GroupBitmap {
    const bitmap = new GroupBitmap(size);
    const words = bitmap.#words;
    const count = Math.min(bytes.length, Math.ceil(size / 8));
    const view = new DataView(bytes.buffer, bytes.byteOffset, count);
    for (let i = 0; i < count >>> 2; i++) words[i] = view.getUint32(i * 4, true);
    for (let i = count & ~3; i < count; i++) {
      words[i >>> 2] = (words[i >>> 2] as number) | ((bytes[i] as number) << ((i & 3) * 8));
    }
    bitmap.#summarize();
    return bitmap;
  }

  /** The same bits in a bitmap of `size` blocks, not fewer than there are; the new ones free. */
  resized(size: number): GroupBitmap {
    assert(size >= this.size, 'a bitmap only grows');
    const bitmap = new GroupBitmap(size);
    const last = this.#words.length - 1;
    for (let i = 0; i <= last; i++) {
      const bits = i === last ? this.#lastWord() : (this.#words[i] as number);
      bitmap.#words[i] = (bitmap.#words[i] as number) | bits;
    }
    bitmap.#summarize();
    return bitmap;
  }

  /** The same bitmap once more. */
  copy(): GroupBitmap {
    const bitmap = new GroupBitmap(this.size);
    bitmap.#levels.set(this.#levels);
    bitmap.used = this.used;
    return bitmap;
  }

  /** What it takes in memory: its levels, and the objects round them. */
  get bytes(): number {
    return this.#levels.byteLength + OBJECT_BYTES;
  }

  get free(): number {
    return this.size - this.used;
  }

  /** Writes the bits to the start of `target`, and zeros behind them to its end. */
  writeTo(target: Uint8Array): void {
    const count = Math.ceil(this.size / 8);
    assert(target.length >= count, 'a target holds all bits of the group');
    for (let i = 0; i < count; i++) {
      target[i] = (this.#words[i >>> 2] as number) >>> ((i & 3) * 8);
    }
    if (this.size % 8 !== 0) {
      target[count - 1] = (target[count - 1] as number) & ((1 << (this.size % 8)) - 1);
    }
    target.fill(0, count);
  }

  /** Sets [start, start + length), all of it free before. */
  set(start: number, length: number): void {
    assert(length > 0 && this.isFree(start, length), 'bits to set are free');
    const words = this.#words;
    const last = (start + length - 1) >>> 5;
    let mask = -1 << (start & 31);
    for (let word = start >>> 5; word <= last; word++) {
      if (word === last) mask &= -1 >>> (31 - ((start + length - 1) & 31));
      const bits = ((words[word] as number) | mask) >>> 0;
      words[word] = bits;
      if (bits === WORD_FULL) this.#markFull(word);
      mask = -1;
    }
    this.used += length;
  }

  /** Clears [start, start + length), all of it used before. */
  clear(start: number, length: number): void {
    assert(length > 0 && this.isUsed(start, length), 'bits to clear are used');
    const words = this.#words;
    const last = (start + length - 1) >>> 5;
    let mask = -1 << (start & 31);
    for (let word = start >>> 5; word <= last; word++) {
      if (word === last) mask &= -1 >>> (31 - ((start + length - 1) & 31));
      const bits = words[word] as number;
      if (bits === WORD_FULL) this.#markOpen(word);
      words[word] = bits & ~mask;
      mask = -1;
    }
    this.used -= length;
  }

  /** True when no block of [start, start + length) is used; false where it leaves the group. */
  isFree(start: number, length: number): boolean {
    const end = start + length;
    return start >= 0 && end <= this.size && this.nextUsed(start, end) === end;
  }

  /** True when no block of [start, start + length) is free; false where it leaves the group. */
  isUsed(start: number, length: number): boolean {
    const end = start + length;
    return start >= 0 && end <= this.size && this.nextFree(start) >= end;
  }

  /** First free offset at or behind `at`, `size` when there is none. */
  nextFree(at: number): number {
    if (at >= this.size) return this.size;
    let word = at >>> 5;
    let open = ~(this.#words[word] as number) & (-1 << (at & 31));
    if (open === 0) {
      word = this.#nextOpenWord(word + 1);
      if (word < 0) return this.size;
      open = ~(this.#words[word] as number);
    }
    return word * 32 + lowestBit(open);
  }

  /** First used offset in [at, limit), `limit` when there is none. */
  nextUsed(at: number, limit: number = this.size): number {
    if (at >= limit) return limit;
    const last = (limit - 1) >>> 5;
    let word = at >>> 5;
    let bits = (this.#words[word] as number) & (-1 << (at & 31));
    while (bits === 0) {
      if (++word > last) return limit;
      bits = this.#words[word] as number;
    }
    return Math.min(limit, word * 32 + lowestBit(bits));
  }

  /** Last used offset before `at`, -1 when there is none. */
  previousUsed(at: number): number {
    if (at <= 0) return -1;
    let word = (at - 1) >>> 5;
    let bits = (this.#words[word] as number) & (-1 >>> (31 - ((at - 1) & 31)));
    while (bits === 0) {
      if (word-- === 0) return -1;
      bits = this.#words[word] as number;
    }
    return word * 32 + 31 - Math.clz32(bits);
  }

  /**
   * First offset at or behind `from` where `length` free blocks begin, -1 when there is none.
   * With `align` above 1 only offsets `first + k * align` count, `first` in [0, align).
   */
  findRun(from: number, length: number, align = 1, first = 0): number {
    if (from >= this.size || length > this.free) return -1;
    if (align > 1) return this.#findAligned(from, length, align, first);
    if (length > 1) return this.#findLong(from, length);
    const found = this.nextFree(from);
    return found < this.size ? found : -1;
  }

  /** Blocks of the longest free run. */
  longestFree(): number {
    const words = this.#words;
    let best = 0;
    let carry = 0;
    for (let i = 0; i < words.length; i++) {
      const bits = words[i] as number;
      if (bits === 0) {
        carry += 32;
        continue;
      }
      best = Math.max(best, carry + lowestBit(bits));
      while (best < 31 && startsOfRuns(~bits, best + 1) !== 0) best++;
      carry = Math.clz32(bits);
    }
    return Math.max(best, carry);
  }

  /** Blocks of the longest free run, each counted from its first offset `first + k * align`. */
  longestAligned(align: number, first: number): number {
    let best = 0;
    for (let at = first; at < this.size; ) {
      const end = this.nextUsed(at);
      best = Math.max(best, end - at);
      at += Math.max(1, Math.ceil((end - at) / align)) * align;
    }
    return best;
  }

  /** @throws AssertionError when the summaries, the tail or the count are not those of the bits. */
  verify(): void {
    const copy = this.resized(this.size);
    assert(copy.used === this.used, 'the used count is that of the bits');
    assert(this.#words.at(-1) === copy.#words.at(-1), 'bits behind the size are set');
    for (let i = 0; i < this.#full.length; i++) {
      assert(this.#full[i] === copy.#full[i], 'a full bit tells a full word');
    }
    for (let i = 0; i < this.#top.length; i++) {
      assert(this.#top[i] === copy.#top[i], 'a top bit tells a full word of full bits');
    }
  }

  #findAligned(from: number, length: number, align: number, first: number): number {
    let at = first + Math.ceil(Math.max(0, from - first) / align) * align;
    while (at + length <= this.size) {
      const used = this.nextUsed(at, at + length);
      if (used === at + length) return at;
      const next = this.nextFree(used);
      at += Math.ceil((next - at) / align) * align;
    }
    return -1;
  }

  /** `findRun` for two blocks or more: one word at a time, `carry` free blocks before it. */
  #findLong(from: number, length: number): number {
    const words = this.#words;
    let word = from >>> 5;
    let bits = (words[word] as number) | ((1 << (from & 31)) - 1);
    let carry = 0;
    while (word >= 0) {
      if (bits === 0) {
        carry += 32;
        if (carry >= length) return word * 32 + 32 - carry;
      } else {
        if (carry + lowestBit(bits) >= length) return word * 32 - carry;
        const starts = length < 32 ? startsOfRuns(~bits, length) : 0;
        if (starts !== 0) return word * 32 + lowestBit(starts);
        carry = Math.clz32(bits);
      }
      word = carry === 0 ? this.#nextOpenWord(word + 1) : word + 1;
      if (word >= words.length) return -1;
      bits = words[word] as number;
    }
    return -1;
  }

  /** First word at or behind `from` with a clear bit, -1 when there is none. */
  #nextOpenWord(from: number): number {
    let chunk = from >>> 5;
    if (chunk >= this.#full.length) return -1;
    let open = ~(this.#full[chunk] as number) & (-1 << (from & 31));
    if (open === 0) {
      chunk = this.#nextOpenChunk(chunk + 1);
      if (chunk < 0) return -1;
      open = ~(this.#full[chunk] as number);
    }
    return chunk * 32 + lowestBit(open);
  }

  /** First word of `full` at or behind `from` with a clear bit, -1 when there is none. */
  #nextOpenChunk(from: number): number {
    let mask = -1 << (from & 31);
    for (let i = from >>> 5; i < this.#top.length; i++) {
      const open = ~(this.#top[i] as number) & mask;
      if (open !== 0) return i * 32 + lowestBit(open);
      mask = -1;
    }
    return -1;
  }

  #markFull(word: number): void {
    const chunk = word >>> 5;
    const bits = ((this.#full[chunk] as number) | (1 << (word & 31))) >>> 0;
    this.#full[chunk] = bits;
    if (bits === WORD_FULL) {
      this.#top[chunk >>> 5] = (this.#top[chunk >>> 5] as number) | (1 << (chunk & 31));
    }
  }

  #markOpen(word: number): void {
    const chunk = word >>> 5;
    this.#full[chunk] = (this.#full[chunk] as number) & ~(1 << (word & 31));
    this.#top[chunk >>> 5] = (this.#top[chunk >>> 5] as number) & ~(1 << (chunk & 31));
  }

  /** The last word without the bits behind `size`. */
  #lastWord(): number {
    const bits = this.#words[this.#words.length - 1] as number;
    return this.size % 32 === 0 ? bits : bits & ~(-1 << (this.size % 32));
  }

  /** Derives summaries and count from freshly loaded words. */
  #summarize(): void {
    const words = this.#words;
    endAt(this.size, words);
    let used = this.size - words.length * 32;
    for (let i = 0; i < words.length; i++) {
      const bits = words[i] as number;
      used += countBits(bits);
      if (bits === WORD_FULL) this.#markFull(i);
    }
    this.used = used;
  }
}

/** Set bits of a word. */
function countBits(bits: number): number {
  const pairs = bits - ((bits >>> 1) & 0x5555_5555);
  const nibbles = (pairs & 0x3333_3333) + ((pairs >>> 2) & 0x3333_3333);
  return Math.imul((nibbles + (nibbles >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}
