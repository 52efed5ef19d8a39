/**
 * Forest: all nodes of one store that are in memory, whatever tree they are part of.
 *
 * - A node is changed in place only while it is dirty, of the current generation, and has one
 *   reference; anything else is copied first (`writable`). Copying goes from the root down, so
 *   a shared ancestor has pushed its sharing to the children before they are looked at.
 * - A dirty node has a provisional number. Pointers to it hold the number until it is sealed;
 *   the table answers for a number until no page can hold it any more.
 * - Before a node has an address, `refs` counts the references to it; afterwards the injected
 *   ReferenceCounts do. Nodes of NEVER_SHARED roles have exactly one reference.
 * - What a rolled-back savepoint undoes in the counts and in free space is the engine's part.
 *
 * A checkpoint, driven by the engine:
 * 1. `freeze()` gives all dirty nodes, children first, and raises the generation.
 * 2. `assign(node, place)` for each, in the same synchronous step.
 * 3. `seal(node)` for each in this order, spread over time as it likes; then it writes the pages.
 * 4. `clean(nodes)` when they are written: now they may be evicted and read again.
 * 5. `retireNumbers(g)`, g being the generation that this freeze ended, once the next freeze is
 *    sealed and no reader needs them.
 */

import { assert } from '../assert.js';
import { isProvisional, LEVEL_MAX, pointerAddress, pointerBirth } from '../format/pointer.js';
import type { Comparator } from './comparator.js';
import { DeltaLeaves } from './delta-leaves.js';
import type { ForestOptions, Readers, ReferenceCounts } from './forest-options.js';
import { copyNode, NODE_STATE, Node, type NodePlace, nodeOfPointer } from './node.js';
import { dropPage, NodeCache } from './node-cache.js';
import { repack, resize, startPage } from './node-editor.js';
import {
  BODY_START,
  NODE_SIZE_DEFAULT,
  NODE_SIZE_MAX,
  NODE_SIZE_MIN,
  POINTER_SIZE,
} from './node-format.js';
import { checkForTree, NodeLoader } from './node-loader.js';
import { NodeSharing } from './node-sharing.js';
import { NodeTable } from './node-table.js';
import { pointerAt } from './node-view.js';
import { PointerSealer, sealNode } from './packing.js';
import type { RecordSchemas, ReferenceSink } from './record-schema.js';
import { nodeReferences, rootReferences } from './root-record.js';
import { searchOrder, type TreeSpec } from './tree-spec.js';
import { type RootHolder, UndoLog } from './undo-log.js';

export type { ForestOptions, Readers, ReferenceCounts } from './forest-options.js';
export type { NodeReader } from './node-loader.js';

/** Walks records for their faults only. */
const DEAF: ReferenceSink = {
  node: () => undefined,
  data: () => undefined,
};

const NO_READERS: Readers = { sees: () => false };

export class Forest {
  counts: ReferenceCounts;
  readers: Readers;
  /** Bytes of clean nodes that stay after `trim`. */
  cacheBytes: number;
  readonly blockSize: number;
  readonly nodeSize: number;
  readonly schemas: RecordSchemas;
  /** No separator may outlive the key that it was made of. */
  readonly erases: boolean;
  readonly #storeTag: number;
  readonly #cache = new NodeCache();
  readonly #loader: NodeLoader;
  readonly #undo: UndoLog;
  readonly #table = new NodeTable();
  readonly #sharing: NodeSharing;
  readonly deltaLeaves: DeltaLeaves;
  /** Records that were set in what the next checkpoint takes. */
  edits = 0;
  /** Sealed nodes by address until they are written: pointers to them are resolved already. */
  readonly #packing = new Map<number, Node>();
  readonly #sealer: PointerSealer;
  readonly #retainer: ReferenceSink;
  #generation: number;
  #dirtyBytesBefore = 0;
  #dirtyBlocksBefore = 0;

