/**
 * A tree node in memory.
 *
 * Life of a node:
 * 1. *dirty*: created or copied in the current generation, changed in place by its one owner. It
 *    has a provisional number and no address. Raising the generation freezes it: from then on it
 *    is only read or copied.
 * 2. *packing*: taken into a checkpoint, which gives it an address, seals and writes it.
 * 3. *clean*: on the device, in the cache; its page may be evicted and read again.
 *
 * And beside these: *embedded*, a root that is a read-only view of bytes of its owner; *reader*,
 * replaced before it got an address, still seen by a reader; *gone*.
 *
 * - `count`, `heapStart` and `garbage` are the truth; the page's own header is written when the
 *   node is sealed or embedded.
 * - `children[i]` is the node that entry i of a branch points to, where it is known; a clean one
 *   may have been evicted meanwhile (`resident` is false). A dirty child is always there, if not its
 *   page.
 * - `heads[headsAt + i]` is the head of key i behind the first `prefix` bytes, which all keys share;
 *   valid while `order` is set, rebuilt by the next search otherwise.
 * - A dirty leaf may be a *delta leaf* (delta-leaf.ts): while it has `deltas` these are the truth, and
 *   the page, where it is resident, is only a picture of them that may be given up.
 * - `page` is also `memory[base, ...)`, where `memory` is a view that many pages share: a search
 *   that went through a view of each page would miss it in the processor's cache.
 */

import { CorruptError } from '../errors.js';
import { EMPTY, getU64 } from '../format/bytes.js';
import {
  isPlain,
  LEVEL_MAX,
  POINTER,
  pointerAddress,
  pointerBirth,
  pointerChecksumHigh,
  pointerChecksumLow,
  pointerCopy,
  pointerLength,
  pointerLevel,
  pointerRecords,
} from '../format/pointer.js';
import type { Comparator } from './comparator.js';
import type { Deltas } from './delta-leaf.js';
import { NODE_SIZE_MAX } from './node-format.js';
import { frameOf, headsRoom, takePage } from './page-pool.js';

export const NODE_STATE = {
  dirty: 1,
  packing: 2,
  clean: 3,
  embedded: 4,
  reader: 5,
  gone: 6,
} as const;

export type NodeState = (typeof NODE_STATE)[keyof typeof NODE_STATE];

const NO_HEADS = new Uint32Array(0);

/** Bytes that a resident node takes beside its page: heads, children, itself; an estimate. */
export const NODE_OVERHEAD_BYTES = 1024;

/** Where the blocks of a node go: block indexes, `copy` 0 without a second copy. */
export interface NodePlace {
  readonly address: number;
  readonly copy: number;
}

export class Node {
  // What a search reads comes first, so that it lies together in memory.

  /** The comparator that `heads` and `prefix` were built for, null when they are not valid. */
  order: Comparator | null = null;
  /** Used since the cache's hand last passed. */
  referenced = false;
  level = 0;
  /** Entries. */
  count = 0;
  headed = false;
  heads: Uint32Array = NO_HEADS;
  headsAt = 0;
  /** About half of the first head, and half of the way from it to the last one. */
  headLow = 0;
  headSpan = 0;
  /** What `page` is a part of. */
  memory: Uint8Array = EMPTY;
  /** Offset of `page` in `memory`. */
  base = 0;
  /** Offset of the body in `page`. */
  bodyStart = 0;
  /** Bytes of every key, 0: variable. */
  keySize = 0;
  /** Bytes of every payload (value or POINTER), -1: variable. */
  payloadSize = -1;
  prefix = 0;
  children: (Node | undefined)[] = [];

  /** The page holds the node; false once it was evicted. */
  resident = false;
  /** The run of blocks, header included; for an embedded root the bytes of its owner. */
  page: Uint8Array = EMPTY;
  /** Heads that there is room for. */
  headsRoom = 0;
  state: NodeState;
  /** Generation in which it was made. */
  birth = 0;
  /** References to it while it has no address; afterwards the reference counts hold them. */
  refs = 1;
  /** Savepoint in which it was made or its pre-image was taken. */
  savepoint = 0;
  /** Number of that pre-image; -1 where it was made there. */
  image = -1;
  /** Bytes of the body. */
  bodyLength = 0;
  /** Offset of the lowest heap byte in use, from the start of the body. */
  heapStart = 0;
  /** Dead bytes of the heap. */
  garbage = 0;
  /** Inserts in a row: at the right edge or each behind the last (positive), at the left (negative). */
  run = 0;
  /** Index of the last insert, perhaps moved since by others. */
  runAt = -2;

