/**
 * Onodes of objects that were just changed, kept decoded beside their records.
 *
 * - An onode here is exactly what its record says: it was written back with the last transaction
 *   that changed it. Where that can't be sure any more, all are forgotten: after a rollback, when
 *   objects move between collections, and when a checkpoint gives their roots other pointers.
 */

import type { Onode } from '../onode/onode.js';

/** Kept at most: more would only be copied by the garbage collector. */
const KEPT_MAX = 256;

export class OpenObjects {
  readonly #onodes = new Map<string, Onode>();

  get isEmpty(): boolean {
    return this.#onodes.size === 0;
  }

  /** The onode under `id`, which says collection and key. */
  get(id: string): Onode | undefined {
    return this.#onodes.get(id);
  }

  /** Keeps the onode that is in the record now, or none when there is no record any more. */
  keep(id: string, onode: Onode | undefined): void {
    if (onode === undefined) {
      this.#onodes.delete(id);
      return;
    }
    if (this.#onodes.size >= KEPT_MAX && !this.#onodes.has(id)) this.#onodes.clear();
    this.#onodes.set(id, onode);
  }

  forget(): void {
    if (!this.isEmpty) this.#onodes.clear();
  }
}
