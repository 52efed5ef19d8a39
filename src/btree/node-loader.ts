/**
 * Bringing nodes into memory: one code path for synchronous and asynchronous callers.
 *
 * - A miss in synchronous mode reads the device at once. In asynchronous mode it throws the
 *   signal MISS after noting the node; `run` reads it off-thread and calls the function again.
 * - The mode is a field set around each synchronous call, so it never leaks over an `await`.
 * - What a function will need can be told ahead (`gather`): it is then read together, not one
 *   node for each repetition.
 * - Runs that miss the same block share one read. What a run has read stays pinned until it ends,
 *   so every retry gets further. A block that can't be read fails where it is loaded, inside the
 *   function, in both modes.
 * - There, synchronously in both, it is read from its second copy where it has one, and the first
 *   is healed: the function has just come to the pointer, so the block is still the node's.
 */

import { CorruptError, hasCode } from '../errors.js';
import { BLOCK_HEADER, BLOCK_TYPE, checkBlock, restoreChecksum } from '../format/block.js';
import { getU64 } from '../format/bytes.js';
import type { Comparator } from './comparator.js';
import { NODE_STATE, type Node } from './node.js';
import type { NodeCache } from './node-cache.js';
import { adoptBody, orderFault } from './node-check.js';
import { BODY_START } from './node-format.js';
import { givePage, takePage } from './page-pool.js';

/** Where nodes are read from. */
export interface NodeReader {
  /**
   * Fills `page` with the blocks from `address` (block index) on.
   * @throws StoreError E_CORRUPT outside of the device, E_IO when the device fails.
   */
  readSync(address: number, page: Uint8Array): void;
  read(address: number, page: Uint8Array): Promise<void>;
  /** Writes what belongs at `address`, and is not there, if it may; fails in silence. */
  heal(address: number, page: Uint8Array): void;
}

/** Thrown in asynchronous mode where a node is missing: let it through to `run`. */
export class MissSignal extends Error {}

const MISS = new MissSignal('A node is not in memory');

/** True for the signal that only `run` may swallow. */
export function isMiss(error: unknown): error is MissSignal {
  return error === MISS;
}

/** Nodes that a run waits for at once: more would keep the journal's writes waiting too long. */
const GATHERED_MAX = 128;

/** What one asynchronous run has waited for. */
class Run {
  readonly pinned: Node[] = [];
  readonly failures = new Map<number, unknown>();

  get hasWaited(): boolean {
    return this.pinned.length > 0 || this.failures.size > 0;
  }
}

/** A run that waits for nothing. */
const HASTY = new Run();

export class NodeLoader {
  readonly #reader: NodeReader;
  readonly #cache: NodeCache;
  readonly #blockSize: number;
  readonly #reading = new Map<number, { node: Node; done: Promise<void> }>();
  #run: Run | null = null;
  /** Nodes that the present attempt lacks, by address. */
  readonly #missing = new Map<number, Node>();

  constructor(reader: NodeReader, cache: NodeCache, blockSize: number) {
    this.#reader = reader;
    this.#cache = cache;
    this.#blockSize = blockSize;
  }

  /** Calls `fn` in synchronous mode: misses wait for the device. */
  sync<T>(fn: () => T): T {
    const before = this.#run;
    this.#run = null;
    try {
      return fn();
    } finally {
      this.#run = before;
    }
  }

  /** Calls `fn` with `argument` once; false when a node was missing, or it failed otherwise. */
  attempt<T>(fn: (argument: T) => void, argument: T): boolean {
    const before = this.#run;
    this.#run = HASTY;
    try {
      fn(argument);
      return true;
    } catch {
      this.#missing.clear();
      return false;
    } finally {
      this.#run = before;
    }
  }

