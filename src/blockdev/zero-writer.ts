/**
 * Writes zeros over a range of a file, around the page cache where that is possible.
 *
 * - Through O_DIRECT the zeros neither fill the cache nor wait for it to be written back: several
 *   times faster under memory pressure, and the pages are about to be written again anyhow.
 * - Ends that aren't aligned, and descriptors that refuse O_DIRECT, go through the page cache.
 * - Nothing is durable before the file's data has been synchronised.
 */

import { closeSync, constants, openSync } from 'node:fs';
import { AlignedMemory, PAGE_SIZE } from './aligned-memory.js';
import { type Descriptor, systemCode, writeFully, writeFullySync } from './descriptor-io.js';

/** Zeros are written in pieces of this: larger ones gain nothing and hold more memory. */
const PIECE_SIZE = 1024 * 1024;

let zeros: Uint8Array | undefined;

/** One page-aligned piece of zeros for all files of the process; nobody writes to it. */
function zeroPiece(): Uint8Array {
  zeros ??= new AlignedMemory(PIECE_SIZE).take(PIECE_SIZE);
  return zeros;
}

/** Zeroes [from, to) of the file. @throws StoreError E_IO */
export function writeZerosSync(file: Descriptor, from: number, to: number): void {
  const direct = isAligned(from, to) ? openDirect(file) : undefined;
  try {
    for (let at = from; at < to; at += PIECE_SIZE) {
      const piece = zeroPiece().subarray(0, Math.min(PIECE_SIZE, to - at));
      writeFullySync(direct ?? file, at, [piece]);
    }
  } catch (error) {
    if (direct === undefined || systemCode(error) !== 'EINVAL') throw error;
    writeBufferedSync(file, from, to);
  } finally {
    if (direct !== undefined) closeSync(direct.fd);
  }
}

/** As `writeZerosSync`. */
export async function writeZeros(file: Descriptor, from: number, to: number): Promise<void> {
  const direct = isAligned(from, to) ? openDirect(file) : undefined;
  try {
    for (let at = from; at < to; at += PIECE_SIZE) {
      const piece = zeroPiece().subarray(0, Math.min(PIECE_SIZE, to - at));
      await writeFully(direct ?? file, at, [piece]);
    }
  } catch (error) {
    if (direct === undefined || systemCode(error) !== 'EINVAL') throw error;
    writeBufferedSync(file, from, to);
  } finally {
    if (direct !== undefined) closeSync(direct.fd);
  }
}

function writeBufferedSync(file: Descriptor, from: number, to: number): void {
  for (let at = from; at < to; at += PIECE_SIZE) {
    writeFullySync(file, at, [zeroPiece().subarray(0, Math.min(PIECE_SIZE, to - at))]);
  }
}

function isAligned(from: number, to: number): boolean {
  return from % PAGE_SIZE === 0 && to % PAGE_SIZE === 0;
}

/** Undefined where the file system refuses. */
function openDirect(file: Descriptor): Descriptor | undefined {
  try {
    const fd = openSync(`/proc/self/fd/${file.fd}`, constants.O_RDWR | constants.O_DIRECT);
    return { fd, path: file.path };
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined;
  }
}
