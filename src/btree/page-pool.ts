/**
 * Pages of nodes, reused by size.
 *
 * - A page that was taken holds whatever its last user left there.
 * - Who gives a page back must have no view of it left: it is the next taker's at once.
 * - New pages are carved from slabs: one large allocation costs less than many, and the garbage
 *   collector has fewer buffers to follow.
 */

import { assert } from '../assert.js';

/** Bytes kept per size: a checkpoint's savepoints and embedded roots, not a cache. */
const POOLED_BYTES_MAX = 8 * 1024 * 1024;

/** Bytes of a slab, a multiple of every page size that a store can have. */
const SLAB_SIZE = 256 * 1024;

/** The free pages of one size. */
class Shelf {
  readonly #pageSize: number;
  readonly #pages: Uint8Array[] = [];

  constructor(pageSize: number) {
    this.#pageSize = pageSize;
  }

  take(): Uint8Array {
    if (this.#pages.length === 0) this.#carve();
    return this.#pages.pop() as Uint8Array;
  }

  give(page: Uint8Array): void {
    if (this.#pages.length * this.#pageSize < POOLED_BYTES_MAX) this.#pages.push(page);
  }

  #carve(): void {
    const slab = new ArrayBuffer(Math.max(SLAB_SIZE, this.#pageSize));
    for (let at = 0; at + this.#pageSize <= slab.byteLength; at += this.#pageSize) {
      this.#pages.push(new Uint8Array(slab, at, this.#pageSize));
    }
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
