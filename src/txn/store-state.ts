/**
 * The state of an open store in memory: its trees, what they count, and the savepoint around a
 * transaction.
 *
 * - Between transactions the trees alone are the truth: every change of an object or collection
 *   is written back to its record before a transaction ends.
 * - `begin`, then either `commit` or `rollback`; a rollback leaves everything as it was, whatever
 *   had been done and wherever it stopped.
 * - Nothing here waits. A node that isn't in memory is read at once or ends the work with a miss
 *   signal, as the forest is told by its caller.
 */

import type { Allocator } from '../alloc/allocator.js';
import { assert } from '../assert.js';
import { type ComparatorRegistry, U64 } from '../btree/comparator.js';
import type { Forest } from '../btree/forest.js';
import {
  pointerStoredBytes,
  ROOT_FORM,
  rootPointer,
  rootReferences,
} from '../btree/root-record.js';
import type { Tree } from '../btree/tree.js';
import { treeSpec } from '../btree/tree-spec.js';
import { StoreError } from '../errors.js';
import { getU64BigEndian, setU64BigEndian, textOf } from '../format/bytes.js';
import { POINTER, pointerLength } from '../format/pointer.js';
import { ROLE, type Role } from '../format/role.js';
import type { DataGoal, ObjectContext, PlacedExtent } from '../onode/context.js';
import { embedMax } from '../onode/limits.js';
import { SCHEMAS } from '../onode/schemas.js';
import { COLLECTIONS_SPEC } from '../onode/tree-specs.js';
import { CollectionTotals } from './collection-totals.js';
import { DataCache } from './data-cache.js';
import type { Healer } from './healer.js';
import { OpenCollection } from './open-collection.js';
import { OpenObjects } from './open-objects.js';
import { PendingData } from './pending-data.js';
import { fillRuns } from './placement.js';
import { REFERENCE, ReferenceTable } from './reference-table.js';
import { Scattered } from './scattered.js';
import type { StripeMeter } from './stripe-meter.js';
import type { PlacedRun } from './transaction-record.js';

/** Trees whose roots stand in the superblock. */
export interface StoreTrees {
  readonly collections: Tree;
  readonly references: Tree;
  readonly groups: Tree;
  readonly drops: Tree;
  readonly reservations: Tree;
}

/** Specs of the trees whose roots stand in the superblock; `groups` comes from the allocator. */
export const STORE_SPECS = {
  collections: COLLECTIONS_SPEC,
  references: treeSpec({
    role: ROLE.references,
    comparator: U64,
    valueSize: REFERENCE.size,
  }),
  drops: treeSpec({
    role: ROLE.drops,
    comparator: U64,
    valueSize: 1 + POINTER.size,
  }),
  reservations: treeSpec({ role: ROLE.reservations }),
} as const;

/** Numbers that only grow, and totals; the superblock holds them. */
export interface Counters {
  nextObject: number;
  nextCollection: number;
  nextDrop: number;
  objects: number;
  storedBytes: number; // sum of the sizes of all objects
  heldBlocks: number; // held back by reservations
}

/** Where a transaction's data goes: chosen by the allocator, or read from a journal record. */
export interface Placer {
  /** Runs of `blocks` blocks in sum. E_NO_SPACE. */
  place(blocks: number, goal: DataGoal): readonly PlacedRun[];
}

/**
 * First number of the drop list. Entries below it are parked: their node can't be read, and
 * what is under it stays for fsck.
 */
export const DROP_FIRST = 2 ** 40;

/** Trees that hold figures only: nothing of what programs put in stands in their nodes. */
const BARE_ROLES: ReadonlySet<number> = new Set([ROLE.references, ROLE.groups, ROLE.drops]);

/** Open collections kept beside their records. */
const OPEN_COLLECTIONS_MAX = 1024;

