/**
 * Reading a node: entries and searches. Nothing here allocates once a node's heads are built.
 */

import { getU16 } from '../format/bytes.js';
import type { Comparator } from './comparator.js';
import { NODE_STATE, type Node } from './node.js';
import { NODE_BODY, POINTER_SIZE } from './node-format.js';

/** Where the parts of an entry lie in its page: the result of the last `readEntry`. */
export const entry = { keyStart: 0, keyEnd: 0, valueStart: 0, valueEnd: 0 };

/** Offset in the page of entry `index`, lengths included. */
export function entryStart(node: Node, index: number): number {
  const slot = node.bodyStart + NODE_BODY.size + 2 * index;
  return node.bodyStart + getU16(node.page, slot);
}

/** Finds key and payload of entry `index` in [0, count); the result is in `entry`. */
export function readEntry(node: Node, index: number): void {
  const page = node.page;
  let at = entryStart(node, index);
  let keyLength = node.keySize;
  if (keyLength === 0) {
    keyLength = page[at++] as number;
    if (keyLength >= 128) keyLength = ((keyLength & 127) << 8) | (page[at++] as number);
  }
  let valueLength = node.payloadSize;
  if (valueLength < 0) {
    valueLength = page[at++] as number;
    if (valueLength >= 128) valueLength = ((valueLength & 127) << 8) | (page[at++] as number);
  }
  entry.keyStart = at;
  entry.keyEnd = at + keyLength;
  entry.valueStart = at + keyLength;
  entry.valueEnd = at + keyLength + valueLength;
}

/** Encoded bytes of entry `index`, without its slot. */
export function entrySize(node: Node, index: number): number {
  readEntry(node, index);
  return entry.valueEnd - entryStart(node, index);
}

/** Offset in the page of the POINTER of entry `index` of a branch. */
export function pointerAt(node: Node, index: number): number {
  readEntry(node, index);
  return entry.valueEnd - POINTER_SIZE;
}

/** The first entry whose key counts: entry 0 of a branch stands for "below everything". */
export function firstKeyed(node: Node): number {
  return node.level === 0 ? 0 : 1;
}

/** Bytes in use: header, slots and live entries. */
export function usedBytes(node: Node): number {
  return NODE_BODY.size + 2 * node.count + liveBytes(node);
}

/** Bytes of the live entries, without slots. */
export function liveBytes(node: Node): number {
  return node.bodyLength - node.heapStart - node.garbage;
}

/** A copy of key `index`. */
export function copyKey(node: Node, index: number): Uint8Array {
  readEntry(node, index);
  return node.page.slice(entry.keyStart, entry.keyEnd);
}

/** Builds heads and prefix for `order`; embedded roots are small and do without. */
function prepare(node: Node, order: Comparator): void {
  node.order = order;
  node.prefix = 0;
  node.headed = false;
  if (node.state === NODE_STATE.embedded || order.head === undefined) return;
  node.prefix = order.prefixed === true ? sharedPrefix(node) : 0;
  node.headed = true;
  if (node.heads.length < node.count) {
    node.heads = new Uint32Array(node.count + (node.count >>> 1) + 8);
  }
  for (let i = firstKeyed(node); i < node.count; i++) {
    readEntry(node, i);
    node.heads[i] = order.head(node.page, entry.keyStart + node.prefix, entry.keyEnd);
  }
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
  const prefix = node.prefix;
  const heads = node.heads;
  const target = head(key, start + prefix, end);
  const from = lowerBound(heads, low, count, target);
  // A single equal head in a leaf is most often the key itself, wherever its front lies: that
  // answer needs no look at the prefix, and so no second entry in the processor's cache.
  if (node.level === 0 && from < count && heads[from] === target) {
    readEntry(node, from);
    const { keyStart, keyEnd } = entry;
    if (order.compare(node.page, keyStart, keyEnd, key, start, end) === 0) return from;
  }
  if (prefix > 0) {
    const side = prefixSide(node, order, low, key, start, end);
    if (side !== 0) return side > 0 ? ~low : ~count;
  }
  if (from === count || heads[from] !== target) return ~from;
  const to = upperBound(heads, from + 1, count, target);
  return searchKeys(node, order, from, to, prefix, key, start, end);
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
    readEntry(node, middle);
    const side = order.compare(
      node.page,
      entry.keyStart + skip,
      entry.keyEnd,
      key,
      start + skip,
      end,
    );
    if (side === 0) return middle;
    if (side < 0) low = middle + 1;
    else high = middle;
  }
  return ~low;
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

function lowerBound(heads: Uint32Array, from: number, to: number, target: number): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((heads[middle] as number) < target) low = middle + 1;
    else high = middle;
  }
  return low;
}

function upperBound(heads: Uint32Array, from: number, to: number, target: number): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((heads[middle] as number) <= target) low = middle + 1;
    else high = middle;
  }
  return low;
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
