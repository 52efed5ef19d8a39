/**
 * Writes that were under way when somebody could not wait for them and did them again himself.
 *
 * - Such a write may still land at any later time, until its promise settles. Its bytes do no
 *   harm as long as its place holds the same ones: so until then no place is given to others.
 * - Nor may the buffers change that it writes from.
 * - Only a turn of the event loop can tell that it has ended; a synchronous caller can't wait.
 */

export class Overtaken {
  readonly #left = new Set<Promise<unknown>>();
  readonly #ended: () => void;
  #waiting: (() => void)[] = [];

  /** `ended` is called when the last one has ended. */
  constructor(ended: () => void) {
    this.#ended = ended;
  }

  get isEmpty(): boolean {
    return this.#left.size === 0;
  }

  /** Notes a write that was left behind. */
  add(write: Promise<unknown>): void {
    if (this.#left.has(write)) return;
    this.#left.add(write);
    const ended = (): void => {
      this.#left.delete(write);
      if (!this.isEmpty) return;
      for (const work of this.#waiting.splice(0)) work();
      this.#ended();
    };
    write.then(ended, ended);
  }

  /** Calls `work` when none is left: now if there is none, else before `ended`, in order. */
  after(work: () => void): void {
    if (this.isEmpty) work();
    else this.#waiting.push(work);
  }

  /** Resolves when all that are noted now have ended, well or not. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#left);
  }
}
