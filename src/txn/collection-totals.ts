/**
 * What collections hold that were changed lately: a tree with dirty nodes would have to be walked
 * for it, and nothing that concerns a whole collection may cost in proportion to that.
 *
 * - Only transactions that hold are entered here, so a rollback has nothing to undo.
 * - Figures stay for two generations. By then the nodes have their addresses, and the pointers to
 *   them tell the same.
 */

import type { Tree } from '../btree/tree.js';

/** What a collection holds. */
export interface Totals {
  readonly objects: number;
  /** Sum of the sizes of its objects. */
  readonly storedBytes: number;
}

/** Totals of a tree of objects; walks what is dirty. */
export function totalsOf(objects: Tree): Totals {
  return { objects: objects.count(), storedBytes: objects.storedBytes() };
}

export class CollectionTotals {
  #current = new Map<number, Totals>();
  #previous = new Map<number, Totals>();

  /** Enters what a collection holds now; undefined where nobody has counted. */
  set(id: number, totals: Totals | undefined): void {
    if (totals !== undefined) this.#current.set(id, totals);
    else {
      this.#current.delete(id);
      this.#previous.delete(id);
    }
  }

  /** What the collection with this id and these objects holds, where that takes no walk. */
  find(id: number, objects: Tree): Totals | undefined {
    const known = this.#current.get(id) ?? this.#previous.get(id);
    return known ?? (objects.isDirty ? undefined : totalsOf(objects));
  }

  /** The dirty nodes are being written: what is not changed again needs no entry much longer. */
  endGeneration(): void {
    this.#previous = this.#current;
    this.#current = new Map();
  }
}
