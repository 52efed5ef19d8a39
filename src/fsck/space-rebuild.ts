/**
 * Making reference counts, bitmaps and group summaries anew from what the trees refer to.
 *
 * 1. A walk over all trees for each window counts references; blocks with two or more become
 *    records of a new tree of reference counts, which is written.
 * 2. Every group with a block in use gets a place for its bitmap, and the tree of summaries is
 *    made with room for all of them: from now on it is known which blocks are in use.
 * 3. Another walk for each window gives the bits; bitmaps, then summaries are written.
 */

import { GroupBitmap } from '../alloc/group-bitmap.js';
import type { Io } from '../blockdev/io.js';
import type { NodePlace } from '../btree/node.js';
import { emptyRoot } from '../btree/root-record.js';
import { Tree } from '../btree/tree.js';
import { CorruptError, StoreError } from '../errors.js';
import { BLOCK_HEADER } from '../format/block.js';
import { setU32, setU64BigEndian } from '../format/bytes.js';
import { checksum } from '../format/checksum.js';
import type { Superblock } from '../format/superblock.js';
import { SUPERBLOCK_EMBED_MAX } from '../txn/checkpoint.js';
import { GROUPS_SPEC, putSummary, sealBitmap } from '../txn/group-store.js';
import { REFERENCE } from '../txn/reference-table.js';
import { writeRuns } from '../txn/run-writer.js';
import { STORE_SPECS } from '../txn/store-state.js';
import { StripeMeter } from '../txn/stripe-meter.js';
import type { BlockCounts } from './block-counts.js';
import type { CheckContext } from './context.js';
import { type StoreVisitors, walkAll } from './fsck.js';
import { NumberSet } from './number-set.js';
import type { RepairContext } from './repair-context.js';

const NO_SUMMARY = {
  free: 0,
  longest: 0,
  address: 0,
  copy: 0,
  birth: 0,
  low: 0,
  high: 0,
  unerased: false,
} as const;

/**
 * `draft` with new trees of reference counts and group summaries, and with what its collections
 * hold counted. All other trees of it are on the device.
 */
export function* rebuildSpace(repair: RepairContext, draft: Superblock): Io<Superblock> {
  const { references, objects, storedBytes } = yield* buildReferences(repair, draft);
  const roots = { ...draft.roots, references, groups: emptyRoot(GROUPS_SPEC) };
  const counted = { ...draft, objects, storedBytes, roots };
  const groups = yield* new GroupsBuilder(repair).build(counted);
  return { ...counted, roots: { ...roots, groups } };
}

/** Why what is in use can't be counted: some tree could not be walked to its end. */
function uncountable({ loss }: CheckContext): StoreError {
  const what = 'Cannot count what is in use';
  if (loss?.code === 'unreadable') return new StoreError('E_IO', `${what}: ${loss.message}`);
  return new CorruptError(`${what}: ${loss?.message ?? 'a part of the trees is damaged'}`);
}

/** Walks all trees of `draft` once for each window; `visit` gets what was counted there. */
export function* eachWindow(
  repair: RepairContext,
  draft: Superblock,
  visit: (context: CheckContext, walked: StoreVisitors) => Io<void>,
): Io<{ readonly objects: number; readonly storedBytes: number }> {
  const { groups, blocks } = repair.map;
  const context = repair.check.quiet(draft);
  const step = Math.ceil(repair.windowBlocks / groups.groupBlocks);
  let totals = { objects: 0, storedBytes: 0 };
  for (let group = 0; groups.startOf(group) < blocks; group += step) {
    context.beginPass(groups.startOf(group), Math.min(blocks, groups.startOf(group + step)));
    const walked = yield* walkAll(context);
    if (repair.mustBeWhole && context.isIncomplete) {
      throw uncountable(context);
    }
    const { objects, bytes: storedBytes } = walked.collections;
    totals = { objects, storedBytes };
    yield* visit(context, walked);
  }
  return totals;
}

interface Counted {
  readonly references: Uint8Array;
  readonly objects: number;
  readonly storedBytes: number;
}

function* buildReferences(repair: RepairContext, draft: Superblock): Io<Counted> {
  const tree = new Tree(repair.forest, STORE_SPECS.references);
  const runs = new ReferenceRuns(repair, tree);
  const references = emptyRoot(STORE_SPECS.references);
  const groups = emptyRoot(GROUPS_SPEC);
  const blank = { ...draft, roots: { ...draft.roots, references, groups } };
  const totals = yield* eachWindow(repair, blank, function* (context) {
    const { blocks, map } = context;
    const first = map.groups.groupOf(blocks.start);
    for (let group = first; map.groups.startOf(group) < blocks.end; group++) {
      runs.addGroup(context, group);
      yield* repair.settle();
    }
  });
  runs.end();
  const root = repair.edit(() => tree.encodeRoot(SUPERBLOCK_EMBED_MAX));
  yield* repair.flush();
  repair.forest.resolveReferences(root, 0, root.length, STORE_SPECS.references.role);
  return { ...totals, references: root };
}

/** Turns counts, block by block, into records of runs. */
class ReferenceRuns {
  readonly #repair: RepairContext;
  readonly #tree: Tree;
  readonly #key = new Uint8Array(8);
  readonly #value = new Uint8Array(REFERENCE.size);
  #start = 0;
  #end = 0;
  #count = 0;

  constructor(repair: RepairContext, tree: Tree) {
    this.#repair = repair;
    this.#tree = tree;
  }

