/** Where all nodes and bitmaps of a store are: both places of each. */

import type { BlockDevice } from '../../src/blockdev/block-device.js';
import { runSync } from '../../src/blockdev/io.js';
import type { ComparatorRegistry } from '../../src/btree/comparator.js';
import { NODE_STATE, type Node } from '../../src/btree/node.js';
import type { ReferenceSink } from '../../src/btree/record-schema.js';
import { nodeReferences } from '../../src/btree/root-record.js';
import { SCHEMAS } from '../../src/onode/schemas.js';
import { openEngine } from '../../src/txn/recovery.js';
import type { StoreState } from '../../src/txn/store-state.js';

/** Bytes of the device. */
export interface MetadataPlace {
  readonly first: number;
  /** Of the second copy; 0 without one. */
  readonly second: number;
  readonly length: number;
  /** Role of the node's tree; 0 of a bitmap. */
  readonly role: number;
}

/** The places of the newest checkpoint on `device`, what is below the drop list left out. */
export function metadataPlaces(
  device: BlockDevice,
  comparators: ComparatorRegistry,
): MetadataPlace[] {
  const memory = { cacheBytes: 1e6, dirtyBytesMax: 1e6 };
  const { engine } = runSync(openEngine({ device, readOnly: true, comparators, ...memory }));
  return engine.state.forest.sync(() => placesIn(engine.state));
}

function placesIn(state: StoreState): MetadataPlace[] {
  const { forest, allocator, trees, blockSize } = state;
  const places: MetadataPlace[] = [];
  const seen = new Set<number>();
  const add = (address: number, copy: number, blocks: number, role: number): void => {
    seen.add(address);
    const [first, second] = [address * blockSize, copy * blockSize];
    places.push({ first, second, length: blocks * blockSize, role });
  };
  const walk = (node: Node): void => {
    if (node.state !== NODE_STATE.embedded) {
      if (seen.has(node.address)) return;
      add(node.address, node.copy, node.length, node.role);
    }
    nodeReferences(forest.resident(node, null), SCHEMAS, sink);
  };
  const sink: ReferenceSink = {
    node: (bytes, at, role) => walk(forest.nodeOf(bytes, at, role)),
    data: () => undefined,
  };
  for (const tree of [trees.collections, trees.references, trees.groups, trees.reservations]) {
    if (tree.root !== null) walk(tree.root);
  }
  for (let group = 0; group < allocator.geometry.groupCount; group++) {
    const { address, copy } = allocator.pointerOf(group);
    if (address !== 0) add(address, copy, 1, 0);
  }
  return places;
}
