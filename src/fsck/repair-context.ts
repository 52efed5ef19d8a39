/**
 * What all parts of a repair share: the nodes that it makes, where they go, what it has seen.
 *
 * - Trees are changed by the ordinary copy-on-write machinery, but nothing is counted and nothing
 *   freed: what refers to what is found out by a walk when all trees stand.
 * - `settle` writes what has been made when it takes too much memory; only to blocks that are
 *   free, so it switches nothing.
 */

import type { BlockRun } from '../alloc/block-run.js';
import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import type { ComparatorRegistry } from '../btree/comparator.js';
import { Forest } from '../btree/forest.js';
import type { Node, NodePlace } from '../btree/node.js';
import { hasCode } from '../errors.js';
import type { GroupSummary } from '../format/group-summary.js';
import { type Superblock, storeTagOf } from '../format/superblock.js';
import { SCHEMAS } from '../onode/schemas.js';
import { placesOf } from '../txn/checkpoint.js';
import { Healer } from '../txn/healer.js';
import { DeviceNodeReader } from '../txn/node-reader.js';
import { writeRuns } from '../txn/run-writer.js';
import { StripeMeter } from '../txn/stripe-meter.js';
import type { CheckContext } from './context.js';
import type { DeviceMap } from './device-map.js';
import { NumberSet } from './number-set.js';

/**
 * Blocks that all damaged ranges share, if so many are free in a row: the ranges need as many
 * entries as they are times as long.
 */
const DAMAGED_BLOCKS = 64;

/** Bytes of clean nodes in memory. */
const CACHE_BYTES = 16 * 1024 * 1024;

/** Where a repair has blocks from. */
export interface BlockSource {
  /** Groups of all blocks that were taken; others may add groups that need a bitmap. */
  readonly touched: Set<number>;
  /** Takes a run of `length` blocks. @throws StoreError E_NO_SPACE */
  take(length: number): Io<number>;
  /** Gives back what was taken and not written. */
  giveBack(start: number, length: number): void;
}

export interface RepairContextOptions {
  /** A check of the state that is repaired, which reports nothing. */
  readonly check: CheckContext;
  readonly free: BlockSource;
  readonly windowBlocks: number;
  readonly dirtyBytesMax: number;
  readonly knownSummaries: ReadonlyMap<number, GroupSummary> | undefined;
  /** Nothing may be given up: trees that can't be walked to their ends are an error. */
  readonly mustBeWhole?: boolean;
}

export class RepairContext {
  readonly device: BlockDevice;
  readonly map: DeviceMap;
  readonly comparators: ComparatorRegistry;
  /** The state that is repaired. */
  readonly superblock: Superblock;
  /** A check of it that reports nothing. */
  readonly check: CheckContext;
  readonly free: BlockSource;
  readonly forest: Forest;
  readonly storeTag: number;
  readonly windowBlocks: number;
  /** Bytes of new nodes that are kept before they are written. */
  readonly dirtyBytesMax: number;
  /** Bitmaps of a state that has lost its own summaries. */
  readonly knownSummaries: ReadonlyMap<number, GroupSummary> | undefined;
  /** Trees that can't be walked to their ends are an error. */
  readonly mustBeWhole: boolean;
  /** Nodes below which all may stay as it is. */
  readonly sound = new NumberSet();
  #damaged: BlockRun | undefined;

  constructor(options: RepairContextOptions) {
    const { check, free } = options;
    const { device, map, superblock } = check;
    this.check = check;
    this.device = device;
    this.map = map;
    this.superblock = superblock;
    this.comparators = check.comparators;
    this.free = free;
    this.windowBlocks = options.windowBlocks;
    this.dirtyBytesMax = options.dirtyBytesMax;
    this.knownSummaries = options.knownSummaries;
    this.mustBeWhole = options.mustBeWhole ?? false;
    this.storeTag = storeTagOf(superblock.uuid);
    const { blockSize } = map;
    this.forest = new Forest({
      reader: new DeviceNodeReader(device, blockSize, new Healer(device, superblock, true)),
      blockSize,
      nodeSize: superblock.nodeSize,
      storeTag: this.storeTag,
      cacheBytes: CACHE_BYTES,
      schemas: SCHEMAS,
      // Every node on the device counts as shared: it is copied, and never given up.
      counts: { isShared: () => true, retain: () => undefined, release: () => true },
      onFree: () => undefined,
      generation: superblock.epoch + 1,
    });
  }

  /** What is stamped on what is made now; nothing that stays may be younger. */
  get generation(): number {
    return this.forest.generation;
  }

  /** Work on trees; reads what is missing at once. */
  edit<T>(work: () => T): T {
    return this.forest.sync(work);
  }

  /** A run of zeros for damaged ranges to point to. */
  *damagedRun(): Io<BlockRun> {
    if (this.#damaged !== undefined) return this.#damaged;
    const { device, map } = this;
    const run = yield* this.#takeUpTo(DAMAGED_BLOCKS);
    const offset = map.offsetOf(run.start);
    const zeros = new Uint8Array(run.length * map.blockSize);
    yield { kind: 'write', device, offset, sources: [zeros], durable: true };
    this.#damaged = run;
    return run;
  }

  /** A run of `most` blocks, or of half as many, and so on. @throws StoreError E_NO_SPACE */
  *#takeUpTo(most: number): Io<BlockRun> {
    for (let length = most; ; length = Math.ceil(length / 2)) {
      try {
        return { start: yield* this.free.take(length), length };
      } catch (error) {
        if (length === 1 || !hasCode(error, 'E_NO_SPACE')) throw error;
      }
    }
  }

  /** Places for something of `length` blocks, as many as the store keeps copies. */
  *place(length: number): Io<NodePlace> {
    const address = yield* this.free.take(length);
    const isTwice = this.superblock.metadataCopies === 2;
    return { address, copy: isTwice ? yield* this.free.take(length) : 0 };
  }

  /** Writes what has been made if it takes too much memory. Between changes of trees only. */
  *settle(): Io<void> {
    this.forest.trim();
    if (this.forest.dirtyBytes > this.dirtyBytesMax) yield* this.flush();
  }

  /**
   * Writes all nodes that have been made. Their numbers stay known, so that records in hand may
   * point to them until they are put into a tree.
   */
  *flush(): Io<void> {
    const { forest } = this;
    const nodes = forest.freeze();
    for (const node of nodes) {
      if (node.address < 0) forest.assign(node, yield* this.place(node.length));
    }
    yield* this.writeNodes(nodes);
  }

  /** Seals frozen nodes that have their places, and writes them. */
  *writeNodes(nodes: readonly Node[]): Io<void> {
    const { device, forest } = this;
    for (const node of nodes) forest.seal(node);
    const runs = placesOf(nodes).sort((a, b) => a.address - b.address);
    yield* writeRuns(device, runs, new StripeMeter(this.map.blockSize, 0));
    forest.clean(nodes);
  }
}
