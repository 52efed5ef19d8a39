/**
 * Searching a node: first among the heads of its keys, four bytes each, then among what is left.
 *
 * - Heads are built by the first search; from then on nothing here allocates.
 * - A search in a large map is bound by what it misses in the processor's cache, so it looks at few
 *   places: heads lie together, next to the page, and the answer is an entry that matches.
 */

import type { Comparator } from './comparator.js';
import { makeHeadsRoom, NODE_STATE, type Node } from './node.js';
import { entry, firstKeyed, readEntry } from './node-view.js';

/** Builds heads and prefix for `order`; embedded roots are small and do without. */
function prepare(node: Node, order: Comparator): void {
  node.order = order;
  node.prefix = 0;
  node.headed = false;
  if (node.state === NODE_STATE.embedded || order.head === undefined) return;
  node.prefix = order.prefixed === true ? sharedPrefix(node) : 0;
  node.headed = true;
  if (node.headsRoom < node.count) makeHeadsRoom(node, node.count + (node.count >>> 1) + 8);
  const { heads, headsAt } = node;
  const first = firstKeyed(node);
  for (let i = first; i < node.count; i++) {
    readEntry(node, i);
    heads[headsAt + i] = order.head(node.page, entry.keyStart + node.prefix, entry.keyEnd);
  }
  if (first === node.count) return;
  node.headLow = (heads[headsAt + first] as number) >>> 1;
  node.headSpan = ((heads[headsAt + node.count - 1] as number) >>> 1) - node.headLow;
}

/** Bytes that the first key and the last one, and so all between, have in common. */
function sharedPrefix(node: Node): number {
  const first = firstKeyed(node);
  if (node.count - first < 2) return 0;
  const page = node.page;
  readEntry(node, first);
  const start = entry.keyStart;
  const end = entry.keyEnd;
  readEntry(node, node.count - 1);
  const length = Math.min(end - start, entry.keyEnd - entry.keyStart);
  let shared = 0;
  while (shared < length && page[start + shared] === page[entry.keyStart + shared]) shared++;
  return shared;
}

/** The index of `key`, its parts then being in `entry`; or ~index of the first entry behind it. */
export function search(
  node: Node,
  order: Comparator,
  key: Uint8Array,
  start: number,
  end: number,
): number {
  if (node.order !== order) prepare(node, order);
  const low = firstKeyed(node);
  const count = node.count;
  const head = order.head;
  if (!node.headed || head === undefined || low === count) {
    return searchKeys(node, order, low, count, 0, key, start, end);
  }
  const { heads, headsAt, prefix } = node;
  const target = head(key, start + prefix, end);
  const from = firstHead(node, low, target);
  const isHead = from < count && heads[headsAt + from] === target;
  // A single equal head in a leaf is most often the key itself, wherever its front lies: that
  // answer needs no look at the prefix, and so no second entry in the processor's cache.
  if (isHead && node.level === 0 && compareAt(node, order, from, 0, key, start, end) === 0) {
    return from;
  }
  if (prefix > 0) {
    const side = prefixSide(node, order, low, key, start, end);
    if (side !== 0) return side > 0 ? ~low : ~count;
  }
  if (!isHead) return ~from;
  let to = from + 1;
  while (to < count && heads[headsAt + to] === target) to++;
  return searchKeys(node, order, from, to, prefix, key, start, end);
}

/**
 * The first entry in [low, count) whose head is not below `target`. It is looked for around the
 * place where it would be if heads rose evenly, at growing distance, so that keys which do take
 * a line or two of the processor's cache, and others not much more than by halving.
 */
function firstHead(node: Node, low: number, target: number): number {
  const { heads, headsAt } = node;
  let from = headsAt + low;
  let to = headsAt + node.count;
  const guess = headsAt + guessIndex(node, low, target);
  if ((heads[guess] as number) < target) {
    from = guess + 1;
    for (let step = STEP_MIN; from + step < to; step *= 2) {
      if ((heads[from + step] as number) >= target) to = from + step;
      else from += step + 1;
    }
  } else {
    to = guess;
    for (let step = STEP_MIN; to - step > from; step *= 2) {
      if ((heads[to - step] as number) < target) from = to - step + 1;
      else to -= step;
    }
  }
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((heads[middle] as number) < target) from = middle + 1;
    else to = middle;
  }
  return from - headsAt;
}

/** Entries that the first step away from a guess covers. */
const STEP_MIN = 3;

/** Where `target` lies if heads rise evenly; in [low, count). Edits may have made it a bad guess. */
function guessIndex({ headLow, headSpan, count }: Node, low: number, target: number): number {
  const distance = (target >>> 1) - headLow;
  if (distance <= 0) return low;
  if (distance >= headSpan) return count - 1;
  return low + Math.floor((distance * (count - 1 - low)) / headSpan);
}

/** Binary search over the keys of entries [from, to), which all share `skip` bytes with `key`. */
function searchKeys(
  node: Node,
  order: Comparator,
  from: number,
  to: number,
  skip: number,
  key: Uint8Array,
  start: number,
  end: number,
): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const side = compareAt(node, order, middle, skip, key, start, end);
    if (side === 0) return middle;
    if (side < 0) low = middle + 1;
    else high = middle;
  }
  return ~low;
}

/** How key `index` compares with `key`, both without their first `skip` bytes; it is in `entry`. */
function compareAt(
  node: Node,
  order: Comparator,
  index: number,
  skip: number,
  key: Uint8Array,
  start: number,
  end: number,
): number {
  readEntry(node, index);
  const { memory, base } = node;
  const { keyStart, keyEnd } = entry;
  return order.compare(memory, base + keyStart + skip, base + keyEnd, key, start + skip, end);
}

/** How the prefix of the node compares with the front of `key`. */
function prefixSide(
  node: Node,
  order: Comparator,
  index: number,
  key: Uint8Array,
  start: number,
  end: number,
): number {
  readEntry(node, index);
  const prefix = node.prefix;
  const front = end - start < prefix ? end : start + prefix;
  return order.compare(node.page, entry.keyStart, entry.keyStart + prefix, key, start, front);
}

/** The entry of a branch whose child holds `key`. */
export function childIndex(
  node: Node,
  order: Comparator,
  key: Uint8Array,
  start: number,
  end: number,
): number {
  const index = search(node, order, key, start, end);
  return index >= 0 ? index : ~index - 1;
}

/** The last entry of a branch whose child holds keys before `key`. */
export function childIndexBefore(
  node: Node,
  order: Comparator,
  key: Uint8Array,
  start: number,
  end: number,
): number {
  const index = search(node, order, key, start, end);
  return index >= 0 ? index - 1 : ~index - 1;
}
