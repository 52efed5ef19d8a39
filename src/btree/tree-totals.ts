/**
 * What the records of a tree come to. Only what is dirty is walked, the rest stands in pointers.
 */

import { isProvisional, pointerRecords } from '../format/pointer.js';
import type { Forest } from './forest.js';
import type { Node } from './node.js';
import { pointerAt } from './node-view.js';
import { leafStoredBytes, pointerStoredBytes } from './root-record.js';
import type { TreeSpec } from './tree-spec.js';

/** What is needed of a tree. */
interface CountedTree {
  readonly forest: Forest;
  readonly spec: TreeSpec;
}

/** Records below `node`, which is one of the tree's. */
export function recordsBelow(tree: CountedTree, node: Node): number {
  if (node.sealed) return node.records;
  if (node.level === 0) return node.count;
  let sum = 0;
  for (let i = 0; i < node.count; i++) {
    const at = pointerAt(node, i);
    sum += isProvisional(node.page, at)
      ? recordsBelow(tree, tree.forest.child(node, i, tree.spec))
      : pointerRecords(node.page, at);
  }
  return sum;
}

/** Bytes that the records below `node` account for. */
export function storedBytesBelow(tree: CountedTree, node: Node): number {
  if (node.sealed) return node.bytes;
  if (node.level === 0) {
    return leafStoredBytes(tree.forest.resident(node, tree.spec), tree.forest.schemas);
  }
  let sum = 0;
  for (let i = 0; i < node.count; i++) {
    const at = pointerAt(node, i);
    sum += isProvisional(node.page, at)
      ? storedBytesBelow(tree, tree.forest.nodeOf(node.page, at, node.role))
      : pointerStoredBytes(node.page, at);
  }
  return sum;
}
