/**
 * Structural difference of two trees: the keys whose values differ, in order.
 *
 * - Only equal pointers are skipped: what two trees share is never read. What differs only in
 *   form (a record that was written again) is compared by its bytes, so that a difference may be
 *   reported where there is none, never the other way round.
 * - Both trees must stay as they are while a diff runs: roots that are frozen, or one
 *   synchronous step. Nodes may be evicted between steps.
 */

import { StoreError } from '../errors.js';
import { equalBytes } from '../format/bytes.js';
import type { Node } from './node.js';
import { copyKey, entry, pointerAt, readEntry } from './node-view.js';
import type { Tree } from './tree.js';

/** A key with its value on either side; absent where the key isn't there. */
export interface Difference {
  readonly key: Uint8Array;
  readonly left?: Uint8Array;
  readonly right?: Uint8Array;
}

/** The next entry of an entered node, and from where on its keys may lie. */
interface Frame {
  node: Node;
  index: number;
  /** Lower bound of entry 0; null: none. */
  readonly bound: Uint8Array | null;
}

/** One side: what is still to come of a tree, as a stack of entered nodes. */
class Side {
  readonly #tree: Tree;
  readonly #frames: Frame[] = [];

  constructor(tree: Tree) {
    this.#tree = tree;
  }

  start(): void {
    const { root, forest, spec } = this.#tree;
    if (root === null) return;
    this.#frames.push({ node: forest.resident(root, spec), index: 0, bound: null });
  }

  /** The frame of the next entry, its node resident; undefined at the end. */
  top(): Frame | undefined {
    while (this.#frames.length > 0) {
      const frame = this.#frames[this.#frames.length - 1] as Frame;
      frame.node = this.#tree.forest.resident(frame.node, this.#tree.spec);
      if (frame.index < frame.node.count) return frame;
      this.#frames.pop();
    }
    return undefined;
  }

  /** The node that the next entry of a branch leads to, perhaps not resident. */
  below(frame: Frame): Node {
    const { node, index } = frame;
    const known = node.children[index];
    return known ?? this.#tree.forest.nodeOf(node.page, pointerAt(node, index), node.role);
  }

  /** Enters the next entry of a branch. */
  expand(frame: Frame): void {
    const { forest, spec } = this.#tree;
    const child = forest.child(frame.node, frame.index, spec);
    const bound = lowerBound(frame);
    frame.index++;
    this.#frames.push({ node: child, index: 0, bound });
  }
}

/** From where on the keys of the next entry may lie; its key if it is a record. */
function lowerBound(frame: Frame): Uint8Array | null {
  const { node, index, bound } = frame;
  return index === 0 && node.level > 0 ? bound : copyKey(node, index);
}

function copyValue(frame: Frame): Uint8Array {
  readEntry(frame.node, frame.index);
  return frame.node.page.slice(entry.valueStart, entry.valueEnd);
}

/** True when both are one node: then everything below is the same. */
function isSameNode(a: Node, b: Node): boolean {
  return a === b || (a.address >= 0 && a.address === b.address && a.birth === b.birth);
}

/** Walks the differences. A step that throws a MissSignal may be repeated. */
export class TreeDiff {
  readonly #left: Side;
  readonly #right: Side;
  readonly #order: Tree['order'];
  readonly #trees: readonly [Tree, Tree];
  #started = false;

  /** @throws StoreError E_INVALID when the trees are ordered differently. */
  constructor(left: Tree, right: Tree) {
    if (left.order !== right.order || left.spec.role !== right.spec.role) {
      throw new StoreError('E_INVALID', 'Cannot compare trees: they are not of one kind');
    }
    this.#order = left.order;
    this.#left = new Side(left);
    this.#right = new Side(right);
    this.#trees = [left, right];
  }

  /** The next difference, undefined at the end. */
  next(): Difference | undefined {
    if (!this.#started && !this.#start()) return undefined;
    for (;;) {
      const left = this.#left.top();
      const right = this.#right.top();
      if (left === undefined && right === undefined) return undefined;
      const found = this.#step(left, right);
      if (found !== undefined) return found;
    }
  }

  /** Enters both roots; false when they are the same. */
  #start(): boolean {
    const [a, b] = this.#trees;
    if (a.root !== null && b.root !== null && isSameNode(a.root, b.root)) return false;
    for (const { root, forest, spec } of this.#trees)
      if (root !== null) forest.resident(root, spec);
    this.#left.start();
    this.#right.start();
    this.#started = true;
    return true;
  }

  #step(left: Frame | undefined, right: Frame | undefined): Difference | undefined {
    if (left === undefined || right === undefined) return this.#alone(left, right);
    const side = this.#compareBounds(lowerBound(left), lowerBound(right));
    const leftLevel = left.node.level;
    const rightLevel = right.node.level;
    if (leftLevel === 0 && rightLevel === 0) return this.#records(left, right, side);
    if (leftLevel === rightLevel && isSameNode(this.#left.below(left), this.#right.below(right))) {
      left.index++;
      right.index++;
      return undefined;
    }
    // A record in front of all that a subtree may hold is alone; otherwise the subtree that
    // begins first is entered, the higher one where both begin alike.
    if (side < 0 || (side === 0 && leftLevel >= rightLevel)) return this.#alone(left, undefined);
    return this.#alone(undefined, right);
  }

  /** Reports the next record of the one side that is given, or enters its next subtree. */
  #alone(left: Frame | undefined, right: Frame | undefined): Difference | undefined {
    const frame = left ?? right;
    if (frame === undefined) return undefined;
    if (frame.node.level > 0) {
      (left === undefined ? this.#right : this.#left).expand(frame);
      return undefined;
    }
    const key = copyKey(frame.node, frame.index);
    const value = copyValue(frame);
    frame.index++;
    return left === undefined ? { key, right: value } : { key, left: value };
  }

  #records(left: Frame, right: Frame, side: number): Difference | undefined {
    if (side < 0) return this.#alone(left, undefined);
    if (side > 0) return this.#alone(undefined, right);
    const key = copyKey(left.node, left.index);
    const before = copyValue(left);
    const after = copyValue(right);
    left.index++;
    right.index++;
    return equalBytes(before, after) ? undefined : { key, left: before, right: after };
  }

  #compareBounds(a: Uint8Array | null, b: Uint8Array | null): number {
    if (a === null || b === null) return (a === null ? 0 : 1) - (b === null ? 0 : 1);
    return this.#order.compare(a, 0, a.length, b, 0, b.length);
  }
}

/** All differences, in synchronous mode; inside `forest.run` use TreeDiff. */
export function* diff(left: Tree, right: Tree): IterableIterator<Difference> {
  const walk = new TreeDiff(left, right);
  for (let one = walk.next(); one !== undefined; one = walk.next()) yield one;
}
