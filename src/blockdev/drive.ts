/**
 * A piece of work that runs asynchronously until somebody needs its end at once.
 *
 * - `finish` repeats the step under way synchronously and goes on from there; the asynchronous
 *   half then finds that it was overtaken and stops. Steps may therefore be done twice, and are
 *   made so that this is the same as once: reads, and writes of the same bytes to the same place.
 */

import { type Io, type IoStep, stepAsync, stepSync } from './io.js';
import type { Overtaken } from './overtaken.js';

export class Drive<T> {
  readonly #io: Io<T>;
  #step: IteratorResult<IoStep, T>;
  readonly #left: Overtaken | undefined;
  /** The asynchronous write that has begun and not ended. */
  #writing: Promise<void> | undefined;
  #overtaken = false;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  /** Settles when the work has ended, whoever drove it. */
  readonly promise: Promise<T>;
  readonly #settle: { resolve: (value: T) => void; reject: (error: unknown) => void };

  /**
   * Runs the work up to its first step, and on from there asynchronously; a write that `finish`
   * overtakes is noted in `left`.
   */
  constructor(io: Io<T>, left?: Overtaken) {
    this.#io = io;
    this.#left = left;
    const settle = { resolve: (_: T) => {}, reject: (_: unknown) => {} };
    this.promise = new Promise<T>((resolve, reject) => Object.assign(settle, { resolve, reject }));
    this.promise.catch(() => undefined); // whoever cares awaits it; nobody else has to
    this.#settle = settle;
    try {
      this.#step = io.next();
    } catch (error) {
      this.#step = { done: false, value: { kind: 'pause' } };
      this.#fail(error);
      return;
    }
    // Not yet: whoever finishes it at once has nothing under way behind his back.
    queueMicrotask(() => {
      if (!this.#overtaken) void this.#run();
    });
  }

  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Drives the work to its end now.
   *
   * @throws what the work throws, also when it had failed before
   */
  finish(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#ended) return;
    this.#overtaken = true;
    if (this.#writing !== undefined) this.#left?.add(this.#writing);
    try {
      while (this.#step.done !== true) {
        const { value } = this.#step;
        let failure: { readonly error: unknown } | undefined;
        try {
          stepSync(value);
        } catch (error) {
          failure = { error };
        }
        this.#step = failure === undefined ? this.#io.next() : this.#io.throw(failure.error);
      }
    } catch (error) {
      this.#fail(error);
      throw error;
    }
    this.#end(this.#step.value);
  }

  async #run(): Promise<void> {
    try {
      while (this.#step.done !== true) {
        let failure: { readonly error: unknown } | undefined;
        try {
          const step = stepAsync(this.#step.value);
          this.#writing = isWrite(this.#step.value) ? step : undefined;
          await step;
        } catch (error) {
          failure = { error };
        }
        this.#writing = undefined;
        if (this.#overtaken) return;
        this.#step = failure === undefined ? this.#io.next() : this.#io.throw(failure.error);
      }
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#end(this.#step.value);
  }

  #end(value: T): void {
    this.#ended = true;
    this.#settle.resolve(value);
  }

  #fail(error: unknown): void {
    this.#ended = true;
    this.#failure = { error };
    this.#settle.reject(error);
  }
}

function isWrite(step: IoStep): boolean {
  return step.kind === 'together' ? step.steps.some(isWrite) : step.kind === 'write';
}

/** Waits for a drive's end, by finishing it when there is no time. */
export function waitFor(drive: Drive<void>): IoStep {
  return { kind: 'until', start: () => drive.promise, force: () => drive.finish() };
}
