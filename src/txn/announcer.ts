/**
 * Announces, in the journal of a store that erases, which allocation groups are going to be written
 * to: what a crash leaves in blocks that no checkpoint knows of is erased by that.
 *
 * - Before anything is written to free blocks of a group, a record that names the group is durable
 *   at or behind the start of the newest checkpoint. Recovery takes what is free in these groups
 *   for not erased.
 * - A checkpoint begins anew: it names the groups that it writes to itself, and those where data of
 *   transactions lies that are not accepted yet.
 */

import type { BlockRun } from '../alloc/block-run.js';
import type { Io } from '../blockdev/io.js';
import type { Committer } from './committer.js';
import type { StoreState } from './store-state.js';

export class Announcer {
  readonly #state: StoreState;
  readonly #committer: Committer;
  readonly #checkpoint: () => Io<void>;
  #known = new Set<number>();

  /** `checkpoint` makes room in the journal. */
  constructor(state: StoreState, committer: Committer, checkpoint: () => Io<void>) {
    this.#state = state;
    this.#committer = committer;
    this.#checkpoint = checkpoint;
  }

  /** Makes the groups of `runs` known before they are written to. */
  *announce(runs: readonly BlockRun[]): Io<void> {
    for (;;) {
      const groups = this.take(runs);
      if (groups.length === 0 && !this.#committer.isAnnouncing) return;
      if (groups.length === 0 || this.#committer.announce(groups)) break;
      for (const group of groups) this.#known.delete(group);
      yield* this.#checkpoint();
    }
    yield* this.#durable();
  }

  /** The same for a checkpoint that was frozen: what was announced before its start is forgotten. */
  *begin(runs: readonly BlockRun[]): Io<void> {
    if (!this.#state.erases) return;
    this.#known = new Set();
    const groups = [...this.take(runs), ...this.#claimed()];
    for (const group of groups) this.#known.add(group);
    if (groups.length > 0) this.#committer.announce(groups);
    yield* this.#durable();
  }

  /** The groups of `runs` that are not known yet; from now on they are. */
  take(runs: readonly BlockRun[]): number[] {
    const { geometry } = this.#state.allocator;
    const groups: number[] = [];
    if (!this.#state.erases) return groups;
    for (const { start, length } of runs) {
      for (
        let group = geometry.groupOf(start);
        group <= geometry.groupOf(start + length - 1);
        group++
      ) {
        if (this.#known.has(group)) continue;
        this.#known.add(group);
        groups.push(group);
      }
    }
    return groups;
  }

  #claimed(): number[] {
    return this.#state.allocator.claimedGroups().filter((group) => !this.#known.has(group));
  }

  *#durable(): Io<void> {
    const committer = this.#committer;
    yield { kind: 'until', start: () => committer.settled(), force: () => committer.force() };
  }
}
