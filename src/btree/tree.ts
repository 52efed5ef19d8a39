/**
 * Tree: an ordered map from keys to values, both byte strings, in copy-on-write nodes.
 *
 * - A tree is opened over a root record. An embedded root is read in place: the record's bytes
 *   must not change while the tree is in use, until its first write has copied them.
 * - A tree with an embedded root that stays open over checkpoints needs `resolveReferences` on
 *   the bytes that `encodeRoot` gave, at the end of each, before numbers are retired.
 * - Everything is synchronous. Inside `forest.run` any call may throw a MissSignal; a write is
 *   then to be undone by the caller (savepoint) and repeated.
 * - `hitBytes` and every other view is valid until the next call of any tree of the forest, and
 *   until a seal or a trim.
 */

import { assert } from '../assert.js';
import { CorruptError, invalidArgument, StoreError } from '../errors.js';
import { copyOut, EMPTY } from '../format/bytes.js';
import { isProvisional } from '../format/pointer.js';
import { ROLE } from '../format/role.js';
import type { Comparator } from './comparator.js';
import { Cursor } from './cursor.js';
import { damageOnWay } from './damage.js';
import type { Forest } from './forest.js';
import { noteRun } from './insert-run.js';
import { NODE_STATE, type Node } from './node.js';
import { orderFault } from './node-check.js';
import {
  encodedSize,
  hasGap,
  isWorthPacking,
  overwriteValue,
  pointTo,
  removeEntry,
  writeBody,
} from './node-editor.js';
import { NODE_BODY, POINTER_SIZE } from './node-format.js';
import { search } from './node-search.js';
import { copyKey, entry, pointerAt, readEntry, usedBytes } from './node-view.js';
import {
  checkRootSpec,
  embeddedLeaf,
  embeddedNode,
  embeddedRootSize,
  emptyRoot,
  ROOT_FORM,
  readRoot,
  startEmbeddedRoot,
  startExternalRoot,
} from './root-record.js';
import { editedSize, SMALL_EDITS_MAX, SMALL_PART, SMALL_ROLES, writeEdited } from './small-leaf.js';
import { join, splitOff, takeRange } from './tree-cuts.js';
import { TreeEditor } from './tree-editor.js';
import { baseOf, deltaLeafOf, leafOf } from './tree-search.js';
import { checkRecordSizes, searchOrder, type TreeSpec } from './tree-spec.js';
import { recordsBelow, storedBytesBelow } from './tree-totals.js';
import type { RootHolder } from './undo-log.js';
import { type TreeReport, verifyTree } from './verify.js';

export type { TreeSpec } from './tree-spec.js';
export type { TreeReport } from './verify.js';

/**
 * Bytes of an embedded root that `deleteRange` hands over: it saves a node that would be written
 * only to be dropped, and still leaves room for several in a leaf of the drop list.
 */
export const MIDDLE_SIZE_MAX = 1024;

/** A root record in place: it begins at `bytes[at]` and may reach to `end`. */
export interface RootRecord {
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly end: number;
}

export class Tree implements RootHolder {
  readonly forest: Forest;
  readonly spec: TreeSpec;
  readonly order: Comparator;
  /** The root node, null for an empty tree. Owned by the tree and its savepoint. */
  root: Node | null = null;
  /** The value that `find` found: `hitBytes[hitStart, hitEnd)`. */
  hitBytes: Uint8Array = EMPTY;
  hitKeyStart = 0;
  hitKeyEnd = 0;
  hitStart = 0;
  hitEnd = 0;
  #editor: TreeEditor | null = null;
  /** The record that the embedded root `#recordRoot` is a view of, where the tree made it. */
  #record: Uint8Array = EMPTY;
  #recordRoot: Node | null = null;
  /** Times that the embedded root was written anew. */
  #smallEdits = 0;

  /**
   * Opens the tree that `record` is the root of, or an empty one.
   * @throws CorruptError; StoreError E_COMPARATOR when the record names another comparator.
   */
  constructor(forest: Forest, spec: TreeSpec, record?: RootRecord) {
    this.forest = forest;
    this.spec = spec;
    this.order = searchOrder(spec);
    if (record !== undefined) this.root = this.#open(record);
  }

