/**
 * Clean nodes by address, and which of them leave memory first.
 *
 * - Eviction is CLOCK: a hand passes over the ring and takes what wasn't used since it last
 *   passed. It happens in `trim` only, between operations, so that a node that an operation
 *   holds never loses its page under it.
 * - An evicted node keeps its identity: parents still point to it, and it is read again in place.
 */

import { clearPage, NODE_OVERHEAD_BYTES, NODE_STATE, type Node } from './node.js';
import { givePage } from './page-pool.js';

export class NodeCache {
  /** Bytes of resident nodes, overhead included. */
  bytes = 0;
  readonly #byAddress = new Map<number, Node>();
  readonly #ring: Node[] = [];
  #hand = 0;

  /** The resident clean node at `address`, if there is one. */
  get(address: number): Node | undefined {
    return this.#byAddress.get(address);
  }

  /** Takes in a resident clean node; one that had the address before leaves. */
  add(node: Node): void {
    const before = this.#byAddress.get(node.address);
    if (before !== undefined) this.evict(before);
    this.#byAddress.set(node.address, node);
    node.ringIndex = this.#ring.length;
    node.referenced = true;
    this.#ring.push(node);
    this.bytes += node.page.length + NODE_OVERHEAD_BYTES;
  }

  /** Takes the page of a node in the cache away. */
  evict(node: Node): void {
    this.#byAddress.delete(node.address);
    this.bytes -= node.page.length + NODE_OVERHEAD_BYTES;
    const last = this.#ring.pop() as Node;
    if (last !== node) {
      this.#ring[node.ringIndex] = last;
      last.ringIndex = node.ringIndex;
    }
    node.ringIndex = -1;
    dropPage(node);
  }

  /** Evicts until at most `bytesMax` are left or only pinned nodes are. */
  trim(bytesMax: number): void {
    let passes = 2 * this.#ring.length;
    while (this.bytes > bytesMax && passes-- > 0 && this.#ring.length > 0) {
      if (this.#hand >= this.#ring.length) this.#hand = 0;
      const node = this.#ring[this.#hand] as Node;
      if (node.pins > 0 || node.referenced) {
        node.referenced = false;
        forgetEvicted(node);
        this.#hand++;
      } else this.evict(node);
    }
  }
}

/** Lets go of children that were evicted, so that what is left of them doesn't pile up. */
function forgetEvicted(node: Node): void {
  const children = node.children;
  for (let i = 0; i < children.length; i++) {
    const child = children[i];
    if (child !== undefined && !child.resident && child.state === NODE_STATE.clean) {
      children[i] = undefined;
    }
  }
}

/** Gives the page of a node back; the node is not resident any more. */
export function dropPage(node: Node): void {
  if (node.state !== NODE_STATE.embedded) givePage(node.page);
  clearPage(node);
  node.children = [];
}
