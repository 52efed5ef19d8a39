/**
 * Where the nodes of all trees lie, and where one object does.
 *
 * - Leaves that refer to no node are counted by the pointer to them and not read: the walk costs
 *   what the branches of all trees and the records of objects cost.
 * - A node that clones share is counted once. What is damaged is passed over, and counted.
 * - Memory: a bit for each block where nodes are.
 */

import type { Io } from '../blockdev/io.js';
import type { ReferenceSink } from '../btree/record-schema.js';
import { nodeReferences, rootReferences } from '../btree/root-record.js';
import type { CheckContext } from '../fsck/context.js';
import { NumberSet } from '../fsck/number-set.js';
import { findNode, readPointer, type StoredPointer } from '../fsck/stored-node.js';
import { SCHEMAS } from '../onode/schemas.js';
import type { Cells } from './cells.js';

/** Nodes after which the event loop has its turn. */
const NODES_A_TURN = 256;

/** What an object takes. */
export interface ObjectPlaces {
  /** Runs of data blocks in a row, in the order of its bytes. */
  readonly extents: number;
  readonly dataBlocks: number;
  readonly nodeBlocks: number;
}

interface Found {
  readonly nodes: { readonly bytes: Uint8Array; readonly at: number; readonly role: number }[];
  readonly data: { readonly address: number; readonly blocks: number }[];
}

class Finder implements ReferenceSink {
  readonly found: Found = { nodes: [], data: [] };

  node(bytes: Uint8Array, at: number, role: number): void {
    this.found.nodes.push({ bytes, at, role });
  }

  data(address: number, blocks: number): void {
    this.found.data.push({ address, blocks });
  }
}

/** First blocks of a node and, where it is kept twice, of its second copy. */
function placesOf({ address, copy }: StoredPointer): number[] {
  return copy === 0 ? [address] : [address, copy];
}

export class NodeCensus {
  readonly #context: CheckContext;
  readonly #cells: Cells;
  readonly #seen = new NumberSet();
  #nodes = 0;
  /** Subtrees that can't be read. */
  lost = 0;

  constructor(context: CheckContext, cells: Cells) {
    this.#context = context;
    this.#cells = cells;
  }

  /** Nodes that were counted. */
  get nodes(): number {
    return this.#nodes;
  }

  /** Counts the nodes of the tree of a root record as metadata. */
  *root(root: Uint8Array, role: number): Io<void> {
    if (root.length === 0) return;
    const finder = new Finder();
    rootReferences(root, 0, root.length, role, SCHEMAS, finder);
    yield* this.#below(finder.found);
  }

  *#below({ nodes }: Found): Io<void> {
    const { map } = this.#context;
    for (const { bytes, at, role } of nodes) {
      const pointer = readPointer(bytes, at, map.blockSize);
      const { address, blocks, level, fault } = pointer;
      if (fault !== undefined || map.placeFault(address, blocks) !== undefined) {
        this.lost++;
        continue;
      }
      if (!this.#seen.add(address)) continue;
      for (const start of placesOf(pointer)) {
        if (map.placeFault(start, blocks) !== undefined) continue;
        this.#cells.add('metadata', start, blocks);
        this.#cells.add('data', start, blocks, -1);
      }
      if (++this.#nodes % NODES_A_TURN === 0) yield { kind: 'pause' };
      if (level === 0 && SCHEMAS[role]?.mayReferToNodes !== true) continue;
      if (level === 0 && pointer.plain) continue;
      yield* this.#below(yield* this.#referencesOf(pointer, role));
    }
  }

  /** What a node refers to; nothing where it can't be read. */
  *#referencesOf(pointer: ReturnType<typeof readPointer>, role: number): Io<Found> {
    const found = yield* findNode(this.#context.map, pointer, role, false);
    const finder = new Finder();
    if ('code' in found) this.lost++;
    else nodeReferences(found.node, SCHEMAS, finder);
    return finder.found;
  }

  /** Shows where an object lies, by its onode record. */
  *object(record: Uint8Array, role: number): Io<ObjectPlaces> {
    const finder = new Finder();
    SCHEMAS[role]?.references(record, 0, record.length, finder);
    const places = { extents: 0, dataBlocks: 0, nodeBlocks: 0 };
    yield* this.#objectBelow(finder.found, places, new NumberSet(), { end: -1 });
    return places;
  }

  *#objectBelow(
    { nodes, data }: Found,
    places: { extents: number; dataBlocks: number; nodeBlocks: number },
    seen: NumberSet,
    last: { end: number },
  ): Io<void> {
    const { map } = this.#context;
    for (const { address, blocks } of data) {
      if (address !== last.end) places.extents++;
      last.end = address + blocks;
      for (let block = address; block < address + blocks; block++) {
        if (!seen.add(block)) continue;
        places.dataBlocks++;
        this.#cells.add('object', block, 1);
      }
    }
    for (const { bytes, at, role } of nodes) {
      const pointer = readPointer(bytes, at, map.blockSize);
      const { address, blocks, fault } = pointer;
      if (fault !== undefined || map.placeFault(address, blocks) !== undefined) continue;
      if (!seen.add(address)) continue;
      for (const start of placesOf(pointer)) {
        if (map.placeFault(start, blocks) !== undefined) continue;
        places.nodeBlocks += blocks;
        this.#cells.add('object', start, blocks);
      }
      yield* this.#objectBelow(yield* this.#referencesOf(pointer, role), places, seen, last);
    }
  }
}
