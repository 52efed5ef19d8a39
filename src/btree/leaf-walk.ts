/**
 * A walk over the leaves of a tree that can be left at any leaf and gone on with later, whatever
 * has changed in between: it remembers keys, not nodes.
 */

import type { Node } from './node.js';
import { childIndex } from './node-search.js';
import { copyKey, pointerAt } from './node-view.js';
import type { Tree } from './tree.js';

/** A leaf and how it was reached. */
export interface LeafStep {
  /** From the root to the leaf, or to the branch whose rest was skipped. */
  readonly path: readonly Node[];
  /** Undefined where all that was left of a branch was skipped. */
  readonly leaf: Node | undefined;
  /** Where the next leaf begins; undefined behind the last one. */
  readonly next: Uint8Array | undefined;
}

/**
 * The leaf where `from` is or would be, the first one by default; undefined in an empty tree.
 * Leaves whose POINTER at `bytes[at]` `skips` answers for are passed over unread.
 * @throws CorruptError; MissSignal in asynchronous mode
 */
export function leafAt(
  tree: Tree,
  from: Uint8Array | undefined,
  skips: (bytes: Uint8Array, at: number) => boolean,
): LeafStep | undefined {
  const { forest, spec, order, root } = tree;
  if (root === null) return undefined;
  let node = forest.resident(root, spec);
  let next: Uint8Array | undefined;
  const path = [node];
  while (node.level > 0) {
    let index = from === undefined ? 0 : childIndex(node, order, from, 0, from.length);
    if (node.level === 1) {
      while (index < node.count && skips(node.page, pointerAt(node, index))) index++;
      if (index === node.count) return { path, leaf: undefined, next };
    }
    if (index + 1 < node.count) next = copyKey(node, index + 1);
    node = forest.child(node, index, spec);
    path.push(node);
  }
  return { path, leaf: node, next };
}
