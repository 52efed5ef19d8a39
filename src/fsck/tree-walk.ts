/**
 * Walking one tree from its root record down, and checking everything about it that does not
 * depend on what its records mean.
 *
 * - Each pointer is checked against the node that it names: so the totals of a whole tree are
 *   right when each pointer's are those of the one node below it.
 * - A node that is met again (shared between clones) is read and checked against the second
 *   pointer too, but what is below it is not walked again: its references count once.
 * - Every step down has a lower level, and nothing is entered twice: a walk ends, whatever the
 *   device holds. A subtree that can't be walked is reported once for each pointer to it.
 */

import type { Io } from '../blockdev/io.js';
import type { Comparator } from '../btree/comparator.js';
import type { Node } from '../btree/node.js';
import { orderFault } from '../btree/node-check.js';
import { copyKey, entry, firstKeyed, readEntry } from '../btree/node-view.js';
import {
  checkRootSpec,
  decodeRoot,
  ROOT_FORM,
  type RootParts,
  rootSpec,
} from '../btree/root-record.js';
import { searchOrder, type TreeSpec } from '../btree/tree-spec.js';
import { hasCode } from '../errors.js';
import { hasOwnChecksum } from '../format/block.js';
import type { Role } from '../format/role.js';
import { type CheckContext, OTHER_CHECKSUM } from './context.js';
import { hasCopy, knownBy, lostPlace } from './copies.js';
import { type FindingCode, type Place, placeIn } from './finding.js';
import type { BlockRange } from './read-ahead.js';
import {
  embeddedRoot,
  type Figures,
  figuresOf,
  findNode,
  readPointer,
  type StoredPointer,
} from './stored-node.js';

/** What somebody who knows the records of a tree makes of a walk. */
export interface TreeVisitor {
  readonly role: Role;
  /** What the tree must be; undefined where its root record may say anything. */
  readonly spec: TreeSpec | undefined;
  readonly place: Place;
  /** Told of the figures that the root states; not called where there is no telling. */
  counted?(figures: Figures): void;
  /**
   * A leaf, met for the first time, from entry `first` on; its page is the visitor's. Gives what is
   * still to be done, if it could not be done at once.
   */
  leaf(node: Node, first: number): Io<void> | undefined;
  /** A node that was met before: nothing below it is walked now. */
  again?(node: Node): Io<void>;
  /** A subtree that can't be walked. */
  lost?(): void;
}

/** A tree on its way down. */
interface OpenTree {
  readonly visitor: TreeVisitor;
  /** Undefined when keys can't be compared. */
  readonly order: Comparator | undefined;
  /** How entries are encoded; undefined when no root record says so. */
  readonly shape: { readonly keySize: number; readonly valueSize: number } | undefined;
}

/** What a parent says about a child beside the pointer. */
interface Bounds {
  /** First key that may be below, if any is excluded. */
  readonly low: Uint8Array | undefined;
  /** First key that may not. */
  readonly high: Uint8Array | undefined;
  /** Birth of what holds the pointer: nothing below is younger. */
  readonly birth: number;
}

/**
 * Walks the tree of a root record, which fills `bytes` and stands in something born in epoch
 * `birth`. Gives what could not be done at once: an object has several small trees, for which no
 * generator is made.
 */
export function walkRoot(
  context: CheckContext,
  visitor: TreeVisitor,
  bytes: Uint8Array,
  birth: number,
): Io<void> | undefined {
  const walk = new Walk(context, visitor);
  const parts = walk.decode(bytes);
  if (parts === undefined) return undefined;
  if (parts.form === ROOT_FORM.empty) {
    visitor.counted?.({ records: 0, bytes: 0, plain: true });
    return undefined;
  }
  const tree = walk.open(bytes, parts);
  if (tree === undefined || !context.enter(visitor.role)) return undefined;
  const more = walk.root(bytes, parts, tree, { low: undefined, high: undefined, birth });
  if (more !== undefined) return exitBehind(context, more);
  context.trail?.exit();
  return undefined;
}

/** Does what a walk has left to do. */
export function* walked(more: Io<void> | undefined): Io<void> {
  if (more !== undefined) yield* more;
}

