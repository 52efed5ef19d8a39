/**
 * The nodes that are not on the device yet: by provisional number, and which of them are dirty.
 *
 * - A number is answered for until it is retired: pages of later generations may still hold it.
 * - `dirty` holds what the next checkpoint has to write, in the order in which it was made.
 * - Replaced nodes that a reader may still see stay in memory until `forgetUnseen`.
 */

import { assert } from '../assert.js';
import { CorruptError } from '../errors.js';
import { pointerAddress, pointerLevel } from '../format/pointer.js';
import { NODE_STATE, type Node, type NodeState } from './node.js';
import { dropPage } from './node-cache.js';
import { packingOrder } from './packing.js';
import type { RecordSchemas } from './record-schema.js';
import type { UndoTarget } from './undo-log.js';

export class NodeTable implements UndoTarget {
  /** Bytes of memory that dirty nodes take which no checkpoint has taken yet. */
  dirtyBytes = 0;
  /** Blocks that they will take on the device. */
  dirtyBlocks = 0;
  /** Bytes of memory of nodes that a checkpoint has taken and that are not clean yet. */
  packingBytes = 0;
  /** Bytes of replaced nodes that only readers hold. */
  readerBytes = 0;
  readonly #byNumber = new Map<number, Node>();
  readonly #dirty = new Set<Node>();
  readonly #readerOnly = new Set<Node>();
  #nextNumber = 1;

  /** Gives a new dirty node its number. */
  enter(node: Node): void {
    node.number = this.#nextNumber++;
    this.#byNumber.set(node.number, node);
    this.#dirty.add(node);
    this.dirtyBytes += memoryOf(node);
    this.dirtyBlocks += node.length;
  }

  /** A dirty or packing node takes so many bytes of memory more. */
  grow(node: Node, bytes: number): void {
    if (node.state === NODE_STATE.packing) this.packingBytes += bytes;
    else this.dirtyBytes += bytes;
  }

  /** A dirty node was replaced; it stays for readers if it is `seen`. */
  discard(node: Node, seen: boolean): void {
    assert(node.state === NODE_STATE.dirty, 'frozen nodes get their places at once');
    assert(node.resident || !seen, 'what readers see needs no base any more');
    this.#dirty.delete(node);
    this.dirtyBytes -= memoryOf(node);
    this.dirtyBlocks -= node.length;
    node.state = seen ? NODE_STATE.reader : NODE_STATE.gone;
    if (!seen) return;
    this.#readerOnly.add(node);
    this.readerBytes += node.page.length;
  }

  /** Dirty nodes that no checkpoint has taken yet. */
  get dirtyCount(): number {
    return this.#dirty.size;
  }

  /** The dirty nodes, in the order in which they were made. */
  dirty(): Iterable<Node> {
    return this.#dirty;
  }

  /** The node of a provisional number. @throws CorruptError when there is none of this kind. */
  numbered(bytes: Uint8Array, at: number): Node {
    const node = this.#byNumber.get(pointerAddress(bytes, at));
    if (node === undefined || node.level !== pointerLevel(bytes, at)) {
      throw new CorruptError('Cannot follow pointer: its provisional number is unknown');
    }
    return node;
  }

  undoCreate(node: Node): void {
    this.#dirty.delete(node);
    this.#byNumber.delete(node.number);
    node.state = NODE_STATE.gone;
    if (node.resident) dropPage(node);
  }

  undoDiscard(node: Node, state: NodeState): void {
    if (this.#readerOnly.delete(node)) this.readerBytes -= node.page.length;
    node.state = state;
    this.#dirty.add(node);
  }

  bury(node: Node): void {
    if (node.state !== NODE_STATE.gone) return;
    this.#byNumber.delete(node.number);
    if (node.resident) dropPage(node);
  }

  /** Takes all dirty nodes into a checkpoint, in packing order. */
  takeDirty(schemas: RecordSchemas): Node[] {
    const nodes = packingOrder(this.#dirty, schemas, (bytes, at) => this.numbered(bytes, at));
    for (const node of nodes) node.state = NODE_STATE.packing;
    this.#dirty.clear();
    this.packingBytes += this.dirtyBytes;
    this.dirtyBytes = 0;
    this.dirtyBlocks = 0;
    return nodes;
  }

  /** A node of a checkpoint was written. */
  written(node: Node): void {
    assert(node.sealed && node.state === NODE_STATE.packing, 'a clean node was sealed');
    node.state = NODE_STATE.clean;
    this.packingBytes -= node.page.length;
  }

  /** Forgets the numbers of written nodes born up to `generation`. */
  retire(generation: number): void {
    for (const [number, node] of this.#byNumber) {
      if (node.state === NODE_STATE.clean && node.birth <= generation) {
        this.#byNumber.delete(number);
      }
    }
  }

  /** Lets go of replaced nodes for which `sees` is false. */
  forgetUnseen(sees: (birth: number) => boolean): void {
    for (const node of this.#readerOnly) {
      if (sees(node.birth)) continue;
      this.#readerOnly.delete(node);
      this.readerBytes -= node.page.length;
      node.state = NODE_STATE.gone;
      this.bury(node);
    }
  }
}

/** Bytes of memory that a dirty node takes. */
function memoryOf({ deltas, page }: Node): number {
  return deltas === null ? page.length : deltas.bytes;
}
