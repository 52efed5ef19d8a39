/**
 * TreeEditor: the path of an edit through one tree, and what keeps the tree balanced along it.
 *
 * - The path is indexed by level: `nodes[0]` is the leaf, `indexes[n]` the entry of `nodes[n]`
 *   that leads to `nodes[n - 1]`. Every node on it is this tree's own; it is writable once its
 *   pre-image was taken: most edits change the leaf alone, and of that little.
 * - A node splits in the middle, but where inserts run along one of its edges, or one behind the
 *   other inside, it splits there, so that sequential filling leaves full nodes behind.
 * - A node below a third merges with a sibling when both fit into nine tenths of one, else evens
 *   out with it. A node with fewer than GROW_COUNT entries grows instead of splitting.
 * - Always: a leaf holds a record, a branch two children; only the seam of a cut is worse until
 *   `mendEdge` has passed.
 */

import { assert } from '../assert.js';
import type { Comparator } from './comparator.js';
import type { Forest } from './forest.js';
import { isBehind, noteRun } from './insert-run.js';
import { NODE_STATE, type Node } from './node.js';
import {
  appendEntries,
  encodedSize,
  hasRoom,
  insertChild,
  insertRecord,
  prependEntries,
  removeEntries,
  removeEntry,
  setChild,
  setKey,
} from './node-editor.js';
import { BODY_START, GROW_COUNT, NODE_BODY, POINTER_SIZE, SLOT_SIZE } from './node-format.js';
import { childIndex, search } from './node-search.js';
import { copyKey, entry, entrySize, readEntry, usedBytes } from './node-view.js';
import { searchOrder, type TreeSpec } from './tree-spec.js';
import type { RootHolder } from './undo-log.js';

/** Inserts in a row at an edge from which on a full node splits there. */
const RUN_MIN = 2;

/** Inserts in a row, each right behind the one before it, from which on a full node splits there. */
const INNER_RUN_MIN = 4;

/** Below this part of a node's body, a node looks for company. */
const FILL_MIN = 1 / 3;

/** Two nodes merge when they fit into this part of one, so that the next insert has room. */
const MERGE_FILL_MAX = 0.9;

/** Which edge of a tree. */
export type Edge = 'left' | 'right';

export class TreeEditor {
  readonly forest: Forest;
  readonly spec: TreeSpec;
  readonly order: Comparator;
  readonly holder: RootHolder;
  readonly nodes: Node[] = [];
  readonly indexes: number[] = [];
  readonly #lowestKey: Uint8Array;

  constructor(forest: Forest, spec: TreeSpec, holder: RootHolder) {
    this.forest = forest;
    this.spec = spec;
    this.order = searchOrder(spec);
    this.holder = holder;
    this.#lowestKey = new Uint8Array(spec.keySize);
  }

  // Path

  setRoot(node: Node | null): void {
    this.forest.noteRoot(this.holder);
    this.holder.root = node;
  }

  /** The root, writable; an empty leaf where the tree is empty. */
  ownRoot(): Node {
    const root = this.holder.root;
    if (root === null) {
      const leaf = this.forest.create(this.spec, 0);
      this.setRoot(leaf);
      return leaf;
    }
    const node = root.resident ? root : this.forest.resident(root, this.spec);
    const own =
      node.state === NODE_STATE.embedded
        ? this.forest.materialise(node, this.spec)
        : this.forest.writable(node);
    if (own !== root) this.setRoot(own);
    return own;
  }

  /** The child at `index` of a writable branch, writable. */
  ownChild(node: Node, index: number): Node {
    const child = this.forest.child(node, index, this.spec);
    const own = this.forest.writable(child);
    if (own !== child) setChild(node, index, own);
    return own;
  }

  /** Makes the path to `key` its own; gives the search result in the leaf. */
  descend(key: Uint8Array): number {
    const branch = this.#descendTo(1, key);
    const leaf = branch.level > 0 ? this.#step(branch, key, false) : branch;
    this.nodes[0] = leaf;
    return search(leaf, this.order, key, 0, key.length);
  }

  /** The same for a put; what it gives may be a delta leaf, and that isn't searched. */
  descendToPut(key: Uint8Array): Node {
    const branch = this.#descendTo(1, key);
    const leaf = branch.level > 0 ? this.#step(branch, key, true) : branch;
    this.nodes[0] = leaf;
    return leaf;
  }

