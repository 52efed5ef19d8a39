/**
 * The bytes of a device as pages that images share until one of them writes.
 *
 * - A page that is not there is all zeros.
 * - `fork()` costs one reference a page, so that a test may keep or make thousands of images.
 * - A page is changed in place only by the image that owns it, which `fork()` ends on both sides.
 * - The digest is a sum over pages, of which only those are hashed that changed since the last one.
 */

import { checksum, hash } from '../../src/format/checksum.js';

export const PAGE_SIZE = 4096;

const ZEROS = new Uint8Array(PAGE_SIZE);

export class MemoryImage {
  #size: number;
  #pages: (Uint8Array | undefined)[];
  /** 1 where the page at this index is ours alone. */
  #owned: Uint8Array;
  /** What each page puts into the digest, two halves a page; of changed ones not yet. */
  #parts: Uint32Array;
  /** Indices of pages that changed since their part was taken. */
  #changed: Set<number>;
  #sumLow = 0;
  #sumHigh = 0;

  constructor(size: number) {
    this.#size = size;
    this.#pages = new Array(Math.ceil(size / PAGE_SIZE)).fill(undefined);
    this.#owned = new Uint8Array(this.#pages.length);
    this.#parts = new Uint32Array(2 * this.#pages.length);
    this.#changed = new Set();
  }

  /** An image of a copy of `bytes`. */
  static of(bytes: Uint8Array): MemoryImage {
    const image = new MemoryImage(bytes.length);
    image.write(0, bytes);
    return image;
  }

  get size(): number {
    return this.#size;
  }

  /** An image with the same bytes, independent of this one from now on. */
  fork(): MemoryImage {
    const fork = new MemoryImage(0);
    fork.#size = this.#size;
    fork.#pages = this.#pages.slice();
    fork.#owned = new Uint8Array(this.#pages.length);
    fork.#parts = this.#parts.slice();
    fork.#changed = new Set(this.#changed);
    fork.#sumLow = this.#sumLow;
    fork.#sumHigh = this.#sumHigh;
    this.#owned.fill(0);
    return fork;
  }

  /** 53 bits that stand for size and bytes: two images with the same ones are taken for equal. */
  digest(): number {
    for (const index of this.#changed) this.#takePart(index);
    this.#changed.clear();
    const high = (this.#sumHigh ^ Math.imul(this.#size, 0x9e37_79b1)) & 0x1f_ffff;
    return high * 2 ** 32 + this.#sumLow;
  }

  /** Cuts or appends zeros. */
  resize(size: number): void {
    if (size < this.#size) {
      this.digest(); // so that what is cut off can be taken out of the sums
      this.#zero(size, this.#size);
      for (let at = Math.ceil(size / PAGE_SIZE); at < this.#pages.length; at++) this.#drop(at);
    }
    this.#size = size;
    const count = Math.ceil(size / PAGE_SIZE);
    while (this.#pages.length < count) this.#pages.push(undefined);
    this.#pages.length = count;
    const owned = new Uint8Array(count);
    owned.set(this.#owned.subarray(0, count));
    this.#owned = owned;
    const parts = new Uint32Array(2 * count);
    parts.set(this.#parts.subarray(0, 2 * count));
    this.#parts = parts;
  }

  /** Fills `target` with the bytes at `offset`. */
  read(offset: number, target: Uint8Array): void {
    this.#check(offset, target.length);
    for (let done = 0; done < target.length; ) {
      const at = (offset + done) % PAGE_SIZE;
      const length = Math.min(PAGE_SIZE - at, target.length - done);
      const page = this.#pages[(offset + done - at) / PAGE_SIZE];
      if (page === undefined) target.fill(0, done, done + length);
      else target.set(page.subarray(at, at + length), done);
      done += length;
    }
  }

  write(offset: number, source: Uint8Array): void {
    this.#check(offset, source.length);
    for (let done = 0; done < source.length; ) {
      const at = (offset + done) % PAGE_SIZE;
      const length = Math.min(PAGE_SIZE - at, source.length - done);
      this.#own((offset + done - at) / PAGE_SIZE).set(source.subarray(done, done + length), at);
      done += length;
    }
  }

  /** A copy of all bytes. */
  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.#size);
    this.read(0, bytes);
    return bytes;
  }

  #check(offset: number, length: number): void {
    if (offset < 0 || length > this.#size - offset) {
      throw new RangeError(`Invalid run ${offset}+${length}: the image ends at ${this.#size}`);
    }
  }

  #own(index: number): Uint8Array {
    this.#changed.add(index);
    const page = this.#pages[index];
    if (page !== undefined && this.#owned[index] === 1) return page;
    const own = page === undefined ? new Uint8Array(PAGE_SIZE) : page.slice();
    this.#pages[index] = own;
    this.#owned[index] = 1;
    return own;
  }

  /** Hashes a page anew; one of zeros puts nothing into the sums. */
  #takePart(index: number): void {
    const page = this.#pages[index];
    let low = 0;
    let high = 0;
    if (page !== undefined && !isZero(page)) {
      hash(page, 0, PAGE_SIZE);
      low = mix(checksum.low, index);
      high = mix(checksum.high, low);
    }
    this.#sum(index, low, high);
  }

  /** The page at `index` is no longer there. */
  #drop(index: number): void {
    this.#changed.delete(index);
    this.#sum(index, 0, 0);
  }

  #sum(index: number, low: number, high: number): void {
    const parts = this.#parts;
    this.#sumLow = (this.#sumLow - (parts[2 * index] as number) + low) >>> 0;
    this.#sumHigh = (this.#sumHigh - (parts[2 * index + 1] as number) + high) >>> 0;
    parts[2 * index] = low;
    parts[2 * index + 1] = high;
  }

  #zero(from: number, to: number): void {
    const end = Math.min(to, Math.ceil(from / PAGE_SIZE) * PAGE_SIZE);
    if (end > from) this.write(from, new Uint8Array(end - from));
  }
}

function isZero(page: Uint8Array): boolean {
  return Buffer.compare(page, ZEROS) === 0;
}

/** A u32 that depends on every bit of both. */
function mix(value: number, salt: number): number {
  let mixed = Math.imul(value ^ Math.imul(salt + 1, 0x9e37_79b1), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0xc2b2_ae35);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}
