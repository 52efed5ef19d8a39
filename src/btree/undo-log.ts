/**
 * The savepoint: what must be undone when a transaction is rolled back.
 *
 * - One savepoint at a time. A node's pre-image is taken once, before its first change; nodes
 *   made inside the savepoint have none.
 * - Where entries only come and go, and what is in the heap stays where it is, the image is of the
 *   slots: most edits are like that, and a page is a hundred times as long. The first change of
 *   another kind makes it an image of the page.
 * - Actions are undone in reverse, so each finds things as it left them.
 * - Nothing is allocated per edit but entries of plain arrays; images and pages are reused.
 */

import { assert } from '../assert.js';
import { copyBytes, EMPTY } from '../format/bytes.js';
import type { Deltas } from './delta-leaf.js';
import { clearPage, type Node, type NodeState, setPage } from './node.js';
import { NODE_BODY, SLOT_SIZE } from './node-format.js';
import { givePage, takePage } from './page-pool.js';

/** Whoever holds the root of a tree. */
export interface RootHolder {
  root: Node | null;
}

/** What the owner of the log does for it, node by node. */
export interface UndoTarget {
  /** The node was made inside the savepoint: it goes. */
  undoCreate(node: Node): void;
  /** The node was discarded inside the savepoint: it comes back in `state`. */
  undoDiscard(node: Node, state: NodeState): void;
  /** The savepoint holds: what was discarded is gone for good. */
  bury(node: Node): void;
}

/** Room for slots that an image has at least. */
const SLOTS_BYTES_MIN = 128;

/** The changeable part of a dirty node before a savepoint changed it. */
class NodeImage {
  /** Its page; empty in an image of slots. */
  page: Uint8Array = EMPTY;
  #slots = EMPTY;
  #slotBytes = 0;
  length = 0;
  count = 0;
  heapStart = 0;
  garbage = 0;
  run = 0;
  unresolved = false;
  children: (Node | undefined)[] = [];
  /** Those of a delta leaf, of which nothing else is taken. */
  #deltas: Deltas | null = null;

  /** Takes what a delta leaf has; it goes on with a copy. */
  takeDeltas(node: Node): void {
    this.#deltas = node.deltas;
    this.length = node.length;
    this.unresolved = node.unresolved;
    if (node.deltas !== null) node.deltas = node.deltas.copy();
  }

  /** Takes all but the page. */
  takeSlots(node: Node): void {
    const start = node.bodyStart + NODE_BODY.size;
    this.#slotBytes = SLOT_SIZE * node.count;
    if (this.#slots.length < this.#slotBytes) {
      this.#slots = new Uint8Array(Math.max(SLOTS_BYTES_MIN, 2 * this.#slotBytes));
    }
    copyBytes(node.page, start, start + this.#slotBytes, this.#slots, 0);
    this.length = node.length;
    this.count = node.count;
    this.heapStart = node.heapStart;
    this.garbage = node.garbage;
    this.run = node.run;
    this.unresolved = node.unresolved;
    this.children = node.level > 0 ? node.children.slice() : this.children;
  }

  /** Takes the page as it was: since the slots were taken, what they name has stayed in place. */
  takePage(node: Node): void {
    if (this.page.length > 0 || this.#deltas !== null) return;
    this.page = takePage(node.page.length);
    this.page.set(node.page);
    this.#putSlots(this.page, node.bodyStart);
  }

  #putSlots(page: Uint8Array, bodyStart: number): void {
    copyBytes(this.#slots, 0, this.#slotBytes, page, bodyStart + NODE_BODY.size);
  }

  restore(node: Node): void {
    if (this.#deltas !== null) this.#restoreDeltas(node, this.#deltas);
    else this.#restorePage(node);
    this.forget();
  }

  /** A delta leaf again, whatever became of it. */
  #restoreDeltas(node: Node, deltas: Deltas): void {
    if (node.resident) {
      givePage(node.page);
      clearPage(node);
    }
    node.deltas = deltas;
    node.length = this.length;
    node.unresolved = this.unresolved;
  }

  #restorePage(node: Node): void {
    if (this.page.length === 0) {
      this.#putSlots(node.page, node.bodyStart);
      node.order = null;
    } else {
      givePage(node.page);
      setPage(node, this.page);
      node.bodyLength = this.page.length - node.bodyStart;
    }
    node.length = this.length;
    node.count = this.count;
    node.heapStart = this.heapStart;
    node.garbage = this.garbage;
    node.run = this.run;
    node.unresolved = this.unresolved;
    if (node.level > 0) node.children = this.children;
  }

  forget(): void {
    this.page = EMPTY;
    this.#deltas = null;
    if (this.children.length > 0) this.children = [];
  }
}

const ACTION = { create: 0, touch: 1, refs: 2, discard: 3, root: 4, release: 5, place: 6 } as const;

export class UndoLog {
  /** Number of the open savepoint, 0 when none is. */
  current = 0;
  #last = 0;
  readonly #target: UndoTarget;
  readonly #actions: number[] = [];
  readonly #nodes: (Node | null)[] = [];
  readonly #values: number[] = [];
  readonly #images: NodeImage[] = [];
  readonly #holders: RootHolder[] = [];
  readonly #spare: NodeImage[] = [];