  /** Calls `fn`, again after every miss; it must leave nothing behind when it is cut short. */
  async run<T>(fn: () => T): Promise<T> {
    const run = new Run();
    try {
      for (;;) {
        const outcome = this.#attempt(run, fn);
        if (!('missing' in outcome)) return outcome.value;
        await Promise.all(outcome.missing.map((node) => this.#fetch(run, node)));
      }
    } finally {
      for (const node of run.pinned) node.pins--;
    }
  }

  #attempt<T>(run: Run, fn: () => T): { value: T } | { missing: Node[] } {
    const before = this.#run;
    this.#run = run;
    try {
      return { value: fn() };
    } catch (error) {
      if (error !== MISS || this.#missing.size === 0) throw error;
      return { missing: [...this.#missing.values()] };
    } finally {
      this.#missing.clear();
      this.#run = before;
    }
  }

  /** True in an attempt that repeats another after a miss. */
  get mayGather(): boolean {
    return this.#run?.hasWaited === true;
  }

  /**
   * Calls `look` for each item, in an attempt that repeats another after a miss, and throws the
   * signal when nodes are missing: `run` reads them all. Elsewhere it does nothing. What else
   * `look` throws is found again where it matters.
   */
  gather<T>(items: Iterable<T>, look: (item: T) => void): void {
    if (!this.mayGather) return;
    for (const item of items) {
      try {
        look(item);
      } catch {
        if (this.#missing.size >= GATHERED_MAX) break;
      }
    }
    if (this.#missing.size > 0) throw MISS;
  }

  /** Makes `node` resident: itself, or the one that the cache has for its address. */
  load(node: Node): Node {
    const cached = this.#cache.get(node.address);
    if (cached !== undefined && isSame(cached, node)) {
      cached.referenced = true;
      return cached;
    }
    const run = this.#run;
    if (run !== null) {
      const failure = run.failures.get(node.address);
      if (failure !== undefined) return this.#recover(node, failure);
      this.#missing.set(node.address, node);
      throw MISS;
    }
    const page = takePage(node.length * this.#blockSize);
    try {
      this.#reader.readSync(node.address, page);
      this.#adopt(node, page);
    } catch (error) {
      givePage(page);
      return this.#recover(node, error);
    }
    this.#cache.add(node);
    return node;
  }

  /** Reads a node whose first copy failed with `error` from its second one, and heals the first. */
  #recover(node: Node, error: unknown): Node {
    const isBad = hasCode(error, 'E_IO') || hasCode(error, 'E_CORRUPT');
    if (node.copy === 0 || !isBad) throw error;
    const page = takePage(node.length * this.#blockSize);
    try {
      this.#reader.readSync(node.copy, page);
      this.#adopt(node, page);
    } catch {
      givePage(page);
      throw error;
    }
    this.#cache.add(node);
    restoreChecksum(page, node.low, node.high);
    this.#reader.heal(node.address, page);
    return node;
  }

  /** Reads `node` for `run` and pins it. Failures are kept for the next attempt. */
  async #fetch(run: Run, node: Node): Promise<void> {
    try {
      const loaded = await this.#share(node);
      loaded.pins++;
      run.pinned.push(loaded);
    } catch (error) {
      run.failures.set(node.address, error);
    }
  }

  async #share(node: Node): Promise<Node> {
    const known = this.#reading.get(node.address);
    if (known !== undefined && isSame(known.node, node)) {
      await known.done;
      return known.node;
    }
    const done = this.#read(node);
    this.#reading.set(node.address, { node, done });
    try {
      await done;
    } finally {
      if (this.#reading.get(node.address)?.node === node) this.#reading.delete(node.address);
    }
    return this.#cache.get(node.address) ?? node;
  }

  async #read(node: Node): Promise<void> {
    const page = takePage(node.length * this.#blockSize);
    try {
      await this.#reader.read(node.address, page);
      const cached = this.#cache.get(node.address);
      if (cached !== undefined && isSame(cached, node)) givePage(page);
      else {
        this.#adopt(node, page);
        this.#cache.add(node);
      }
    } catch (error) {
      givePage(page);
      throw error;
    }
  }

  /** Checks what was read and makes it the page of `node`. */
  #adopt(node: Node, page: Uint8Array): void {
    const { level, role, address, birth } = node;
    const identity = { type: BLOCK_TYPE.node, level, role, address, birth };
    checkBlock(page, identity, node.low, node.high, this.#blockSize);
    const fault = adoptBody(node, page, BODY_START, page.length - BODY_START, {
      level,
      blockSize: this.#blockSize,
      provisional: false,
    });
    if (fault !== undefined) throw badNode(address * this.#blockSize, fault);
    node.owner = getU64(page, BLOCK_HEADER.owner);
    node.state = NODE_STATE.clean;
    node.resident = true;
    node.children = level > 0 ? new Array<Node | undefined>(node.count).fill(undefined) : [];
  }
}

function badNode(offset: number, fault: string): CorruptError {
  return new CorruptError(`Cannot read node at device offset ${offset}: ${fault}`, offset);
}

/** True when two nodes are the same block to every pointer: nothing but the page may differ. */
function isSame(a: Node, b: Node): boolean {
  if (a === b) return true;
  const sameBytes = a.low === b.low && a.high === b.high && a.length === b.length;
  if (a.copy !== b.copy) return false;
  return sameBytes && a.birth === b.birth && a.level === b.level && a.role === b.role;
}

/** Checks what a tree expects beyond the node itself, once per node. */
export function checkForTree(
  node: Node,
  order: Comparator,
  keySize: number,
  valueSize: number,
  offset: number,
): void {
  if (node.keySize !== keySize || node.valueSize !== valueSize) {
    throw badNode(offset, 'it encodes entries in another way than its tree');
  }
  const fault = orderFault(node, order);
  if (fault !== undefined) throw badNode(offset, fault);
}
