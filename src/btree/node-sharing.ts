/**
 * Who refers to a node: one reference more, one less, and what happens with the last one.
 *
 * - Before a node has an address, `refs` counts; afterwards the injected ReferenceCounts do.
 *   Nodes of NEVER_SHARED roles have exactly one reference and are freed without asking.
 * - A second copy shares the fate of its node: it has no count of its own, and goes with the last
 *   reference. It is given back by way of the counts, which know if something else has the blocks.
 * - Changes of `refs` and of a node's state are in the savepoint; those of the injected counts
 *   and of free space are undone by whoever owns them.
 */

import { assert } from '../assert.js';
import {
  isPlain,
  isProvisional,
  pointerAddress,
  pointerCopy,
  pointerLength,
  pointerLevel,
} from '../format/pointer.js';
import { NEVER_SHARED, type Readers, type ReferenceCounts } from './forest-options.js';
import { NODE_STATE, type Node, type NodePlace } from './node.js';
import type { NodeTable } from './node-table.js';
import type { UndoLog } from './undo-log.js';

/** What may be exchanged while the forest lives. */
export interface SharingContext {
  readonly counts: ReferenceCounts;
  readonly readers: Readers;
  readonly generation: number;
}

export class NodeSharing {
  readonly #context: SharingContext;
  readonly #table: NodeTable;
  readonly #undo: UndoLog;
  readonly #onFree: (address: number, length: number, role: number) => void;

  constructor(
    context: SharingContext,
    table: NodeTable,
    undo: UndoLog,
    onFree: (address: number, length: number, role: number) => void,
  ) {
    this.#context = context;
    this.#table = table;
    this.#undo = undo;
    this.#onFree = onFree;
  }

  /** True when something else refers to the node too. */
  isShared(node: Node): boolean {
    if (NEVER_SHARED.has(node.role)) return false;
    return node.address >= 0 ? this.#context.counts.isShared(node.address) : node.refs > 1;
  }

  /** One reference less to a shared node. */
  unshare(node: Node): void {
    if (node.address >= 0) {
      this.#context.counts.release(node.address, node.length);
      return;
    }
    this.#undo.refs(node);
    node.refs--;
  }

  /** One reference more to the node that the POINTER at `bytes[at]` names. */
  retainPointer(bytes: Uint8Array, at: number, role: number): void {
    assert(!NEVER_SHARED.has(role), 'a node of this role is never shared');
    const { counts } = this.#context;
    if (!isProvisional(bytes, at)) {
      counts.retain(pointerAddress(bytes, at), pointerLength(bytes, at));
      return;
    }
    const node = this.#table.numbered(bytes, at);
    if (node.address >= 0) counts.retain(node.address, node.length);
    else {
      this.#undo.refs(node);
      node.refs++;
    }
  }

  /** The last reference is gone, and what the node referred to has another owner. */
  discard(node: Node): void {
    if (node.address >= 0) {
      this.free(node);
      return;
    }
    const before = node.state;
    const { generation, readers } = this.#context;
    this.#table.discard(node, node.birth < generation && readers.sees(node.birth));
    this.#undo.discarded(node, before);
  }

  /** Frees the blocks of a node with an address whose last reference is gone. */
  free(node: Node): void {
    if (node.state === NODE_STATE.packing) {
      this.#undo.released(node);
      node.released = true;
    }
    const last = this.#release(node.role, node.address, node.copy, node.length);
    assert(last, 'the last reference to a node frees it');
  }

  /** One reference less to a sealed node; true when it was the last one, and its copy is gone too. */
  #release(role: number, address: number, copy: number, length: number): boolean {
    if (NEVER_SHARED.has(role)) {
      this.#onFree(address, length, role);
      if (copy !== 0) this.#onFree(copy, length, role);
      return true;
    }
    const { counts } = this.#context;
    const isLast = counts.release(address, length);
    if (isLast && copy !== 0) counts.release(copy, length);
    return isLast;
  }

  /** Drops a leaf that refers to nothing without reading it; false when it isn't one. */
  dropPlainLeaf(bytes: Uint8Array, at: number, role: number): boolean {
    if (isProvisional(bytes, at) || !isPlain(bytes, at) || pointerLevel(bytes, at) > 0) {
      return false;
    }
    const address = pointerAddress(bytes, at);
    this.#release(role, address, pointerCopy(bytes, at), pointerLength(bytes, at));
    return true;
  }

  /** Gives a node its places, and its extra references to the counts. */
  place(node: Node, { address, copy }: NodePlace): void {
    assert(node.address < 0, 'a place is assigned once');
    this.#undo.placed(node);
    node.address = address;
    node.copy = copy;
    for (let i = 1; i < node.refs; i++) this.#context.counts.retain(address, node.length);
    node.refs = 1;
  }
}
