/**
 * Turns bytes and runs of blocks into extents: cuts data along the runs, pads the last block with
 * zeros and computes the checksums of its chunks.
 */

import { putChecksum } from '../format/block.js';
import { newBytes } from '../format/bytes.js';
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
      const part = partOf(data, at, Math.min(to, at + step));
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
  const checksums = newBytes(Math.ceil(size / chunk) * 8);
  const whole = data.length < size ? data.length - (data.length % chunk) : size;
  if (pages !== undefined) {
    const bytes = pages.copyOf(data, size);
    putChecksums(bytes, chunk, checksums, 0);
    pieces.push({ address, bytes });
  } else {
    if (whole > 0) {
      const bytes = partOf(data, 0, whole);
      putChecksums(bytes, chunk, checksums, 0);
      pieces.push({ address, bytes });
    }
    if (whole < size) {
      const bytes = new Uint8Array(size - whole);
      bytes.set(data.subarray(whole));
      putChecksums(bytes, chunk, checksums, (whole / chunk) * 8);
      pieces.push({ address: address + whole / blockSize, bytes });
    }
  }
  return { address, blocks, length: data.length, shift: 31 - Math.clz32(chunk), checksums };
}

/** Writes the checksums of the chunks of `bytes`, of which only the last may be short. */
function putChecksums(
  bytes: Uint8Array,
  chunk: number,
  checksums: Uint8Array,
  firstSlot: number,
): void {
  let slot = firstSlot;
  for (let at = 0; at < bytes.length; at += chunk, slot += 8) {
    hash(bytes, at, Math.min(bytes.length, at + chunk));
    putChecksum(checksums, slot);
  }
}

/** `bytes[from, to)`; a view is made only where that is not all of them. */
function partOf(bytes: Uint8Array, from: number, to: number): Uint8Array {
  return from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to);
}
