/**
 * Changing a dirty node in place.
 *
 * - The heap grows down; removing an entry leaves garbage, which packing the page gives back.
 * - Children are moved with their entries; heads are kept while keys share the node's prefix.
 * - Callers have made the node writable; nothing here knows of savepoints or generations.
 */

import { assert } from '../assert.js';
import { copyBytes, setU16 } from '../format/bytes.js';
import { putPointer, putProvisional } from '../format/pointer.js';
import { type Node, putHeads, setPage } from './node.js';
import {
  BODY_START,
  lengthSize,
  NODE_BODY,
  POINTER_SIZE,
  SLOT_SIZE,
  setLength,
  VALUE_SIZE_VARIABLE,
} from './node-format.js';
import { entry, entryStart, firstKeyed, liveBytes, readEntry, usedBytes } from './node-view.js';
import { givePage, takePage } from './page-pool.js';

/** Less garbage than this part of a node is not packed for the sake of one record. */
const PACKED_PART = 8;

/** Encoded bytes of an entry of `node` with such a key and payload, without its slot. */
export function encodedSize(node: Node, keyLength: number, payloadLength: number): number {
  return (
    (node.keySize === 0 ? lengthSize(keyLength) : 0) +
    (node.payloadSize < 0 ? lengthSize(payloadLength) : 0) +
    keyLength +
    payloadLength
  );
}

/** True when an entry of `size` bytes and its slot fit, after packing if need be. */
export function hasRoom(node: Node, size: number): boolean {
  return usedBytes(node) + SLOT_SIZE + size <= node.bodyLength;
}

/**
 * True when an entry of `size` bytes fits in front of the heap as it is, one more or `replacing`
 * another one; what is in the heap then stays in its place.
 */
export function hasGap(node: Node, size: number, replacing: boolean): boolean {
  const slots = replacing ? node.count : node.count + 1;
  return NODE_BODY.size + SLOT_SIZE * slots + size <= node.heapStart;
}

/** True when packing the page gives back more than a little. */
export function isWorthPacking(node: Node): boolean {
  return node.garbage > node.bodyLength / PACKED_PART;
}

/** Makes the page of a node that has nothing in it yet. */
export function startPage(node: Node, pageLength: number): void {
  setPage(node, takePage(pageLength));
  node.bodyStart = BODY_START;
  node.bodyLength = pageLength - BODY_START;
  node.heapStart = node.bodyLength;
  node.garbage = 0;
  node.count = 0;
  node.resident = true;
}

/** Inserts an entry; the room must be there. Returns the offset of its payload in the page. */
export function insertEntry(
  node: Node,
  index: number,
  key: Uint8Array,
  keyStart: number,
  keyEnd: number,
  payloadLength: number,
): number {
  const size = encodedSize(node, keyEnd - keyStart, payloadLength);
  assert(hasRoom(node, size), 'an inserted entry fits into its node');
  if (!hasGap(node, size, false)) repack(node);
  const page = node.page;
  node.heapStart -= size;
  let at = node.bodyStart + node.heapStart;
  if (node.keySize === 0) at = setLength(page, at, keyEnd - keyStart);
  if (node.payloadSize < 0) at = setLength(page, at, payloadLength);
  copyBytes(key, keyStart, keyEnd, page, at);
  openSlot(node, index);
  keepHead(node, index, key, keyStart, keyEnd);
  if (node.level > 0) node.children.splice(index, 0, undefined);
  return at + keyEnd - keyStart;
}

/** Opens slot `index` for the entry at `heapStart`. */
function openSlot(node: Node, index: number): void {
  const slot = node.bodyStart + NODE_BODY.size + SLOT_SIZE * index;
  const end = node.bodyStart + NODE_BODY.size + SLOT_SIZE * node.count;
  if (slot < end) node.page.copyWithin(slot + SLOT_SIZE, slot, end);
  setU16(node.page, slot, node.heapStart);
  node.count++;
}

/** Keeps the heads valid behind the insertion of a key, or gives them up. */
function keepHead(
  node: Node,
  index: number,
  key: Uint8Array,
  keyStart: number,
  keyEnd: number,
): void {
  const order = node.order;
  if (order === null || !node.headed || order.head === undefined) return;
  if (node.headsRoom < node.count || !sharesPrefix(node, index, key, keyStart, keyEnd)) {
    node.order = null;
    return;
  }
  const { heads, headsAt } = node;
  const at = headsAt + index;
  if (index < node.count - 1) heads.copyWithin(at + 1, at, headsAt + node.count - 1);
  if (index >= firstKeyed(node)) heads[at] = order.head(key, keyStart + node.prefix, keyEnd);
}

