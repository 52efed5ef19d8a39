/**
 * Aligned buffers for all checks of the process; made when the first one reads.
 *
 * - Those of a check that ends with an error do not come back: something may still be read into
 *   them.
 */

import { AlignedMemory } from '../blockdev/aligned-memory.js';

/** Bytes of a buffer. */
export const BUFFER_BYTES = 1024 * 1024;

/** Buffers that are kept; who needs more at a time gets ordinary memory. */
const BUFFERS = 8;

export class ReadBuffers {
  static readonly shared = new ReadBuffers();
  #free: Uint8Array[] | undefined;
  readonly #whole = new Map<Uint8Array, Uint8Array>();

  /** A buffer of `length` bytes: an aligned one, as long as there are any of this size. */
  take(length: number): Uint8Array {
    this.#free ??= makeBuffers();
    const whole = length <= BUFFER_BYTES ? this.#free.pop() : undefined;
    if (whole === undefined) return new Uint8Array(length);
    const part = whole.subarray(0, length);
    this.#whole.set(part, whole);
    return part;
  }

  /** Takes a buffer back. */
  give(buffer: Uint8Array): void {
    const whole = this.#whole.get(buffer);
    if (whole === undefined || this.#free === undefined) return;
    this.#whole.delete(buffer);
    this.#free.push(whole);
  }
}

function makeBuffers(): Uint8Array[] {
  const memory = new AlignedMemory(BUFFERS * BUFFER_BYTES);
  return Array.from({ length: BUFFERS }, () => memory.take(BUFFER_BYTES));
}
