/**
 * Which groups' bitmaps the running generation has changed.
 *
 * - Changes are counted per group, so that taking back the last one makes the group clean again.
 * - The set may be iterated while it grows: groups added meanwhile are visited too.
 */

import { assert } from '../assert.js';

export class DirtyGroups {
  #changes: Uint32Array;
  readonly #groups = new Set<number>();

  constructor(groupCount: number) {
    this.#changes = new Uint32Array(groupCount);
  }

  /** Groups with changes, in the order of their first one. */
  get groups(): ReadonlySet<number> {
    return this.#groups;
  }

  /** Notes a change. */
  touch(group: number): void {
    const changes = this.#changes[group] as number;
    if (changes === 0) this.#groups.add(group);
    this.#changes[group] = changes + 1;
  }

  /** Takes a noted change back. */
  untouch(group: number): void {
    const changes = this.#changes[group] as number;
    assert(changes > 0, 'a change to take back was noted');
    if (changes === 1) this.#groups.delete(group);
    this.#changes[group] = changes - 1;
  }

  /** Makes all groups clean. */
  clear(): void {
    for (const group of this.#groups) this.#changes[group] = 0;
    this.#groups.clear();
  }

  grow(groupCount: number): void {
    const changes = new Uint32Array(groupCount);
    changes.set(this.#changes);
    this.#changes = changes;
  }
}