  /** Makes the path to `key` its own down to `level`; gives its end, which may lie below. */
  #descendTo(level: number, key: Uint8Array): Node {
    const root = this.holder.root;
    let node = root !== null && this.#isOwnPage(root) ? root : this.ownRoot();
    while (node.level > level) node = this.#step(node, key, false);
    return node;
  }

  #isOwnPage(node: Node): boolean {
    return this.forest.isOwn(node) && node.deltas === null;
  }

  /** One level of a path: the child of `node` that leads to `key`, the tree's own. */
  #step(node: Node, key: Uint8Array, mayDefer: boolean): Node {
    const { forest, order, spec } = this;
    const index = childIndex(node, order, key, 0, key.length);
    this.nodes[node.level] = node;
    this.indexes[node.level] = index;
    const child = mayDefer ? forest.leaf(node, index, spec) : forest.child(node, index, spec);
    const own = mayDefer ? forest.ownLeaf(child, order) : forest.own(child);
    if (own !== child) {
      forest.touch(node);
      setChild(node, index, own);
    }
    return own;
  }

  /** Takes the pre-images of the path from `level` up: branches may be changed afterwards. */
  #touchPath(level: number): void {
    for (let at = level; ; at++) {
      this.forest.touch(this.#node(at));
      if (this.#isTop(at)) return;
    }
  }

  /** Makes the path along an edge writable, down to `level`. */
  descendEdge(edge: Edge, level: number): void {
    let node = this.ownRoot();
    this.nodes[node.level] = node;
    while (node.level > level) {
      const index = edge === 'left' ? 0 : node.count - 1;
      this.indexes[node.level] = index;
      node = this.ownChild(node, index);
      this.nodes[node.level] = node;
    }
  }

  #node(level: number): Node {
    return this.nodes[level] as Node;
  }

  #index(level: number): number {
    return this.indexes[level] as number;
  }

  #isTop(level: number): boolean {
    return this.holder.root === this.nodes[level];
  }

  // Growing

  /**
   * Makes room in `nodes[level]` for an entry of `size` bytes that belongs to `index`, splitting
   * if need be. Gives the index in the node that is `nodes[level]` afterwards.
   */
  makeRoom(level: number, index: number, size: number): number {
    const node = this.#node(level);
    if (hasRoom(node, size)) return index;
    const place = node.count >= GROW_COUNT ? this.#split(level, index, size) : index;
    this.#fit(this.#node(level), SLOT_SIZE + size);
    return place;
  }

  /** Inserts a record into the leaf of the path; gives the index in the one that is it afterwards. */
  insert(index: number, key: Uint8Array, value: Uint8Array): number {
    const size = encodedSize(this.#node(0), key.length, value.length);
    const place = this.makeRoom(0, index, size);
    insertRecord(this.#node(0), place, key, 0, key.length, value, 0, value.length);
    this.resolve(place);
    return place;
  }

  /** A record of the leaf may refer to nodes that were sealed since it was encoded. */
  resolve(index: number): void {
    const leaf = this.#node(0);
    if (this.forest.schemas[this.spec.role] === undefined) return;
    readEntry(leaf, index);
    this.forest.resolveRecord(leaf, leaf.page, entry.valueStart, entry.valueEnd);
  }

  /** Enlarges the page until `size` more bytes fit. */
  #fit(node: Node, size: number): void {
    const needed = usedBytes(node) + size;
    if (needed > node.bodyLength) this.forest.resize(node, this.forest.pageLengthFor(needed));
  }

  /** Gives back what a page has too much. */
  #shrink(node: Node): void {
    if (node.page.length === this.forest.nodeSize) return;
    const length = this.forest.pageLengthFor(usedBytes(node));
    if (length < node.page.length) this.forest.resize(node, length);
  }

  /** Splits `nodes[level]`, into which an entry of `size` bytes at `index` doesn't fit. */
  #split(level: number, index: number, size: number): number {
    this.#touchPath(level);
    const left = this.#node(level);
    const at = this.#splitPoint(left, index, size);
    if (this.#isTop(level)) this.#raiseRoot(left);
    const separator = this.#separator(left, at, level === 0 && at !== index);
    const right = this.#cutOff(left, at);
    if (level > 0) setKey(right, 0, null);
    right.run = left.run;
    this.#shrink(left);
    this.placeChild(level + 1, this.#index(level + 1) + 1, separator, right);
    if (index > at) {
      this.nodes[level] = right;
      return index - at;
    }
    // The path is at `right`, which is never the first of its parent: `left` is in front of it.
    this.indexes[level + 1] = this.#index(level + 1) - 1;
    return index;
  }

  /** Moves the entries from `at` on to a new node of the same level. */
  #cutOff(node: Node, at: number): Node {
    const right = this.forest.create(this.spec, node.level, node.page.length);
    appendEntries(node, at, node.count, right);
    removeEntries(node, at, node.count);
    this.#shrink(right);
    return right;
  }

  /** Puts a new root above `node`, which was it. */
  #raiseRoot(node: Node): void {
    const level = node.level + 1;
    const root = this.forest.create(this.spec, level);
    insertChild(root, 0, this.#lowestKey, 0, this.#lowestKey.length, node);
    this.setRoot(root);
    this.nodes[level] = root;
    this.indexes[level] = 0;
  }

  /** How many entries stay in the left half: at least two and all but two, save at an edge. */
  #splitPoint(node: Node, index: number, size: number): number {
    if (index === node.count && node.run >= RUN_MIN) return node.count - 1;
    if (index === 0 && node.run <= -RUN_MIN && node.level === 0) return 1;
    const isRun = node.run >= INNER_RUN_MIN && isBehind(node, index);
    const at = isRun ? runEnd(node, index, size) : middleOf(node);
    return Math.min(Math.max(at, 2), node.count - 2);
  }

  /** The key that parts entry `at` from what is in front of it. */
  #separator(node: Node, at: number, shorten: boolean): Uint8Array {
    if (!shorten || this.order.bytewise !== true || node.keySize > 0) return copyKey(node, at);
    readEntry(node, at - 1);
    return shortest(node.page, entry.keyStart, entry.keyEnd, copyKey(node, at));
  }

  /** Inserts a child into `nodes[level]`, which may split. */
  placeChild(level: number, index: number, key: Uint8Array, child: Node): void {
    const size = encodedSize(this.#node(level), key.length, POINTER_SIZE);
    const place = this.makeRoom(level, index, size);
    const node = this.#node(level);
    insertChild(node, place, key, 0, key.length, child);
    noteRun(node, place);
    this.indexes[level] = place;
  }

  // Shrinking

  /** Below a third, or without what every node has. */
  isUnderfull(node: Node): boolean {
    const body = this.forest.nodeSize - BODY_START;
    return node.count < (node.level > 0 ? 2 : 1) || usedBytes(node) < body * FILL_MIN;
  }

  /** Restores the balance from `nodes[level]` upwards after it became smaller. */
  settle(from: number): void {
    for (let level = from; !this.#isTop(level); level++) {
      if (!this.isUnderfull(this.#node(level)) || !this.mergeOrRotate(level)) return;
    }
    this.collapse();
  }

  /** Drops a root that only leads to one child, or that holds nothing. */
  collapse(): void {
    for (let root = this.holder.root; root !== null; root = this.holder.root) {
      if (root.count > (root.level > 0 ? 1 : 0)) return;
      const child = root.count > 0 ? this.forest.child(root, 0, this.spec) : null;
      this.setRoot(child);
      this.forest.discard(root);
    }
  }

  /**
   * Joins `nodes[level]` with a sibling, or evens both out. True when they became one, and
   * `nodes[level]` is it.
   */
  mergeOrRotate(level: number): boolean {
    this.#touchPath(level);
    const parent = this.#node(level + 1);
    if (parent.count < 2) return false;
    const at = Math.max(this.#index(level + 1) - 1, 0);
    const left = this.ownChild(parent, at);
    const right = this.ownChild(parent, at + 1);
    const key = copyKey(parent, at + 1);
    if (level > 0) {
      this.#fit(right, SLOT_SIZE + encodedSize(right, key.length, POINTER_SIZE));
      setKey(right, 0, key);
    }
    const together = usedBytes(left) + usedBytes(right) - NODE_BODY.size;
    const fits = together <= (this.forest.nodeSize - BODY_START) * MERGE_FILL_MAX;
    if (fits || left.count + right.count < GROW_COUNT) {
      this.#merge(left, right, together);
      removeEntry(parent, at + 1);
      this.nodes[level] = left;
      this.indexes[level + 1] = at;
      return true;
    }
    this.#even(left, right);
    const separator = this.#separatorBetween(left, right);
    if (level > 0) setKey(right, 0, null);
    removeEntry(parent, at + 1);
    this.placeChild(level + 1, at + 1, separator, right);
    return false;
  }

  /** Moves all of `right` to the end of `left`. */
  #merge(left: Node, right: Node, size: number): void {
    const length = this.forest.pageLengthFor(size);
    if (length !== left.page.length) this.forest.resize(left, length);
    appendEntries(right, 0, right.count, left);
    this.forest.discard(right);
  }

  /** Moves entries from the fuller of two neighbours to the other one until both are alike. */
  #even(left: Node, right: Node): void {
    const least = left.level > 0 ? 2 : 1;
    const fuller = usedBytes(left) > usedBytes(right) ? left : right;
    const other = fuller === left ? right : left;
    let gap = usedBytes(fuller) - usedBytes(other);
    let count = 0;
    while (fuller.count - count > least) {
      const index = fuller === left ? fuller.count - 1 - count : count;
      const size = 2 * (SLOT_SIZE + entrySize(fuller, index));
      if (size > gap && other.count + count >= least) break;
      gap -= size;
      count++;
    }
    this.#fit(other, usedBytes(fuller));
    if (fuller === left) {
      prependEntries(left, left.count - count, left.count, right);
      removeEntries(left, left.count - count, left.count);
    } else {
      appendEntries(right, 0, count, left);
      removeEntries(right, 0, count);
    }
    this.#shrink(left);
    this.#shrink(right);
  }

  /** The key that parts two neighbours whose keys are all there. */
  #separatorBetween(left: Node, right: Node): Uint8Array {
    const key = copyKey(right, 0);
    if (left.level > 0 || this.order.bytewise !== true || left.keySize > 0) return key;
    readEntry(left, left.count - 1);
    return shortest(left.page, entry.keyStart, entry.keyEnd, key);
  }

  /**
   * What stood at `key` is removed. If the separator in front of that place was made of it, it gets
   * the first key that is left behind it instead: nothing of a removed key stays in a branch.
   */
  renewSeparator(key: Uint8Array): void {
    if (this.holder.root === null) return;
    const found = this.descend(key);
    const leaf = this.#node(0);
    const top = (this.holder.root as Node).level;
    let level = 1;
    while (level <= top && this.#index(level) === 0) level++;
    if ((found >= 0 ? found : ~found) > 0 || level > top) return;
    const first = copyKey(leaf, 0);
    const separator = copyKey(this.#node(level), this.#index(level));
    if (isFrontOf(separator, first)) return;
    const isCut = this.order.bytewise === true && leaf.keySize === 0;
    const next = isCut ? shortest(separator, 0, separator.length, first) : first;
    this.#touchPath(level);
    const node = this.#node(level);
    const index = this.#index(level);
    const child = this.forest.child(node, index, this.spec);
    removeEntry(node, index);
    this.placeChild(level, index, next, child);
  }

  // Seams

  /**
   * Restores the balance along an edge that was cut: no node there is underfull afterwards that
   * a merge could fill. From the root down, because a node needs a sibling to get better.
   */
  mendEdge(edge: Edge): void {
    let done = Number.POSITIVE_INFINITY;
    for (;;) {
      this.collapse();
      const root = this.holder.root;
      if (root === null) return;
      this.descendEdge(edge, 0);
      const level = this.#worstBelow(Math.min(done, root.level));
      if (level < 0) return;
      done = this.mergeOrRotate(level) ? Number.POSITIVE_INFINITY : level;
    }
  }

  /** The highest underfull node of the path below `limit`, -1 when there is none. */
  #worstBelow(limit: number): number {
    for (let level = limit - 1; level >= 0; level--) {
      if (this.isUnderfull(this.#node(level))) return level;
    }
    return -1;
  }

  /**
   * Cuts the tree in front of `key`: the tree keeps what is below, the result is the root of
   * the rest, null when there is none. Neither edge is mended.
   */
  cut(key: Uint8Array): Node | null {
    if (this.holder.root === null) return null;
    const found = this.descend(key);
    this.#touchPath(0);
    const top = (this.holder.root as Node).level;
    const leaf = this.#node(0);
    const at = found >= 0 ? found : ~found;
    let rest = at < leaf.count ? this.#cutOff(leaf, at) : null;
    for (let level = 1; level <= top; level++) {
      rest = this.#cutBranch(this.#node(level), this.#index(level), rest);
      const below = this.#node(level - 1);
      if (below.count > 0) continue;
      removeEntry(this.#node(level), this.#index(level));
      this.forest.discard(below);
    }
    return rest;
  }

  /**
   * Takes the records in [from, to) out as a leaf of their own, if one leaf holds the whole
   * range; null when none are there, undefined when the range reaches further.
   */
  takeFromLeaf(from: Uint8Array, to: Uint8Array): Node | null | undefined {
    if (this.holder.root === null) return null;
    const found = this.descend(from);
    const top = (this.holder.root as Node).level;
    if (!this.#reaches(to, top)) return undefined;
    const leaf = this.#node(0);
    const first = found >= 0 ? found : ~found;
    const last = search(leaf, this.order, to, 0, to.length);
    const end = last >= 0 ? last : ~last;
    if (end <= first) return null;
    const taken = this.forest.create(this.spec, 0, leaf.page.length);
    this.forest.touchSlots(leaf);
    appendEntries(leaf, first, end, taken);
    removeEntries(leaf, first, end);
    this.#shrink(taken);
    this.settle(0);
    return taken;
  }

  /** True when `key` isn't above the leaf of the path. */
  #reaches(key: Uint8Array, top: number): boolean {
    for (let level = 1; level <= top; level++) {
      const node = this.#node(level);
      const next = this.#index(level) + 1;
      if (next === node.count) continue;
      readEntry(node, next);
      const { keyStart, keyEnd } = entry;
      return this.order.compare(key, 0, key.length, node.page, keyStart, keyEnd) <= 0;
    }
    return true;
  }

  /** Cuts a branch behind entry `index`; `rest` is what was cut off that entry's child. */
  #cutBranch(node: Node, index: number, rest: Node | null): Node | null {
    if (index + 1 === node.count && rest === null) return null;
    const right = this.forest.create(this.spec, node.level, node.page.length);
    if (rest !== null) {
      insertChild(right, 0, this.#lowestKey, 0, this.#lowestKey.length, rest);
    }
    appendEntries(node, index + 1, node.count, right);
    removeEntries(node, index + 1, node.count);
    if (rest === null) setKey(right, 0, null);
    this.#shrink(right);
    return right;
  }

  /** Puts `upper`, the root of a tree of higher keys from `key` on, behind this tree. */
  joinRight(key: Uint8Array, upper: Node): void {
    const root = this.ownRoot();
    const level = upper.level + 1;
    const alike = root.level === upper.level;
    if (alike) this.#raiseRoot(root);
    else this.descendEdge('right', level);
    this.placeChild(level, this.#node(level).count, key, upper);
    this.#mendChild(level);
    if (alike) this.#mendFirst();
  }

  /** Puts `lower`, the root of a lower tree of lower keys, in front; this one begins at `key`. */
  joinLeft(key: Uint8Array, lower: Node): void {
    const level = lower.level + 1;
    this.descendEdge('left', level);
    const node = this.#node(level);
    const first = node.children[0] ?? this.forest.child(node, 0, this.spec);
    setChild(node, 0, lower);
    this.placeChild(level, 1, key, first);
    this.indexes[level] = 0;
    this.#mendChild(level);
  }

  /** Settles the child that the path leads to below `level`. */
  #mendChild(level: number): void {
    const parent = this.#node(level);
    const child = this.forest.child(parent, this.#index(level), this.spec);
    if (!this.isUnderfull(child)) return;
    this.nodes[level - 1] = this.ownChild(parent, this.#index(level));
    this.settle(level - 1);
  }

  /** Settles the first child of the root: it was a root itself and may be small. */
  #mendFirst(): void {
    const root = this.holder.root;
    if (root === null || root.level === 0) return;
    this.nodes[root.level] = root;
    this.indexes[root.level] = 0;
    this.#mendChild(root.level);
  }
}

/** The entry at which the front half of a node's bytes ends. */
function middleOf(node: Node): number {
  const half = usedBytes(node) / 2;
  let at = 0;
  for (let bytes = 0; at < node.count && bytes < half; at++) {
    bytes += SLOT_SIZE + entrySize(node, at);
  }
  return at;
}

/**
 * Where to split at a run of inserts that is at `index`: the left half takes the next one of `size`
 * bytes too, or, if too little behind the run makes room for it, the right half does.
 */
function runEnd(node: Node, index: number, size: number): number {
  let behind = 0;
  for (let at = index; at < node.count && behind < size; at++) behind += entrySize(node, at);
  return behind >= size ? index : index - 1;
}

/** The shortest front of `key` that is still behind the key at `before[start, end)`. */
function shortest(before: Uint8Array, start: number, end: number, key: Uint8Array): Uint8Array {
  let shared = 0;
  while (shared < end - start && shared < key.length && before[start + shared] === key[shared]) {
    shared++;
  }
  assert(shared < key.length, 'a key is behind its predecessor');
  return key.slice(0, shared + 1);
}

/** True when `key` begins with all of `front`. */
function isFrontOf(front: Uint8Array, key: Uint8Array): boolean {
  return front.length <= key.length && front.every((byte, i) => byte === key[i]);
}
