/**
 * Shrinking a store that nobody has open: what lies behind the new end is moved below it.
 *
 * 1. A survey of all trees says whether they are sound and whether there is room.
 * 2. Data and nodes behind the new end are copied to free blocks below it, and so is every node
 *    that leads to one of them. Reference counts, bitmaps and summaries are made anew.
 * 3. All of that is flushed; then the superblock switches, and with it the far slots move where
 *    they stand behind the new end too.
 *
 * - Before the switch only free blocks are written: a shrink that is killed leaves the store as it
 *   was or as it is to be, and can be run again.
 * - What is damaged is not moved: such a store has to be repaired first. Data is copied as it is,
 *   with the checksums that it has.
 */

import { RunSet } from '../alloc/run-set.js';
import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import type { ComparatorRegistry } from '../btree/comparator.js';
import { Tree } from '../btree/tree.js';
import type { TreeSpec } from '../btree/tree-spec.js';
import { StoreError } from '../errors.js';
import type { GroupSummary } from '../format/group-summary.js';
import { ROLE } from '../format/role.js';
import { erasesFreed, type Superblock } from '../format/superblock.js';
import { farPlaces, homeRing, SLOT_STEP, slotBytes } from '../format/superblock-bounds.js';
import type { CheckContext } from '../fsck/context.js';
import type { DeviceMap } from '../fsck/device-map.js';
import type { Finding } from '../fsck/finding.js';
import { WINDOW_BLOCKS } from '../fsck/fsck.js';
import { innerCheck } from '../fsck/inner-check.js';
import { checkJournal } from '../fsck/journal-check.js';
import { RepairContext } from '../fsck/repair-context.js';
import { rebuildSpace } from '../fsck/space-rebuild.js';
import { GROUPS_SPEC, readSummaries } from '../txn/group-store.js';
import { ReferenceTable } from '../txn/reference-table.js';
import { housekeepingBlocks } from '../txn/space-policy.js';
import { STORE_SPECS } from '../txn/store-state.js';
import type { SuperblockWriter } from '../txn/superblock-writer.js';
import { FreeRuns } from './free-runs.js';
import { type Relocated, Relocation } from './relocation.js';
import { Survey } from './survey.js';
import { unsound } from './unsound.js';

/** Bytes of new service nodes that are kept before they are written. */
const DIRTY_BYTES_MAX = 16 * 1024 * 1024;

/** Generations' worth of housekeeping that a store has to have free: its pool, and a margin. */
const SPARE_GENERATIONS = 5;

/** Trees whose nodes and data are moved; references and groups are made anew. */
const MOVED = ['collections', 'drops', 'reservations'] as const;

export interface ShrinkOptions {
  readonly device: BlockDevice;
  /** The journal's, where it has one of its own. */
  readonly journalDevice: BlockDevice | undefined;
  readonly superblocks: SuperblockWriter;
  /** The newest one: all of the store, with nothing in the journal. */
  readonly superblock: Superblock;
  /** Blocks that the store is to have. */
  readonly blocks: number;
  /** Blocks that reservations hold back. */
  readonly heldBlocks: number;
  readonly comparators: ComparatorRegistry;
  /** Called now and then with the bytes that were copied. */
  readonly onProgress?: (bytes: number) => void;
}

/**
 * Shrinks the store; gives what was moved. The device keeps its length.
 *
 * @throws StoreError E_NO_SPACE with the least size for which there is room; E_IO
 * @throws CorruptError when the store has to be repaired first
 */
export function* shrink(options: ShrinkOptions): Io<Relocated> {
  const shrinking = new Shrinking(options);
  yield* shrinking.survey();
  return yield* shrinking.move();
}

class Shrinking {
  readonly #options: ShrinkOptions;
  readonly #before: CheckContext;
  readonly #old: RepairContext;
  readonly #references: ReferenceTable;
  readonly #survey: Survey;
  readonly #free: FreeRuns;
  readonly #reserved = new RunSet();
  readonly #usedBlocks: number;
  /** The first that the check of the journal has found. */
  #fault: Finding | undefined;

