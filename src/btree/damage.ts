/**
 * Where in a tree damage is: errors of its nodes learn the tree's role and the range of keys that
 * can't be reached.
 */

import { CorruptError } from '../errors.js';
import { ROLE_NAMES } from '../format/role.js';
import type { Comparator } from './comparator.js';
import type { Node } from './node.js';
import { childIndex } from './node-search.js';
import { copyKey } from './node-view.js';
import type { TreeSpec } from './tree-spec.js';

/** What is needed of a tree. */
interface DamagedTree {
  readonly spec: TreeSpec;
  readonly order: Comparator;
  readonly root: Node | null;
}

/** `error`, met on the way to `key`, with the place of what could not be read. */
export function damageOnWay(error: unknown, tree: DamagedTree, key: Uint8Array): unknown {
  if (!(error instanceof CorruptError)) return error;
  let from: Uint8Array | undefined;
  let to: Uint8Array | undefined;
  let node: Node | null | undefined = tree.root;
  while (node?.resident === true && node.level > 0) {
    const index = childIndex(node, tree.order, key, 0, key.length);
    if (index > 0) from = copyKey(node, index);
    if (index + 1 < node.count) to = copyKey(node, index + 1);
    node = node.children[index];
  }
  return damageBetween(error, tree, from, to);
}

/** `error`, of a node that leads to the keys [from, to), with its place; undefined is the end. */
export function damageBetween(
  error: unknown,
  { spec }: Pick<DamagedTree, 'spec'>,
  from: Uint8Array | undefined,
  to: Uint8Array | undefined,
): unknown {
  if (!(error instanceof CorruptError)) return error;
  const keys = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
  return error.at({ tree: ROLE_NAMES[spec.role] ?? String(spec.role), keys });
}
