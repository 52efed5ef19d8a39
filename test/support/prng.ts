/**
 * A small seeded generator (sfc32), so that every random test can be run again.
 * `SEED=123 npx ava ...` chooses the seed; tests print the one that they use.
 */

export class Prng {
  readonly seed: number;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** `seed` is taken modulo 2^32. */
  constructor(seed: number) {
    this.seed = seed >>> 0;
    this.#a = this.seed;
    this.#b = 0x9e37_79b9;
    this.#c = 0x243f_6a88;
    for (let i = 0; i < 12; i++) this.u32();
  }

  /** An integer in [0, 2^32). */
  u32(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A number in [0, 1). */
  next(): number {
    return this.u32() / 2 ** 32;
  }

  /** An integer in [0, n). */
  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  /** An integer in [from, to). */
  between(from: number, to: number): number {
    return from + this.below(to - from);
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One of `choices`, which must not be empty. */
  pick<T>(choices: readonly T[]): T {
    if (choices.length === 0) throw new RangeError('Cannot pick from nothing');
    return choices[this.below(choices.length)] as T;
  }

  /** `length` random bytes. */
  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.u32() >>> 13;
    return bytes;
  }

  /** Shuffles `items` in place and returns them. */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const item = items[i] as T;
      items[i] = items[j] as T;
      items[j] = item;
    }
    return items;
  }

  /** A generator of its own, so that one part of a test does not shift the numbers of another. */
  fork(): Prng {
    return new Prng(this.u32());
  }
}

/** `SEED` of the environment, or one from the clock. Print it: `t.log('SEED', prng.seed)`. */
export function seedFromEnvironment(): number {
  const given = process.env['SEED'];
  return given === undefined ? Date.now() >>> 0 : Number(given) >>> 0;
}