  role = 0;
  owner = 0;
  /** Bytes of every value, -1: variable, in a branch too. */
  valueSize = -1;
  /** Provisional number; 0 for a node that came from the device. */
  number = 0;
  /** First block, -1 while it has none. */
  address = -1;
  /** First block of the second copy; 0: there is none. */
  copy = 0;
  /** Blocks. */
  length = 0;
  /** Halves of the checksum, once sealed. */
  low = 0;
  high = 0;
  sealed = false;
  /** Records in the leaves below, once sealed. */
  records = 0;
  /** Stored bytes that they account for, once sealed. */
  bytes = 0;
  /** No record below owns a block; once sealed. */
  plain = false;
  /** The page may hold provisional pointers. */
  unresolved = false;
  /** Its blocks were freed while it was being packed. */
  released = false;

  /** What was put into it, where it is a delta leaf. */
  deltas: Deltas | null = null;

  /** Asynchronous runs that need it resident. */
  pins = 0;
  /** Place in the cache's ring, -1 when it isn't there. */
  ringIndex = -1;
  /** Mark of the last walk that saw it. */
  mark = 0;

  constructor(state: NodeState) {
    this.state = state;
  }
}

/** Gives a node its page, one of the pool or bytes of somebody else's; the heads are not valid. */
export function setPage(node: Node, page: Uint8Array): void {
  node.page = page;
  node.order = null;
  const frame = node.state === NODE_STATE.embedded ? undefined : frameOf(page);
  if (frame === undefined) {
    node.memory = page;
    node.base = 0;
    node.heads = NO_HEADS;
    node.headsRoom = 0;
    return;
  }
  const room = headsRoom(page.length);
  node.memory = frame.bytes;
  node.base = page.byteOffset;
  node.heads = frame.words;
  node.headsAt = page.byteOffset / Uint32Array.BYTES_PER_ELEMENT - room;
  node.headsRoom = room;
}

/** Gives a node the heads of its keys from `heads[headsAt]` on, where they were made for another page. */
export function putHeads(node: Node, heads: Uint32Array, headsAt: number): void {
  makeHeadsRoom(node, node.count);
  node.heads.set(heads.subarray(headsAt, headsAt + node.count), node.headsAt);
}

/** Makes room for `count` heads, of whatever memory held before. */
export function makeHeadsRoom(node: Node, count: number): void {
  if (node.headsRoom >= count) return;
  node.heads = new Uint32Array(count);
  node.headsAt = 0;
  node.headsRoom = count;
}

/** Takes the page of a node away: it is not resident any more. */
export function clearPage(node: Node): void {
  node.page = EMPTY;
  node.memory = EMPTY;
  node.base = 0;
  node.order = null;
  node.heads = NO_HEADS;
  node.headsRoom = 0;
  node.resident = false;
}

/** A dirty node of its own with the same entries; birth and number are the caller's to give. */
export function copyNode(node: Node): Node {
  const copy = new Node(NODE_STATE.dirty);
  setPage(copy, takePage(node.page.length));
  copy.page.set(node.page);
  copy.resident = true;
  copy.bodyStart = node.bodyStart;
  copy.bodyLength = node.bodyLength;
  copy.count = node.count;
  copy.heapStart = node.heapStart;
  copy.garbage = node.garbage;
  copy.keySize = node.keySize;
  copy.payloadSize = node.payloadSize;
  copy.valueSize = node.valueSize;
  copy.level = node.level;
  copy.role = node.role;
  copy.owner = node.owner;
  copy.length = node.length;
  copy.run = node.run;
  copy.runAt = node.runAt;
  copy.unresolved = node.unresolved;
  copy.children = node.children.slice();
  copyHeads(node, copy);
  return copy;
}

/** Gives `copy`, which has the same keys, the heads of `node`, if these are valid. */
function copyHeads(node: Node, copy: Node): void {
  const { order } = node;
  if (order === null || !node.headed) return;
  putHeads(copy, node.heads, node.headsAt);
  copy.headed = true;
  copy.headLow = node.headLow;
  copy.headSpan = node.headSpan;
  copy.prefix = node.prefix;
  copy.order = order;
}

/**
 * A node, not in memory yet, as the resolved POINTER at `bytes[at]` describes it.
 * @throws CorruptError when no node can be like that.
 */
export function nodeOfPointer(
  bytes: Uint8Array,
  at: number,
  role: number,
  blockSize: number,
): Node {
  const node = new Node(NODE_STATE.clean);
  node.address = pointerAddress(bytes, at);
  node.copy = pointerCopy(bytes, at);
  node.length = pointerLength(bytes, at);
  node.low = pointerChecksumLow(bytes, at);
  node.high = pointerChecksumHigh(bytes, at);
  node.birth = pointerBirth(bytes, at);
  node.level = pointerLevel(bytes, at);
  node.role = role;
  node.plain = isPlain(bytes, at);
  node.records = pointerRecords(bytes, at);
  node.bytes = getU64(bytes, at + POINTER.bytes);
  node.sealed = true;
  const size = node.length * blockSize;
  if (size === 0 || size > Math.max(NODE_SIZE_MAX, blockSize)) {
    throw new CorruptError('Cannot follow pointer: its length is out of range');
  }
  if (node.level > LEVEL_MAX)
    throw new CorruptError('Cannot follow pointer: its level is too high');
  return node;
}
