/**
 * Onodes of objects that were just changed, kept decoded beside their records.
 *
 * - An onode here is exactly what its record says: it was written back with the last transaction
 *   that changed it. Where that can't be sure any more, all are forgotten: after a rollback, when
 *   objects move between collections, and when a checkpoint gives their roots other pointers.
 */

import type { Onode } from '../onode/onode.js';
import { ObjectMap } from './object-map.js';

/** Kept at most: more would only be copied by the garbage collector. */
const KEPT_MAX = 256;

export class OpenObjects {
  readonly #onodes = new ObjectMap<Onode>();

  get isEmpty(): boolean {
    return this.#onodes.size === 0;
  }

  /** The onode of the object under `key` in the collection with this id. */
  get(collection: number, key: Uint8Array): Onode | undefined {
    return this.#onodes.get(collection, key);
  }

  /** Keeps the onode that is in the record now, or none when there is no record any more. */
  keep(collection: number, key: Uint8Array, onode: Onode | undefined): void {
    if (onode === undefined) {
      this.#onodes.delete(collection, key);
      return;
    }
    if (this.#onodes.size >= KEPT_MAX && this.#onodes.get(collection, key) !== onode) {
      this.#onodes.clear();
    }
    this.#onodes.set(collection, key, onode);
  }

  forget(): void {
    if (!this.isEmpty) this.#onodes.clear();
  }
}
