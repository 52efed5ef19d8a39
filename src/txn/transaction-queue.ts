/**
 * Transactions that were submitted and are not accepted yet, in the order of their submission.
 *
 * - Those that share a collection or reservation keep that order; others may pass one whose data
 *   is still being written.
 */

import type { NamedObject } from './object-table.js';
import type { Entry } from './submission.js';

/** Objects that are looked for together. */
const NAMED_MAX = 256;

export class TransactionQueue {
  #entries: Entry[] = [];

  /** Settled ones that nobody has passed over yet included. */
  get length(): number {
    return this.#entries.length;
  }

  /** The oldest one. */
  get first(): Entry | undefined {
    return this.#entries[0];
  }

  push(entry: Entry): void {
    this.#entries.push(entry);
  }

  /** Takes `entry` out if it is the oldest one still. */
  drop(entry: Entry): void {
    if (this.#entries[0] === entry) this.#entries.shift();
  }

  /** The oldest one whose data is written and that no earlier one has to precede. */
  next(): Entry | undefined {
    let blocked: Set<string> | undefined;
    for (let i = 0; i < this.#entries.length; i++) {
      const entry = this.#entries[i] as Entry;
      if (entry.settled) {
        if (i === 0) this.#entries.shift();
        else this.#entries.splice(i, 1);
        i--;
        continue;
      }
      const { ordered } = entry.sealed;
      const free = blocked === undefined || !ordered.some((name) => blocked?.has(name));
      if (entry.ready && free) return entry;
      blocked ??= new Set();
      for (const name of ordered) blocked.add(name);
    }
    return undefined;
  }

  /** The oldest one that is neither applied nor refused, if `entry` came after it. */
  predecessor(entry: Entry): Entry | undefined {
    const oldest = this.#entries.find(({ settled }) => !settled);
    return oldest === entry ? undefined : oldest;
  }

  /** What the first of those name that are still to be applied. */
  *named(): Generator<NamedObject> {
    let left = NAMED_MAX;
    for (const { settled, sealed } of this.#entries) {
      if (settled) continue;
      for (const named of sealed.open().objects) {
        if (left-- === 0) return;
        yield named;
      }
    }
  }

  /** Those whose data nobody writes. */
  unwritten(): Entry[] {
    return this.#entries.filter(
      ({ settled, ready, writing }) => !settled && !ready && writing === undefined,
    );
  }

  /** Refuses all of them. */
  refuseAll(error: unknown): void {
    for (const entry of this.#entries.splice(0)) if (!entry.settled) entry.refuse(error);
  }

  /** Waits until all are settled, or `isOver` says that they never will be. */
  async settle(isOver: () => boolean): Promise<void> {
    for (let entry = this.first; entry !== undefined && !isOver(); entry = this.first) {
      if (entry.settled) this.drop(entry);
      else await entry.applied.catch(() => undefined);
    }
  }
}
