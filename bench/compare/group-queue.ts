/**
 * Gathers what is asked for while a batch is being written: the next batch takes it all. What a
 * program puts before a system that has no group commit of its own.
 */

interface Waiting<T> {
  readonly item: T;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

export class GroupQueue<T> {
  readonly #write: (items: readonly T[]) => void | Promise<void>;
  #waiting: Waiting<T>[] = [];
  #running = false;

  /** `write` makes a batch durable. */
  constructor(write: (items: readonly T[]) => void | Promise<void>) {
    this.#write = write;
  }

  /** Resolves when the item's batch is durable. */
  add(item: T): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (this.#running) return;
      this.#running = true;
      setImmediate(() => this.#run());
    });
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await this.#write(batch.map(({ item }) => item));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
      // Whoever got an answer asks for the next thing before the next batch is closed.
      await new Promise(setImmediate);
    }
    this.#running = false;
  }
}