export interface StoreStateOptions {
  readonly forest: Forest;
  readonly comparators: ComparatorRegistry;
  readonly allocator: Allocator;
  readonly trees: StoreTrees;
  readonly counters: Counters;
  readonly blockSize: number;
  readonly nodeSize: number;
  /** The store overwrites what is freed. */
  readonly erases: boolean;
  /** Reads a run of blocks at once. */
  readonly readBlocks: (address: number, target: Uint8Array) => void;
  /** Places of each node and bitmap: 1 or 2. */
  readonly metadataCopies: number;
  readonly healer: Healer;
  readonly stripes: StripeMeter;
}

export class StoreState implements ObjectContext {
  readonly forest: Forest;
  readonly comparators: ComparatorRegistry;
  readonly allocator: Allocator;
  readonly trees: StoreTrees;
  readonly references: ReferenceTable;
  readonly pending: PendingData;
  readonly dataCache: DataCache;
  readonly openObjects = new OpenObjects();
  readonly blockSize: number;
  readonly nodeSize: number;
  readonly erases: boolean;
  readonly #readBlocks: StoreStateOptions['readBlocks'];
  readonly metadataCopies: number;
  readonly healer: Healer;
  readonly stripes: StripeMeter;
  readonly scattered: Scattered;
  counters: Counters;
  /** Raised by every change of the trees; what was read from them holds as long as it stays. */
  version = 0;
  /** Blocks, of all copies, of nodes on the device that were given up since the last checkpoint. */
  releasedBlocks = 0;

  /** False when the drop list is known to hold nothing but parked entries. */
  mayDrop = true;

  readonly #collections = new Map<string, OpenCollection>();
  readonly #totals = new CollectionTotals();
  /** Names of the collections that the open transaction may have changed; some more than once. */
  readonly #touched: string[] = [];
  #placer: Placer | undefined;
  #isOpen = false;
  /** What `begin` found; the objects are used again by each transaction. */
  readonly #saved = { allocator: 0, pending: 0, releasedBlocks: 0 };
  #savedCounters: Counters;

  constructor(options: StoreStateOptions) {
    this.forest = options.forest;
    this.comparators = options.comparators;
    this.allocator = options.allocator;
    this.trees = options.trees;
    this.counters = options.counters;
    this.#savedCounters = { ...options.counters };
    this.blockSize = options.blockSize;
    this.nodeSize = options.nodeSize;
    this.erases = options.erases;
    this.#readBlocks = options.readBlocks;
    this.metadataCopies = options.metadataCopies;
    this.healer = options.healer;
    this.stripes = options.stripes;
    this.scattered = new Scattered(options.stripes.width);
    this.pending = new PendingData(options.blockSize);
    const { cacheBytes } = options.forest;
    // What is erased should not stay in memory either.
    this.dataCache = new DataCache(options.erases ? 0 : cacheBytes, options.blockSize);
    this.references = new ReferenceTable(options.trees.references, (start, length) =>
      this.allocator.free({ start, length }),
    );
    this.forest.counts = {
      isShared: (address) => this.references.isShared(address),
      retain: (address, length) => this.references.retain(address, length),
      release: (address, length) => {
        const last = this.references.release(address, length);
        if (last) this.releasedBlocks += length;
        return last;
      },
    };
  }

  /** Frees the blocks of a node that is never shared, or of its second copy. */
  freeNode(start: number, length: number, role: number): void {
    this.allocator.free({ start, length }, !BARE_ROLES.has(role));
    this.releasedBlocks += length;
  }

  get generation(): number {
    return this.forest.generation;
  }

  /** Takes clean nodes and data out of memory down to `cacheBytes`. Only between operations. */
  trim(): void {
    const { forest, dataCache } = this;
    dataCache.trim(forest.cachedBytes);
    forest.trim(dataCache.bytes);
  }