  constructor(target: UndoTarget) {
    this.#target = target;
  }

  begin(): void {
    assert(this.current === 0, 'savepoints are not nested');
    this.current = ++this.#last;
  }

  /** Takes the pre-image of `node` if the savepoint hasn't one yet. */
  touch(node: Node): void {
    this.touchSlots(node);
    if (this.current !== 0 && node.image >= 0) this.#images[node.image]?.takePage(node);
  }

  /** The same for a leaf in whose heap nothing is going to be moved or overwritten. */
  touchSlots(node: Node): void {
    this.#begin(node)?.takeSlots(node);
  }

  /** Takes the pre-image of a delta leaf that is going to be changed, or to get its page. */
  touchDeltas(node: Node): void {
    this.#begin(node)?.takeDeltas(node);
  }

  /** The image of `node` to be taken now; undefined where the savepoint has one. */
  #begin(node: Node): NodeImage | undefined {
    if (this.current === 0 || node.savepoint === this.current) return undefined;
    node.savepoint = this.current;
    node.image = this.#images.length;
    const image = this.#spare.pop() ?? new NodeImage();
    this.#images.push(image);
    this.#push(ACTION.touch, node, 0);
    return image;
  }

  created(node: Node): void {
    if (this.current === 0) return;
    node.savepoint = this.current;
    node.image = -1;
    this.#push(ACTION.create, node, 0);
  }

  /** Call before `node.refs` changes. */
  refs(node: Node): void {
    if (this.current !== 0) this.#push(ACTION.refs, node, node.refs);
  }

  /** `node` was in `state`; without a savepoint it is buried at once. */
  discarded(node: Node, state: NodeState): void {
    if (this.current !== 0) this.#push(ACTION.discard, node, state);
    else this.#target.bury(node);
  }

  /** Call before `node.released` is set. */
  released(node: Node): void {
    if (this.current !== 0) this.#push(ACTION.release, node, 0);
  }

  /** Call before `node` gets an address. */
  placed(node: Node): void {
    if (this.current === 0) return;
    this.#push(ACTION.refs, node, node.refs);
    this.#push(ACTION.place, node, 0);
  }

  /** Call before `holder.root` changes. */
  root(holder: RootHolder): void {
    if (this.current === 0) return;
    this.#holders.push(holder);
    this.#push(ACTION.root, holder.root, 0);
  }

  #push(action: number, node: Node | null, value: number): void {
    this.#actions.push(action);
    this.#nodes.push(node);
    this.#values.push(value);
  }

  /** Undoes everything since `begin`. */
  rollback(): void {
    assert(this.current !== 0, 'a rollback ends a savepoint');
    for (let i = this.#actions.length - 1; i >= 0; i--) {
      this.#undo(this.#actions[i] as number, this.#nodes[i] ?? null, this.#values[i] as number);
    }
    this.#end();
  }

  #undo(action: number, node: Node | null, value: number): void {
    if (action === ACTION.root) {
      (this.#holders.pop() as RootHolder).root = node;
      return;
    }
    assert(node !== null, 'only a root may be null');
    if (action === ACTION.touch) {
      const image = this.#images.pop() as NodeImage;
      image.restore(node);
      this.#spare.push(image);
    } else if (action === ACTION.create) this.#target.undoCreate(node);
    else if (action === ACTION.refs) node.refs = value;
    else if (action === ACTION.release) node.released = false;
    else if (action === ACTION.place) {
      node.address = -1;
      node.copy = 0;
    } else this.#target.undoDiscard(node, value as NodeState);
  }

  /** Keeps everything since `begin`. */
  release(): void {
    assert(this.current !== 0, 'a release ends a savepoint');
    for (let i = 0; i < this.#actions.length; i++) {
      if (this.#actions[i] === ACTION.discard) this.#target.bury(this.#nodes[i] as Node);
    }
    for (const image of this.#images) {
      if (image.page.length > 0) givePage(image.page);
      image.forget();
      this.#spare.push(image);
    }
    this.#end();
  }

  #end(): void {
    this.current = 0;
    clear(this.#actions);
    clear(this.#nodes);
    clear(this.#values);
    clear(this.#images);
    clear(this.#holders);
    if (this.#spare.length > SPARE_IMAGES_MAX) this.#spare.length = SPARE_IMAGES_MAX;
  }
}

/** Empties a list that is about to be filled again: setting its length would give up its memory. */
function clear(list: unknown[]): void {
  while (list.length > 0) list.pop();
}

/** More images than this are not kept for later. */
const SPARE_IMAGES_MAX = 256;
