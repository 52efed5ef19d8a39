/**
 * Who still looks at older states: snapshots, and reads under way.
 *
 * - A reader holds what is freed from its beginning on, so that no block it may read is handed
 *   out again; a snapshot also sees nodes in memory that have been replaced.
 * - An expired snapshot holds nothing and answers E_SNAPSHOT_EXPIRED.
 * - A check of what is durable holds the newest checkpoint while it reads a part of it. It gives
 *   way like a snapshot, and then does that part again.
 */

import type { Readers as SeenBy } from '../btree/forest.js';

export interface Reader {
  /** Frees of this generation of the allocator and later ones wait for the reader. */
  readonly limbo: number;
  /** Generation of nodes that a snapshot sees; -1 for a read of the present state. */
  readonly sees: number;
  /** It ends when what it holds is needed. */
  readonly yields: boolean;
  /** When it began, in milliseconds since 1970. */
  readonly beganMs: number;
  expired: boolean;
}

export class Readers implements SeenBy {
  readonly #active = new Set<Reader>();
  readonly #ended: () => void;

  /** `ended` is called when a reader lets go of something. */
  constructor(ended: () => void) {
    this.#ended = ended;
  }

  get count(): number {
    return this.#active.size;
  }

  /** True while a snapshot is open. */
  get hasSnapshot(): boolean {
    for (const reader of this.#active) if (reader.sees >= 0) return true;
    return false;
  }

  sees(birth: number): boolean {
    for (const reader of this.#active) if (birth <= reader.sees) return true;
    return false;
  }

  /** Last generation of the allocator whose frees nobody waits for. */
  releasable(generation: number): number {
    let upTo = generation;
    for (const reader of this.#active) upTo = Math.min(upTo, reader.limbo - 1);
    return upTo;
  }

  begin(limbo: number, sees: number): Reader {
    return this.#add(limbo, sees, sees >= 0);
  }

  /** Begins a check of what is durable. */
  beginCheck(limbo: number): Reader {
    return this.#add(limbo, -1, true);
  }

  #add(limbo: number, sees: number, yields: boolean): Reader {
    const reader = { limbo, sees, yields, beganMs: Date.now(), expired: false };
    this.#active.add(reader);
    return reader;
  }

  end(reader: Reader): void {
    if (this.#active.delete(reader)) this.#ended();
  }

  /** Ends the snapshots and checks that hold anything; false when there is none. */
  expireSnapshots(): boolean {
    let any = false;
    for (const reader of this.#active) {
      if (!reader.yields) continue;
      reader.expired = true;
      this.#active.delete(reader);
      any = true;
    }
    if (any) this.#ended();
    return any;
  }
}
