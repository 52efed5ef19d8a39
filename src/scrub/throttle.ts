/**
 * Keeps work below a rate: what was done faster than that is waited for afterwards.
 */

/** Where time comes from; a test has one of its own. */
export interface Clock {
  /** Milliseconds since some instant. */
  now(): number;
  /** Resolves after that many milliseconds, or earlier when `signal` aborts. */
  sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void>;
}

export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  sleep: (milliseconds, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) {
        resolve();
        return;
      }
      const end = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, milliseconds);
      signal?.addEventListener('abort', end);
    }),
};

/** Time in which nothing was read that may be made up for afterwards. */
const IDLE_MS = 1000;

export class Throttle {
  readonly #clock: Clock;
  readonly #rate: number;
  #dueMs: number;

  /** Up to `rate` bytes a second; any number when it is infinite. */
  constructor(clock: Clock, rate: number) {
    this.#clock = clock;
    this.#rate = rate;
    this.#dueMs = clock.now();
  }

  /** Waits until `bytes` that were just read are paid for. */
  async pay(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    const now = this.#clock.now();
    this.#dueMs = Math.max(this.#dueMs, now - IDLE_MS) + (bytes / this.#rate) * 1000;
    if (this.#dueMs > now) await this.#clock.sleep(this.#dueMs - now, signal);
  }
}
