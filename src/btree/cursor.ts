/**
 * Cursor: walks a tree in key order, in both directions.
 *
 * - On entering a leaf it copies the leaf (an embedded one never changes and is not copied) and
 *   remembers between which keys it lay; leaving it, it descends again by that bound. So it stays right while the tree is changed or nodes are
 *   evicted between its steps: of a leaf that it hasn't entered yet it shows either state.
 * - Views of key and value are valid until it enters another leaf.
 * - A step that throws a MissSignal has changed nothing and may be repeated.
 */

import { copyOut, EMPTY } from '../format/bytes.js';
import type { Comparator } from './comparator.js';
import { damageBetween } from './damage.js';
import type { Forest } from './forest.js';
import { NODE_STATE, Node, setPage } from './node.js';
import { childIndex, childIndexBefore, search } from './node-search.js';
import { entry, readEntry } from './node-view.js';
import type { TreeSpec } from './tree-spec.js';

/** What a cursor needs of a tree. */
export interface CursorTree {
  readonly forest: Forest;
  readonly spec: TreeSpec;
  readonly order: Comparator;
  readonly root: Node | null;
}

/** A key in a buffer that is reused; `has` is false for an open bound. */
class Bound {
  has = false;
  bytes: Uint8Array = EMPTY;
  length = 0;

  set(page: Uint8Array, start: number, end: number): void {
    this.has = true;
    this.length = end - start;
    if (this.bytes.length < this.length) this.bytes = new Uint8Array(2 * this.length + 16);
    for (let i = 0; i < this.length; i++) this.bytes[i] = page[start + i] as number;
  }

  copy(): Uint8Array | undefined {
    return this.has ? copyOut(this.bytes, 0, this.length) : undefined;
  }
}

export class Cursor {
  /** True while the cursor is at an entry. */
  valid = false;
  keyBytes: Uint8Array = EMPTY;
  keyStart = 0;
  keyEnd = 0;
  valueBytes: Uint8Array = EMPTY;
  valueStart = 0;
  valueEnd = 0;

  readonly #tree: CursorTree;
  readonly #leaf = new Node(NODE_STATE.embedded);
  #buffer: Uint8Array = EMPTY;
  #index = 0;
  #lower = new Bound();
  #upper = new Bound();
  /** Where bounds are built during a descent, which may be cut short. */
  #nextLower = new Bound();
  #nextUpper = new Bound();

  constructor(tree: CursorTree) {
    this.#tree = tree;
  }

  /** To the first entry at or behind `key`; false when there is none. */
  seek(key: Uint8Array): boolean {
    return this.#seekFrom(key, key.length);
  }

  #seekFrom(key: Uint8Array, length: number): boolean {
    const { order } = this.#tree;
    const found = this.#descend((node) => childIndex(node, order, key, 0, length));
    if (!found) return this.#lose();
    const index = search(this.#leaf, order, key, 0, length);
    return this.#forward(index >= 0 ? index : ~index);
  }

