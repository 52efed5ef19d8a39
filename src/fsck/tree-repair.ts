/**
 * Mending one tree: what can be verified stays, what can't is walked round.
 *
 * - A subtree in which all is as it should be is *kept*, node by node as it is. Everything else
 *   becomes a tree of its own, put together from kept subtrees and mended records in key order;
 *   so the cost goes with the damage, not with the tree.
 * - A node that can't be read costs its key range. A node that is sound but stands in the wrong
 *   place, or is named by a pointer that counts wrongly, costs nothing: its records are put where
 *   they belong. Of two records with one key the first one stays.
 * - What records mean, and whether they are whole, is the mender's to know.
 * - Where keys can't be compared, records keep the order in which they stand.
 */

import { AssertionError } from '../assert.js';
import type { Io } from '../blockdev/io.js';
import { type Comparator, ComparatorRegistry } from '../btree/comparator.js';
import type { Node } from '../btree/node.js';
import { orderFault } from '../btree/node-check.js';
import { copyKey, entry, pointerAt, readEntry } from '../btree/node-view.js';
import {
  checkRootSpec,
  decodeRoot,
  ROOT_FORM,
  type RootParts,
  rootSpec,
} from '../btree/root-record.js';
import { Tree } from '../btree/tree.js';
import { searchOrder, type TreeSpec } from '../btree/tree-spec.js';
import { hasCode, StoreError } from '../errors.js';
import { hasOwnChecksum } from '../format/block.js';
import { copyFault, knownBy, lostPlace } from './copies.js';
import type { RepairContext } from './repair-context.js';
import {
  embeddedRoot,
  type Figures,
  type FoundNode,
  figuresOf,
  findNode,
  readPointer,
  type StoredPointer,
} from './stored-node.js';

export interface StoredRecord {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** What becomes of a record: it stays, is lost, or another one takes its place. */
export type Mended = 'keep' | 'drop' | StoredRecord;

/** What becomes of a tree or a part of it: it stays, or another one takes its place. */
export type Outcome = 'keep' | Tree;

/** Somebody who knows the records of a tree. */
export interface Mender {
  /** What the tree is; where `isGiven` is false its root record may say something else. */
  readonly spec: TreeSpec;
  readonly isGiven: boolean;
  /** Records at the wrong place of the tree are put at the right one; else they are lost. */
  readonly movesStrays: boolean;
  /** A record of a leaf of generation `birth`, in key order. Its bytes stay as they are. */
  mend(record: StoredRecord, birth: number): Io<Mended> | Mended;
  /** A subtree that was kept before; false: it can't be kept here. */
  again?(node: Node): Io<boolean> | boolean;
  /** What is missing between records that are kept: filled in this tree when the walk has ended. */
  readonly gaps?: readonly unknown[];
  /** A subtree can't be read, or there was more below it once. */
  lost?(): void;
}

/** Takes every order for right, so that pieces can be put one behind the other. */
class AnyOrder extends ComparatorRegistry {
  override get(name: string, version: number): Comparator {
    return { name, version, compare: () => -1 };
  }
}

interface Bounds {
  readonly low: Uint8Array | undefined;
  readonly high: Uint8Array | undefined;
  /** Birth of what holds the pointer. */
  readonly birth: number;
}

/** Mends the tree of a root record that stands in something of generation `birth`. */
export function* mendTree(
  repair: RepairContext,
  mender: Mender,
  bytes: Uint8Array,
  birth: number,
): Io<Outcome> {
  const { forest } = repair;
  const parts = partsOf(bytes);
  const opened = parts === undefined ? undefined : openSpec(repair, mender, bytes, parts);
  if (parts === undefined || opened === undefined) {
    mender.lost?.();
    return new Tree(forest, mender.spec);
  }
  if (parts.form === ROOT_FORM.empty) return 'keep';
  const walk = new Mending(repair, mender, opened.spec, opened.isOrdered);
  try {
    const outcome = yield* walk.root(bytes, parts, birth);
    return yield* walk.placeStrays(bytes, outcome);
  } catch (error) {
    // A comparator is the program's own, and may never have seen such keys: then all stays.
    if (mender.isGiven || error instanceof StoreError || error instanceof AssertionError)
      throw error;
    return 'keep';
  }
}

function partsOf(bytes: Uint8Array): RootParts | undefined {
  try {
    const parts = decodeRoot(bytes, 0, bytes.length);
    return parts.end === bytes.length ? parts : undefined;
  } catch (error) {
    if (hasCode(error, 'E_CORRUPT')) return undefined;
    throw error;
  }
}

/** How the tree is ordered and encoded; undefined when its root record makes no sense. */
function openSpec(
  repair: RepairContext,
  { spec, isGiven }: Mender,
  bytes: Uint8Array,
  parts: RootParts,
): { readonly spec: TreeSpec; readonly isOrdered: boolean } | undefined {
  const { role, owner } = spec;
  const read = (comparators: ComparatorRegistry): TreeSpec =>
    rootSpec(bytes, 0, bytes.length, role, owner, comparators);
  try {
    if (isGiven) checkRootSpec(bytes, parts, spec);
    return { spec: isGiven ? spec : read(repair.comparators), isOrdered: true };
  } catch (error) {
    if (hasCode(error, 'E_COMPARATOR') && !isGiven) {
      return { spec: read(new AnyOrder()), isOrdered: false };
    }
    if (hasCode(error, 'E_CORRUPT') || hasCode(error, 'E_COMPARATOR')) return undefined;
    throw error;
  }
}

/** Adds a record unless there is one with its key. */
export function putNew(repair: RepairContext, tree: Tree, { key, value }: StoredRecord): void {
  repair.edit(() => {
    if (!tree.has(key)) tree.put(key, value);
  });
}

class Mending {
  /** Sound records that stand where no search finds them. */
  readonly #strays: StoredRecord[] = [];
  readonly #repair: RepairContext;
  readonly #mender: Mender;
  readonly #spec: TreeSpec;
  readonly #isOrdered: boolean;
  readonly #order: Comparator;

