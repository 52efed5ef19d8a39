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

/** Bytes of zeros in memory. */
const PIECE_SIZE = 1024 * 1024;

/**
 * Pieces that one call writes. Fewer cost more processor time; with more, other writes to the file
 * wait longer, since the system lets one at a time extend it.
 */
const PIECES_A_CALL = 4;

const CALL_SIZE = PIECES_A_CALL * PIECE_SIZE;

let zeros: Uint8Array | undefined;

/** One page-aligned piece of zeros for all files of the process; nobody writes to it. */
function zeroPiece(): Uint8Array {
  zeros ??= new AlignedMemory(PIECE_SIZE).take(PIECE_SIZE);
  return zeros;
}

/** Zeros for the call at `at`, of those up to `to`. */
function zerosOf(at: number, to: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  const end = Math.min(to, at + CALL_SIZE);
  for (let from = at; from < end; from += PIECE_SIZE) {
    pieces.push(zeroPiece().subarray(0, Math.min(PIECE_SIZE, end - from)));
  }
  return pieces;
}

/** Zeroes [from, to) of the file. @throws StoreError E_IO */
export function writeZerosSync(file: Descriptor, from: number, to: number): void {
  const direct = isAligned(from, to) ? openDirect(file) : undefined;
  try {
    for (let at = from; at < to; at += CALL_SIZE) {
      writeFullySync(direct ?? file, at, zerosOf(at, to));
    }
  } catch (error) {
    if (direct === undefined || systemCode(error) !== 'EINVAL') throw error;
    writeBufferedSync(file, from, to);
  } finally {
    if (direct !== undefined) closeSync(direct.fd);
  }
}

/** As `writeZerosSync`; ends early when it is not needed any more. */
export async function writeZeros(
  file: Descriptor,
  from: number,
  to: number,
  isNeeded: () => boolean,
): Promise<void> {
  const direct = isAligned(from, to) ? openDirect(file) : undefined;
  try {
    for (let at = from; at < to && isNeeded(); at += CALL_SIZE) {
      await writeFully(direct ?? file, at, zerosOf(at, to));
    }
  } catch (error) {
    if (direct === undefined || systemCode(error) !== 'EINVAL') throw error;
    writeBufferedSync(file, from, to);
  } finally {
    if (direct !== undefined) closeSync(direct.fd);
  }
}

function writeBufferedSync(file: Descriptor, from: number, to: number): void {
  for (let at = from; at < to; at += CALL_SIZE) writeFullySync(file, at, zerosOf(at, to));
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
