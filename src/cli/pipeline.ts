/**
 * Transactions under way: submits them without waiting for each, in bounded memory.
 *
 * - `submit` waits while more bytes are under way than allowed; `drain` until all are durable.
 * - The first failure ends it: it is thrown by the next call, and nothing is submitted any more.
 */

import type { Store, Transaction } from '../index.js';

/** Bytes under way where nothing else is asked: enough for the next flush while one runs. */
const BYTES_MAX = 16 * 1024 * 1024;

export class Pipeline {
  readonly #store: Store;
  readonly #bytesMax: number;
  readonly #pending = new Set<Promise<void>>();
  #bytes = 0;
  #failure: { readonly reason: unknown } | undefined;

  constructor(store: Store, bytesMax: number = BYTES_MAX) {
    this.#store = store;
    this.#bytesMax = bytesMax;
  }

  /** Submits a transaction that holds about `bytes` of memory. */
  async submit(transaction: Transaction, bytes: number): Promise<void> {
    this.#check();
    const { committed } = this.#store.submit(transaction);
    const ended = committed.then(
      () => undefined,
      (reason: unknown) => {
        this.#failure ??= { reason };
      },
    );
    this.#bytes += bytes;
    const pending = ended.then(() => {
      this.#bytes -= bytes;
      this.#pending.delete(pending);
    });
    this.#pending.add(pending);
    // Always lets the event loop run once, so that writes go on while the caller prepares more.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#bytes > this.#bytesMax && this.#pending.size > 0) {
      await Promise.race(this.#pending);
    }
    this.#check();
  }

  /** Waits until everything is durable. */
  async drain(): Promise<void> {
    await this.settle();
    this.#check();
  }

  /** Waits until nothing is under way any more, durable or refused. */
  async settle(): Promise<void> {
    await Promise.all(this.#pending);
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.reason;
  }
}