  constructor(options: ForestOptions) {
    const nodeSize = options.nodeSize ?? Math.max(NODE_SIZE_DEFAULT, options.blockSize);
    assert(nodeSize % options.blockSize === 0, 'a node is whole blocks');
    assert(nodeSize >= NODE_SIZE_MIN && nodeSize <= NODE_SIZE_MAX, 'the node size is in range');
    this.blockSize = options.blockSize;
    this.nodeSize = nodeSize;
    this.schemas = options.schemas;
    this.erases = options.erases ?? false;
    this.counts = options.counts;
    this.readers = options.readers ?? NO_READERS;
    this.cacheBytes = options.cacheBytes;
    this.#storeTag = options.storeTag;
    this.#generation = options.generation;
    this.#loader = new NodeLoader(options.reader, this.#cache, options.blockSize);
    this.#undo = new UndoLog(this.#table);
    this.#sharing = new NodeSharing(this, this.#table, this.#undo, options.onFree);
    this.deltaLeaves = new DeltaLeaves(this, this.#table, this.#undo, {
      blocksMax: (options.deferredBytesMax ?? 0) / options.blockSize,
      fromBytes: options.deferredFromBytes ?? 0,
      isShared: (leaf) => this.#sharing.isShared(leaf),
      resolve: (leaf) => this.#resolve(leaf),
    });
    this.#sealer = new PointerSealer((bytes, at) => this.#table.numbered(bytes, at));
    this.#retainer = {
      node: (bytes, at, role) => this.retainPointer(bytes, at, role),
      data: (address, length) => this.counts.retain(address, length),
    };
  }

  /** The current generation: the birth of every node made now. */
  get generation(): number {
    return this.#generation;
  }

  /** Bytes of memory that dirty nodes take which no checkpoint has taken yet. */
  get dirtyBytes(): number {
    return this.#table.dirtyBytes;
  }

  /** Blocks that dirty nodes will take on the device which no checkpoint has taken yet. */
  get dirtyBlocks(): number {
    return this.#table.dirtyBlocks;
  }

  /** Bytes by which dirty nodes are longer than nodes are, where few large records fill them. */
  get oversizeBytes(): number {
    const { dirtyBlocks, dirtyCount } = this.#table;
    return dirtyBlocks * this.blockSize - dirtyCount * this.nodeSize;
  }

  /** Bytes of memory of nodes that a checkpoint has taken and that are not clean yet. */
  get packingBytes(): number {
    return this.#table.packingBytes;
  }

  /** Bytes of replaced nodes that only readers hold. */
  get readerBytes(): number {
    return this.#table.readerBytes;
  }

  /** Bytes of nodes in memory that may be evicted. */
  get cachedBytes(): number {
    return this.#cache.bytes + this.deltaLeaves.viewedBytes;
  }

  // Modes

  /** Calls `fn` in synchronous mode: misses wait for the device. */
  sync<T>(fn: () => T): T {
    return this.#loader.sync(fn);
  }

  /**
   * Calls `fn` in asynchronous mode, again after every miss: it must be repeatable, and let a
   * MissSignal through.
   */
  run<T>(fn: () => T): Promise<T> {
    return this.#loader.run(fn);
  }

  /**
   * Calls `fn` with `argument` once in asynchronous mode; false when a node was missing, or it
   * failed in another way. It must leave nothing behind then.
   */
  attempt<T>(fn: (argument: T) => void, argument: T): boolean {
    return this.#loader.attempt(fn, argument);
  }

  /** True where `gather` does something. */
  get mayGather(): boolean {
    return this.#loader.mayGather;
  }

  /**
   * Where an asynchronous call is repeated after a miss: calls `look`, which only reads, for each
   * item, and lets the nodes that are missing be read together. Elsewhere it does nothing.
   */
  gather<T>(items: Iterable<T>, look: (item: T) => void): void {
    this.#loader.gather(items, look);
  }

  /**
   * Evicts clean nodes down to `cacheBytes` less `otherBytes`, which somebody else keeps there. Only
   * between operations: views of pages end here.
   */
  trim(otherBytes = 0): void {
    const bytes = this.cacheBytes - otherBytes;
    this.deltaLeaves.trim(Math.max(0, bytes - this.#cache.bytes));
    this.#cache.trim(bytes - this.deltaLeaves.viewedBytes);
  }

  // Nodes

  /** A new, empty dirty node of a tree of `spec`; its page has at least `pageLength` bytes. */
  create(spec: TreeSpec, level: number, pageLength = this.nodeSize): Node {
    assert(level <= LEVEL_MAX, 'a tree is not deeper than LEVEL_MAX');
    const node = new Node(NODE_STATE.dirty);
    node.level = level;
    node.role = spec.role;
    node.owner = spec.owner;
    node.keySize = spec.keySize;
    node.valueSize = spec.valueSize;
    node.payloadSize = level > 0 ? POINTER_SIZE : spec.valueSize;
    node.length = pageLength / this.blockSize;
    startPage(node, pageLength);
    this.#enter(node);
    return node;
  }

  #enter(node: Node): void {
    node.birth = this.#generation;
    this.#table.enter(node);
    this.#undo.created(node);
  }

  /** The child at `index` of a resident branch, resident. */
  child(node: Node, index: number, spec: TreeSpec): Node {
    const known = node.children[index];
    if (known?.resident === true) {
      if (!known.referenced) known.referenced = true;
      return known;
    }
    const child = this.resident(
      known ?? this.nodeOf(node.page, pointerAt(node, index), node.role),
      spec,
    );
    node.children[index] = child;
    return child;
  }

  /** The node that a POINTER names, resident or not. @throws CorruptError */
  nodeOf(bytes: Uint8Array, at: number, role: number): Node {
    if (isProvisional(bytes, at)) return this.#table.numbered(bytes, at);
    const packing = this.#packing.get(pointerAddress(bytes, at));
    if (packing !== undefined && packing.birth === pointerBirth(bytes, at)) return packing;
    return nodeOfPointer(bytes, at, role, this.blockSize);
  }

  /**
   * The same node with its page in memory, checked for a tree of `spec` where one is given.
   * @throws CorruptError; MissSignal in asynchronous mode.
   */
  resident(node: Node, spec: TreeSpec | null): Node {
    const loaded = node.resident ? node : this.#bring(node);
    if (spec !== null && loaded.order === null && loaded.state === NODE_STATE.clean) {
      const offset = loaded.address * this.blockSize;
      checkForTree(loaded, searchOrder(spec), spec.keySize, spec.valueSize, offset);
    }
    return loaded;
  }

  #bring(node: Node): Node {
    return node.deltas === null ? this.#loader.load(node) : this.deltaLeaves.view(node);
  }

  /** As `child`, of a level-1 branch, for a put or a search: a delta leaf comes without its page. */
  leaf(node: Node, index: number, spec: TreeSpec): Node {
    const known = node.children[index];
    return known !== undefined && known.deltas !== null ? known : this.child(node, index, spec);
  }

  /** True when `node` may be changed in place. */
  isOwn(node: Node): boolean {
    return node.state === NODE_STATE.dirty && node.birth === this.#generation && node.refs === 1;
  }

  /**
   * `node`, or a copy of it, that may be changed now; its pre-image is in the savepoint. The
   * caller points the parent to a copy.
   */
  writable(node: Node): Node {
    const own = this.own(node);
    this.#undo.touch(own);
    return own;
  }

  /** As `writable`, but its pre-image is taken only by `touch`, before it is changed. */
  own(node: Node): Node {
    if (!this.isOwn(node)) return this.#shadow(node);
    if (node.deltas !== null) this.deltaLeaves.settle(node);
    return node;
  }

  /**
   * As `own`, for a leaf that `leaf` gave and that `deltaLeaves` put into, if it may be: what is on
   * the device stays as it is until the next checkpoint then.
   */
  ownLeaf(leaf: Node, order: Comparator): Node {
    if (this.isOwn(leaf)) return leaf;
    if (!this.deltaLeaves.mayDefer(leaf)) return this.#shadow(this.resident(leaf, null));
    const deferred = this.deltaLeaves.over(leaf, order);
    this.#enter(deferred);
    this.#sharing.discard(leaf);
    return deferred;
  }

  /** Takes the pre-image of a node that `own` gave. */
  touch(node: Node): void {
    this.#undo.touch(node);
  }

  /** The same for a leaf in whose heap nothing is going to be moved or overwritten. */
  touchSlots(node: Node): void {
    this.#undo.touchSlots(node);
  }

  #shadow(node: Node): Node {
    const copy = this.#copyOf(node);
    if (this.#sharing.isShared(node)) {
      nodeReferences(copy, this.schemas, this.#retainer);
      this.#sharing.unshare(node);
    } else this.#sharing.discard(node);
    return copy;
  }

  #copyOf(node: Node): Node {
    const copy = copyNode(node);
    if (copy.unresolved) this.#resolve(copy);
    this.#enter(copy);
    return copy;
  }

  /**
   * Resolves what a page that was just written refers to, where that is sealed by now: so no
   * page takes a number along into a generation that outlives it.
   */
  #resolve(node: Node): void {
    this.#sealer.pending = false;
    nodeReferences(node, this.schemas, this.#sealer);
    node.unresolved = this.#sealer.pending;
  }

  /** The same for a record that was just put into a leaf, and stands at `bytes[start, end)`. */
  resolveRecord(node: Node, bytes: Uint8Array, start: number, end: number): void {
    const schema = this.schemas[node.role];
    if (schema?.mayReferToNodes !== true) return;
    this.#sealer.pending = false;
    schema.references(bytes, start, end, this.#sealer);
    if (this.#sealer.pending) node.unresolved = true;
  }

  /** A dirty node with the entries of an embedded root. */
  materialise(node: Node, spec: TreeSpec): Node {
    assert(node.state === NODE_STATE.embedded, 'only an embedded root is materialised');
    const dirty = this.create(spec, node.level, this.pageLengthFor(node.bodyLength));
    dirty.page.set(
      node.page.subarray(node.bodyStart, node.bodyStart + node.bodyLength),
      dirty.bodyStart,
    );
    dirty.count = node.count;
    dirty.bodyLength = node.bodyLength;
    dirty.heapStart = node.heapStart;
    dirty.children = node.children.slice();
    resize(dirty, dirty.page.length);
    this.#resolve(dirty);
    return dirty;
  }

  /** Bytes of the page for a body of `size` bytes: a node size doubled until it fits. */
  pageLengthFor(size: number): number {
    let length = this.nodeSize;
    while (length < NODE_SIZE_MAX && length - BODY_START < size) length *= 2;
    length = Math.min(length, NODE_SIZE_MAX);
    assert(length - BODY_START >= size, 'a body fits into the largest node');
    return length;
  }

  /** Gives a writable node a page of another size. */
  resize(node: Node, pageLength: number): void {
    if (pageLength === node.page.length) {
      repack(node);
      return;
    }
    this.#table.dirtyBytes += pageLength - node.page.length;
    this.#table.dirtyBlocks += pageLength / this.blockSize - node.length;
    resize(node, pageLength);
    node.length = pageLength / this.blockSize;
  }

  /** Notes the root of a tree before it changes. */
  noteRoot(holder: RootHolder): void {
    this.#undo.root(holder);
  }

  // References

  /**
   * Discards a writable node whose entries were moved elsewhere, or one that was replaced: its
   * last reference is gone and what it referred to has another owner.
   */
  discard(node: Node): void {
    this.#sharing.discard(node);
  }

  /** One reference more to the node that the POINTER at `bytes[at]` names. */
  retainPointer(bytes: Uint8Array, at: number, role: number): void {
    this.#sharing.retainPointer(bytes, at, role);
  }

  /**
   * One reference more to everything that a root record refers to: with a copy of the record, a
   * clone. The caller raises the generation, so that what is shared is never changed in place.
   * @throws CorruptError
   */
  retainReferences(bytes: Uint8Array, at: number, end: number, role: number): void {
    rootReferences(bytes, at, end, role, this.schemas, this.#retainer);
  }

  /**
   * Takes one reference from the node that the POINTER at `bytes[at]` names. If that was the
   * last one, frees the node and hands on what it referred to: nodes through `enqueue` (the
   * bytes are valid during the call only), data through `freeData`. Plain leaves are freed
   * unread, those below a level-1 node at once.
   * @throws CorruptError when the node can't be read; MissSignal. Nothing has happened then.
   */
  dropStep(
    role: number,
    bytes: Uint8Array,
    at: number,
    enqueue: (role: number, bytes: Uint8Array, at: number) => void,
    freeData: (address: number, length: number) => void,
  ): void {
    const named = this.nodeOf(bytes, at, role);
    if (this.#sharing.isShared(named)) {
      this.#sharing.unshare(named);
      return;
    }
    if (named.sealed && named.plain && named.level === 0) {
      this.#sharing.free(named);
      return;
    }
    const node = this.resident(named, null);
    // A record that can't be decoded is found before anything is handed on.
    nodeReferences(node, this.schemas, DEAF);
    nodeReferences(node, this.schemas, {
      node: (page, pointer, childRole) => {
        if (!this.#sharing.dropPlainLeaf(page, pointer, childRole))
          enqueue(childRole, page, pointer);
      },
      data: freeData,
    });
    this.#sharing.discard(node);
  }

  // Savepoint

  /** Opens the savepoint; there is one at a time. */
  begin(): void {
    this.#undo.begin();
    this.#dirtyBytesBefore = this.#table.dirtyBytes;
    this.#dirtyBlocksBefore = this.#table.dirtyBlocks;
  }

  /** Everything as it was at `begin`, roots of open trees included. */
  rollback(): void {
    this.#undo.rollback();
    this.#table.dirtyBytes = this.#dirtyBytesBefore;
    this.#table.dirtyBlocks = this.#dirtyBlocksBefore;
  }

  /** Keeps everything since `begin`. */
  release(): void {
    this.#undo.release();
  }

  // Generations and checkpoints

  /** Freezes every dirty node; gives the new generation. */
  raiseGeneration(): number {
    this.#generation++;
    return this.#generation;
  }

  /** Dirty nodes that have no address yet. */
  *unplaced(): Generator<Node> {
    for (const node of this.#table.dirty()) if (node.address < 0) yield node;
  }

  /**
   * Gives every dirty node with several references its place and hands its count over to the
   * counts, just before a freeze: the counts change while their trees can still be part of it.
   * Nothing but trees of NEVER_SHARED roles is written between this and `freeze`.
   */
  assignShared(place: (length: number) => NodePlace): void {
    for (const node of this.#table.dirty()) {
      if (node.refs === 1) continue;
      this.#sharing.place(node, place(node.length));
    }
  }

  /**
   * Takes all dirty nodes into a checkpoint, children before parents, neighbours in key order,
   * and raises the generation.
   */
  freeze(): Node[] {
    assert(this.#undo.current === 0, 'no savepoint is open at a freeze');
    const nodes = this.#table.takeDirty(this.schemas);
    this.edits = 0;
    this.raiseGeneration();
    return nodes;
  }

  /** Gives a frozen node its places, and its extra references to the counts. */
  assign(node: Node, place: NodePlace): void {
    assert(node.state === NODE_STATE.packing, 'a frozen node gets its place');
    this.#sharing.place(node, place);
  }

  /**
   * Resolves the node's pointers, packs its page and puts header and checksum in. Its children
   * are sealed. Afterwards `page` is what belongs on the device at `address`, and at `copy`.
   */
  seal(node: Node): void {
    assert(node.state === NODE_STATE.packing && node.address >= 0, 'a sealed node has its place');
    const isPacked = node.deltas !== null;
    if (isPacked) this.deltaLeaves.settle(node);
    sealNode(node, this.schemas, this.#sealer, this.#storeTag, isPacked);
    this.#packing.set(node.address, node);
  }

  /** `seal` of all of them that are not sealed; what delta leaves lie over is read together. */
  sealAll(nodes: readonly Node[]): void {
    this.gather(nodes, (node) => this.deltaLeaves.view(node));
    for (const node of nodes) if (!node.sealed) this.seal(node);
  }

  /** The nodes are written: they enter the cache. */
  clean(nodes: readonly Node[]): void {
    for (const node of nodes) {
      this.#table.written(node);
      this.#packing.delete(node.address);
      if (node.released && !this.readers.sees(node.birth)) dropPage(node);
      else this.#cache.add(node);
    }
  }

  /**
   * The table forgets the numbers of written nodes born up to `generation`: the one that an
   * earlier `freeze` ended, once all nodes of the next freeze are sealed.
   */
  retireNumbers(generation: number): void {
    this.#table.retire(generation);
  }

  /** Lets go of replaced nodes that no reader sees any more. */
  forgetUnseen(): void {
    this.#table.forgetUnseen((birth) => this.readers.sees(birth));
  }

  /** False when no entry of `node` can hold a pointer. */
  mayReferToNodes({ level, role }: Node): boolean {
    return level > 0 || this.schemas[role]?.mayReferToNodes === true;
  }

  /** Resolves, in place, every pointer of a root record whose node is sealed. */
  resolveReferences(bytes: Uint8Array, at: number, end: number, role: number): void {
    rootReferences(bytes, at, end, role, this.schemas, this.#sealer);
  }
}
