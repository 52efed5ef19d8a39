/**
 * How often each block of a window of the device is referred to.
 *
 * - One byte a block; counts from COUNT_MAX on stand in a map. A block gets there by that many
 *   references, so the map is small beside what was read to fill it.
 */

/** The byte that says: look into the map. */
const COUNT_MAX = 255;

export class BlockCounts {
  /** First block of the window. */
  readonly start: number;
  /** Block behind the window. */
  readonly end: number;
  readonly #counts: Uint8Array;
  readonly #large = new Map<number, number>();

  constructor(start: number, end: number) {
    this.start = start;
    this.end = end;
    this.#counts = new Uint8Array(end - start);
  }

  /** One more reference to each block of the run; what is outside the window is ignored. */
  add(start: number, length: number): void {
    const end = Math.min(this.end, start + length);
    for (let block = Math.max(this.start, start); block < end; block++) {
      const count = (this.#counts[block - this.start] as number) + 1;
      if (count < COUNT_MAX) this.#counts[block - this.start] = count;
      else this.#addLarge(block);
    }
  }

  /** References to a block of the window. */
  get(block: number): number {
    const count = this.#counts[block - this.start] as number;
    return count < COUNT_MAX ? count : (this.#large.get(block) as number);
  }

  /** The references to a block are as they should be: from now on it counts as used once. */
  settle(block: number): void {
    if (this.#counts[block - this.start] === 0) return;
    this.#counts[block - this.start] = 1;
    this.#large.delete(block);
  }

  #addLarge(block: number): void {
    this.#counts[block - this.start] = COUNT_MAX;
    this.#large.set(block, (this.#large.get(block) ?? COUNT_MAX - 1) + 1);
  }
}