  constructor(repair: RepairContext, mender: Mender, spec: TreeSpec, isOrdered: boolean) {
    this.#repair = repair;
    this.#mender = mender;
    this.#spec = spec;
    this.#isOrdered = isOrdered;
    this.#order = searchOrder(spec);
  }

  *root(bytes: Uint8Array, parts: RootParts, birth: number): Io<Outcome> {
    const { blockSize } = this.#repair.map;
    const bounds = { low: undefined, high: undefined, birth };
    if (parts.pointer >= 0) {
      return (yield* this.#pointer(bytes, parts.pointer, bounds)) ?? this.#empty();
    }
    const node = embeddedRoot(bytes, parts, this.#spec.role, birth, blockSize);
    if (!('code' in node) && this.#hasShape(node)) return yield* this.#content(node, bounds);
    this.#mender.lost?.();
    return this.#empty();
  }

  /** Puts the strays into what became of the tree of root record `bytes`. */
  *placeStrays(bytes: Uint8Array, outcome: Outcome): Io<Outcome> {
    if (this.#strays.length === 0) return outcome;
    const { forest } = this.#repair;
    const record = { bytes, at: 0, end: bytes.length };
    const tree =
      outcome === 'keep' ? this.#repair.edit(() => new Tree(forest, this.#spec, record)) : outcome;
    for (const stray of this.#strays) {
      const mended = yield* whole(this.#mender.mend(stray, 0));
      if (mended !== 'drop') putNew(this.#repair, tree, mended === 'keep' ? stray : mended);
    }
    return tree;
  }

  /** The subtree of the POINTER at `bytes[at]`; undefined when it is lost. */
  *#pointer(bytes: Uint8Array, at: number, bounds: Bounds): Io<Outcome | undefined> {
    const { map, sound, superblock } = this.#repair;
    const pointer = readPointer(bytes, at, map.blockSize);
    const found = yield* this.#load(pointer);
    if (found === undefined) {
      this.#mender.lost?.();
      return undefined;
    }
    const { node } = found;
    const { birth } = pointer;
    const address = knownBy(map, pointer);
    const gaps = this.#mender.gaps?.length;
    const isKnown = sound.has(address) && this.#isInBounds(node, bounds);
    const isKept = isKnown && (yield* whole(this.#mender.again?.(node) ?? true));
    const outcome = isKept ? 'keep' : yield* this.#content(node, bounds);
    const figures = figuresOf(node, map.blockSize);
    if (figures !== undefined && figures.records < pointer.records) this.#mender.lost?.();
    if (outcome !== 'keep') return outcome;
    if (this.#mender.gaps?.length === gaps) sound.add(address);
    const isDouble = found.bad === undefined && copyFault(map, pointer) === undefined;
    const isWhole = isDouble && hasOwnChecksum(node.page, pointer.low, pointer.high);
    const isRight = isWhole && birth <= superblock.epoch && isSame(pointer, figures);
    if (!isRight) return this.#copyOf(bytes, at);
    return birth > bounds.birth ? this.#treeOf(bytes, at) : 'keep';
  }

  *#load(pointer: StoredPointer): Io<FoundNode | undefined> {
    const { map } = this.#repair;
    const { fault } = pointer;
    if (fault !== undefined || lostPlace(map, pointer) !== undefined) return undefined;
    const found = yield* findNode(map, pointer, this.#spec.role, true);
    return 'code' in found || !this.#hasShape(found.node) ? undefined : found;
  }

  #hasShape({ keySize, valueSize }: Node): boolean {
    return keySize === this.#spec.keySize && valueSize === this.#spec.valueSize;
  }

  *#content(node: Node, bounds: Bounds): Io<Outcome> {
    return node.level === 0 ? yield* this.#leaf(node, bounds) : yield* this.#branch(node, bounds);
  }

  *#leaf(node: Node, bounds: Bounds): Io<Outcome> {
    const records = recordsOf(node);
    let mended = this.#isSorted(node) ? undefined : this.#empty();
    if (mended !== undefined) {
      records.sort((a, b) => this.#compare(a.key, b.key));
    }
    for (const [i, record] of records.entries()) {
      const isStray = !this.#isBetween(record.key, bounds);
      if (isStray && this.#mender.movesStrays) this.#strays.push(record);
      const outcome = isStray ? 'drop' : yield* whole(this.#mender.mend(record, node.birth));
      if (outcome !== 'keep' && mended === undefined) {
        mended = this.#empty();
        for (const one of records.slice(0, i)) putNew(this.#repair, mended, one);
      }
      if (mended === undefined || outcome === 'drop') continue;
      putNew(this.#repair, mended, outcome === 'keep' ? record : outcome);
    }
    return mended ?? 'keep';
  }

  *#branch(node: Node, bounds: Bounds): Io<Outcome> {
    const isSorted = this.#isSorted(node) && this.#isInBounds(node, bounds);
    let mended = isSorted && node.count > 1 ? undefined : this.#empty();
    for (let i = 0; i < node.count; i++) {
      const low = isSorted && i > 0 ? copyKey(node, i) : bounds.low;
      const high = isSorted && i + 1 < node.count ? copyKey(node, i + 1) : bounds.high;
      const at = pointerAt(node, i);
      const outcome = yield* this.#pointer(node.page, at, { low, high, birth: node.birth });
      if (outcome !== 'keep' && mended === undefined) mended = this.#joinFirst(node, i);
      if (mended !== undefined && outcome !== undefined) {
        this.#append(mended, outcome === 'keep' ? this.#treeOf(node.page, at) : outcome);
      }
      yield* this.#repair.settle();
    }
    return mended ?? 'keep';
  }

  /** A tree of the first `count` children of a branch. */
  #joinFirst(node: Node, count: number): Tree {
    const joined = this.#empty();
    for (let i = 0; i < count; i++) {
      this.#append(joined, this.#treeOf(node.page, pointerAt(node, i)));
    }
    return joined;
  }

  /** Adds all of `piece` to `tree`: behind it, if its keys are above all others. */
  #append(tree: Tree, piece: Tree): void {
    this.#repair.edit(() => {
      const first = piece.firstKey();
      if (first === undefined) return;
      const last = tree.lastKey();
      if (last === undefined || this.#compare(last, first) < 0) tree.join(piece);
      else {
        const cursor = piece.cursor();
        const records: StoredRecord[] = [];
        for (cursor.seekFirst(); cursor.valid; cursor.next()) {
          records.push({ key: cursor.key(), value: cursor.value() });
        }
        for (const record of records) putNew(this.#repair, tree, record);
      }
    });
  }

  #empty(): Tree {
    return new Tree(this.#repair.forest, this.#spec);
  }

  /** The tree below a pointer, as it is. */
  #treeOf(bytes: Uint8Array, at: number): Tree {
    const tree = this.#empty();
    tree.root = this.#repair.forest.nodeOf(bytes, at, this.#spec.role);
    return tree;
  }

  /** The same tree with a root of its own, which counts anew what is below it. */
  #copyOf(bytes: Uint8Array, at: number): Tree {
    const tree = this.#treeOf(bytes, at);
    this.#repair.edit(() => {
      const first = tree.firstKey();
      if (first !== undefined) tree.own(first);
    });
    return tree;
  }

  #compare(a: Uint8Array, b: Uint8Array): number {
    return this.#order.compare(a, 0, a.length, b, 0, b.length);
  }

  #isSorted(node: Node): boolean {
    return !this.#isOrdered || orderFault(node, this.#order) === undefined;
  }

  #isBetween(key: Uint8Array, { low, high }: Bounds): boolean {
    if (!this.#isOrdered) return true;
    if (low !== undefined && this.#compare(key, low) < 0) return false;
    return high === undefined || this.#compare(key, high) < 0;
  }

  #isInBounds(node: Node, bounds: Bounds): boolean {
    const first = node.level > 0 ? 1 : 0;
    if (first >= node.count) return true;
    const isFirst = this.#isBetween(copyKey(node, first), bounds);
    return isFirst && this.#isBetween(copyKey(node, node.count - 1), bounds);
  }
}

/** Copies of the records of a leaf. */
export function recordsOf(node: Node): StoredRecord[] {
  return Array.from({ length: node.count }, (_, i) => {
    readEntry(node, i);
    const { keyStart, keyEnd, valueStart, valueEnd } = entry;
    const { page } = node;
    return { key: page.slice(keyStart, keyEnd), value: page.slice(valueStart, valueEnd) };
  });
}

/** The answer of a mender that may have had to read for it. */
export function* whole<T extends Mended | boolean>(answer: Io<T> | T): Io<T> {
  return isReading(answer) ? yield* answer : answer;
}

function isReading<T extends Mended | boolean>(answer: Io<T> | T): answer is Io<T> {
  return typeof answer === 'object' && 'next' in answer;
}

function isSame(pointer: Figures, figures: Figures | undefined): boolean {
  return (
    figures !== undefined &&
    figures.records === pointer.records &&
    figures.bytes === pointer.bytes &&
    figures.plain === pointer.plain
  );
}
