/**
 * Whole-tree structural check, for tests and fsck.
 *
 * What it holds a tree to, beyond what is checked when a node is read:
 * - a leaf has a record; a branch, the root too, two children;
 * - the keys of a child lie between its separator and the next one; they rise over the tree;
 * - levels fall by one; no node is met twice on one path;
 * - the totals in a resolved pointer are those of what it points to.
 */

import { CorruptError } from '../errors.js';
import { isProvisional, LEVEL_MAX, pointerRecords } from '../format/pointer.js';
import type { Comparator } from './comparator.js';
import type { Forest } from './forest.js';
import type { Node } from './node.js';
import { orderFault } from './node-check.js';
import { copyKey, pointerAt, usedBytes } from './node-view.js';
import type { TreeSpec } from './tree-spec.js';

/** Figures of a sound tree. */
export interface TreeReport {
  readonly height: number;
  readonly nodes: number;
  readonly records: number;
  /** Used part of all bodies, in [0, 1]. */
  readonly fill: number;
}

/** What `verifyTree` needs of a tree. */
export interface VerifiableTree {
  readonly forest: Forest;
  readonly spec: TreeSpec;
  readonly order: Comparator;
  readonly root: Node | null;
}

/** Walks all of `tree`. @throws CorruptError naming what is wrong */
export function verifyTree(tree: VerifiableTree): TreeReport {
  const walk = new Walk(tree);
  const { root } = tree;
  if (root === null) return { height: 0, nodes: 0, records: 0, fill: 1 };
  const node = tree.forest.resident(root, tree.spec);
  const records = walk.node(node, undefined, undefined);
  return { height: node.level + 1, nodes: walk.nodes, records, fill: walk.used / walk.room };
}

class Walk {
  nodes = 0;
  used = 0;
  room = 0;
  readonly #tree: VerifiableTree;

  constructor(tree: VerifiableTree) {
    this.#tree = tree;
  }

  /** Checks a node whose keys are in [low, high); gives the records below. */
  node(node: Node, low: Uint8Array | undefined, high: Uint8Array | undefined): number {
    const { order } = this.#tree;
    this.nodes++;
    this.used += usedBytes(node);
    this.room += node.bodyLength;
    if (node.level > LEVEL_MAX) fail('the tree is too high');
    if (node.count < (node.level > 0 ? 2 : 1)) fail('a node holds too little');
    const fault = orderFault(node, order);
    if (fault !== undefined) fail(fault);
    const first = node.level > 0 ? 1 : 0;
    this.#bound(low, copyKey(node, first), order);
    if (high !== undefined) {
      const last = copyKey(node, node.count - 1);
      if (order.compare(last, 0, last.length, high, 0, high.length) >= 0) {
        fail('a key is above its node');
      }
    }
    return node.level > 0 ? this.#children(node, low, high) : node.count;
  }

  #bound(low: Uint8Array | undefined, key: Uint8Array, order: Comparator): void {
    if (low !== undefined && order.compare(key, 0, key.length, low, 0, low.length) < 0) {
      fail('a key is below its node');
    }
  }

  #children(node: Node, low: Uint8Array | undefined, high: Uint8Array | undefined): number {
    const { forest, spec } = this.#tree;
    let sum = 0;
    for (let i = 0; i < node.count; i++) {
      const child = forest.child(node, i, spec);
      if (child.level !== node.level - 1) fail('a level is wrong');
      const from = i > 0 ? copyKey(node, i) : low;
      const to = i + 1 < node.count ? copyKey(node, i + 1) : high;
      const records = this.node(child, from, to);
      const at = pointerAt(node, i);
      if (!isProvisional(node.page, at) && pointerRecords(node.page, at) !== records) {
        fail('a pointer counts other records than there are');
      }
      sum += records;
    }
    return sum;
  }
}

function fail(what: string): never {
  throw new CorruptError(`Cannot accept tree: ${what}`);
}
