/**
 * What the engine takes from the world beside its device: the time, a timer and chance.
 *
 * - A simulation brings its own; then what a store does is a function of its calls and of the
 *   order in which the device ends them.
 */

import { randomBytes } from 'node:crypto';

/** What a store takes from the world beside its device. */
export interface Environment {
  /** Milliseconds since 1970. */
  now(): number;
  /**
   * Calls `work` once when `ms` milliseconds have gone by, unless the function that is returned
   * was called before. No process lives longer for it unless somebody waits: `isAwaited`.
   */
  after(ms: number, work: () => void, isAwaited?: boolean): () => void;
  /** `length` bytes that never come again. */
  random(length: number): Uint8Array;
}

/** The system's clock, timers and entropy. */
export const SYSTEM_ENVIRONMENT: Environment = {
  now: () => Date.now(),
  after(ms, work, isAwaited = false) {
    const timer = setTimeout(work, ms);
    if (!isAwaited) timer.unref();
    return () => clearTimeout(timer);
  },
  random: (length) => new Uint8Array(randomBytes(length)),
};
