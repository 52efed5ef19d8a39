/**
 * The structural check of a node body that comes from the device: made once when it is read,
 * nothing is checked again afterwards.
 *
 * - It only accepts canonical bodies (node-format.ts), so that no two entries share a byte and
 *   later changes in place can't spread.
 * - It never throws and never runs longer than the body's count.
 */

import { getU16 } from '../format/bytes.js';
import {
  isProvisional,
  LEVEL_MAX,
  POINTER,
  POINTER_FLAG,
  pointerLength,
  pointerLevel,
  pointerRecords,
  RECORDS_LIMIT,
} from '../format/pointer.js';
import type { Comparator } from './comparator.js';
import { type Node, setPage } from './node.js';
import {
  KEY_SIZE_MAX,
  NODE_BODY,
  NODE_SIZE_MAX,
  POINTER_SIZE,
  SLOT_SIZE,
  VALUE_SIZE_MAX,
  VALUE_SIZE_VARIABLE,
} from './node-format.js';
import { entry, entryStart, firstKeyed, readEntry } from './node-view.js';

/** What a body must agree with. */
export interface BodyExpectation {
  /** Level in [0, LEVEL_MAX]. */
  readonly level: number;
  /** Bytes of a block, for the lengths of pointers. */
  readonly blockSize: number;
  /** Pointers may be provisional: an embedded body in memory. */
  readonly provisional: boolean;
}

/**
 * Sets up `node` as a reader of `page[start, start + length)` if that is a sound body.
 * @returns what is wrong with it, or undefined when nothing is.
 */
export function adoptBody(
  node: Node,
  page: Uint8Array,
  start: number,
  length: number,
  expected: BodyExpectation,
): string | undefined {
  if (length < NODE_BODY.size + SLOT_SIZE || length > NODE_SIZE_MAX) return 'body length is bad';
  if (expected.level > LEVEL_MAX) return 'level is too high';
  const keySize = getU16(page, start + NODE_BODY.keySize);
  const valueSize = getU16(page, start + NODE_BODY.valueSize);
  if (keySize > KEY_SIZE_MAX) return 'key size is over its limit';
  if (valueSize > VALUE_SIZE_MAX && valueSize !== VALUE_SIZE_VARIABLE) {
    return 'value size is over its limit';
  }
  viewBody(node, page, start, length, expected.level);
  return heapFault(node) ?? (expected.level > 0 ? pointersFault(node, expected) : undefined);
}

/** Sets up `node` as a reader of a body that is known to be sound. */
export function viewBody(
  node: Node,
  page: Uint8Array,
  start: number,
  length: number,
  level: number,
): void {
  const valueSize = getU16(page, start + NODE_BODY.valueSize);
  setPage(node, page);
  node.bodyStart = start;
  node.bodyLength = length;
  node.level = level;
  node.count = getU16(page, start + NODE_BODY.count);
  node.heapStart = getU16(page, start + NODE_BODY.heapStart);
  node.garbage = 0;
  node.keySize = getU16(page, start + NODE_BODY.keySize);
  node.valueSize = valueSize === VALUE_SIZE_VARIABLE ? -1 : valueSize;
  node.payloadSize = level > 0 ? POINTER_SIZE : node.valueSize;
}

function heapFault(node: Node): string | undefined {
  if (node.count === 0) return 'node is empty';
  if (node.heapStart < NODE_BODY.size + SLOT_SIZE * node.count) return 'slots run into the heap';
  if (node.heapStart > node.bodyLength) return 'heap starts behind the body';
  let at = node.bodyStart + node.heapStart;
  const end = node.bodyStart + node.bodyLength;
  for (let i = 0; i < node.count; i++) {
    if (entryStart(node, i) !== at) return 'entry is not behind its predecessor';
    // Past the page's end a length reads as undefined and the sums as NaN: both comparisons fail.
    readEntry(node, i);
    if (!(entry.keyEnd - entry.keyStart <= KEY_SIZE_MAX)) return 'key is over its limit';
    if (!(entry.valueEnd - entry.valueStart <= VALUE_SIZE_MAX)) return 'value is over its limit';
    if (!(entry.valueEnd <= end)) return 'entry ends behind the body';
    at = entry.valueEnd;
  }
  return at === end ? undefined : 'heap is longer than its entries';
}

function pointersFault(node: Node, expected: BodyExpectation): string | undefined {
  const lengthMax = Math.max(1, NODE_SIZE_MAX / expected.blockSize);
  let records = 0;
  for (let i = 0; i < node.count; i++) {
    readEntry(node, i);
    if (i === 0 && node.keySize === 0 && entry.keyEnd > entry.keyStart) return 'key 0 is not empty';
    const at = entry.valueStart;
    const length = pointerLength(node.page, at);
    if (length === 0 || length > lengthMax) return 'length of a child is out of range';
    if (pointerLevel(node.page, at) !== node.level - 1) return 'level of a child is not one below';
    if (!expected.provisional && isProvisional(node.page, at)) return 'pointer is provisional';
    const known = POINTER_FLAG.plain | POINTER_FLAG.provisional;
    if (((node.page[at + POINTER.flags] as number) & ~known) !== 0) return 'flags are unknown';
    records += pointerRecords(node.page, at);
  }
  return records < RECORDS_LIMIT ? undefined : 'records below it are over their limit';
}

/** What is wrong with the order of the keys, or undefined when they rise strictly. */
export function orderFault(node: Node, order: Comparator): string | undefined {
  for (let i = firstKeyed(node) + 1; i < node.count; i++) {
    readEntry(node, i - 1);
    const start = entry.keyStart;
    const end = entry.keyEnd;
    readEntry(node, i);
    const side = order.compare(node.page, start, end, node.page, entry.keyStart, entry.keyEnd);
    if (!(side < 0)) return 'keys are out of order';
  }
  return undefined;
}