/** True when `key`, just inserted at `index`, begins with the prefix of the other keys. */
function sharesPrefix(
  node: Node,
  index: number,
  key: Uint8Array,
  keyStart: number,
  keyEnd: number,
): boolean {
  const prefix = node.prefix;
  if (prefix === 0) return true;
  const first = firstKeyed(node);
  const other = index === first ? first + 1 : first;
  if (keyEnd - keyStart < prefix || other >= node.count || index < first) return false;
  readEntry(node, other);
  for (let i = 0; i < prefix; i++) {
    if (node.page[entry.keyStart + i] !== key[keyStart + i]) return false;
  }
  return true;
}

/** Inserts the record of a leaf. */
export function insertRecord(
  node: Node,
  index: number,
  key: Uint8Array,
  keyStart: number,
  keyEnd: number,
  value: Uint8Array,
  valueStart: number,
  valueEnd: number,
): void {
  const at = insertEntry(node, index, key, keyStart, keyEnd, valueEnd - valueStart);
  copyBytes(value, valueStart, valueEnd, node.page, at);
}

/** Inserts a child into a branch; its key is dropped where it becomes entry 0. */
export function insertChild(
  node: Node,
  index: number,
  key: Uint8Array,
  keyStart: number,
  keyEnd: number,
  child: Node,
): void {
  const keyless = index === 0 && node.keySize === 0;
  const at = insertEntry(node, index, key, keyStart, keyless ? keyStart : keyEnd, POINTER_SIZE);
  node.children[index] = child;
  writePointer(node, at, child);
}

/** Points entry `index` of a branch to `child`. */
export function setChild(node: Node, index: number, child: Node): void {
  readEntry(node, index);
  node.children[index] = child;
  writePointer(node, entry.valueStart, child);
}

function writePointer(node: Node, at: number, child: Node): void {
  if (!child.sealed) node.unresolved = true;
  pointTo(node.page, at, child);
}

/** Writes a POINTER to `node`: a provisional one until it is sealed. */
export function pointTo(bytes: Uint8Array, at: number, node: Node): void {
  if (node.sealed) putPointer(bytes, at, node);
  else putProvisional(bytes, at, node.number, node.length, node.level, node.birth);
}

/** Removes entry `index`; its bytes stay where they are, as garbage. */
export function removeEntry(node: Node, index: number): void {
  readEntry(node, index);
  node.garbage += entry.valueEnd - entryStart(node, index);
  const slot = node.bodyStart + NODE_BODY.size + SLOT_SIZE * index;
  const end = node.bodyStart + NODE_BODY.size + SLOT_SIZE * node.count;
  node.page.copyWithin(slot, slot + SLOT_SIZE, end);
  if (node.headed) {
    const head = node.headsAt + index;
    node.heads.copyWithin(head, head + 1, node.headsAt + node.count);
  }
  node.count--;
  if (node.level > 0) node.children.splice(index, 1);
  if (node.count <= firstKeyed(node)) node.order = null;
}

/**
 * Moves entries [from, to) of `source` to the end of `target`, which encodes entries the same
 * way and has the room. Raw: the first key of a branch needs `setKey` afterwards.
 */
export function appendEntries(source: Node, from: number, to: number, target: Node): void {
  for (let i = from; i < to; i++) {
    readEntry(source, i);
    const start = entryStart(source, i);
    const size = entry.valueEnd - start;
    assert(hasRoom(target, size), 'moved entries fit into their node');
    if (!hasGap(target, size, false)) repack(target);
    target.heapStart -= size;
    copyBytes(source.page, start, start + size, target.page, target.bodyStart + target.heapStart);
    openSlot(target, target.count);
    if (target.level > 0) target.children.push(source.children[i]);
  }
  target.order = null;
  target.unresolved ||= source.unresolved;
}