/** `walk`, and the tree is left. */
function* exitBehind(context: CheckContext, walk: Io<void>): Io<void> {
  yield* walk;
  context.trail?.exit();
}

/** Walks what is below a POINTER that stands without a root record: a dropped tree. */
export function* walkDropped(
  context: CheckContext,
  visitor: TreeVisitor,
  bytes: Uint8Array,
  at: number,
  birth: number,
): Io<void> {
  const { spec } = visitor;
  const order = spec === undefined ? undefined : searchOrder(spec);
  const tree: OpenTree = { visitor, order, shape: spec };
  const pointer = readPointer(bytes, at, context.map.blockSize);
  const walk = new Walk(context, visitor);
  if (!context.enter(visitor.role)) return;
  yield* walk.pointer(pointer, tree, { low: undefined, high: undefined, birth });
  context.trail?.exit();
}

class Walk {
  readonly #context: CheckContext;
  readonly #visitor: TreeVisitor;

  constructor(context: CheckContext, visitor: TreeVisitor) {
    this.#context = context;
    this.#visitor = visitor;
  }

  /** The parts of a root record that is nothing but that. */
  decode(bytes: Uint8Array): RootParts | undefined {
    try {
      const parts = decodeRoot(bytes, 0, bytes.length);
      if (parts.end === bytes.length) return parts;
      this.#lose('root-damaged', `Root record has ${bytes.length} bytes, not ${parts.end}`);
    } catch (error) {
      if (!hasCode(error, 'E_CORRUPT')) throw error;
      this.#lose('root-damaged', error.message);
    }
    return undefined;
  }

  /** Finds out how the tree is ordered and encoded. */
  open(bytes: Uint8Array, parts: RootParts): OpenTree | undefined {
    const context = this.#context;
    const { role, spec } = this.#visitor;
    const visitor = this.#visitor;
    const { keySize, valueSize } = parts;
    try {
      if (spec !== undefined) checkRootSpec(bytes, parts, spec);
      const stated = spec ?? rootSpec(bytes, 0, bytes.length, role, 0, context.comparators);
      return { visitor, order: searchOrder(stated), shape: { keySize, valueSize } };
    } catch (error) {
      if (hasCode(error, 'E_COMPARATOR') && spec === undefined) {
        if (context.isNews(error.message)) this.#add('unknown-comparator', error.message);
        return { visitor, order: undefined, shape: { keySize, valueSize } };
      }
      if (!hasCode(error, 'E_CORRUPT') && !hasCode(error, 'E_COMPARATOR')) throw error;
      this.#lose('root-damaged', error.message);
      return undefined;
    }
  }

  /** Checks what the root record of a tree leads to; gives what could not be done at once. */
  root(bytes: Uint8Array, parts: RootParts, tree: OpenTree, bounds: Bounds): Io<void> | undefined {
    const { map } = this.#context;
    if (parts.pointer >= 0) {
      const pointer = readPointer(bytes, parts.pointer, map.blockSize);
      this.#visitor.counted?.(pointer);
      return this.pointer(pointer, tree, bounds);
    }
    const node = this.#embedded(bytes, parts, tree, bounds);
    if (node === undefined) return undefined;
    const figures = this.#visitor.counted && figuresOf(node, map.blockSize);
    if (figures !== undefined) this.#visitor.counted?.(figures);
    const more = this.#below(node, tree, bounds);
    if (more === undefined) this.#context.spareNodes.push(node);
    return more;
  }

  /** The embedded root node, when it can be walked. */
  #embedded(bytes: Uint8Array, parts: RootParts, tree: OpenTree, bounds: Bounds): Node | undefined {
    const { blockSize } = this.#context.map;
    const { role } = this.#visitor;
    const spare = this.#context.spareNodes.pop();
    const node = embeddedRoot(bytes, parts, role, bounds.birth, blockSize, spare);
    if ('code' in node) {
      this.#lose(node.code, `Embedded root: ${node.reason}`);
      return undefined;
    }
    if (!this.#hasShape(node, tree)) return undefined;
    this.#checkKeys(node, tree, bounds);
    return node;
  }

