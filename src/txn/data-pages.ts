/**
 * Memory for data that waits for its place on the device.
 *
 * - It is cut from slabs, one piece behind the other, so that what was put in one after the other
 *   is one piece for the device too.
 * - A slab is used again when every piece of it was given back: data passes through at the speed
 *   of the journal, and the garbage collector would have to follow all of it.
 */

/** Bytes of a slab. */
const SLAB_SIZE = 256 * 1024;

/** Longer pieces have memory of their own. */
const PIECE_MAX = SLAB_SIZE / 8;

/** Slabs that wait to be used again: 16 MiB, what a checkpoint gives back at once. */
const SPARES_MAX = 64;

export class DataPages {
  #slab = new ArrayBuffer(0);
  #at = 0;
  /** Pieces of the slab that is being cut which were not given back. */
  #taken = 0;
  /** The same of each slab before it, where it is not 0. */
  readonly #takenBefore = new Map<ArrayBufferLike, number>();
  readonly #spares: ArrayBuffer[] = [];

  /** A copy of `data`, with zeros behind it up to `size` bytes. */
  copyOf(data: Uint8Array, size: number): Uint8Array {
    const piece = size > PIECE_MAX ? new Uint8Array(size) : this.#cut(size);
    piece.set(data);
    if (data.length < size) piece.fill(0, data.length);
    return piece;
  }

  /** Takes back what `copyOf` gave, and nothing looks at any more; other memory is left alone. */
  giveBack({ buffer }: Uint8Array): void {
    if (buffer === this.#slab) {
      this.#taken--;
      return;
    }
    const taken = this.#takenBefore.get(buffer);
    if (taken === undefined) return;
    if (taken > 1) this.#takenBefore.set(buffer, taken - 1);
    else this.#retire(buffer);
  }

  #cut(size: number): Uint8Array {
    if (this.#at + size > this.#slab.byteLength) this.#begin();
    const piece = new Uint8Array(this.#slab, this.#at, size);
    this.#at += size;
    this.#taken++;
    return piece;
  }

  #begin(): void {
    if (this.#taken > 0 || this.#slab.byteLength === 0) {
      if (this.#taken > 0) this.#takenBefore.set(this.#slab, this.#taken);
      this.#slab = this.#spares.pop() ?? new ArrayBuffer(SLAB_SIZE);
    }
    this.#at = 0;
    this.#taken = 0;
  }

  #retire(slab: ArrayBufferLike): void {
    this.#takenBefore.delete(slab);
    if (slab instanceof ArrayBuffer && this.#spares.length < SPARES_MAX) this.#spares.push(slab);
  }
}
