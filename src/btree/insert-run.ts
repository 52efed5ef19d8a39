/**
 * Runs of inserts: where they go on, so that a node that becomes full splits there.
 */

import type { Node } from './node.js';

/** Entries that a run may pass over from one insert to the next. */
const RUN_GAP_MAX = 1;

/** Remembers along which edge inserts run, or where inside. */
export function noteRun(node: Node, index: number): void {
  if (index === node.count - 1 || isBehind(node, index)) node.run = node.run > 0 ? node.run + 1 : 1;
  else if (index === 0) node.run = node.run < 0 ? node.run - 1 : -1;
  else node.run = 0;
  node.runAt = index;
}

/** True when an insert at `index` goes on from the last one, perhaps over an entry in between. */
export function isBehind(node: Node, index: number): boolean {
  return index > node.runAt && index <= node.runAt + 1 + RUN_GAP_MAX;
}
