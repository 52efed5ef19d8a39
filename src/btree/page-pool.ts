/**
 * Pages of nodes, reused by size, each with room for its heads in front.
 *
 * - A page that was taken holds whatever its last user left there.
 * - Who gives a page back must have no view of it left: it is the next taker's at once.
 * - Pages are carved from slabs: one large allocation costs less than many, and the garbage
 *   collector has fewer buffers to follow.
 * - A page that is given back waits in its slab. A slab is let go of as a whole only: one page
 *   that nobody finds any more would keep all of it in memory.
 * - Searches reach pages and heads through the two views of their slab (`frameOf`). These few stay
 *   in the processor's cache, where a view for each page would be missed like the page itself.
 */

import { assert } from '../assert.js';

/** Bytes of free pages kept per size: a checkpoint's savepoints and embedded roots, not a cache. */
const POOLED_BYTES_MAX = 8 * 1024 * 1024;

/** Bytes of a slab, about. */
const SLAB_SIZE = 512 * 1024;

/** Room for heads, as a part of the page: enough for entries of 64 bytes. */
const HEADS_PART = 16;

/** The views of a slab. */
export interface Frame {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
}

/** Heads that the room in front of a page of `size` bytes holds. */
export function headsRoom(size: number): number {
  return size / HEADS_PART / Uint32Array.BYTES_PER_ELEMENT;
}

/** Pages of one size that lie in one buffer. */
interface Slab extends Frame {
  readonly free: Uint8Array[];
  /** Its place among the slabs with free pages; -1 when none of its pages is free. */
  index: number;
}

/** Weak: of a store that was closed nobody gives the pages back. */
const slabs = new WeakMap<ArrayBufferLike, Slab>();

/** Bytes from one page of a slab to the next. */
function strideOf(pageSize: number): number {
  return pageSize + pageSize / HEADS_PART;
}

/** The free pages of one size. */
class Shelf {
  readonly #pageSize: number;
  readonly #slabPages: number;
  /** Slabs with free pages. The last one is used first, so that the others can become free. */
  readonly #open: Slab[] = [];
  #freePages = 0;

  constructor(pageSize: number) {
    this.#pageSize = pageSize;
    this.#slabPages = Math.max(1, Math.floor(SLAB_SIZE / strideOf(pageSize)));
  }

  take(): Uint8Array {
    const slab = this.#open.at(-1) ?? this.#carve();
    const page = slab.free.pop() as Uint8Array;
    this.#freePages--;
    if (slab.free.length === 0) this.#close(slab);
    return page;
  }

  give(page: Uint8Array): void {
    const slab = slabs.get(page.buffer);
    assert(slab !== undefined, 'a page that is given back was taken');
    slab.free.push(page);
    this.#freePages++;
    if (slab.free.length === 1) this.#enter(slab);
    const isUnused = slab.free.length === this.#slabPages;
    if (isUnused && this.#freePages * strideOf(this.#pageSize) > POOLED_BYTES_MAX)
      this.#letGo(slab);
  }

  #carve(): Slab {
    const stride = strideOf(this.#pageSize);
    const bytes = new Uint8Array(this.#slabPages * stride);
    const slab: Slab = { bytes, words: new Uint32Array(bytes.buffer), free: [], index: -1 };
    for (let end = stride; end <= bytes.length; end += stride) {
      slab.free.push(bytes.subarray(end - this.#pageSize, end));
    }
    this.#freePages += this.#slabPages;
    slabs.set(bytes.buffer, slab);
    this.#enter(slab);
    return slab;
  }

  #enter(slab: Slab): void {
    slab.index = this.#open.length;
    this.#open.push(slab);
  }

  #close(slab: Slab): void {
    const last = this.#open.pop() as Slab;
    if (last !== slab) {
      this.#open[slab.index] = last;
      last.index = slab.index;
    }
    slab.index = -1;
  }

  #letGo(slab: Slab): void {
    this.#close(slab);
    this.#freePages -= this.#slabPages;
  }
}

const shelves = new Map<number, Shelf>();

/** A page of `size` bytes. Its contents are undefined. */
export function takePage(size: number): Uint8Array {
  let shelf = shelves.get(size);
  if (shelf === undefined) {
    shelf = new Shelf(size);
    shelves.set(size, shelf);
  }
  return shelf.take();
}

/** Gives back a page that `takePage` returned. */
export function givePage(page: Uint8Array): void {
  const shelf = shelves.get(page.length);
  assert(shelf !== undefined, 'a page that is given back was taken');
  shelf.give(page);
}

/**
 * The views of the slab that a page was carved from: it begins there at its `byteOffset`, and the
 * `headsRoom` words before it are its own too. Undefined for bytes that are no page of the pool.
 */
export function frameOf(page: Uint8Array): Frame | undefined {
  return slabs.get(page.buffer);
}
