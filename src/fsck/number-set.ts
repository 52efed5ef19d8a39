/**
 * A set of whole numbers as bits in pages that are made when needed: an eighth of a byte for each
 * number of a dense range, nothing for ranges that are never touched.
 */

/** Numbers of one page: 4 KiB. */
const PAGE_NUMBERS = 32 * 1024;

export class NumberSet {
  readonly #pages = new Map<number, Uint8Array>();
  readonly #pagesMax: number;
  /** The page that was asked for last: numbers come mostly one near the other. */
  #lastIndex = -1;
  #lastPage: Uint8Array | undefined;

  /** Keeps up to `numbersMax` numbers if they are dense; more are not remembered. */
  constructor(numbersMax = Number.POSITIVE_INFINITY) {
    this.#pagesMax = Math.ceil(numbersMax / PAGE_NUMBERS);
  }

  /** Adds `number`, a whole number from 0 on; false when it was known to be in the set. */
  add(number: number): boolean {
    const index = Math.floor(number / PAGE_NUMBERS);
    const bit = number % PAGE_NUMBERS;
    const page = this.#page(index) ?? this.#make(index);
    if (page === undefined) return true;
    const mask = 1 << (bit & 7);
    const bits = page[bit >>> 3] as number;
    page[bit >>> 3] = bits | mask;
    return (bits & mask) === 0;
  }

  has(number: number): boolean {
    const page = this.#page(Math.floor(number / PAGE_NUMBERS));
    const bit = number % PAGE_NUMBERS;
    return page !== undefined && ((page[bit >>> 3] as number) & (1 << (bit & 7))) !== 0;
  }

  /** Adds all numbers of another set. */
  addAll(other: NumberSet): void {
    for (const [index, bits] of other.#pages) {
      const page = this.#pages.get(index) ?? this.#make(index);
      if (page === undefined) continue;
      for (let i = 0; i < bits.length; i++) page[i] = (page[i] as number) | (bits[i] as number);
    }
  }

  #page(index: number): Uint8Array | undefined {
    if (index !== this.#lastIndex) {
      this.#lastPage = this.#pages.get(index);
      this.#lastIndex = index;
    }
    return this.#lastPage;
  }

  #make(index: number): Uint8Array | undefined {
    if (this.#pages.size >= this.#pagesMax) return undefined;
    const page = new Uint8Array(PAGE_NUMBERS / 8);
    this.#pages.set(index, page);
    this.#lastIndex = index;
    this.#lastPage = page;
    return page;
  }
}
