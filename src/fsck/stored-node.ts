/**
 * Reading a node the way a check does: straight from the device, with a reason for every refusal.
 *
 * - The pointer is checked before anything is read, the block against the pointer, then the body:
 *   what comes out is as sound as a node that the engine has loaded.
 * - Order, bounds and totals are the walk's to check.
 */

import type { Io } from '../blockdev/io.js';
import { NODE_STATE, Node } from '../btree/node.js';
import { adoptBody } from '../btree/node-check.js';
import { BODY_START, NODE_SIZE_MAX } from '../btree/node-format.js';
import { entry, readEntry } from '../btree/node-view.js';
import { leafStoredBytes, pointerStoredBytes, type RootParts } from '../btree/root-record.js';
import { BLOCK_TYPE, blockFault } from '../format/block.js';
import {
  isPlain,
  isProvisional,
  LEVEL_MAX,
  POINTER,
  POINTER_FLAG,
  pointerAddress,
  pointerBirth,
  pointerChecksumHigh,
  pointerChecksumLow,
  pointerCopy,
  pointerLength,
  pointerLevel,
  pointerRecords,
} from '../format/pointer.js';
import { SCHEMAS } from '../onode/schemas.js';
import { type BadPlace, readKept } from './copies.js';
import type { DeviceMap } from './device-map.js';
import { decoded, type FindingCode } from './finding.js';

/** Records and bytes below a pointer, and whether none of them owns a block. */
export interface Figures {
  readonly records: number;
  readonly bytes: number;
  readonly plain: boolean;
}

/** A decoded POINTER. */
export interface StoredPointer extends Figures {
  readonly address: number; // block index
  readonly copy: number; // block index, 0 without a second copy
  readonly blocks: number;
  readonly level: number;
  readonly birth: number; // epoch
  readonly low: number; // halves of the checksum
  readonly high: number;
  /** Why no writer can have made it. */
  readonly fault: string | undefined;
}

/** Why there is no node. */
export interface Refusal {
  readonly code: FindingCode;
  readonly reason: string;
}

/** Decodes the POINTER at `bytes[at]`. */
export function readPointer(bytes: Uint8Array, at: number, blockSize: number): StoredPointer {
  return {
    address: pointerAddress(bytes, at),
    copy: pointerCopy(bytes, at),
    blocks: pointerLength(bytes, at),
    level: pointerLevel(bytes, at),
    birth: pointerBirth(bytes, at),
    low: pointerChecksumLow(bytes, at),
    high: pointerChecksumHigh(bytes, at),
    records: pointerRecords(bytes, at),
    bytes: pointerStoredBytes(bytes, at),
    plain: isPlain(bytes, at),
    fault: pointerFault(bytes, at, blockSize),
  };
}

function pointerFault(bytes: Uint8Array, at: number, blockSize: number): string | undefined {
  const length = pointerLength(bytes, at);
  if (isProvisional(bytes, at)) return 'it is provisional';
  if (length === 0 || length * blockSize > NODE_SIZE_MAX) return `length is ${length} blocks`;
  if (pointerLevel(bytes, at) > LEVEL_MAX) return `level ${pointerLevel(bytes, at)} is too high`;
  if (((bytes[at + POINTER.flags] as number) & ~POINTER_FLAG.plain) !== 0) return 'unknown flags';
  if (!Number.isFinite(pointerStoredBytes(bytes, at))) return 'byte count is not a number';
  return undefined;
}

/** A node, and the place of the two that does not hold it. */
export interface FoundNode {
  readonly node: Node;
  readonly bad: BadPlace | undefined;
}

/**
 * The node that a sound pointer into the device names, from either of its places; `both` are
 * looked at where that is asked.
 */
export function* findNode(
  map: DeviceMap,
  pointer: StoredPointer,
  role: number,
  both: boolean,
): Io<FoundNode | Refusal> {
  const { address, blocks, level, birth, low, high } = pointer;
  const identity = { type: BLOCK_TYPE.node, level, role, address, birth };
  const fault = (page: Uint8Array) => blockFault(page, identity, low, high);
  const found = yield* readKept(map, { ...pointer, fault }, both);
  if ('reason' in found) {
    return { code: found.isUnreadable ? 'unreadable' : 'node-damaged', reason: found.reason };
  }
  const { page, bad } = found;
  const node = new Node(NODE_STATE.clean);
  node.address = address;
  node.length = blocks;
  const { blockSize } = map;
  const adopted = adopt(
    node,
    page,
    BODY_START,
    page.length - BODY_START,
    level,
    role,
    birth,
    blockSize,
  );
  return 'code' in adopted ? adopted : { node, bad };
}

/**
 * The embedded root of a decoded record, `birth` being that of the leaf that holds the record;
 * `node` becomes its reader.
 */
export function embeddedRoot(
  bytes: Uint8Array,
  parts: RootParts,
  role: number,
  birth: number,
  blockSize: number,
  node = new Node(NODE_STATE.embedded),
): Node | Refusal {
  const { bodyStart, bodyLength, level } = parts;
  return adopt(node, bytes, bodyStart, bodyLength, level, role, birth, blockSize);
}

function adopt(
  node: Node,
  page: Uint8Array,
  start: number,
  length: number,
  level: number,
  role: number,
  birth: number,
  blockSize: number,
): Node | Refusal {
  const expected = { level, blockSize, provisional: false };
  const fault = adoptBody(node, page, start, length, expected);
  if (fault !== undefined) return { code: 'node-malformed', reason: fault };
  node.role = role;
  node.birth = birth;
  return node;
}

/** What a node says is in it or below it; undefined when a record can't be decoded. */
export function figuresOf(node: Node, blockSize: number): Figures | undefined {
  if (node.level > 0) return sumOf(node, blockSize);
  const figures = decoded(() => ({
    records: node.count,
    bytes: leafStoredBytes(node, SCHEMAS),
    plain: isPlainLeaf(node),
  }));
  return 'value' in figures ? figures.value : undefined;
}

/** True when no record of a leaf refers to anything. @throws CorruptError */
function isPlainLeaf(node: Node): boolean {
  const schema = SCHEMAS[node.role];
  let plain = true;
  const refers = (): void => {
    plain = false;
  };
  const sink = { node: refers, data: refers };
  for (let i = 0; i < node.count && plain; i++) {
    readEntry(node, i);
    schema?.references(node.page, entry.valueStart, entry.valueEnd, sink);
  }
  return plain;
}

function sumOf(node: Node, blockSize: number): Figures {
  let records = 0;
  let bytes = 0;
  let plain = true;
  for (let i = 0; i < node.count; i++) {
    readEntry(node, i);
    const child = readPointer(node.page, entry.valueStart, blockSize);
    records += child.records;
    bytes += child.bytes;
    plain &&= child.plain;
  }
  return { records, bytes, plain };
}
