/**
 * The world of a simulated store: a clock that stands still until the test moves it, timers that
 * ring when it does, names from a seed.
 */

import type { Environment } from '../../src/index.js';
import { Prng } from './prng.js';

/** When simulations begin, in milliseconds since 1970: a day like any other. */
const START_MS = 1_750_000_000_000;

interface Timer {
  readonly due: number;
  readonly work: () => void;
}

export class SimulatedEnvironment implements Environment {
  readonly #prng: Prng;
  #nowMs: number;
  #timers: Timer[] = [];

  constructor(seed = 1, nowMs = START_MS) {
    this.#prng = new Prng(seed);
    this.#nowMs = nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  after(ms: number, work: () => void): () => void {
    const timer = { due: this.#nowMs + ms, work };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  }

  random(length: number): Uint8Array {
    return this.#prng.bytes(length);
  }

  /** Lets time pass: what falls due is called, in order, before this returns. */
  pass(ms: number): void {
    const end = this.#nowMs + ms;
    for (;;) {
      const [next] = this.#timers.filter(({ due }) => due <= end).sort((a, b) => a.due - b.due);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((one) => one !== next);
      this.#nowMs = Math.max(this.#nowMs, next.due);
      next.work();
    }
    this.#nowMs = end;
  }
}