  #open(record: RootRecord): Node | null {
    const parts = readRoot(record.bytes, record.at, record.end);
    checkRootSpec(record.bytes, parts, this.spec);
    if (parts.form === ROOT_FORM.empty) return null;
    if (parts.pointer >= 0) {
      return this.forest.nodeOf(record.bytes, parts.pointer, this.spec.role);
    }
    const node = embeddedNode(record.bytes, parts, this.spec.role);
    const fault = orderFault(node, this.order);
    if (fault !== undefined) throw new CorruptError(`Cannot open embedded root: ${fault}`);
    return node;
  }

  /** The root in memory, or null. */
  top(): Node | null {
    const root = this.root;
    if (root === null || root.resident) return root;
    this.root = this.forest.resident(root, this.spec);
    return this.root;
  }

  /** The root, whose count and size are known: a delta leaf with its page. */
  #present(): Node | null {
    const { root } = this;
    return root === null || root.deltas === null ? root : this.top();
  }

  /** What edits this tree; its path is good until the next edit. */
  edit(): TreeEditor {
    this.#editor ??= new TreeEditor(this.forest, this.spec, this);
    return this.#editor;
  }

  // Reading

  /** True when `key` is there; its value is then `hitBytes[hitStart, hitEnd)`. */
  find(key: Uint8Array): boolean {
    let node = deltaLeafOf(this, key);
    if (node === null) return false;
    while (node.deltas !== null && !node.resident) {
      const delta = node.deltas.find(key);
      if (delta !== undefined) {
        this.hitBytes = delta.bytes;
        this.hitStart = delta.keyEnd;
        this.hitEnd = delta.end;
        return true;
      }
      node = baseOf(this, node.deltas, key);
    }
    const index = search(node, this.order, key, 0, key.length);
    if (index < 0) return false;
    this.hitBytes = node.memory;
    this.hitStart = node.base + entry.valueStart;
    this.hitEnd = node.base + entry.valueEnd;
    return true;
  }

  /**
   * True when some key is `key` or in front of it. The last of them is then
   * `hitBytes[hitKeyStart, hitKeyEnd)`, its value `hitBytes[hitStart, hitEnd)`.
   */
  findAtOrBefore(key: Uint8Array): boolean {
    const node = leafOf(this, key);
    if (node === null) return false;
    const found = search(node, this.order, key, 0, key.length);
    const index = found >= 0 ? found : ~found - 1;
    if (index < 0) return this.#findBefore(key);
    readEntry(node, index);
    this.#hit(node.page, entry);
    return true;
  }

  /** The same for a key in front of all of its leaf. */
  #findBefore(key: Uint8Array): boolean {
    const cursor = this.cursor();
    const isInside = cursor.seek(key);
    if (!(isInside ? cursor.previous() : cursor.seekLast())) return false;
    this.#hit(cursor.keyBytes, cursor);
    return true;
  }

  #hit(bytes: Uint8Array, at: typeof entry): void {
    this.hitBytes = bytes;
    this.hitKeyStart = at.keyStart;
    this.hitKeyEnd = at.keyEnd;
    this.hitStart = at.valueStart;
    this.hitEnd = at.valueEnd;
  }

  has(key: Uint8Array): boolean {
    return this.find(key);
  }

  /** A copy of the value of `key`, undefined when it isn't there. */
  get(key: Uint8Array): Uint8Array | undefined {
    return this.find(key) ? copyOut(this.hitBytes, this.hitStart, this.hitEnd) : undefined;
  }

  /** True when the tree holds nothing. Reads nothing. */
  isEmpty(): boolean {
    return this.root === null;
  }

  /** A copy of the lowest key. */
  firstKey(): Uint8Array | undefined {
    let node = this.top();
    while (node !== null && node.level > 0) node = this.forest.child(node, 0, this.spec);
    return node === null ? undefined : copyKey(node, 0);
  }

  /** A copy of the highest key. */
  lastKey(): Uint8Array | undefined {
    let node = this.top();
    while (node !== null && node.level > 0) {
      node = this.forest.child(node, node.count - 1, this.spec);
    }
    return node === null ? undefined : copyKey(node, node.count - 1);
  }

  cursor(): Cursor {
    return new Cursor(this);
  }

  /** Levels; 0 when empty. */
  height(): number {
    return this.root === null ? 0 : this.root.level + 1;
  }

  /** True when `count` and `storedBytes` have to visit nodes: pointers don't tell yet. */
  get isDirty(): boolean {
    const { root } = this;
    if (root === null || root.sealed) return false;
    if (root.state !== NODE_STATE.embedded) return true;
    for (let i = 0; root.level > 0 && i < root.count; i++) {
      if (isProvisional(root.page, pointerAt(root, i))) return true;
    }
    return false;
  }

  /** Records. Walks what is dirty, the rest stands in pointers. */
  count(): number {
    const root = this.#present();
    return root === null ? 0 : recordsBelow(this, root);
  }

  /**
   * Bytes that the records account for: what their schema says, or keys and values where there
   * is none. Walks what is dirty; trees inside records are their records' affair.
   */
  storedBytes(): number {
    const root = this.#present();
    return root === null ? 0 : storedBytesBelow(this, root);
  }

  // Writing

  /**
   * Sets the value of `key`, as `put` does, and needn't know if it is new: its leaf may become a
   * delta leaf.
   * @throws as `put`
   */
  set(key: Uint8Array, value: Uint8Array): void {
    checkRecordSizes(this.spec, key, value);
    this.forest.edits++;
    const { root } = this;
    if (root !== null && !this.#isSmall()) {
      const leaf = this.#descendToPut(key);
      if (leaf.deltas !== null && this.forest.deltaLeaves.put(leaf, key, value)) return;
    }
    this.put(key, value);
  }

  /** Reads what `set` needs, and no more. @throws CorruptError; MissSignal */
  approach(key: Uint8Array, valueLength: number): void {
    const leaf = deltaLeafOf(this, key);
    if (leaf !== null && !leaf.resident) this.forest.deltaLeaves.approach(leaf, key, valueLength);
  }

  #descendToPut(key: Uint8Array): Node {
    try {
      return this.edit().descendToPut(key);
    } catch (error) {
      throw damageOnWay(error, this, key);
    }
  }

  /**
   * Sets the value of `key`. True when the key is new.
   * @throws StoreError E_INVALID_ARGUMENT for sizes over their limits or other than those the tree fixes.
   */
  put(key: Uint8Array, value: Uint8Array): boolean {
    checkRecordSizes(this.spec, key, value);
    const { root } = this;
    if (this.#isSmall()) {
      const index = root === null ? ~0 : search(root, this.order, key, 0, key.length);
      if (this.#editSmall(index, key, value)) return index < 0;
    }
    const editor = this.edit();
    const found = this.#descend(editor, key);
    let leaf = editor.nodes[0] as Node;
    const size = encodedSize(leaf, key.length, value.length);
    if (hasGap(leaf, size, found >= 0)) this.forest.touchSlots(leaf);
    else {
      this.forest.touch(leaf);
      if (found >= 0 && !isWorthPacking(leaf)) {
        if (overwriteValue(leaf, found, value, 0, value.length)) {
          editor.resolve(found);
          return false;
        }
      }
    }
    if (found >= 0) removeEntry(leaf, found);
    const index = editor.insert(found >= 0 ? found : ~found, key, value);
    leaf = editor.nodes[0] as Node;
    if (found >= 0) {
      if (editor.isUnderfull(leaf)) editor.settle(0);
      return false;
    }
    noteRun(leaf, index);
    return true;
  }

  /**
   * True when objects of a collection come and go so often that a node, which is changed in place,
   * costs less than to write the root anew, and the collection's record with it, for each.
   */
  get #isBusy(): boolean {
    return this.#smallEdits >= SMALL_EDITS_MAX && this.spec.role === ROLE.objects;
  }

  /** True when the tree is an embedded leaf, or empty and may become one. */
  #isSmall(): boolean {
    const { root } = this;
    if (!SMALL_ROLES.has(this.spec.role) || this.#isBusy) return false;
    return root === null || (root.state === NODE_STATE.embedded && root.level === 0);
  }

  /**
   * Changes one record of an embedded leaf, or of an empty tree, by writing a new one: puts `value`
   * for `key` at `index`, as `search` gave it, or removes what is there. False when the result would
   * be too large to stay embedded, and then nothing has happened.
   */
  #editSmall(index: number, key: Uint8Array | undefined, value: Uint8Array): boolean {
    const edit = {
      spec: this.spec,
      leaf: this.root,
      index: index < 0 ? ~index : index,
      removes: index >= 0,
      key,
      value,
    };
    const length = editedSize(edit);
    if (length > this.forest.nodeSize / SMALL_PART) return false;
    this.forest.noteRoot(this);
    this.#smallEdits++;
    if (length === NODE_BODY.size) {
      this.root = null;
      return true;
    }
    const record = startEmbeddedRoot(this.spec, 0, length);
    writeEdited(edit, record, record.length - length);
    this.root = this.#viewOf(record, embeddedLeaf(record, length, this.spec.role));
    return true;
  }

  /** `view` is the embedded root of a record that this tree has made. */
  #viewOf(record: Uint8Array, view: Node): Node {
    this.#record = record;
    this.#recordRoot = view;
    return view;
  }

  /**
   * Makes the leaf where `key` is this tree's own. What its records refer to has then been counted
   * for every tree that shared it: only from now on may any of it be given up.
   */
  own(key: Uint8Array): void {
    if (this.root !== null && !this.#isSmall()) this.#descendToPut(key);
  }

  #descend(editor: TreeEditor, key: Uint8Array): number {
    try {
      return editor.descend(key);
    } catch (error) {
      throw damageOnWay(error, this, key);
    }
  }

  /** Removes `key`; false when it isn't there, and then nothing is copied. */
  delete(key: Uint8Array): boolean {
    if (!this.find(key)) return false;
    const { root } = this;
    if (root !== null && this.#isSmall()) {
      const index = search(root, this.order, key, 0, key.length);
      if (this.#editSmall(index, undefined, EMPTY)) return true;
    }
    const editor = this.edit();
    const found = this.#descend(editor, key);
    assert(found >= 0, 'a key that was found is there');
    const leaf = editor.nodes[0] as Node;
    this.forest.touchSlots(leaf);
    removeEntry(leaf, found);
    editor.settle(0);
    if (this.forest.erases) editor.renewSeparator(key);
    return true;
  }

  /**
   * Removes the keys in [from, to) in O(log n); undefined is the open end. What was cut out goes
   * to `onMiddle` as a root record of its own: an embedded one of at most MIDDLE_SIZE_MAX bytes,
   * or an external one. It isn't called when there is nothing that would have to be dropped.
   */
  deleteRange(
    from: Uint8Array | undefined,
    to: Uint8Array | undefined,
    onMiddle: (role: number, root: Uint8Array) => void,
  ): void {
    const middle = takeRange(this, from, to);
    const root = middle.root;
    if (root === null) return;
    const plain = root.level === 0 && this.forest.schemas[this.spec.role] === undefined;
    if (plain && root.number > 0 && root.address < 0 && root.refs === 1) this.forest.discard(root);
    else onMiddle(this.spec.role, middle.encodeRoot(MIDDLE_SIZE_MAX));
  }

  /** Cuts off the keys from `key` on, O(log n), and gives them as a tree. */
  splitOff(key: Uint8Array): Tree {
    return splitOff(this, key);
  }

  /**
   * Takes over all of `upper`, whose keys are above all of this tree's, O(log n); `upper` is
   * empty afterwards.
   * @throws StoreError E_INVALID when the key ranges interleave or the trees differ in kind.
   */
  join(upper: Tree): void {
    join(this, upper);
  }

  /** Gives the root away; the tree is empty afterwards. */
  giveRoot(): Node | null {
    const root = this.root;
    this.takeRoot(null);
    return root;
  }

  /** Makes `root`, which is nobody else's, the root. */
  takeRoot(root: Node | null): void {
    this.forest.noteRoot(this);
    this.root = root;
  }

  /** A tree of the same kind with this root, which is nobody else's. */
  likeWith(root: Node | null): Tree {
    const tree = new Tree(this.forest, this.spec);
    tree.takeRoot(root);
    return tree;
  }

  /**
   * Fills an empty tree from entries in strictly rising key order: each goes behind the last one,
   * without a descent, and leaves full nodes behind.
   * @throws StoreError E_INVALID_ARGUMENT when the order is broken; E_INVALID when the tree isn't empty.
   */
  bulkBuild(entries: Iterable<readonly [Uint8Array, Uint8Array]>): void {
    if (this.root !== null) {
      throw new StoreError('E_INVALID', 'Cannot bulk build: the tree is not empty');
    }
    let before: Uint8Array | undefined;
    let isAtEdge = false;
    for (const [key, value] of entries) {
      if (
        before !== undefined &&
        this.order.compare(before, 0, before.length, key, 0, key.length) >= 0
      ) {
        throw invalidArgument('Cannot bulk build: keys do not rise');
      }
      before = key;
      checkRecordSizes(this.spec, key, value);
      if (this.#isSmall()) {
        this.put(key, value);
        continue;
      }
      const editor = this.edit();
      if (!isAtEdge) editor.descendEdge('right', 0);
      isAtEdge = true;
      const index = editor.insert((editor.nodes[0] as Node).count, key, value);
      noteRun(editor.nodes[0] as Node, index);
    }
  }

  // Root record

  /** True when the root is a node that may be changed in place. */
  get hasOwnRoot(): boolean {
    return this.root !== null && this.forest.isOwn(this.root);
  }

  /**
   * The root record. A root that is embedded stays so up to `limit` bytes of record; a root node
   * that was changed is embedded up to `changedMax` bytes, otherwise the record points to it.
   * `isPlain` says that no record of a leaf refers to anything.
   * @returns bytes that the tree goes on reading: the caller copies them, or leaves them alone.
   */
  encodeRoot(limit: number, changedMax = limit, isPlain = false): Uint8Array {
    const root = this.#present();
    if (root === null) return emptyRoot(this.spec);
    const size = embeddedRootSize(this.spec, usedBytes(root));
    if (root.state === NODE_STATE.embedded) {
      if (size <= limit) return this.#embed(root, isPlain);
      return this.#external(this.edit().ownRoot());
    }
    return this.hasOwnRoot && size <= changedMax
      ? this.#embed(root, isPlain)
      : this.#external(root);
  }

  #external(root: Node): Uint8Array {
    const bytes = startExternalRoot(this.spec);
    pointTo(bytes, bytes.length - POINTER_SIZE, root);
    return bytes;
  }

  #embed(root: Node, isPlain: boolean): Uint8Array {
    const refers = this.forest.mayReferToNodes(root) && !(isPlain && root.level === 0);
    if (root === this.#recordRoot) {
      if (refers) {
        this.forest.resolveReferences(this.#record, 0, this.#record.length, this.spec.role);
      }
      return this.#record;
    }
    const length = usedBytes(root);
    const bytes = startEmbeddedRoot(this.spec, root.level, length);
    writeBody(root, bytes, bytes.length - length, length);
    if (refers) this.forest.resolveReferences(bytes, 0, bytes.length, this.spec.role);
    if (root.state === NODE_STATE.embedded) return bytes;
    const parts = readRoot(bytes, 0, bytes.length);
    const view = this.#viewOf(bytes, embeddedNode(bytes, parts, this.spec.role));
    view.children = root.children.slice();
    this.forest.noteRoot(this);
    this.root = view;
    this.forest.discard(root);
    return bytes;
  }

  /**
   * Checks the whole tree, reading all of it: order, bounds, levels, fill, totals.
   * @throws CorruptError naming what is wrong.
   */
  verify(): TreeReport {
    return verifyTree(this);
  }
}