  /** Begins a transaction whose data is placed by `placer`. */
  begin(placer?: Placer): void {
    this.forest.begin();
    this.#placer = placer;
    while (this.#touched.length > 0) this.#touched.pop(); // a length of 0 would give its memory up
    this.#isOpen = true;
    this.#saved.allocator = this.allocator.mark();
    this.#saved.pending = this.pending.mark();
    this.#saved.releasedBlocks = this.releasedBlocks;
    copyCounters(this.counters, this.#savedCounters);
  }

  /** Keeps what was done since `begin`. */
  commit(): void {
    this.forest.release();
    for (const name of this.#touched) this.#keepTotals(name);
    this.#isOpen = false;
    this.#placer = undefined;
    this.version++;
  }

  /** Undoes what was done since `begin`. */
  rollback(): void {
    if (!this.#isOpen) return;
    const { allocator, pending, releasedBlocks } = this.#saved;
    this.forest.rollback();
    this.allocator.rewind(allocator);
    this.pending.rewind(pending);
    copyCounters(this.#savedCounters, this.counters);
    this.releasedBlocks = releasedBlocks;
    for (const name of this.#touched) this.#collections.delete(name);
    this.openObjects.forget();
    this.#isOpen = false;
    this.#placer = undefined;
    this.version++;
  }

  /** Embeds the roots of open collections that have become or stayed small, in their records. */
  settleCollections(): void {
    const limit = embedMax(this.nodeSize);
    for (const collection of this.#collections.values()) {
      if (collection.settle(limit)) this.trees.collections.put(collection.name, collection.record);
    }
  }

  /** All that is dirty was frozen: from now on roots have other pointers. */
  endGeneration(): void {
    this.#totals.endGeneration();
    this.forgetOpen();
  }

  /**
   * Forgets what is kept beside the records, open collections and what handles have looked up:
   * after a freeze, and before numbers retire that it may name. Between transactions only.
   */
  forgetOpen(): void {
    this.#collections.clear();
    this.openObjects.forget();
    this.version++;
  }

  // Data

  placeData(data: Uint8Array, goal: DataGoal): readonly PlacedExtent[] {
    assert(this.#placer !== undefined, 'data is placed in an open transaction');
    const runs = this.#placer.place(Math.ceil(data.length / this.blockSize), goal);
    const { grownTo } = goal;
    const { blockSize, nodeSize } = this;
    const { pages } = this.pending;
    const { extents, pieces } = fillRuns(data, runs, { blockSize, nodeSize, grownTo, pages });
    for (const { address, bytes } of pieces) this.pending.put(address, bytes);
    return extents;
  }

  readData(address: number, blocks: number): Uint8Array {
    const bytes = new Uint8Array(blocks * this.blockSize);
    this.pending.copyTo(bytes, address, blocks, (from, to) => {
      const part = bytes.subarray(from * this.blockSize, to * this.blockSize);
      this.#readBlocks(address + from, part);
    });
    return bytes;
  }

  retainData(address: number, blocks: number): void {
    this.references.retain(address, blocks);
  }

  releaseData(address: number, blocks: number): void {
    this.references.release(address, blocks);
  }

  // Dropping

  dropTree(role: Role, root: Uint8Array): void {
    const end = root.length;
    if (((root[0] as number) & 3) === ROOT_FORM.external) {
      this.dropNode(root, rootPointer(root, 0, end), role);
      return;
    }
    rootReferences(root, 0, end, role, SCHEMAS, {
      node: (bytes, at, childRole) => this.dropNode(bytes, at, childRole),
      data: (address, length) => this.releaseData(address, length),
    });
  }

  /** Puts the tree below the POINTER at `bytes[at]` on the drop list. */
  dropNode(bytes: Uint8Array, at: number, role: number): void {
    const key = new Uint8Array(8);
    setU64BigEndian(key, 0, this.counters.nextDrop++);
    this.mayDrop = true;
    const value = new Uint8Array(1 + POINTER.size);
    value[0] = role;
    value.set(bytes.subarray(at, at + POINTER.size), 1);
    this.trees.drops.put(key, value);
  }

  /**
   * One step of dropping: takes the newest entry of the drop list and gives up its node, whose
   * children become entries. False when there is none.
   */
  dropStep(): boolean {
    const newest = this.#newestDrop();
    if (newest === undefined) {
      this.mayDrop = false;
      return false;
    }
    const { key, value } = newest;
    this.trees.drops.delete(key);
    this.forest.dropStep(
      value[0] as number,
      value,
      1,
      (role, bytes, at) => this.dropNode(bytes, at, role),
      (address, length) => this.releaseData(address, length),
    );
    return true;
  }

  /** Puts the newest entry of the drop list aside: its node is damaged. */
  parkDrop(): void {
    const newest = this.#newestDrop();
    if (newest === undefined) return;
    const { key, value } = newest;
    this.trees.drops.delete(key);
    setU64BigEndian(key, 0, getU64BigEndian(key, 0) - DROP_FIRST);
    this.trees.drops.put(key, value);
  }

  /** Bytes of the roots on the drop list and of what their pointers account for. */
  droppedBytes(): number {
    let bytes = 0;
    if (!this.mayDrop) return bytes;
    const cursor = this.trees.drops.cursor();
    for (cursor.seekFirst(); cursor.valid; cursor.next()) {
      const at = cursor.valueStart + 1;
      bytes += pointerLength(cursor.valueBytes, at) * this.blockSize * this.metadataCopies;
      bytes += pointerStoredBytes(cursor.valueBytes, at);
    }
    return bytes;
  }

  #newestDrop(): { key: Uint8Array; value: Uint8Array } | undefined {
    const cursor = this.trees.drops.cursor();
    cursor.seekLast();
    if (!cursor.valid || getU64BigEndian(cursor.keyBytes, cursor.keyStart) < DROP_FIRST) {
      return undefined;
    }
    return { key: cursor.key(), value: cursor.value() };
  }

  // Collections

  /** The collection of this name, if there is one. */
  collection(name: string): OpenCollection | undefined {
    const open = this.#collections.get(name);
    if (open !== undefined) return open;
    const key = Buffer.from(name, 'latin1');
    const record = this.trees.collections.get(key);
    if (record === undefined) return undefined;
    const collection = OpenCollection.decode(this, key, record);
    collection.known = this.#totals.find(collection.id, collection.objects);
    this.#remember(name, collection);
    return collection;
  }

  /** As `collection`, for an operation that will change it. E_NOT_FOUND. */
  changing(name: string): OpenCollection {
    this.#touch(name);
    const collection = this.collection(name);
    if (collection !== undefined) return collection;
    throw new StoreError('E_NOT_FOUND', `Cannot find collection ${printable(name)}`);
  }

  /** Makes a collection record known. The name must be free. */
  addCollection(collection: OpenCollection): void {
    const name = textOf(collection.name);
    this.#touch(name);
    this.#remember(name, collection);
    this.writeBack(collection);
  }

  /** Takes a collection's record out; what it refers to is the caller's. */
  takeCollection(collection: OpenCollection): void {
    const name = textOf(collection.name);
    this.#touch(name);
    this.#collections.delete(name);
    this.trees.collections.delete(collection.name);
  }

  /** Writes a collection's record if it is not what the tree holds. */
  writeBack(collection: OpenCollection): void {
    if (!collection.encode(embedMax(this.nodeSize))) return;
    this.trees.collections.put(collection.name, collection.record);
  }

  #touch(name: string): void {
    if (this.#touched.at(-1) !== name) this.#touched.push(name);
  }

  #keepTotals(name: string): void {
    const collection = this.#collections.get(name);
    if (collection !== undefined) this.#totals.set(collection.id, collection.known);
  }

  #remember(name: string, collection: OpenCollection): void {
    if (this.#collections.size >= OPEN_COLLECTIONS_MAX && !this.#isOpen) {
      this.#collections.clear();
    }
    this.#collections.set(name, collection);
  }
}

function copyCounters(from: Counters, to: Counters): void {
  to.nextObject = from.nextObject;
  to.nextCollection = from.nextCollection;
  to.nextDrop = from.nextDrop;
  to.objects = from.objects;
  to.storedBytes = from.storedBytes;
  to.heldBlocks = from.heldBlocks;
}

/** A name as latin1 text, shortened and with what can't be printed escaped. */
export function printable(name: string): string {
  const text = Buffer.from(name, 'latin1').toString('utf8');
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
}
