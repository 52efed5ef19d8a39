/**
 * What a forest is given by the layers above: who counts references, who frees blocks, who still
 * reads old generations.
 */

import { ROLE } from '../format/role.js';
import type { NodeReader } from './node-loader.js';
import type { RecordSchemas } from './record-schema.js';

/** References to blocks that have two or more. */
export interface ReferenceCounts {
  /** True when the block at `address` has more than one reference. */
  isShared(address: number): boolean;
  /** One reference more to the run. */
  retain(address: number, length: number): void;
  /** One reference less; true when it was the last one, and then the blocks are freed. */
  release(address: number, length: number): boolean;
}

/** Who still looks at older generations. */
export interface Readers {
  /** True when a reader may see a node born in generation `birth`. */
  sees(birth: number): boolean;
}

export interface ForestOptions {
  readonly reader: NodeReader;
  /** Bytes of a block. */
  readonly blockSize: number;
  /** Bytes of a node, a multiple of the block size; NODE_SIZE_DEFAULT if absent. */
  readonly nodeSize?: number;
  /** First four bytes of the store's uuid. */
  readonly storeTag: number;
  /** Bytes of clean nodes that stay after `trim`. */
  readonly cacheBytes: number;
  readonly schemas: RecordSchemas;
  readonly counts: ReferenceCounts;
  /** Frees the blocks of a node that is never shared, in each of its places. */
  readonly onFree: (address: number, length: number, role: number) => void;
  /**
   * Bytes of dirty nodes up to which leaves may be kept as deltas (delta-leaf.ts): their pages are
   * then made by a checkpoint, which has to take them in pieces. 0, the default: never.
   */
  readonly deferredBytesMax?: number;
  /** Bytes of memory that dirty nodes take before leaves are kept so; 0 by default. */
  readonly deferredFromBytes?: number;
  readonly readers?: Readers;
  /** No separator may outlive the key that it was made of. */
  readonly erases?: boolean;
  /** The generation to begin with: the epoch of the next checkpoint. */
  readonly generation: number;
}

/** Roles whose nodes have one reference by definition: no counts are asked. */
export const NEVER_SHARED: ReadonlySet<number> = new Set([
  ROLE.references,
  ROLE.groups,
  ROLE.drops,
  ROLE.runs,
  ROLE.reservations,
  ROLE.collections,
]);
