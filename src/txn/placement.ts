/**
 * Turns bytes and runs of blocks into extents: cuts data along the runs, pads the last block with
 * zeros and computes the checksums of its chunks.
 */

import { putChecksum } from '../format/block.js';
import { hash } from '../format/checksum.js';
import type { PlacedExtent } from '../onode/context.js';
import { chunkSizeFor, chunksMax } from '../onode/limits.js';
import type { PlacedRun } from './transaction-record.js';

/** An extent and the bytes that belong there: whole blocks. */
export interface FilledExtent {
  readonly extent: PlacedExtent;
  readonly bytes: Uint8Array;
}

export interface FillOptions {
  readonly blockSize: number;
  readonly nodeSize: number;
  /** Bytes of the object when the data is its new end, 0 when it is not. */
  readonly grownTo: number;
  /** Copies the data also where it fills its blocks. */
  readonly own: boolean;
}

/**
 * Lays `data` out over `runs`, which together are just large enough. The bytes of an extent are
 * a view of `data` where that fills its blocks, else a padded copy.
 */
export function fillRuns(
  data: Uint8Array,
  runs: readonly PlacedRun[],
  { blockSize, nodeSize, grownTo, own }: FillOptions,
): FilledExtent[] {
  const filled: FilledExtent[] = [];
  let from = 0;
  for (const run of runs) {
    const to = Math.min(data.length, from + run.length * blockSize);
    const chunk = chunkSizeFor(to - from, blockSize, grownTo);
    const step = chunk * chunksMax(nodeSize);
    for (let at = from; at < to; at += step) {
      const part = data.subarray(at, Math.min(to, at + step));
      const address = run.start + (at - from) / blockSize;
      filled.push(fillExtent(part, address, chunk, blockSize, own));
    }
    from = to;
  }
  return filled;
}

/** Bytes of the slab that small copies are cut from; it lives as long as one of them does. */
const SLAB_SIZE = 256 * 1024;

let slab = new ArrayBuffer(0);
let slabAt = 0;

/** `size` bytes of zeros. */
function pageFor(size: number): Uint8Array {
  if (size > SLAB_SIZE / 8) return new Uint8Array(size);
  if (slabAt + size > slab.byteLength) {
    slab = new ArrayBuffer(SLAB_SIZE);
    slabAt = 0;
  }
  slabAt += size;
  return new Uint8Array(slab, slabAt - size, size);
}

function fillExtent(
  data: Uint8Array,
  address: number,
  chunk: number,
  blockSize: number,
  own: boolean,
): FilledExtent {
  const blocks = Math.ceil(data.length / blockSize);
  const size = blocks * blockSize;
  let bytes = data;
  if (own || size !== data.length) {
    bytes = pageFor(size);
    bytes.set(data);
  }
  const checksums = new Uint8Array(Math.ceil(size / chunk) * 8);
  for (let at = 0, slot = 0; at < size; at += chunk, slot += 8) {
    hash(bytes, at, Math.min(size, at + chunk));
    putChecksum(checksums, slot);
  }
  const extent = { address, blocks, length: data.length, shift: Math.log2(chunk), checksums };
  return { extent, bytes };
}
