/**
 * Edits of embedded leaves: each writes a new body, without a node that would be made only to be
 * embedded again.
 *
 * - Bodies never change once they are written: a savepoint or a reader that has one keeps it.
 * - A body is canonical: the heap begins right behind the slots, and its entries lie behind each
 *   other in the order of their keys.
 */

import { copyBytes, setU16 } from '../format/bytes.js';
import { ROLE } from '../format/role.js';
import type { Node } from './node.js';
import { lengthSize, NODE_BODY, SLOT_SIZE, setLength, VALUE_SIZE_VARIABLE } from './node-format.js';
import { entry, entryStart, readEntry } from './node-view.js';
import { startEmbeddedRoot } from './root-record.js';
import type { TreeSpec } from './tree-spec.js';

/** Roots up to this part of a node's size stay embedded while they are edited. */
export const SMALL_PART = 8;

/** Times that the embedded root of a collection is written anew before it becomes a node. */
export const SMALL_EDITS_MAX = 8;

/** Trees whose roots stand in the records of objects and collections: many, and most are small. */
export const SMALL_ROLES: ReadonlySet<number> = new Set([
  ROLE.objects,
  ROLE.attributes,
  ROLE.blob,
  ROLE.map,
]);

/** One record that is put or removed. */
export interface SmallEdit {
  readonly spec: TreeSpec;
  /** The embedded leaf as it is; null when the tree is empty. */
  readonly leaf: Node | null;
  /** Place of the record. */
  readonly index: number;
  /** The record at `index` goes. */
  readonly removes: boolean;
  /** The record that comes there; no key: none does. */
  readonly key: Uint8Array | undefined;
  readonly value: Uint8Array;
}

/** Bytes of the body after the edit. */
export function editedSize({ spec, leaf, index, removes, key, value }: SmallEdit): number {
  let size = NODE_BODY.size;
  if (leaf !== null) size += SLOT_SIZE * leaf.count + leaf.bodyLength - leaf.heapStart;
  if (removes && leaf !== null) {
    readEntry(leaf, index);
    size -= SLOT_SIZE + entry.valueEnd - entryStart(leaf, index);
  }
  if (key === undefined) return size;
  size += SLOT_SIZE + key.length + value.length;
  if (spec.keySize === 0) size += lengthSize(key.length);
  if (spec.valueSize < 0) size += lengthSize(value.length);
  return size;
}

/**
 * The root record of a tree with one record, embedded: what putting that into an empty tree gives.
 * Its last `valueLength` bytes, the value, are left to the caller.
 */
export function startSoleRoot(spec: TreeSpec, key: Uint8Array, valueLength: number): Uint8Array {
  const start = NODE_BODY.size + SLOT_SIZE;
  const keyPart = (spec.keySize === 0 ? lengthSize(key.length) : 0) + key.length;
  const length = start + keyPart + (spec.valueSize < 0 ? lengthSize(valueLength) : 0) + valueLength;
  const record = startEmbeddedRoot(spec, 0, length);
  const body = record.length - length;
  writeBodyHead(record, body, 1, spec);
  setU16(record, body + NODE_BODY.size, start);
  let at = body + start;
  if (spec.keySize === 0) at = setLength(record, at, key.length);
  if (spec.valueSize < 0) at = setLength(record, at, valueLength);
  copyBytes(key, 0, key.length, record, at);
  return record;
}

/** Writes the body after the edit to `page[start, ...)`. */
export function writeEdited(edit: SmallEdit, page: Uint8Array, start: number): void {
  const { spec, leaf, index, removes, key, value } = edit;
  const before = leaf?.count ?? 0;
  const count = before + (key === undefined ? 0 : 1) - (removes ? 1 : 0);
  const heapStart = writeBodyHead(page, start, count, spec);
  let slot = start + NODE_BODY.size;
  let at = start + heapStart;
  const copy = (from: number, to: number): void => {
    if (leaf === null || from >= to) return;
    const first = entryStart(leaf, from);
    for (let i = from; i < to; i++, slot += SLOT_SIZE) {
      setU16(page, slot, entryStart(leaf, i) - first + at - start);
    }
    readEntry(leaf, to - 1);
    copyBytes(leaf.page, first, entry.valueEnd, page, at);
    at += entry.valueEnd - first;
  };
  copy(0, index);
  if (key !== undefined) {
    setU16(page, slot, at - start);
    slot += SLOT_SIZE;
    if (spec.keySize === 0) at = setLength(page, at, key.length);
    if (spec.valueSize < 0) at = setLength(page, at, value.length);
    copyBytes(key, 0, key.length, page, at);
    copyBytes(value, 0, value.length, page, at + key.length);
    at += key.length + value.length;
  }
  copy(removes ? index + 1 : index, before);
}

/** Writes the head of a body of `count` entries to `page[start, ...)`; gives where its heap begins. */
function writeBodyHead(page: Uint8Array, start: number, count: number, spec: TreeSpec): number {
  const heapStart = NODE_BODY.size + SLOT_SIZE * count;
  const valueSize = spec.valueSize < 0 ? VALUE_SIZE_VARIABLE : spec.valueSize;
  setU16(page, start + NODE_BODY.count, count);
  setU16(page, start + NODE_BODY.heapStart, heapStart);
  setU16(page, start + NODE_BODY.keySize, spec.keySize);
  setU16(page, start + NODE_BODY.valueSize, valueSize);
  return heapStart;
}
