/**
 * Reading a node: its entries. Nothing here allocates but `copyKey`.
 */

import { getU16 } from '../format/bytes.js';
import type { Node } from './node.js';
import { NODE_BODY, POINTER_SIZE } from './node-format.js';

/** Where the parts of an entry lie in its page: the result of the last `readEntry`. */
export const entry = { keyStart: 0, keyEnd: 0, valueStart: 0, valueEnd: 0 };

/** Offset in the page of entry `index`, lengths included. */
export function entryStart(node: Node, index: number): number {
  const slot = node.bodyStart + NODE_BODY.size + 2 * index;
  return node.bodyStart + getU16(node.memory, node.base + slot);
}

/** Finds key and payload of entry `index` in [0, count); the result is in `entry`. */
export function readEntry(node: Node, index: number): void {
  const { memory, base } = node;
  let at = base + entryStart(node, index);
  let keyLength = node.keySize;
  if (keyLength === 0) {
    keyLength = memory[at++] as number;
    if (keyLength >= 128) keyLength = ((keyLength & 127) << 8) | (memory[at++] as number);
  }
  let valueLength = node.payloadSize;
  if (valueLength < 0) {
    valueLength = memory[at++] as number;
    if (valueLength >= 128) valueLength = ((valueLength & 127) << 8) | (memory[at++] as number);
  }
  at -= base;
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
