/**
 * A figure per group (a longest free run), and the nearest group with at least so much: a
 * max-segment-tree in one array, 8 bytes per group, search and change in O(log groups).
 */

import { assert } from '../assert.js';

export class GroupRanking {
  #count: number;
  #capacity = 1; // leaves, a power of two; leaf of group g at capacity + g
  #tree: Uint32Array;

  /** Ranks groups [0, count) by `figureOf`. */
  constructor(count: number, figureOf: (group: number) => number) {
    this.#count = count;
    while (this.#capacity < count) this.#capacity *= 2;
    this.#tree = new Uint32Array(this.#capacity * 2);
    for (let group = 0; group < count; group++)
      this.#tree[this.#capacity + group] = figureOf(group);
    for (let node = this.#capacity - 1; node >= 1; node--) this.#tree[node] = this.#larger(node);
  }

  /** The largest figure of all. */
  get max(): number {
    return this.#tree[1] as number;
  }

  /** The figure of `group`. */
  at(group: number): number {
    return this.#tree[this.#capacity + group] as number;
  }

  set(group: number, value: number): void {
    let node = this.#capacity + group;
    if (this.#tree[node] === value) return;
    this.#tree[node] = value;
    while (node > 1) {
      node >>>= 1;
      const larger = this.#larger(node);
      if (this.#tree[node] === larger) return;
      this.#tree[node] = larger;
    }
  }

  /** First group at or behind `from` with a figure of `minimum` or more (not 0), or -1. */
  next(from: number, minimum: number): number {
    assert(minimum > 0, 'groups are searched for something');
    if (from >= this.#count || this.max < minimum) return -1;
    let node = this.#capacity + from;
    if ((this.#tree[node] as number) >= minimum) return from;
    while (node > 1) {
      const right = node + 1;
      if ((node & 1) === 0 && (this.#tree[right] as number) >= minimum) {
        return this.#firstBelow(right, minimum);
      }
      node >>>= 1;
    }
    return -1;
  }

  /** @throws AssertionError when a node is not the larger of its children. */
  verify(): void {
    for (let node = 1; node < this.#capacity; node++) {
      assert(this.#tree[node] === this.#larger(node), 'a node ranks as its larger child');
    }
  }

  #firstBelow(top: number, minimum: number): number {
    let node = top;
    while (node < this.#capacity) {
      node *= 2;
      if ((this.#tree[node] as number) < minimum) node++;
    }
    return node - this.#capacity;
  }

  #larger(node: number): number {
    return Math.max(this.#tree[node * 2] as number, this.#tree[node * 2 + 1] as number);
  }
}
