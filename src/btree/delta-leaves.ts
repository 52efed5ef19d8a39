/**
 * The delta leaves of a forest: made, put into, read, and turned into ordinary leaves.
 *
 * - A delta leaf whose page somebody needs to read has it as long as `trim` finds room for it; a search
 *   needs none, but one that is searched often gets it all the same.
 * - Before it is changed in any other way than by `put`, or written, it is an ordinary leaf.
 */

import type { Comparator } from './comparator.js';
import { type Delta, DeltaArena, Deltas, fillPage } from './delta-leaf.js';
import { NODE_STATE, Node } from './node.js';
import { dropPage } from './node-cache.js';
import type { NodeTable } from './node-table.js';
import type { UndoLog } from './undo-log.js';

export class DeltaLeaves {
  readonly #table: NodeTable;
  readonly #undo: UndoLog;
  /** Brings a base into memory. @throws CorruptError; MissSignal */
  readonly #resident: (node: Node) => Node;
  /** Resolves what a page that was just written refers to, where that is sealed by now. */
  readonly #resolve: (leaf: Node) => void;
  readonly #arena = new DeltaArena();
  /** Bytes of the page of each. */
  readonly #pageBytes: number;
  /** Those with a page, from the one on that has had it longest. */
  readonly #viewed = new Set<Node>();

  constructor(
    pageBytes: number,
    table: NodeTable,
    undo: UndoLog,
    resident: (node: Node) => Node,
    resolve: (leaf: Node) => void,
  ) {
    this.#pageBytes = pageBytes;
    this.#table = table;
    this.#undo = undo;
    this.#resident = resident;
    this.#resolve = resolve;
  }

  /** Bytes of pages that may be given up. */
  get viewedBytes(): number {
    return this.#viewed.size * this.#pageBytes;
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

  /** True when `put` of such a record needs no page. */
  hasRoom(leaf: Node, key: Uint8Array, valueLength: number): boolean {
    const { deltas } = leaf;
    if (deltas === null) return false;
    return deltas.growthBy(leaf, deltas.search(key), key, valueLength) !== undefined;
  }

  /** Puts a record into a delta leaf of one's own; undefined where it needs its page for that. */
  put(leaf: Node, key: Uint8Array, value: Uint8Array): Delta | undefined {
    const { deltas } = leaf;
    if (deltas === null) return undefined;
    const index = deltas.search(key);
    const growth = deltas.growthBy(leaf, index, key, value.length);
    if (growth === undefined) return undefined;
    this.#undo.touchDeltas(leaf);
    this.#forgetPage(leaf);
    const delta = this.#arena.copy(key, value);
    this.#table.grow(leaf, (leaf.deltas as Deltas).put(delta, index, growth));
    return delta;
  }

  /** Gives a delta leaf a page to read. @throws CorruptError; MissSignal */
  view(leaf: Node): Node {
    const { deltas } = leaf;
    if (deltas === null || leaf.resident) return leaf;
    const base = this.#resident(deltas.base);
    fillPage(leaf, deltas, base);
    if (base.unresolved) this.#resolve(leaf);
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