/** Removes entries [from, to). */
export function removeEntries(node: Node, from: number, to: number): void {
  if (from >= to) return;
  let size = 0;
  for (let i = from; i < to; i++) {
    readEntry(node, i);
    size += entry.valueEnd - entryStart(node, i);
  }
  const slots = node.bodyStart + NODE_BODY.size;
  const end = slots + SLOT_SIZE * node.count;
  node.page.copyWithin(slots + SLOT_SIZE * from, slots + SLOT_SIZE * to, end);
  node.garbage += size;
  node.count -= to - from;
  if (node.level > 0) node.children.splice(from, to - from);
  node.order = null;
}

/** Moves entries [from, to) of `source` in front of all of `target`. */
export function prependEntries(source: Node, from: number, to: number, target: Node): void {
  const old = target.count;
  appendEntries(source, from, to, target);
  rotateSlots(target, old);
  if (target.level > 0) {
    target.children = [...target.children.slice(old), ...target.children.slice(0, old)];
  }
}

/** Brings the slots from `middle` on to the front. */
function rotateSlots(node: Node, middle: number): void {
  const start = node.bodyStart + NODE_BODY.size;
  const cut = start + SLOT_SIZE * middle;
  const end = start + SLOT_SIZE * node.count;
  const front = node.page.slice(start, cut);
  node.page.copyWithin(start, cut, end);
  node.page.set(front, end - front.length);
}

/**
 * Gives entry `index` of a branch another key: an empty one (zeros when fixed) when `key` is
 * null. The room must be there.
 */
export function setKey(node: Node, index: number, key: Uint8Array | null): void {
  const child = node.children[index];
  readEntry(node, index);
  const pointer = node.page.slice(entry.valueStart, entry.valueEnd);
  const bytes = key ?? new Uint8Array(node.keySize);
  removeEntry(node, index);
  const at = insertEntry(node, index, bytes, 0, bytes.length, POINTER_SIZE);
  node.page.set(pointer, at);
  node.children[index] = child;
  node.order = null;
}

/** Overwrites the value of record `index` with one of the same size. */
export function overwriteValue(
  node: Node,
  index: number,
  value: Uint8Array,
  start: number,
  end: number,
): boolean {
  readEntry(node, index);
  if (entry.valueEnd - entry.valueStart !== end - start) return false;
  copyBytes(value, start, end, node.page, entry.valueStart);
  return true;
}

/** Packs the page in place: no garbage, entries in the order of their slots. */
export function repack(node: Node): void {
  resize(node, node.page.length);
}

/** Moves the entries, packed, to a page of `pageLength` bytes, which must be large enough. */
export function resize(node: Node, pageLength: number): void {
  const page = takePage(pageLength);
  const bodyLength = pageLength - BODY_START;
  writeBody(node, page, BODY_START, bodyLength);
  node.heapStart = bodyLength - liveBytes(node);
  givePage(node.page);
  const { order, heads, headsAt } = node;
  setPage(node, page);
  if (order !== null && node.headed) putHeads(node, heads, headsAt);
  node.order = order;
  node.bodyStart = BODY_START;
  node.bodyLength = bodyLength;
  node.garbage = 0;
}

/** Writes the canonical body of `node`, zeros between slots and heap included. */
export function writeBody(node: Node, page: Uint8Array, start: number, length: number): void {
  const source = node.page;
  const heapStart = length - liveBytes(node);
  setU16(page, start + NODE_BODY.count, node.count);
  setU16(page, start + NODE_BODY.heapStart, heapStart);
  setU16(page, start + NODE_BODY.keySize, node.keySize);
  setU16(
    page,
    start + NODE_BODY.valueSize,
    node.valueSize < 0 ? VALUE_SIZE_VARIABLE : node.valueSize,
  );
  let at = start + heapStart;
  let slot = start + NODE_BODY.size;
  // What lies behind each other, as most that was packed before does, is copied in one piece.
  let pieceStart = 0;
  let pieceEnd = 0;
  for (let i = 0; i < node.count; i++) {
    readEntry(node, i);
    const from = entryStart(node, i);
    if (from !== pieceEnd) {
      copyBytes(source, pieceStart, pieceEnd, page, at - (pieceEnd - pieceStart));
      pieceStart = from;
    }
    pieceEnd = entry.valueEnd;
    setU16(page, slot, at - start);
    at += pieceEnd - from;
    slot += SLOT_SIZE;
  }
  copyBytes(source, pieceStart, pieceEnd, page, at - (pieceEnd - pieceStart));
  page.fill(0, slot, start + heapStart);
}