  /** Adds the blocks of a group, and notes the group when any of them is in use. */
  addGroup({ blocks, map }: CheckContext, group: number): void {
    const start = map.groups.startOf(group);
    const end = start + map.groups.sizeOf(group);
    let used = 0;
    for (let block = start; block < end; block++) {
      const count = blocks.get(block);
      if (count > 0) used++;
      if (count > 1) this.#add(block, count);
    }
    for (const run of map.fixed.within(start, end - start)) used -= run.length;
    if (used > 0) this.#repair.free.touched.add(group);
  }

  end(): void {
    if (this.#count < 2) return;
    setU64BigEndian(this.#key, 0, this.#start);
    setU32(this.#value, REFERENCE.length, this.#end - this.#start);
    setU32(this.#value, REFERENCE.count, this.#count);
    this.#repair.edit(() => this.#tree.put(this.#key, this.#value));
  }

  #add(block: number, count: number): void {
    if (block !== this.#end || count !== this.#count) {
      this.end();
      this.#start = block;
      this.#count = count;
    }
    this.#end = block + 1;
  }
}

/** Makes the bitmaps of all groups in use, and the tree of their summaries. */
class GroupsBuilder {
  readonly #repair: RepairContext;
  readonly #tree: Tree;
  /** Places of each group's bitmap. */
  readonly #bitmaps = new Map<number, NodePlace>();
  /** Places for the nodes of the tree. */
  readonly #places: NodePlace[] = [];

  constructor(repair: RepairContext) {
    this.#repair = repair;
    this.#tree = new Tree(repair.forest, GROUPS_SPEC);
  }

  /** The root record of the new summaries, everything written. */
  *build(draft: Superblock): Io<Uint8Array> {
    const { forest } = this.#repair;
    yield* this.#placeAll();
    const own = new NumberSet();
    for (const place of this.#bitmaps.values()) addBlocks(own, place, 1);
    for (const place of this.#places) addBlocks(own, place, this.#nodeBlocks);
    const repair = this.#repair;
    const write = this.#writeBitmap.bind(this);
    yield* eachWindow(repair, draft, function* ({ blocks, map }) {
      const first = map.groups.groupOf(blocks.start);
      for (let group = first; map.groups.startOf(group) < blocks.end; group++) {
        yield* write(group, blocks, own);
      }
    });
    const root = repair.edit(() => this.#tree.encodeRoot(SUPERBLOCK_EMBED_MAX));
    const nodes = forest.freeze();
    for (const [i, node] of nodes.entries()) forest.assign(node, this.#places[i] as NodePlace);
    yield* repair.writeNodes(nodes);
    forest.resolveReferences(root, 0, root.length, GROUPS_SPEC.role);
    return root;
  }

  get #nodeBlocks(): number {
    return this.#repair.forest.nodeSize / this.#repair.map.blockSize;
  }

  /** Finds a place for every bitmap and node; each may bring one more group into use. */
  *#placeAll(): Io<void> {
    const { free, forest } = this.#repair;
    let missing = 0;
    do {
      for (const group of free.touched) {
        if (this.#bitmaps.has(group)) continue;
        this.#bitmaps.set(group, yield* this.#repair.place(1));
        this.#put(group, NO_SUMMARY);
      }
      this.#repair.edit(() => this.#tree.encodeRoot(SUPERBLOCK_EMBED_MAX));
      missing = [...forest.unplaced()].length - this.#places.length;
      for (let i = 0; i < missing; i++) {
        this.#places.push(yield* this.#repair.place(this.#nodeBlocks));
      }
    } while (missing > 0 || this.#bitmaps.size < free.touched.size);
    const nodes = [...forest.unplaced()].length;
    for (const { address, copy } of this.#places.splice(nodes)) {
      free.giveBack(address, this.#nodeBlocks);
      if (copy !== 0) free.giveBack(copy, this.#nodeBlocks);
    }
  }

  #put(group: number, summary: Parameters<typeof putSummary>[2]): void {
    this.#repair.edit(() => putSummary(this.#tree, group, summary));
  }

  /** Writes the bitmap of a group, if it has one, from counted references and our own blocks. */
  *#writeBitmap(group: number, blocks: BlockCounts, own: NumberSet): Io<void> {
    const { map, device, storeTag, generation, superblock } = this.#repair;
    const { roCompat } = superblock;
    const place = this.#bitmaps.get(group);
    if (place === undefined) return;
    const { address, copy } = place;
    const start = map.groups.startOf(group);
    const size = map.groups.sizeOf(group);
    const page = new Uint8Array(map.blockSize);
    const bits = page.subarray(BLOCK_HEADER.size);
    for (let i = 0; i < size; i++) {
      if (blocks.get(start + i) === 0 && !own.has(start + i)) continue;
      bits[i >>> 3] = (bits[i >>> 3] as number) | (1 << (i & 7));
    }
    sealBitmap(page, { group, address, birth: generation, store: storeTag, roCompat });
    const { low, high } = checksum;
    const bitmap = GroupBitmap.fromBytes(bits, size);
    const [free, longest] = [bitmap.free, bitmap.longestFree()];
    const seal = { birth: generation, low, high };
    this.#put(group, { free, longest, address, copy, ...seal, unerased: true });
    const runs = copy === 0 ? [address] : [address, copy];
    yield* writeRuns(
      device,
      runs.map((run) => ({ address: run, bytes: page })),
      new StripeMeter(map.blockSize, 0),
    );
    yield { kind: 'pause' };
  }
}

function addBlocks(blocks: NumberSet, { address, copy }: NodePlace, length: number): void {
  for (let i = 0; i < length; i++) {
    blocks.add(address + i);
    if (copy !== 0) blocks.add(copy + i);
  }
}
