/**
 * What the object layer asks of the layers above it: where data goes, who counts references,
 * and where trees go that nothing refers to any more.
 */

import type { ComparatorRegistry } from '../btree/comparator.js';
import type { Forest } from '../btree/forest.js';
import type { Role } from '../format/role.js';

/** Data that has its place on the device: one run of blocks with the checksums of its chunks. */
export interface PlacedExtent {
  readonly address: number; // block index
  readonly blocks: number;
  readonly length: number; // bytes; the rest of the last block is zero
  readonly shift: number; // chunk size is 2^shift bytes
  readonly checksums: Uint8Array; // 8 bytes for each chunk
}

/** Where data would best lie. */
export interface DataGoal {
  /** Block behind the data that the object has in front of it; -1 for anywhere. */
  readonly hint: number;
  /** Bytes of the object when the data is its new end, 0 when it is not. */
  readonly grownTo: number;
  /** Bytes in front of such data, 0 else. */
  readonly grownFrom: number;
}

/** Data that has nothing to lie next to. */
export const ANYWHERE: DataGoal = { hint: -1, grownTo: 0, grownFrom: 0 };

export interface ObjectContext {
  readonly forest: Forest;
  readonly comparators: ComparatorRegistry;
  readonly blockSize: number;
  readonly nodeSize: number;
  /** Epoch that is stamped on what is written now. */
  readonly generation: number;
  /** Nothing that was removed may stay beside what lives: chunks are never kept for a part. */
  readonly erases: boolean;
  /** Bytes of a run of blocks that data is in, unverified; read at once. E_IO */
  readData(address: number, blocks: number): Uint8Array;
  /** Gives `data` a place; the bytes are copied. */
  placeData(data: Uint8Array, goal: DataGoal): readonly PlacedExtent[];
  /** One more reference on each block of the run. */
  retainData(address: number, blocks: number): void;
  /** One reference less on each block of the run; the last one frees it. */
  releaseData(address: number, blocks: number): void;
  /** Gives up the tree behind a root record: what it alone refers to is freed in time. */
  dropTree(role: Role, root: Uint8Array): void;
}
