/**
 * A map whose keys are a collection's id and an object's key in it.
 *
 * - Found by a hash of the bytes: no text is made of a key to look it up.
 * - Keys are kept as they are given: nobody may change them.
 * - Names come from a program's clients: the hash begins with a number of this process, so that nobody
 *   can choose names that all have the same one.
 */

import { randomInt } from 'node:crypto';
import { equalBytes } from '../format/bytes.js';

/** One of the values whose keys have the same hash. */
interface Link<Value> {
  readonly collection: number;
  readonly key: Uint8Array;
  value: Value;
  next: Link<Value> | undefined;
}

export class ObjectMap<Value> {
  /** First links by hash. */
  readonly #chains = new Map<number, Link<Value>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(collection: number, key: Uint8Array): Value | undefined {
    return this.#find(hashOf(collection, key), collection, key)?.value;
  }

  set(collection: number, key: Uint8Array, value: Value): void {
    const hash = hashOf(collection, key);
    const link = this.#find(hash, collection, key);
    if (link !== undefined) {
      link.value = value;
      return;
    }
    this.#chains.set(hash, { collection, key, value, next: this.#chains.get(hash) });
    this.#size++;
  }

  delete(collection: number, key: Uint8Array): void {
    const hash = hashOf(collection, key);
    const link = this.#find(hash, collection, key);
    if (link === undefined) return;
    this.#size--;
    let before: Link<Value> | undefined;
    for (let at = this.#chains.get(hash); at !== link; at = at?.next) before = at;
    if (before !== undefined) before.next = link.next;
    else if (link.next !== undefined) this.#chains.set(hash, link.next);
    else this.#chains.delete(hash);
  }

  clear(): void {
    this.#chains.clear();
    this.#size = 0;
  }

  #find(hash: number, collection: number, key: Uint8Array): Link<Value> | undefined {
    let link = this.#chains.get(hash);
    while (link !== undefined) {
      if (link.collection === collection && equalBytes(link.key, key)) return link;
      link = link.next;
    }
    return undefined;
  }
}

const SEED = randomInt(2 ** 32);

/** 31 bits, which a map takes without an object for each: FNV-1a from a seed of its own. */
function hashOf(collection: number, key: Uint8Array): number {
  let hash = Math.imul(collection ^ SEED, 0x0100_0193);
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ (key[i] as number), 0x0100_0193);
  return hash >>> 1;
}
