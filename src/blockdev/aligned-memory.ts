/**
 * Page-aligned memory from plain JavaScript, as O_DIRECT needs it.
 *
 * - The bytes of a WebAssembly.Memory start at a page boundary; those of an ordinary buffer don't.
 * - The memory is never grown: growing would detach every view that was given out.
 * - Each memory reserves gigabytes of address space (not of memory), so take few and large ones.
 */

import { assert } from '../assert.js';

/** Bytes of a page of the kernel; of wasm it is 64 KiB, a multiple. */
export const PAGE_SIZE = 4096;

const WASM_PAGE_SIZE = 64 * 1024;

/** The part that is used here; Node's own types do not have it. */
declare const WebAssembly: {
  readonly Memory: new (size: {
    readonly initial: number;
    readonly maximum: number;
  }) => { readonly buffer: ArrayBuffer };
};

/** The memories that begin at a page boundary. */
const memories = new WeakSet<object>();

export class AlignedMemory {
  readonly #bytes: Uint8Array;
  #used = 0;

  /** `size` bytes, rounded up to 64 KiB. */
  constructor(size: number) {
    const pages = Math.ceil(size / WASM_PAGE_SIZE);
    this.#bytes = new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer);
    memories.add(this.#bytes.buffer);
  }

  /** Whether `bytes` begin at a page boundary, as far as this class has given them out. */
  static isAligned(bytes: Uint8Array): boolean {
    return bytes.byteOffset % PAGE_SIZE === 0 && memories.has(bytes.buffer);
  }

  /** Bytes that can still be taken. */
  get free(): number {
    return this.#bytes.length - this.#used;
  }

  /** A page-aligned buffer of `length` bytes, zeroed, the caller's for ever. */
  take(length: number): Uint8Array {
    assert(length % PAGE_SIZE === 0, 'aligned buffers are of whole pages');
    assert(length <= this.free, 'aligned memory is not overdrawn');
    const from = this.#used;
    this.#used += length;
    return this.#bytes.subarray(from, from + length);
  }
}
