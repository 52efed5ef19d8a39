/**
 * Where a walk over all trees is, so that it can stop at an entry and another walk go on from
 * there, also when the trees have changed meanwhile.
 *
 * - A position names an entry of each tree on the way down: a collection, an object in it, an
 *   entry of one of its streams. All that comes before it has been walked, itself not.
 * - On the way back to a position the walk is *resuming*: it passes what was reported already.
 *   It ends at the position, at what follows it where that is gone, or where something on the way
 *   can't be read: all of what comes next is new.
 * - A walk stops at an entry only, and never before it has left a whole one behind.
 * - In a tree whose keys can't be compared nothing can be found again: it is walked whole.
 */

import type { Comparator } from '../btree/comparator.js';
import type { Node } from '../btree/node.js';
import { copyKey, entry, readEntry } from '../btree/node-view.js';
import { equalBytes } from '../format/bytes.js';
import { ROLE } from '../format/role.js';

/** An entry of a tree on the way down. */
export interface TrailStep {
  /** Role of the tree. */
  readonly role: number;
  readonly key: Uint8Array;
}

/** From the outermost tree down; empty at the beginning of everything. */
export type Position = readonly TrailStep[];

/** Thrown through a walk that stops: let it through. */
export class WalkPaused extends Error {
  readonly position: Position;

  constructor(position: Position) {
    super('The walk has stopped');
    this.position = position;
  }
}

/** Trees that stand beside each other, in the order in which they are walked. */
const ORDER: readonly number[] = [
  ROLE.collections,
  ROLE.drops,
  ROLE.reservations,
  ROLE.runs,
  ROLE.references,
  ROLE.groups,
  ROLE.attributes,
  ROLE.objects,
  ROLE.map,
  ROLE.blob,
];

/** A tree that is being walked. */
interface Level {
  readonly role: number;
  /** Where to go on in it, until that is found. */
  from: Uint8Array | undefined;
  /** Nothing can be found in it by its key. */
  opaque: boolean;
  node: Node | undefined;
  index: number;
}

export class Trail {
  readonly #target: Position;
  readonly #mayPause: () => boolean;
  readonly #levels: Level[] = [];
  #isResuming: boolean;
  #hasMoved = false;

  /** Goes on from `target`; stops at the first entry at which `mayPause` says so. */
  constructor(target: Position, mayPause: () => boolean) {
    this.#target = target;
    this.#mayPause = mayPause;
    this.#isResuming = target.length > 0;
  }

  /** On the way back to the position: what is met was walked already. */
  get isResuming(): boolean {
    return this.#isResuming;
  }

  /** The walk comes to a tree; false when all of it was walked before. */
  enter(role: number): boolean {
    let from: Uint8Array | undefined;
    const step = this.#isResuming ? this.#target[this.#levels.length] : undefined;
    if (step !== undefined) {
      if (ORDER.indexOf(role) < ORDER.indexOf(step.role)) return false;
      if (role === step.role) from = step.key;
      else this.leave();
    }
    this.#levels.push({ role, from, opaque: false, node: undefined, index: 0 });
    return true;
  }

  /** The walk has come to the end of the tree that it entered last. */
  exit(): void {
    this.#levels.pop();
  }

  /** The position can't be reached, or is: everything from here on is new. */
  leave(): void {
    this.#isResuming = false;
    for (const level of this.#levels) level.from = undefined;
  }

  /** Whether all below entry `index` of a branch was walked before. */
  isBehind(node: Node, index: number, order: Comparator | undefined): boolean {
    const from = this.#from(order);
    if (from === undefined || order === undefined || index + 1 >= node.count) return false;
    return this.#isBefore(node, index + 1, order, from) || this.#isAt(node, index + 1, from);
  }

  /** The first entry of a leaf that was not walked before; its count when there is none. */
  first(node: Node, order: Comparator | undefined): number {
    const from = this.#from(order);
    if (from === undefined || order === undefined) return 0;
    let first = 0;
    while (first < node.count && this.#isBefore(node, first, order, from)) first++;
    return first;
  }

  /** The walk comes to entry `index` of a leaf. @throws WalkPaused where it is to stop */
  at(node: Node, index: number): void {
    const level = this.#levels.at(-1);
    if (level === undefined) return;
    level.node = node;
    level.index = index;
    if (this.#isResuming && !this.#isOnTheWay(level)) this.leave();
    if (this.#isResuming) return;
    if (this.#hasMoved && this.#mayPause() && !this.#levels.some(({ opaque }) => opaque)) {
      throw new WalkPaused(this.#position());
    }
    this.#hasMoved = true;
  }

  /** True when the level's entry is one that the position lies below. */
  #isOnTheWay(level: Level): boolean {
    const depth = this.#levels.length;
    const { from, node, index } = level;
    level.from = undefined;
    if (from === undefined || node === undefined || depth >= this.#target.length) return false;
    return this.#isAt(node, index, from);
  }

  #isAt(node: Node, index: number, key: Uint8Array): boolean {
    return equalBytes(copyKey(node, index), key);
  }

  #from(order: Comparator | undefined): Uint8Array | undefined {
    const level = this.#levels.at(-1);
    if (level === undefined) return undefined;
    if (order === undefined) this.#giveUp(level);
    return level.from;
  }

  /** The tree is walked whole. */
  #giveUp(level: Level): void {
    level.opaque = true;
    if (level.from !== undefined) this.leave();
  }

  /** True when key `index` of a node is below `from`. */
  #isBefore(node: Node, index: number, order: Comparator, from: Uint8Array): boolean {
    readEntry(node, index);
    const { keyStart, keyEnd } = entry;
    try {
      return order.compare(node.page, keyStart, keyEnd, from, 0, from.length) < 0;
    } catch {
      // A comparator is the program's own, and may never have seen such keys.
      const level = this.#levels.at(-1);
      if (level !== undefined) this.#giveUp(level);
      return false;
    }
  }

  #position(): Position {
    return this.#levels.flatMap(({ role, node, index }) =>
      node === undefined ? [] : [{ role, key: copyKey(node, index) }],
    );
  }
}
