/**
 * Cutting trees apart and joining them, in O(log n).
 *
 * - Nodes along a cut are mended on both sides; nothing else is touched.
 */

import { StoreError } from '../errors.js';
import type { Node } from './node.js';
import type { Tree } from './tree.js';

/** Moves the keys in [from, to) of `tree` to a tree of their own; undefined is the open end. */
export function takeRange(
  tree: Tree,
  from: Uint8Array | undefined,
  to: Uint8Array | undefined,
): Tree {
  if (from !== undefined && to !== undefined) {
    const editor = tree.edit();
    const taken = editor.takeFromLeaf(from, to);
    if (taken !== undefined && taken !== null && tree.forest.erases) editor.renewSeparator(from);
    if (taken !== undefined) return tree.likeWith(taken);
  }
  const middle = from === undefined ? tree.likeWith(tree.giveRoot()) : splitOff(tree, from);
  const upper = to === undefined ? null : splitOff(middle, to);
  if (upper !== null) join(tree, upper);
  return middle;
}

/** Moves the keys from `key` on to a tree of their own. */
export function splitOff(tree: Tree, key: Uint8Array): Tree {
  if (tree.root === null) return tree.likeWith(null);
  const editor = tree.edit();
  const upper = tree.likeWith(editor.cut(key));
  editor.mendEdge('right');
  upper.edit().mendEdge('left');
  return upper;
}

/** Moves all of `upper` behind all of `tree`. @throws StoreError E_INVALID as `Tree.join` */
export function join(tree: Tree, upper: Tree): void {
  checkKinds(tree, upper);
  const key = upper.firstKey();
  if (key === undefined) return;
  const last = tree.lastKey();
  if (last === undefined) {
    tree.takeRoot(upper.giveRoot());
    return;
  }
  if (tree.order.compare(last, 0, last.length, key, 0, key.length) >= 0) {
    throw new StoreError('E_INVALID', 'Cannot join trees: their key ranges interleave');
  }
  if ((tree.root as Node).level >= (upper.root as Node).level) {
    const root = upper.edit().ownRoot();
    upper.giveRoot();
    tree.edit().joinRight(key, root);
    return;
  }
  const root = tree.edit().ownRoot();
  upper.edit().joinLeft(key, root);
  tree.takeRoot(upper.giveRoot());
}

function checkKinds({ spec: a, forest }: Tree, upper: Tree): void {
  const { spec: b } = upper;
  const alike =
    a.role === b.role &&
    a.comparator === b.comparator &&
    a.keySize === b.keySize &&
    a.valueSize === b.valueSize &&
    a.duplicates === b.duplicates;
  if (!alike || forest !== upper.forest) {
    throw new StoreError('E_INVALID', 'Cannot join trees: they are not of one kind');
  }
}
