/**
 * The way from the root of a tree to the leaf of a key.
 *
 * - What can't be read on it is told with the keys that can't be reached.
 */

import type { Comparator } from './comparator.js';
import { damageOnWay } from './damage.js';
import type { Deltas } from './delta-leaf.js';
import type { Forest } from './forest.js';
import type { Node } from './node.js';
import { childIndex } from './node-search.js';
import type { TreeSpec } from './tree-spec.js';

/** What is needed of a tree. */
interface SearchedTree {
  readonly forest: Forest;
  readonly spec: TreeSpec;
  readonly order: Comparator;
  readonly root: Node | null;
  /** The root in memory. @throws CorruptError; MissSignal */
  top(): Node | null;
}

/** The leaf where `key` is or would be; null in an empty tree. @throws CorruptError; MissSignal */
export function leafOf(tree: SearchedTree, key: Uint8Array): Node | null {
  const { forest, order, spec } = tree;
  try {
    let node = tree.top();
    while (node !== null && node.level > 0) {
      node = forest.child(node, childIndex(node, order, key, 0, key.length), spec);
    }
    return node;
  } catch (error) {
    throw damageOnWay(error, tree, key);
  }
}

/** The same for a search: a delta leaf comes without its page, unless that pays. */
export function deltaLeafOf(tree: SearchedTree, key: Uint8Array): Node | null {
  const { forest, order, spec } = tree;
  try {
    let node = tree.top();
    while (node !== null && node.level > 0) {
      const index = childIndex(node, order, key, 0, key.length);
      const known = node.children[index];
      if (known?.resident === true) {
        if (!known.referenced) known.referenced = true;
        node = known;
      } else node = forest.leaf(node, index, spec);
    }
    if (node !== null && !node.resident) forest.deltaLeaves.noteSearch(node);
    return node;
  } catch (error) {
    throw damageOnWay(error, tree, key);
  }
}

/** What is below the deltas of a leaf, on the way to `key`. @throws CorruptError; MissSignal */
export function baseOf(tree: SearchedTree, { base }: Deltas, key: Uint8Array): Node {
  try {
    return base.deltas === null ? tree.forest.resident(base, tree.spec) : base;
  } catch (error) {
    throw damageOnWay(error, tree, key);
  }
}
