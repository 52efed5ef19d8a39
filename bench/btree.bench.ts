/**
 * Rates of the B-tree alone, everything in memory: gets, puts, scans, and the packing of a
 * checkpoint. A million records of 16..24-byte keys and 100-byte values; `ENTRIES=` for fewer.
 */

import { Forest } from '../src/btree/forest.js';
import { Tree } from '../src/btree/tree.js';
import { treeSpec } from '../src/btree/tree-spec.js';
import { ROLE } from '../src/format/role.js';

const ENTRIES = Number(process.env['ENTRIES'] ?? 1_000_000);
const VALUE = new Uint8Array(100).fill(7);

/** Prints millions of operations a second. */
function measure(name: string, count: number, work: () => number): void {
  const start = performance.now();
  const sink = work();
  const seconds = (performance.now() - start) / 1000;
  const rate = (count / seconds / 1e6).toFixed(2);
  const each = ((seconds / count) * 1e9).toFixed(0);
  console.log(`${name}: ${rate} M/s, ${each} ns each (${sink})`);
}

/**
 * Keys of 16 to 24 bytes, one behind the other, handed out in buffers that are reused: what is
 * measured is the tree, not the processor's way to a million small arrays.
 */
class Keys {
  readonly #bytes: Uint8Array;
  readonly #order: Uint32Array;
  readonly #buffers = Array.from({ length: 9 }, (_, i) => new Uint8Array(16 + i));

  constructor(count: number) {
    this.#bytes = new Uint8Array(count * 24);
    this.#order = Uint32Array.from({ length: count }, (_, i) => i);
    const random = makeRandom(12345);
    for (let i = 0; i < this.#bytes.length; i++) this.#bytes[i] = random(256);
  }

  get count(): number {
    return this.#order.length;
  }

  /** Key `index`, valid until the next call. */
  at(index: number): Uint8Array {
    const from = (this.#order[index] as number) * 24;
    const key = this.#buffers[(this.#bytes[from] as number) % 9] as Uint8Array;
    for (let i = 0; i < key.length; i++) key[i] = this.#bytes[from + i] as number;
    return key;
  }

  /** Fisher-Yates; the bytes move with the order, so that reading them costs the same. */
  shuffle(): void {
    const random = makeRandom(99);
    for (let i = this.count - 1; i > 0; i--) this.#swap(i, random(i + 1));
    this.#settle();
  }

  sort(): void {
    const bytes = Buffer.from(this.#bytes.buffer);
    this.#order.sort((a, b) => bytes.compare(bytes, b * 24, b * 24 + 24, a * 24, a * 24 + 24));
    this.#settle();
  }

  #swap(i: number, j: number): void {
    const swap = this.#order[i] as number;
    this.#order[i] = this.#order[j] as number;
    this.#order[j] = swap;
  }

  #settle(): void {
    const before = this.#bytes.slice();
    for (let i = 0; i < this.count; i++) {
      const from = (this.#order[i] as number) * 24;
      this.#bytes.set(before.subarray(from, from + 24), i * 24);
      this.#order[i] = i;
    }
  }
}

/** Integers in [0, below). */
function makeRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const counts = { isShared: () => false, retain: () => undefined, release: () => true };
const pages = new Map<number, Uint8Array>();

function makeForest(): Forest {
  return new Forest({
    reader: {
      readSync: (address, page) => page.set(pages.get(address) ?? page),
      read: async (address, page) => page.set(pages.get(address) ?? page),
      heal: () => undefined,
    },
    blockSize: 4096,
    nodeSize: 8192,
    storeTag: 1,
    cacheBytes: 2 ** 40,
    schemas: {},
    counts,
    onFree: () => undefined,
    generation: 1,
  });
}

function putAll(tree: Tree, keys: Keys): number {
  for (let i = 0; i < keys.count; i++) tree.put(keys.at(i), VALUE);
  return keys.count;
}

function getAll(tree: Tree, keys: Keys): number {
  let hits = 0;
  for (let i = 0; i < keys.count; i++) {
    if (tree.find(keys.at(i))) hits += tree.hitEnd - tree.hitStart;
  }
  return hits;
}

function scan(tree: Tree): number {
  const cursor = tree.cursor();
  let bytes = 0;
  for (let more = cursor.seekFirst(); more; more = cursor.next()) {
    bytes += cursor.valueEnd - cursor.keyStart;
  }
  return bytes;
}

function checkpoint(forest: Forest): number {
  const nodes = forest.freeze();
  let address = 1;
  for (const node of nodes) {
    forest.assign(node, { address, copy: 0 });
    address += node.length;
  }
  for (const node of nodes) forest.seal(node);
  forest.clean(nodes);
  return nodes.length;
}

const spec = treeSpec({ role: ROLE.program });
const keys = new Keys(ENTRIES);
const forest = makeForest();
const tree = new Tree(forest, spec);
measure('put random, new', ENTRIES, () => putAll(tree, keys));
keys.shuffle();
measure('get random, resident', ENTRIES, () => getAll(tree, keys));
measure('get random, resident, again', ENTRIES, () => getAll(tree, keys));
measure('put random, same size', ENTRIES, () => putAll(tree, keys));
measure('scan forward', ENTRIES, () => scan(tree));
measure('scan forward, again', ENTRIES, () => scan(tree));
const report = tree.verify();
console.log(`height ${report.height}, ${report.nodes} nodes, fill ${report.fill.toFixed(2)}`);
measure('freeze and seal, per node', report.nodes, () => checkpoint(forest));
measure('get random, clean', ENTRIES, () => getAll(tree, keys));
measure('put random, shadowing', ENTRIES, () => putAll(tree, keys));
keys.sort();
const filled = new Tree(makeForest(), spec);
measure('put in order', ENTRIES, () => putAll(filled, keys));
console.log(`fill ${filled.verify().fill.toFixed(2)}`);
keys.shuffle();
measure('delete random', ENTRIES, () => {
  for (let i = 0; i < keys.count; i++) filled.delete(keys.at(i));
  return filled.height();
});
