/**
 * The bytes of a device as pages that images share until one of them writes.
 *
 * - A page that is not there is all zeros.
 * - `fork()` costs one reference a page, so that a test may keep or make thousands of images.
 * - A page is changed in place only by the image that owns it, which `fork()` ends on both sides.
 */

export const PAGE_SIZE = 4096;

export class MemoryImage {
  #size: number;
  #pages: (Uint8Array | undefined)[];
  /** 1 where the page at this index is ours alone. */
  #owned: Uint8Array;

  constructor(size: number) {
    this.#size = size;
    this.#pages = new Array(Math.ceil(size / PAGE_SIZE)).fill(undefined);
    this.#owned = new Uint8Array(this.#pages.length);
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
    this.#owned.fill(0);
    return fork;
  }

  /** Cuts or appends zeros. */
  resize(size: number): void {
    if (size < this.#size) this.#zero(size, this.#size);
    this.#size = size;
    const count = Math.ceil(size / PAGE_SIZE);
    while (this.#pages.length < count) this.#pages.push(undefined);
    this.#pages.length = count;
    const owned = new Uint8Array(count);
    owned.set(this.#owned.subarray(0, count));
    this.#owned = owned;
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
    const page = this.#pages[index];
    if (page !== undefined && this.#owned[index] === 1) return page;
    const own = page === undefined ? new Uint8Array(PAGE_SIZE) : page.slice();
    this.#pages[index] = own;
    this.#owned[index] = 1;
    return own;
  }

  #zero(from: number, to: number): void {
    const end = Math.min(to, Math.ceil(from / PAGE_SIZE) * PAGE_SIZE);
    if (end > from) this.write(from, new Uint8Array(end - from));
  }
}