  /** Checks the node that a pointer names, and everything below it unless that was done. */
  *pointer(pointer: StoredPointer, tree: OpenTree, bounds: Bounds): Io<void> {
    const context = this.#context;
    if (!this.#checkPointer(pointer, bounds)) return;
    const { isReporting } = context;
    const found = yield* findNode(context.map, pointer, this.#visitor.role, isReporting);
    if ('code' in found) {
      this.#lose(found.code, `Cannot read node: ${found.reason}`, pointer);
      return;
    }
    const { node, bad } = found;
    if (bad !== undefined && isReporting)
      yield* context.badCopy(bad, node.page, 'node', this.#place);
    if (!this.#hasShape(node, tree)) return;
    this.#checkKeys(node, tree, bounds);
    this.#checkTotals(node, pointer);
    const { isResuming } = context;
    const run = { address: knownBy(context.map, pointer), birth: pointer.birth };
    if (isResuming || context.visited.isNew(run)) {
      if (!hasOwnChecksum(node.page, pointer.low, pointer.high)) {
        this.#add('block-copy', OTHER_CHECKSUM, pointer);
      }
      yield* context.turn(pointer);
      const more = this.#below(node, tree, bounds);
      if (more !== undefined) yield* more;
      if (!isResuming) context.visited.walked?.(run);
    } else if (this.#visitor.again !== undefined) yield* this.#visitor.again(node);
  }

  /** Walks what is below a node; gives what could not be done at once. */
  #below(node: Node, tree: OpenTree, bounds: Bounds): Io<void> | undefined {
    if (node.level > 0) return this.#children(node, tree, bounds);
    const context = this.#context;
    const more = this.#visitor.leaf(node, context.trail?.first(node, tree.order) ?? 0);
    return more ?? (context.isDataDue ? context.readData() : undefined);
  }

  *#children(node: Node, tree: OpenTree, bounds: Bounds): Io<void> {
    const { trail, map } = this.#context;
    const { blockSize } = map;
    let [here, ahead] = [0, 0];
    for (let i = 0; i < node.count; i++) {
      if (trail?.isBehind(node, i, tree.order) === true) continue;
      if (i >= here) {
        if (i >= ahead) ahead = yield* this.#beginAhead(node, i);
        here = ahead;
        if (here < node.count) ahead = yield* this.#beginAhead(node, here);
        else yield* map.ahead.end();
      }
      readEntry(node, i);
      const child = readPointer(node.page, entry.valueStart, blockSize);
      const low = i > 0 ? copyKey(node, i) : bounds.low;
      const high = i + 1 < node.count ? copyKey(node, i + 1) : bounds.high;
      yield* this.pointer(child, tree, { low, high, birth: node.birth });
    }
  }

  /**
   * Begins to read children from `first` on, once what was begun before has been read. Gives the
   * index of the first that is not among them.
   */
  *#beginAhead(node: Node, first: number): Io<number> {
    const { map, aheadBytes, isReporting } = this.#context;
    const runs: BlockRange[] = [];
    let bytes = 0;
    let next = first;
    for (; next < node.count && bytes < aheadBytes / 2; next++) {
      readEntry(node, next);
      const child = readPointer(node.page, entry.valueStart, map.blockSize);
      const { address, copy, blocks, fault } = child;
      if (fault !== undefined) continue;
      const isFirst = map.placeFault(address, blocks) === undefined;
      const isSecond = (isReporting || !isFirst) && hasCopy(map, child);
      for (const place of [...(isFirst ? [address] : []), ...(isSecond ? [copy] : [])]) {
        runs.push({ address: place, blocks });
        bytes += blocks * map.blockSize;
      }
    }
    yield* map.ahead.begin(runs);
    return next;
  }

  /** Checks a pointer before it is followed, and counts its reference. */
  #checkPointer(pointer: StoredPointer, bounds: Bounds): boolean {
    const { address, blocks, birth, fault } = pointer;
    if (fault !== undefined) {
      this.#lose('pointer-damaged', `Cannot follow pointer: ${fault}`);
      return false;
    }
    if (birth > bounds.birth) {
      this.#add('birth-order', `Node of epoch ${birth} is below one of ${bounds.birth}`, pointer);
    }
    const misplaced = this.#context.referKept(pointer, 'node', this.#place);
    if (misplaced === undefined) return true;
    this.#context.addMisplaced(misplaced, address, blocks, 'Node', this.#place);
    this.#lost();
    return false;
  }

  /** Checks that the entries are encoded as the root record says. */
  #hasShape(node: Node, { shape }: OpenTree): boolean {
    if (shape === undefined) return true;
    if (node.keySize === shape.keySize && node.valueSize === shape.valueSize) return true;
    this.#lose('node-malformed', 'Node encodes entries in another way than its tree', node);
    return false;
  }

