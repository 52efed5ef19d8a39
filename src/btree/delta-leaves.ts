/**
 * The delta leaves of a forest: made, put into, read, and turned into ordinary leaves.
 *
 * - A delta leaf whose page somebody needs to read has it as long as `trim` finds room for it; a search
 *   needs none, but one that is searched often gets it all the same.
 * - Before it is changed in any other way than by `put`, or written, it is an ordinary leaf.
 */

import type { Comparator } from './comparator.js';
import { DeltaArena, Deltas, fillPage } from './delta-leaf.js';
import { NODE_STATE, Node } from './node.js';
import { dropPage } from './node-cache.js';
import type { NodeTable } from './node-table.js';
import type { UndoLog } from './undo-log.js';

/** What a forest does for its delta leaves. */
interface LeafOwner {
  readonly blockSize: number;
  readonly nodeSize: number;
  readonly cacheBytes: number;
  readonly cachedBytes: number;
  isOwn(node: Node): boolean;
  /** @throws CorruptError; MissSignal */
  resident(node: Node, spec: null): Node;
  resolveRecord(node: Node, bytes: Uint8Array, start: number, end: number): void;
}

export interface DeltaLeafOptions {
  /** Blocks of dirty nodes up to which there may be any. */
  readonly blocksMax: number;
  /** Bytes of memory that dirty nodes take before there are any: a page is faster to change. */
  readonly fromBytes: number;
  /** Something else refers to the leaf too. */
  readonly isShared: (leaf: Node) => boolean;
  /** Resolves what a page that was just written refers to, where that is sealed by now. */
  readonly resolve: (leaf: Node) => void;
}

export class DeltaLeaves {
  readonly #forest: LeafOwner;
  readonly #table: NodeTable;
  readonly #undo: UndoLog;
  readonly #options: DeltaLeafOptions;
  readonly #arena = new DeltaArena();
  /** Those with a page, from the one on that has had it longest. */
  readonly #viewed = new Set<Node>();

  constructor(forest: LeafOwner, table: NodeTable, undo: UndoLog, options: DeltaLeafOptions) {
    this.#forest = forest;
    this.#table = table;
    this.#undo = undo;
    this.#options = options;
  }

  /** Bytes of pages that may be given up. */
  get viewedBytes(): number {
    return this.#viewed.size * this.#forest.nodeSize;
  }

  /** A dirty leaf that is `base`, resident or a delta leaf, until something is put. */
  over(base: Node, order: Comparator): Node {
    const leaf = new Node(NODE_STATE.dirty);
    leaf.role = base.role;
    leaf.owner = base.owner;
    leaf.keySize = base.keySize;
    leaf.valueSize = base.valueSize;
    leaf.payloadSize = base.payloadSize;
    leaf.length = base.length;
    leaf.unresolved = base.unresolved;
    leaf.deltas = new Deltas(base, order);
    return leaf;
  }

  /** True for a leaf that has its place, refers to nothing that others refer to by it, and is small. */
  mayDefer(leaf: Node): boolean {
    const { blockSize, nodeSize } = this.#forest;
    return (
      this.#table.dirtyBlocks < this.#options.blocksMax &&
      this.#table.dirtyBytes >= this.#options.fromBytes &&
      (leaf.state === NODE_STATE.clean || leaf.state === NODE_STATE.packing) &&
      leaf.length * blockSize === nodeSize &&
      !this.#options.isShared(leaf)
    );
  }

  /** Brings what a put of such a record needs into memory. @throws CorruptError; MissSignal */
  approach(leaf: Node, key: Uint8Array, valueLength: number): void {
    const isReady = this.#forest.isOwn(leaf)
      ? this.#hasRoom(leaf, key, valueLength)
      : this.mayDefer(leaf);
    if (!isReady) this.#forest.resident(leaf, null);
  }

  #hasRoom(leaf: Node, key: Uint8Array, valueLength: number): boolean {
    const { deltas } = leaf;
    if (deltas === null) return false;
    return deltas.growthBy(leaf, deltas.search(key), key, valueLength) !== undefined;
  }

  /** Puts a record into a delta leaf of one's own; false where it needs its page for that. */
  put(leaf: Node, key: Uint8Array, value: Uint8Array): boolean {
    const { deltas } = leaf;
    if (deltas === null) return false;
    const index = deltas.search(key);
    const growth = deltas.growthBy(leaf, index, key, value.length);
    if (growth === undefined) return false;
    this.#undo.touchDeltas(leaf);
    this.#forgetPage(leaf);
    const delta = this.#arena.copy(key, value);
    this.#table.grow(leaf, (leaf.deltas as Deltas).put(delta, index, growth));
    this.#forest.resolveRecord(leaf, delta.bytes, delta.keyEnd, delta.end);
    return true;
  }

  /** To be told of each search: one that is searched often gets a page, where there is room. */
  noteSearch(leaf: Node): void {
    const { cachedBytes, cacheBytes, nodeSize } = this.#forest;
    if (leaf.deltas?.isSearchedOften() !== true) return;
    if (cachedBytes + nodeSize <= cacheBytes) this.view(leaf);
  }

  /** Gives a delta leaf a page to read. @throws CorruptError; MissSignal */
  view(leaf: Node): Node {
    const { deltas } = leaf;
    if (deltas === null || leaf.resident) return leaf;
    const base = this.#forest.resident(deltas.base, null);
    fillPage(leaf, deltas, base);
    if (base.unresolved) this.#options.resolve(leaf);
    this.#viewed.add(leaf);
    return leaf;
  }

  /** Makes a delta leaf an ordinary one; nothing else about it changes. @throws as `view` */
  settle(leaf: Node): void {
    this.view(leaf);
    this.#undo.touchDeltas(leaf);
    this.#viewed.delete(leaf);
    this.#table.grow(leaf, leaf.page.length - (leaf.deltas as Deltas).bytes);
    leaf.deltas = null;
  }

  /** Gives up pages until at most `bytesMax` are left. Only between operations. */
  trim(bytesMax: number): void {
    for (const leaf of this.#viewed) {
      if (this.viewedBytes <= bytesMax) return;
      // What only readers see has nothing but its page: its base may be gone.
      if (leaf.deltas !== null && leaf.state !== NODE_STATE.reader) this.#forgetPage(leaf);
      this.#viewed.delete(leaf);
    }
  }

  #forgetPage(leaf: Node): void {
    if (!leaf.resident) return;
    this.#viewed.delete(leaf);
    dropPage(leaf);
  }
}
