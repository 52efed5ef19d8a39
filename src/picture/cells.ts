/**
 * A device cut into equal cells, and how many blocks of each kind lie in each: what a picture of
 * any size of device is drawn from, in the same memory.
 */

/** What a block is to a picture. */
export const BLOCK_KINDS = [
  'superblock', // slots
  'journal',
  'metadata', // tree nodes and bitmaps
  'data',
  'limbo', // freed, and needed by the older superblock still
  'freeLong', // in a run of LONG_RUN_BYTES or more
  'freeShort',
] as const;

export type BlockKind = (typeof BLOCK_KINDS)[number];

/** A free run from this length on serves large data well. */
export const LONG_RUN_BYTES = 1024 * 1024;

/** A kind, or blocks of the object that is shown, which count as one of the kinds too. */
type Layer = BlockKind | 'object';

export class Cells {
  readonly count: number;
  /** Blocks of every cell but the last. */
  readonly cellBlocks: number;
  /** Blocks of the device. */
  readonly blocks: number;
  readonly blockSize: number; // bytes
  readonly #layers = new Map<Layer, Float64Array>();

  /** At most `countMax` cells of a power of two of `unit`s: their offsets are round. */
  constructor(blocks: number, blockSize: number, countMax: number, unit: number) {
    this.blocks = blocks;
    this.blockSize = blockSize;
    this.cellBlocks = unit * 2 ** Math.ceil(Math.log2(Math.max(1, blocks / countMax / unit)));
    this.count = Math.ceil(blocks / this.cellBlocks);
    for (const layer of [...BLOCK_KINDS, 'object'] as const) {
      this.#layers.set(layer, new Float64Array(this.count));
    }
  }

  /** Blocks of cell `index`. */
  sizeOf(index: number): number {
    return Math.min(this.cellBlocks, this.blocks - index * this.cellBlocks);
  }

  /** Blocks of a kind in cell `index`. */
  at(layer: Layer, index: number): number {
    return this.#layer(layer)[index] ?? 0;
  }

  total(layer: Layer): number {
    return this.#layer(layer).reduce((sum, blocks) => sum + blocks, 0);
  }

  /** Counts a run of blocks, `sign` 1, or takes it back, -1. */
  add(layer: Layer, start: number, length: number, sign = 1): void {
    const counts = this.#layer(layer);
    for (let at = start; at < start + length; ) {
      const index = Math.floor(at / this.cellBlocks);
      const end = Math.min(start + length, (index + 1) * this.cellBlocks);
      counts[index] = (counts[index] ?? 0) + sign * (end - at);
      at = end;
    }
  }

  #layer(layer: Layer): Float64Array {
    return this.#layers.get(layer) ?? new Float64Array(0);
  }
}