  #checkKeys(node: Node, { order }: OpenTree, bounds: Bounds): void {
    if (node.level > 0 && node.count < 2) {
      this.#add('node-underfull', 'Branch has one child, and should have two', node);
    }
    if (order === undefined) return;
    try {
      const fault = orderFault(node, order);
      if (fault !== undefined) this.#add('key-order', `Node is out of order: ${fault}`, node);
      else this.#checkBounds(node, order, bounds);
    } catch (error) {
      // A comparator is the program's own, and may never have seen such keys.
      const reason = error instanceof Error ? error.message : String(error);
      this.#add('key-order', `Comparator ${order.name} cannot compare the keys: ${reason}`, node);
    }
  }

  #checkBounds(node: Node, order: Comparator, { low, high }: Bounds): void {
    const first = firstKeyed(node);
    if (first >= node.count) return;
    readEntry(node, first);
    const { page } = node;
    const { keyStart, keyEnd } = entry;
    if (low !== undefined && order.compare(page, keyStart, keyEnd, low, 0, low.length) < 0) {
      this.#add('key-bounds', 'First key is below the separator of its node', node);
    }
    readEntry(node, node.count - 1);
    if (high === undefined) return;
    if (order.compare(page, entry.keyStart, entry.keyEnd, high, 0, high.length) >= 0) {
      this.#add('key-bounds', 'Last key is not below the separator of the next node', node);
    }
  }

  #checkTotals(node: Node, pointer: StoredPointer): void {
    const figures = figuresOf(node, this.#context.map.blockSize);
    if (figures === undefined) return; // the record that can't be decoded is the visitor's
    const { records, bytes, plain } = figures;
    if (records === pointer.records && bytes === pointer.bytes && plain === pointer.plain) return;
    const says = `${pointer.records} records, ${pointer.bytes} bytes, plain ${pointer.plain}`;
    const is = `${records}, ${bytes}, ${plain}`;
    this.#add('pointer-totals', `Pointer says ${says}; below are ${is}`, pointer);
  }

  get #place(): Place {
    return placeIn(this.#visitor.role, this.#visitor.place);
  }

  #add(code: FindingCode, message: string, run?: NodeRun): void {
    const { map, findings } = this.#context;
    findings.add(code, message, { ...this.#place, ...runOf(run, map.blockSize) });
  }

  #lose(code: FindingCode, message: string, run?: NodeRun): void {
    this.#context.leaveTrail();
    this.#context.loss ??= { code, message };
    this.#add(code, message, run);
    this.#lost();
  }

  #lost(): void {
    this.#context.isIncomplete = true;
    this.#visitor.lost?.();
  }
}

/** A node with blocks of its own, or a pointer to one; an embedded node has address -1. */
type NodeRun = { readonly address: number } & (
  | { readonly blocks: number }
  | { readonly length: number }
);

function runOf(
  run: NodeRun | undefined,
  blockSize: number,
): { readonly offset?: number; readonly length?: number } {
  if (run === undefined || run.address < 0) return {};
  const blocks = 'blocks' in run ? run.blocks : run.length;
  return { offset: run.address * blockSize, length: blocks * blockSize };
}

/** The leaf at one edge below `node`; undefined when a node on the way can't be read. */
export function* edgeLeaf(
  context: CheckContext,
  node: Node,
  edge: 'first' | 'last',
): Io<Node | undefined> {
  let at = node;
  while (at.level > 0) {
    readEntry(at, edge === 'first' ? 0 : at.count - 1);
    const pointer = readPointer(at.page, entry.valueStart, context.map.blockSize);
    if (lostPlace(context.map, pointer) !== undefined) return undefined;
    const child = yield* findNode(context.map, pointer, at.role, false);
    if ('code' in child) return undefined;
    at = child.node;
  }
  return at;
}
