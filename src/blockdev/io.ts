/**
 * One code path, two edges: work that touches devices several times is written once, as a
 * generator of I/O steps, and driven either synchronously or asynchronously.
 *
 * - The generator never awaits and never calls a device itself; a failed step is thrown into it.
 * - Steps of a `together` have no order among each other.
 */

import type { BlockDevice } from './block-device.js';

export type IoStep =
  | {
      readonly kind: 'read';
      readonly device: BlockDevice;
      readonly offset: number;
      readonly target: Uint8Array;
    }
  | {
      readonly kind: 'write';
      readonly device: BlockDevice;
      readonly offset: number;
      readonly sources: readonly Uint8Array[];
      readonly durable: boolean;
      readonly unread?: boolean;
    }
  | { readonly kind: 'flush'; readonly device: BlockDevice }
  | { readonly kind: 'grow'; readonly device: BlockDevice; readonly size: number }
  | { readonly kind: 'together'; readonly steps: readonly IoStep[] }
  /** Lets the event loop run; nothing when driven synchronously. */
  | { readonly kind: 'pause' }
  /** Waits for something else: `start` asynchronously, `force` when there is no time. */
  | { readonly kind: 'until'; readonly start: () => Promise<unknown>; readonly force: () => void };

/** A piece of work that yields its I/O and returns a result. */
export type Io<T> = Generator<IoStep, T, void>;

/** Does one step now. */
export function stepSync(step: IoStep): void {
  switch (step.kind) {
    case 'read':
      step.device.readSync(step.offset, step.target);
      break;
    case 'write':
      step.device.writeSync(step.offset, step.sources, step);
      break;
    case 'flush':
      step.device.flushSync();
      break;
    case 'grow':
      step.device.growSync(step.size);
      break;
    case 'together':
      for (const one of step.steps) stepSync(one);
      break;
    case 'pause':
      break;
    case 'until':
      step.force();
      break;
  }
}

/** Does one step off-thread. */
export async function stepAsync(step: IoStep): Promise<void> {
  switch (step.kind) {
    case 'read':
      return await step.device.read(step.offset, step.target);
    case 'write':
      return await step.device.write(step.offset, step.sources, step);
    case 'flush':
      return await step.device.flush();
    case 'grow':
      return await step.device.grow(step.size);
    case 'together': {
      // All of them end before the first failure is reported: no write is still under way
      // when the caller gives its buffers back.
      const ends = await Promise.allSettled(step.steps.map(stepAsync));
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
      return;
    }
    case 'pause':
      return await new Promise((resolve) => setImmediate(resolve));
    case 'until':
      await step.start();
  }
}

/** Drives `io` to its end with synchronous calls. */
export function runSync<T>(io: Io<T>): T {
  let next = io.next();
  while (next.done !== true) {
    try {
      stepSync(next.value);
    } catch (error) {
      next = io.throw(error);
      continue;
    }
    next = io.next();
  }
  return next.value;
}

/** Drives `io` to its end with asynchronous calls. */
export async function runAsync<T>(io: Io<T>): Promise<T> {
  let next = io.next();
  while (next.done !== true) {
    try {
      await stepAsync(next.value);
    } catch (error) {
      next = io.throw(error);
      continue;
    }
    next = io.next();
  }
  return next.value;
}
