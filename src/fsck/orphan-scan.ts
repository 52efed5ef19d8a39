/**
 * Finding leaves that nothing leads to any more, by their block headers.
 *
 * - A leaf counts when its header says that it is one of this store and stands where it lies, its
 *   own checksum holds, a bitmap marks its blocks as used, and no tree refers to them: nodes that
 *   were given up in time are marked as free, so an older state does not come back.
 * - Nor does a younger one: what a repair had made that did not come to its end is in no state.
 * - A header's checksum vouches for nothing but that the block is whole; what its records refer
 *   to is verified by the checksums in them, as everywhere.
 */

import type { Io } from '../blockdev/io.js';
import { NODE_STATE, Node } from '../btree/node.js';
import { adoptBody } from '../btree/node-check.js';
import { BODY_START, NODE_SIZE_MAX } from '../btree/node-format.js';
import { BLOCK_HEADER, BLOCK_MAGIC, BLOCK_TYPE, headerFault } from '../format/block.js';
import { getU32, getU64 } from '../format/bytes.js';
import { matchesHash } from '../format/checksum.js';
import type { GroupSummary } from '../format/group-summary.js';
import { ROLE } from '../format/role.js';
import type { Superblock } from '../format/superblock.js';
import { ATTRIBUTES_SPEC } from '../onode/tree-specs.js';
import { BlobVisitor } from './blob-tree.js';
import type { CheckContext } from './context.js';
import type { DeviceMap } from './device-map.js';
import type { FreeBlocks } from './free-blocks.js';
import { walkAll } from './fsck.js';
import { CollectionsVisitor, ObjectsVisitor, ValuesVisitor } from './object-trees.js';
import type { RepairContext } from './repair-context.js';
import { readBitmap } from './space-check.js';
import { eachWindow } from './space-rebuild.js';
import type { TreeVisitor } from './tree-walk.js';

/** A whole leaf that was found, and for whom it was made. */
export interface Orphan {
  readonly node: Node;
  /** Id of an object or collection, 0 for nobody's. */
  readonly owner: number;
}

/** Where an orphaned leaf is, and what its header says. */
export interface FoundLeaf {
  readonly address: number; // block index
  readonly birth: number; // generation
  readonly owner: number;
}

/** The orphaned leaves of a role, where `draft` is what leads to things. */
export function* findOrphans(
  repair: RepairContext,
  draft: Superblock,
  role: number,
): Io<readonly FoundLeaf[]> {
  const found: FoundLeaf[] = [];
  yield* eachWindow(repair, draft, function* (context) {
    // What the old state leads to is no orphan either: it was copied, or had been dropped.
    const old = repair.check.quiet();
    old.beginPass(context.blocks.start, context.blocks.end);
    old.blocks = context.blocks;
    const { groups } = yield* walkAll(old);
    const summaries = repair.knownSummaries ?? groups.summaries;
    for (const [group, summary] of summaries) {
      const first = context.map.groups.startOf(group);
      if (first < context.blocks.start || first >= context.blocks.end) continue;
      yield* scanGroup(repair, context, group, summary, role, found);
    }
  });
  return found;
}

/**
 * Keeps orphaned leaves, and all that they refer to, from being written over where blocks that a
 * bitmap marks have to be taken.
 */
export function* holdOrphans(repair: RepairContext, free: FreeBlocks): Io<void> {
  const { map, storeTag } = repair;
  const context = repair.check.quiet();
  context.onRefer = (start, length) => free.hold(start, length);
  for (const visitor of leafVisitors(context)) {
    for (const leaf of yield* findOrphans(repair, repair.superblock, visitor.role)) {
      const orphan = yield* readOrphan(map, leaf.address, visitor.role, storeTag);
      if (orphan === undefined) continue;
      free.hold(leaf.address, orphan.node.length);
      const more = visitor.leaf(orphan.node, 0);
      if (more !== undefined) yield* more;
    }
  }
}

/** Visitors of all leaves that can be brought back. */
function leafVisitors(context: CheckContext): TreeVisitor[] {
  return [
    new CollectionsVisitor(context),
    new ObjectsVisitor(context, {}, undefined),
    new ValuesVisitor(context, ROLE.attributes, ATTRIBUTES_SPEC, {}),
    new ValuesVisitor(context, ROLE.map, undefined, {}),
    new BlobVisitor(context, {}, 'part'),
  ];
}

function* scanGroup(
  repair: RepairContext,
  context: CheckContext,
  group: number,
  summary: GroupSummary,
  role: number,
  found: FoundLeaf[],
): Io<void> {
  const { map, blocks } = context;
  const marked = yield* readBitmap(context, group, summary);
  const start = map.groups.startOf(group);
  const size = map.groups.sizeOf(group);
  for (let i = 0; i < size; i++) {
    const byte = marked?.[i >>> 3] ?? 255;
    if ((byte & (1 << (i & 7))) === 0 || blocks.get(start + i) > 0) continue;
    const orphan = yield* readOrphan(map, start + i, role, repair.storeTag);
    if (orphan === undefined || orphan.node.birth > repair.superblock.epoch) continue;
    found.push({ address: start + i, birth: orphan.node.birth, owner: orphan.owner });
    i += orphan.node.length - 1;
  }
  yield { kind: 'pause' };
}

/** The whole leaf of a role at a block; undefined when there is none. */
export function* readOrphan(
  map: DeviceMap,
  address: number,
  role: number,
  storeTag: number,
): Io<Orphan | undefined> {
  const head = yield* map.read(address, 1);
  if (typeof head === 'string' || getU32(head, BLOCK_HEADER.magic) !== BLOCK_MAGIC)
    return undefined;
  const length = getU32(head, BLOCK_HEADER.length);
  const blocks = length / map.blockSize;
  if (!Number.isInteger(blocks) || length > NODE_SIZE_MAX) return undefined;
  if (blocks === 0 || map.placeFault(address, blocks) !== undefined) return undefined;
  const page = yield* map.read(address, blocks);
  if (typeof page === 'string' || !isWhole(page, storeTag)) return undefined;
  const birth = getU64(page, BLOCK_HEADER.birth);
  const identity = { type: BLOCK_TYPE.node, level: 0, role, address, birth };
  if (headerFault(page, identity) !== undefined) return undefined;
  const node = new Node(NODE_STATE.clean);
  const expected = { level: 0, blockSize: map.blockSize, provisional: false };
  const fault = adoptBody(node, page, BODY_START, page.length - BODY_START, expected);
  if (fault !== undefined) return undefined;
  node.role = role;
  node.birth = birth;
  node.address = address;
  node.length = blocks;
  return { node, owner: getU64(page, BLOCK_HEADER.owner) };
}

/** True when a run carries the checksum of its own bytes, and is of this store. */
export function isWhole(page: Uint8Array, storeTag: number): boolean {
  if (getU32(page, BLOCK_HEADER.store) !== storeTag) return false;
  return matchesHash(page, BLOCK_HEADER.checksum, page, BLOCK_HEADER.magic, page.length);
}