  seekFirst(): boolean {
    if (!this.#descend(() => 0)) return this.#lose();
    return this.#forward(0);
  }

  seekLast(): boolean {
    if (!this.#descend((node) => node.count - 1)) return this.#lose();
    return this.#backward(this.#leaf.count - 1);
  }

  /** To the last entry in front of `key`; false when there is none. */
  seekBefore(key: Uint8Array): boolean {
    const index = this.#enterBefore(key, key.length);
    return index === undefined ? this.#lose() : this.#backward(index);
  }

  /** To the next entry; false, and no longer valid, behind the last one. */
  next(): boolean {
    if (!this.valid) return false;
    const index = this.#index + 1;
    return index < this.#leaf.count ? this.#show(index) : this.#forward(index);
  }

  /** To the entry before; false, and no longer valid, in front of the first one. */
  previous(): boolean {
    if (!this.valid) return false;
    const index = this.#index - 1;
    return index >= 0 ? this.#show(index) : this.#backward(index);
  }

  /**
   * Behind a step that failed at a node that can't be read: to the first entry behind all that the
   * node leads to; false when there is none.
   */
  skip(): boolean {
    const bound = this.#nextUpper.copy();
    return bound === undefined ? this.#lose() : this.#seekFrom(bound, bound.length);
  }

  /** As `skip`, towards the first entry: to the last one in front of all that the node leads to. */
  skipBack(): boolean {
    const bound = this.#nextLower.copy();
    return bound === undefined ? this.#lose() : this.seekBefore(bound);
  }

  /** A copy of the key. */
  key(): Uint8Array {
    return copyOut(this.keyBytes, this.keyStart, this.keyEnd);
  }

  /** A copy of the value. */
  value(): Uint8Array {
    return copyOut(this.valueBytes, this.valueStart, this.valueEnd);
  }

  /** To entry `index` of the leaf, or on to the leaves behind it. */
  #forward(from: number): boolean {
    const { order } = this.#tree;
    let index = from;
    while (index >= this.#leaf.count) {
      const bound = this.#upper;
      if (!bound.has) return this.#lose();
      const { bytes, length } = bound;
      if (!this.#descend((node) => childIndex(node, order, bytes, 0, length))) return this.#lose();
      const found = search(this.#leaf, order, bytes, 0, length);
      index = found >= 0 ? found : ~found;
    }
    return this.#show(index);
  }

  /** To entry `index` of the leaf, or back to the leaves in front of it. */
  #backward(from: number): boolean {
    let index = from;
    while (index < 0) {
      const { has, bytes, length } = this.#lower;
      if (!has) return this.#lose();
      const before = this.#enterBefore(bytes, length);
      if (before === undefined) return this.#lose();
      index = before;
    }
    return this.#show(index);
  }

  /**
   * Enters the leaf of the keys in front of a key; gives the index of the last of them, -1 where
   * they lie further in front. Undefined when the tree is empty.
   */
  #enterBefore(key: Uint8Array, length: number): number | undefined {
    const { order } = this.#tree;
    if (!this.#descend((node) => childIndexBefore(node, order, key, 0, length))) return undefined;
    const found = search(this.#leaf, order, key, 0, length);
    return (found >= 0 ? found : ~found) - 1;
  }

  #show(index: number): boolean {
    this.#index = index;
    readEntry(this.#leaf, index);
    this.keyStart = entry.keyStart;
    this.keyEnd = entry.keyEnd;
    this.valueStart = entry.valueStart;
    this.valueEnd = entry.valueEnd;
    this.valid = true;
    return true;
  }

  #lose(): boolean {
    this.valid = false;
    return false;
  }

  /** Enters the leaf that `choose` leads to; false when the tree is empty. */
  #descend(choose: (node: Node) => number): boolean {
    const { root } = this.#tree;
    if (root === null) return false;
    this.#nextLower.has = false;
    this.#nextUpper.has = false;
    try {
      this.#enter(this.#leafBelow(root, choose));
    } catch (error) {
      throw damageBetween(error, this.#tree, this.#nextLower.copy(), this.#nextUpper.copy());
    }
    return true;
  }

  /** The leaf that `choose` leads to; the bounds of the next leaf narrow on the way. */
  #leafBelow(root: Node, choose: (node: Node) => number): Node {
    const { forest, spec } = this.#tree;
    let node = root.resident ? root : forest.resident(root, spec);
    while (node.level > 0) {
      const index = choose(node);
      if (index > 0) {
        readEntry(node, index);
        this.#nextLower.set(node.page, entry.keyStart, entry.keyEnd);
      }
      if (index + 1 < node.count) {
        readEntry(node, index + 1);
        this.#nextUpper.set(node.page, entry.keyStart, entry.keyEnd);
      }
      node = forest.child(node, index, spec);
    }
    return node;
  }

  /** Takes a leaf over; its bounds become the cursor's. */
  #enter(node: Node): void {
    const leaf = this.#leaf;
    if (node.state === NODE_STATE.embedded) {
      setPage(leaf, node.page);
      leaf.bodyStart = node.bodyStart;
    } else {
      setPage(leaf, this.#copyOf(node));
      leaf.bodyStart = 0;
    }
    leaf.bodyLength = node.bodyLength;
    leaf.count = node.count;
    leaf.keySize = node.keySize;
    leaf.payloadSize = node.payloadSize;
    this.keyBytes = leaf.page;
    this.valueBytes = leaf.page;
    const lower = this.#lower;
    const upper = this.#upper;
    this.#lower = this.#nextLower;
    this.#upper = this.#nextUpper;
    this.#nextLower = lower;
    this.#nextUpper = upper;
  }

  /** The body of a leaf, in the cursor's own buffer. */
  #copyOf({ page, bodyStart, bodyLength }: Node): Uint8Array {
    if (this.#buffer.length < bodyLength) this.#buffer = new Uint8Array(bodyLength);
    this.#buffer.set(page.subarray(bodyStart, bodyStart + bodyLength));
    return this.#buffer;
  }
}
