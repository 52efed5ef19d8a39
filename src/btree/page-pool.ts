/**
 * Pages of nodes, reused by size.
 *
 * - A page that was taken holds whatever its last user left there.
 * - Who gives a page back must have no view of it left: it is the next taker's at once.
 * - Pages are carved from slabs: one large allocation costs less than many, and the garbage
 *   collector has fewer buffers to follow.
 * - A page that is given back waits in its slab. A slab is let go of as a whole only: one page
 *   that nobody finds any more would keep all of it in memory.
 */

import { assert } from '../assert.js';

/** Bytes of free pages kept per size: a checkpoint's savepoints and embedded roots, not a cache. */
const POOLED_BYTES_MAX = 8 * 1024 * 1024;

/** Bytes of a slab, a multiple of every page size that a store can have. */
const SLAB_SIZE = 256 * 1024;

/** Pages of one size that lie in one buffer. */
interface Slab {
  readonly free: Uint8Array[];
  /** Its place among the slabs with free pages; -1 when none of its pages is free. */
  index: number;
}

/** The free pages of one size. */
class Shelf {
  readonly #pageSize: number;
  readonly #slabPages: number;
  /** Weak: of a store that was closed nobody gives the pages back. */
  readonly #slabs = new WeakMap<ArrayBufferLike, Slab>();
  /** Slabs with free pages. The last one is used first, so that the others can become free. */
  readonly #open: Slab[] = [];
  #freePages = 0;

  constructor(pageSize: number) {
    this.#pageSize = pageSize;
    this.#slabPages = Math.max(1, Math.floor(SLAB_SIZE / pageSize));
  }

  take(): Uint8Array {
    const slab = this.#open.at(-1) ?? this.#carve();
    const page = slab.free.pop() as Uint8Array;
    this.#freePages--;
    if (slab.free.length === 0) this.#close(slab);
    return page;
  }

  give(page: Uint8Array): void {
    const slab = this.#slabs.get(page.buffer);
    assert(slab !== undefined, 'a page that is given back was taken');
    slab.free.push(page);
    this.#freePages++;
    if (slab.free.length === 1) this.#enter(slab);
    const isUnused = slab.free.length === this.#slabPages;
    if (isUnused && this.#freePages * this.#pageSize > POOLED_BYTES_MAX) this.#letGo(slab);
  }

  #carve(): Slab {
    const buffer = new ArrayBuffer(this.#slabPages * this.#pageSize);
    const slab: Slab = { free: [], index: -1 };
    for (let at = 0; at < buffer.byteLength; at += this.#pageSize) {
      slab.free.push(new Uint8Array(buffer, at, this.#pageSize));
    }
    this.#freePages += this.#slabPages;
    this.#slabs.set(buffer, slab);
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