  constructor(options: ShrinkOptions) {
    this.#options = options;
    const { superblock, blocks } = options;
    this.#before = innerCheck(options.device, superblock, options, (finding) => {
      this.#fault ??= finding;
    });
    const context = this.#before;
    const summaries = new Map<number, GroupSummary>();
    const rest = { context, summaries, end: blocks, reserved: this.#reserved };
    this.#free = new FreeRuns(rest);
    this.#old = this.#repairOf(this.#before);
    for (const [group, summary] of summaryList(this.#old, superblock)) {
      summaries.set(group, summary);
    }
    this.#usedBlocks = usedIn(this.#before.map, summaries);
    this.#references = this.#openReferences();
    const isShared = (start: number, length: number): boolean => this.#isShared(start, length);
    this.#survey = new Survey({ map: this.#before.map, end: blocks, isShared });
  }

  /** @throws StoreError E_NO_SPACE, E_IO; CorruptError */
  *survey(): Io<void> {
    const { superblock, blocks } = this.#options;
    const { transactions } = yield* checkJournal(this.#before);
    if (this.#fault !== undefined) {
      const { code, message: reason, offset = superblock.journalOffset } = this.#fault;
      throw unsound('the journal', offset, { isUnreadable: code === 'unreadable', reason });
    }
    if (transactions > 0) {
      throw new StoreError('E_BUSY', 'Cannot shrink store: its journal holds transactions');
    }
    for (const name of MOVED) yield* this.#survey.root(superblock.roots[name], ROLE[name]);
    this.#survey.finish();
    const least = this.#least();
    if (blocks >= least) return;
    const { blockSize } = superblock;
    const what = `Cannot shrink store to ${blocks * blockSize} bytes`;
    throw new StoreError('E_NO_SPACE', `${what}: what it holds needs ${least * blockSize}`);
  }

  *move(): Io<Relocated> {
    const { device, superblocks, superblock, blocks } = this.#options;
    const farOffset = yield* this.#placeFarSlots();
    const relocation = new Relocation({
      device,
      map: this.#before.map,
      places: {
        isInTheWay: (start, length) => start + length > blocks,
        isShared: (start, length) => this.#isShared(start, length),
        clusterOf: (start, length) => this.#survey.clusterOf(start, length),
        take: (length) => this.#free.take(length),
      },
      generation: this.#old.generation,
      storeTag: this.#old.storeTag,
      ...(this.#options.onProgress !== undefined && { onProgress: this.#options.onProgress }),
    });
    const roots = { ...superblock.roots };
    for (const name of MOVED) roots[name] = yield* relocation.root(roots[name], ROLE[name]);
    const draft = {
      ...superblock,
      roots,
      deviceBlocks: blocks,
      deviceBlocksMax: blocks,
      farOffset,
    };
    const made = this.#repairOf(innerCheck(device, draft, this.#options, () => undefined));
    // What is moved leaves its bytes behind, and nothing else notes where.
    if (erasesFreed(superblock)) this.#touchAll(made.map);
    const whole = yield* rebuildSpace(made, draft);
    yield { kind: 'flush', device };
    const epoch = made.generation - 1;
    const after = { ...whole, epoch, writtenMs: Date.now(), cleanClose: true };
    yield* superblocks.switchTwice(superblock, after);
    return relocation.relocated;
  }

  /**
   * Blocks that the store has to have at least: what it uses, with its bitmaps and counts twice,
   * and room to work in; the fixed places in any case.
   */
  #least(): number {
    const { superblock, heldBlocks } = this.#options;
    const { blockSize, nodeSize, slotStride } = superblock;
    const ring = homeRing(superblock);
    const nodeBlocks = (nodeSize / blockSize) * superblock.metadataCopies;
    const service = this.#serviceBlocks(nodeBlocks);
    const room = this.#survey.least(
      this.#usedBlocks + service,
      (end) => SPARE_GENERATIONS * housekeepingBlocks(end, nodeBlocks) + heldBlocks,
    );
    const journalEnd = Math.ceil((ring.offset + ring.bytes) / SLOT_STEP) * SLOT_STEP;
    return Math.max(room, (journalEnd + 2 * slotStride) / blockSize);
  }

  /** Upper bound of the blocks of new bitmaps, summaries and counts; of a node with its copies. */
  #serviceBlocks(nodeBlocks: number): number {
    const { groupCount } = this.#before.map.groups;
    const { roots } = this.#options.superblock;
    const records = this.#old.edit(() =>
      recordsIn(this.#treeOf(STORE_SPECS.references, roots.references)),
    );
    const nodes = Math.ceil(
      (3 * RECORD_BYTES * (records + groupCount)) / this.#old.forest.nodeSize,
    );
    const { metadataCopies } = this.#options.superblock;
    return groupCount * metadataCopies + (nodes + SERVICE_NODES_MIN) * nodeBlocks;
  }

  /** Brings all groups into what gets a new summary, which says that it is not erased. */
  #touchAll({ groups }: DeviceMap): void {
    for (let group = 0; group < groups.groupCount; group++) this.#free.touched.add(group);
  }

  /** Where the far slots stand then: where they are, or at the last place that is free. */
  *#placeFarSlots(): Io<number> {
    const { superblock, blocks } = this.#options;
    const { blockSize, slotStride, farOffset } = superblock;
    const end = blocks * blockSize;
    if (farOffset + 2 * slotStride <= end) return farOffset;
    const length = slotBytes(superblock) / blockSize;
    for (const at of farPlaces(superblock, end)) {
      const starts = [at / blockSize, (at + slotStride) / blockSize];
      let isFree = true;
      for (const start of starts) isFree &&= yield* this.#free.isFree(start, length);
      if (!isFree) continue;
      for (const start of starts) this.#reserved.add(start, length);
      return at;
    }
    throw new StoreError(
      'E_NO_SPACE',
      'Cannot shrink store: no place for the far superblocks is free below its new end',
    );
  }

  #isShared(start: number, length: number): boolean {
    this.#old.forest.trim();
    return this.#old.edit(() => this.#references.touches(start, length));
  }

  #openReferences(): ReferenceTable {
    const { references } = this.#options.superblock.roots;
    return new ReferenceTable(this.#treeOf(STORE_SPECS.references, references), () => undefined);
  }

  #treeOf(spec: TreeSpec, bytes: Uint8Array): Tree {
    return new Tree(this.#old.forest, spec, { bytes, at: 0, end: bytes.length });
  }

  #repairOf(check: CheckContext): RepairContext {
    return new RepairContext({
      check,
      free: this.#free,
      windowBlocks: WINDOW_BLOCKS,
      dirtyBytesMax: DIRTY_BYTES_MAX,
      knownSummaries: undefined,
      mustBeWhole: true,
    });
  }
}

/** Bytes of a record of counts or summaries with its slot and lengths, at most. */
const RECORD_BYTES = 64;

/** Nodes of trees that are hardly there. */
const SERVICE_NODES_MIN = 8;

function recordsIn(tree: Tree): number {
  let records = 0;
  const cursor = tree.cursor();
  for (cursor.seekFirst(); cursor.valid; cursor.next()) records++;
  return records;
}

function summaryList(repair: RepairContext, { roots }: Superblock) {
  const bytes = roots.groups;
  const tree = new Tree(repair.forest, GROUPS_SPEC, { bytes, at: 0, end: bytes.length });
  return repair.edit(() => [...readSummaries(tree)]);
}

/** Blocks that the bitmaps of a store mark, and fixed places of groups that have none. */
function usedIn(map: DeviceMap, summaries: ReadonlyMap<number, GroupSummary>): number {
  let used = 0;
  for (let group = 0; group < map.groups.groupCount; group++) {
    const size = map.groups.sizeOf(group);
    const free = summaries.get(group)?.free;
    if (free !== undefined) used += size - free;
    else for (const run of map.fixed.within(map.groups.startOf(group), size)) used += run.length;
  }
  return used;
}
