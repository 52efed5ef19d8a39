/**
 * Turns bytes and runs of blocks into extents: cuts data along the runs, pads the last block with
 * zeros and computes the checksums of its chunks.
 */

import { putChecksum } from '../format/block.js';
import { hash } from '../format/checksum.js';
import type { PlacedExtent } from '../onode/context.js';
import { chunkSizeFor, chunksMax } from '../onode/limits.js';
import type { DataPages } from './data-pages.js';
import type { PendingRun } from './pending-data.js';
import type { PlacedRun } from './transaction-record.js';

/** Data that has its places. */
export interface FilledRuns {
  readonly extents: readonly PlacedExtent[];
  /** What is to be written, in whole blocks: all bytes of the extents. */
  readonly pieces: readonly PendingRun[];
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
 * Lays `data` out over `runs`, which together are just large enough. The pieces are views of `data`
 * but for a chunk that it does not fill to its last block, which is a padded copy; with `pages`, all
 * are copies cut from these.
 */
export function fillRuns(
  data: Uint8Array,
  runs: readonly PlacedRun[],
  options: FillOptions,
): FilledRuns {
  const { blockSize, nodeSize, grownTo } = options;
  const extents: PlacedExtent[] = [];
  const pieces: PendingRun[] = [];
  let from = 0;
  for (const run of runs) {
    const to = Math.min(data.length, from + run.length * blockSize);
    const chunk = chunkSizeFor(to - from, blockSize, grownTo);
    const step = chunk * chunksMax(nodeSize);
    for (let at = from; at < to; at += step) {
      const part = data.subarray(at, Math.min(to, at + step));
      const address = run.start + (at - from) / blockSize;
      extents.push(fillExtent(part, address, chunk, options, pieces));
    }
    from = to;
  }
  return { extents, pieces };
}

/** One extent at `address`; what is to be written there goes behind `pieces`. */
function fillExtent(
  data: Uint8Array,
  address: number,
  chunk: number,
  { blockSize, pages }: FillOptions,
  pieces: PendingRun[],
): PlacedExtent {
  const blocks = Math.ceil(data.length / blockSize);
  const size = blocks * blockSize;
  const parts = pages === undefined ? wholeBlocks(data, size, chunk) : [pages.copyOf(data, size)];
  let block = address;
  for (const bytes of parts) {
    pieces.push({ address: block, bytes });
    block += bytes.length / blockSize;
  }
  const checksums = checksumsOf(parts, size, chunk);
  return { address, blocks, length: data.length, shift: Math.log2(chunk), checksums };
}

/** `data` with zeros behind it up to `size` bytes; only its last chunk is copied, if any. */
function wholeBlocks(data: Uint8Array, size: number, chunk: number): Uint8Array[] {
  if (data.length === size) return [data];
  const whole = data.length - (data.length % chunk);
  const last = new Uint8Array(size - whole);
  last.set(data.subarray(whole));
  return whole === 0 ? [last] : [data.subarray(0, whole), last];
}

/** Checksums of the chunks of `parts`, which have `size` bytes; all but the last are whole chunks. */
function checksumsOf(parts: readonly Uint8Array[], size: number, chunk: number): Uint8Array {
  const checksums = new Uint8Array(Math.ceil(size / chunk) * 8);
  let slot = 0;
  for (const bytes of parts) {
    for (let at = 0; at < bytes.length; at += chunk, slot += 8) {
      hash(bytes, at, Math.min(bytes.length, at + chunk));
      putChecksum(checksums, slot);
    }
  }
  return checksums;
}
