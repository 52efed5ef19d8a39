/**
 * The asynchronous calls of a simulated device that have begun and not ended.
 *
 * - A call begins when it is added and ends in a later turn of the event loop.
 * - Without a scheduler, calls end in the order in which they began; with one, in a random order,
 *   one a turn, so that anything may happen between them.
 */

import type { Prng } from './prng.js';

export class CallQueue {
  readonly #scheduler: Prng | undefined;
  readonly #ends: (() => void)[] = [];
  #isHeld = false;
  #isTurnDue = false;

  constructor(scheduler?: Prng) {
    this.#scheduler = scheduler;
  }

  get size(): number {
    return this.#ends.length;
  }

  /** Calls `begin` now and the function that it gives when the call ends. */
  add(begin: () => () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = begin();
      this.#ends.push(() => {
        try {
          end();
          resolve();
        } catch (error) {
          reject(error);
        }
      });
      this.#plan();
    });
  }

  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.#plan();
  }

  endNext(index = 0): void {
    const [end] = this.#ends.splice(index, 1);
    if (end === undefined) throw new RangeError(`No call ${index} is under way`);
    end();
  }

  #plan(): void {
    if (this.#isHeld || this.#isTurnDue || this.#ends.length === 0) return;
    this.#isTurnDue = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isTurnDue = false;
    if (this.#isHeld) return;
    if (this.#scheduler !== undefined) {
      if (this.#ends.length > 0) this.endNext(this.#scheduler.below(this.#ends.length));
    } else {
      for (const end of this.#ends.splice(0)) end();
    }
    this.#plan();
  }
}
