/**
 * What a checkpoint does with nodes: the order in which they are packed, and sealing.
 *
 * - Children come before parents, because a pointer holds the checksum of what it points to.
 *   Roots of trees inside a leaf's records are children of the leaf.
 * - Neighbours in key order follow each other, so that a range is read in one sweep.
 */

import { assert } from '../assert.js';
import { CorruptError } from '../errors.js';
import { BLOCK_TYPE, sealBlock } from '../format/block.js';
import { checksum } from '../format/checksum.js';
import {
  isPlain,
  isProvisional,
  pointerRecords,
  putPointer,
  RECORDS_LIMIT,
} from '../format/pointer.js';
import { NODE_STATE, type Node } from './node.js';
import { repack } from './node-editor.js';
import { entry, pointerAt, readEntry } from './node-view.js';
import type { RecordSchemas, ReferenceSink } from './record-schema.js';
import { leafStoredBytes, nodeReferences, pointerStoredBytes } from './root-record.js';

/** Finds the node of the provisional POINTER at `bytes[at]`. */
export type NumberLookup = (bytes: Uint8Array, at: number) => Node;

let lastMark = 0;

/** The dirty nodes in packing order. */
export function packingOrder(
  dirty: Iterable<Node>,
  schemas: RecordSchemas,
  lookup: NumberLookup,
): Node[] {
  const below = ++lastMark;
  const visited = ++lastMark;
  const order: Node[] = [];
  const markBelow: ReferenceSink = {
    nodesOnly: true,
    node(bytes, at) {
      if (isProvisional(bytes, at)) lookup(bytes, at).mark = below;
    },
    data() {
      // Data has its place already.
    },
  };
  for (const node of dirty) if (node.unresolved) dirtyReferences(node, schemas, markBelow);
  const visit = (node: Node): void => {
    if (node.mark === visited || node.state !== NODE_STATE.dirty) return;
    node.mark = visited;
    if (node.unresolved) dirtyReferences(node, schemas, descend);
    order.push(node);
  };
  const descend: ReferenceSink = {
    nodesOnly: true,
    node(bytes, at) {
      if (isProvisional(bytes, at)) visit(lookup(bytes, at));
    },
    data: markBelow.data,
  };
  for (const node of dirty) if (node.mark !== below) visit(node);
  for (const node of dirty) visit(node);
  return order;
}

/** The references of a dirty node that may be to dirty ones; the base of a delta leaf has none. */
function dirtyReferences(node: Node, schemas: RecordSchemas, sink: ReferenceSink): void {
  if (node.deltas === null) {
    nodeReferences(node, schemas, sink);
    return;
  }
  for (const { bytes, keyEnd, end } of node.deltas.records) {
    schemas[node.role]?.references(bytes, keyEnd, end, sink);
  }
}

/** Rewrites provisional pointers to sealed nodes; leaves all others. */
export class PointerSealer implements ReferenceSink {
  readonly nodesOnly = true;
  /** Set when a pointer stays provisional because its node isn't sealed yet. */
  pending = false;
  readonly #lookup: NumberLookup;

  constructor(lookup: NumberLookup) {
    this.#lookup = lookup;
  }

  node(bytes: Uint8Array, at: number): void {
    if (!isProvisional(bytes, at)) return;
    const node = this.#lookup(bytes, at);
    if (node.sealed) putPointer(bytes, at, node);
    else this.pending = true;
  }

  data(): void {
    // Data has its place already.
  }
}

/** Finds out whether a record refers to anything. */
class ReferenceFinder implements ReferenceSink {
  found = false;

  node(): void {
    this.found = true;
  }

  data(): void {
    this.found = true;
  }
}

/** True when no record of a leaf refers to a node or to data. */
function isPlainLeaf(node: Node, schemas: RecordSchemas): boolean {
  const schema = schemas[node.role];
  if (schema === undefined) return true;
  const finder = new ReferenceFinder();
  for (let i = 0; i < node.count && !finder.found; i++) {
    readEntry(node, i);
    schema.references(node.page, entry.valueStart, entry.valueEnd, finder);
  }
  return !finder.found;
}

/** Resolves, packs, counts and seals a node whose children are sealed; `isPacked`: it is already. */
export function sealNode(
  node: Node,
  schemas: RecordSchemas,
  sealer: PointerSealer,
  store: number,
  isPacked: boolean,
): void {
  sealer.pending = false;
  if (node.level > 0 || node.unresolved) nodeReferences(node, schemas, sealer);
  assert(!sealer.pending, 'children are sealed before their parent');
  node.unresolved = false;
  if (!isPacked) repack(node);
  if (node.level === 0) {
    node.records = node.count;
    node.bytes = leafStoredBytes(node, schemas);
    node.plain = isPlainLeaf(node, schemas);
  } else sumChildren(node);
  sealBlock(node.page, {
    type: BLOCK_TYPE.node,
    level: node.level,
    role: node.role,
    address: node.address,
    birth: node.birth,
    owner: node.owner,
    store,
  });
  node.low = checksum.low;
  node.high = checksum.high;
  node.sealed = true;
}

function sumChildren(node: Node): void {
  node.records = 0;
  node.bytes = 0;
  node.plain = true;
  for (let i = 0; i < node.count; i++) {
    const at = pointerAt(node, i);
    node.records += pointerRecords(node.page, at);
    node.bytes += pointerStoredBytes(node.page, at);
    if (!isPlain(node.page, at)) node.plain = false;
  }
  if (node.records >= RECORDS_LIMIT) {
    throw new CorruptError('Cannot write node: records below it are over their limit');
  }
}
