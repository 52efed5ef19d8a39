/**
 * Turns bytes and runs of blocks into extents: cuts data along the runs, pads the last block with
 * zeros and computes the checksums of its chunks.
 */

import { putChecksum } from '../format/block.js';
import { hash } from '../format/checksum.js';
import type { PlacedExtent } from '../onode/context.js';
import { chunkSizeFor, chunksMax } from '../onode/limits.js';
import type { DataPages } from './data-pages.js';
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
  /** Where copies are cut from that outlive the call. */
  readonly pages?: DataPages;
}

/**
 * Lays `data` out over `runs`, which together are just large enough. The bytes of an extent are
 * a view of `data` where that fills its blocks, else a padded copy; with `pages`, a copy cut from
 * these.
 */
export function fillRuns(
  data: Uint8Array,
  runs: readonly PlacedRun[],
  { blockSize, nodeSize, grownTo, pages }: FillOptions,
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
      filled.push(fillExtent(part, address, chunk, blockSize, pages));
    }
    from = to;
  }
  return filled;
}

function fillExtent(
  data: Uint8Array,
  address: number,
  chunk: number,
  blockSize: number,
  pages: DataPages | undefined,
): FilledExtent {
  const blocks = Math.ceil(data.length / blockSize);
  const size = blocks * blockSize;
  const bytes = pages?.copyOf(data, size) ?? padded(data, size);
  const checksums = new Uint8Array(Math.ceil(size / chunk) * 8);
  for (let at = 0, slot = 0; at < size; at += chunk, slot += 8) {
    hash(bytes, at, Math.min(size, at + chunk));
    putChecksum(checksums, slot);
  }
  const extent = { address, blocks, length: data.length, shift: Math.log2(chunk), checksums };
  return { extent, bytes };
}

function padded(data: Uint8Array, size: number): Uint8Array {
  if (data.length === size) return data;
  const bytes = new Uint8Array(size);
  bytes.set(data);
  return bytes;
}
