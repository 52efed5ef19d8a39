/**
 * An audit of a whole store, independent of fsck: every reference is counted by walking from the
 * roots, and counts, free space, trees and totals are held against it.
 */

import { deepStrictEqual, strictEqual } from 'node:assert/strict';
import type { BlockDevice } from '../../src/blockdev/block-device.js';
import { runSync } from '../../src/blockdev/io.js';
import { type Comparator, ComparatorRegistry } from '../../src/btree/comparator.js';
import { NODE_STATE, type Node } from '../../src/btree/node.js';
import type { ReferenceSink } from '../../src/btree/record-schema.js';
import { nodeReferences } from '../../src/btree/root-record.js';
import type { Tree } from '../../src/btree/tree.js';
import { pointerAddress, pointerCopy, pointerLength } from '../../src/format/pointer.js';
import { Onode } from '../../src/onode/onode.js';
import { SCHEMAS } from '../../src/onode/schemas.js';
import { fixedRuns } from '../../src/txn/make-store.js';
import { OpenCollection } from '../../src/txn/open-collection.js';
import { type OpenedEngine, openEngine } from '../../src/txn/recovery.js';
import type { StoreState } from '../../src/txn/store-state.js';

function open(device: BlockDevice, comparators: readonly Comparator[]): OpenedEngine {
  const registry = new ComparatorRegistry();
  for (const comparator of comparators) registry.register(comparator);
  return runSync(
    openEngine({
      device,
      readOnly: false,
      comparators: registry,
      cacheBytes: 4 * 1024 * 1024,
      dirtyBytesMax: 4 * 1024 * 1024,
    }),
  );
}

/**
 * Audits the store on `device`, which is a copy that belongs to the audit: the journal is
 * replayed and the drop list worked off first.
 * @throws AssertionError of node:assert, CorruptError
 */
export function auditStore(device: BlockDevice, comparators: readonly Comparator[] = []): void {
  const { engine } = open(device, comparators);
  engine.state.allocator.verify();
  const { state } = engine;
  state.mayDrop = true;
  for (;;) {
    let any = false;
    state.forest.sync(() => {
      state.begin();
      any = state.dropStep();
      state.commit();
      state.allocator.keep();
    });
    if (!any) break;
  }
  for (let i = 0; i < 3; i++) runSync(engine.checkpointIo());
  state.allocator.verify();
  engine.markClosed();
  const settled = open(device, comparators).engine;
  settled.state.forest.sync(() => new Audit(settled.state, fixedRuns(settled.superblock)).run());
  settled.markClosed();
}

class Audit {
  readonly #state: StoreState;
  readonly #counts = new Map<number, number>();
  readonly #fixed: ReturnType<typeof fixedRuns>;
  readonly #sink: ReferenceSink;

  constructor(state: StoreState, fixed: ReturnType<typeof fixedRuns>) {
    this.#state = state;
    this.#fixed = fixed;
    this.#sink = {
      node: (bytes, at, role) => {
        const first = this.#count(pointerAddress(bytes, at), pointerLength(bytes, at));
        if (!first) return;
        this.#countCopy(pointerCopy(bytes, at), pointerLength(bytes, at));
        this.#walk(state.forest.nodeOf(bytes, at, role));
      },
      data: (address, length) => void this.#count(address, length),
    };
  }

  run(): void {
    const { trees } = this.#state;
    for (const tree of Object.values(trees) as Tree[]) {
      tree.verify();
      const { root } = tree;
      if (root === null) continue;
      if (root.state !== NODE_STATE.embedded) {
        this.#count(root.address, root.length);
        this.#countCopy(root.copy, root.length);
      }
      this.#walk(root);
    }
    this.#checkCounts();
    this.#checkSpace();
    this.#checkObjects();
  }

  #walk(node: Node): void {
    nodeReferences(this.#state.forest.resident(node, null), SCHEMAS, this.#sink);
  }

  /** Counts one reference to each block; true when the first one had none before. */
  #count(address: number, length: number): boolean {
    const first = !this.#counts.has(address);
    for (let block = address; block < address + length; block++) {
      this.#counts.set(block, (this.#counts.get(block) ?? 0) + 1);
    }
    return first;
  }

  /** Counts the one reference to a second copy. */
  #countCopy(address: number, length: number): void {
    strictEqual(address !== 0, this.#state.metadataCopies === 2, 'a node has as many copies');
    if (address !== 0) strictEqual(this.#count(address, length), true, 'a copy is nothing else');
  }

  #checkCounts(): void {
    const { references } = this.#state;
    for (const [block, count] of this.#counts) {
      strictEqual(references.count(block), count, `references to block ${block}`);
    }
    const cursor = this.#state.trees.references.cursor();
    for (cursor.seekFirst(); cursor.valid; cursor.next()) {
      const start = Number(Buffer.from(cursor.key()).readBigUInt64BE());
      const length = Buffer.from(cursor.value()).readUInt32LE();
      for (let block = start; block < start + length; block++) {
        strictEqual(this.#counts.has(block), true, `block ${block} is counted but not in use`);
      }
    }
  }

  #checkSpace(): void {
    const { allocator, trees } = this.#state;
    const used = new Set(this.#counts.keys());
    for (const { start, length } of this.#fixed) {
      for (let block = start; block < start + length; block++) {
        strictEqual(used.has(block), false, `block ${block} of a fixed place is in use`);
        used.add(block);
      }
    }
    const cursor = trees.groups.cursor();
    for (cursor.seekFirst(); cursor.valid; cursor.next()) {
      const group = Number(Buffer.from(cursor.key()).readBigUInt64BE());
      const { address, copy } = allocator.pointerOf(group);
      for (const block of [address, copy]) {
        if (block === 0) continue;
        strictEqual(used.has(block), false, `bitmap block ${block} is in use`);
        used.add(block);
      }
    }
    const marked: number[] = [];
    for (let group = 0; group < allocator.geometry.groupCount; group++) {
      for (const { start, length } of allocator.runsOf(group, 'referenced')) {
        for (let block = start; block < start + length; block++) marked.push(block);
      }
    }
    const leaked = marked.filter((block) => !used.has(block));
    deepStrictEqual(leaked.slice(0, 10), [], 'no block is leaked');
    strictEqual(marked.length, used.size, 'every block in use is marked');
  }

  /** Every tree of every collection and object, and the totals. */
  #checkObjects(): void {
    const state = this.#state;
    let objects = 0;
    let stored = 0;
    const collections = state.trees.collections.cursor();
    for (collections.seekFirst(); collections.valid; collections.next()) {
      const open = OpenCollection.decode(state, collections.key(), collections.value());
      open.attributes.verify();
      const { records } = open.objects.verify();
      strictEqual(open.objects.count(), records, 'objects of a collection');
      objects += records;
      stored += open.objects.storedBytes();
      const cursor = open.objects.cursor();
      let sizes = 0;
      for (cursor.seekFirst(); cursor.valid; cursor.next()) {
        const onode = Onode.decode(state, cursor.value());
        sizes += onode.size;
        onode.blobTree.verify();
        onode.attributes.verify();
        onode.map.verify();
      }
      strictEqual(open.objects.storedBytes(), sizes, 'stored bytes of a collection');
    }
    strictEqual(state.counters.objects, objects, 'objects of the store');
    strictEqual(state.counters.storedBytes, stored, 'stored bytes of the store');
  }
}
