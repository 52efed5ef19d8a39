/**
 * Writes runs of blocks in as few calls as possible: runs that follow each other are one piece.
 *
 * - With stripes a piece ends where a stripe does, so that stripes that are whole are written by
 *   one call, and the meter counts those that are not.
 */

import type { BlockRun } from '../alloc/block-run.js';
import type { BlockDevice } from '../blockdev/block-device.js';
import type { IoStep } from '../blockdev/io.js';
import type { PendingRun } from './pending-data.js';
import type { StripeMeter } from './stripe-meter.js';

/** Bytes of one checkpoint write, of which two are under way at a time: a thread stays free for
 * the journal. */
const PIECE_BYTES = 1024 * 1024;

/** Zeros for the padding of stripes; they share their bytes. */
export function zerosFor(padding: readonly BlockRun[], blockSize: number): PendingRun[] {
  const longest = padding.reduce((most, { length }) => Math.max(most, length), 0);
  const zeros = new Uint8Array(longest * blockSize);
  return padding.map(({ start, length }) => ({
    address: start,
    bytes: zeros.subarray(0, length * blockSize),
  }));
}

/** Durable writes of runs in order of address, joined into pieces, two at a time. */
export function* writeRuns(
  device: BlockDevice,
  runs: readonly PendingRun[],
  stripes: StripeMeter,
): Generator<IoStep, void, void> {
  let steps: IoStep[] = [];
  for (const { address, bytes, sources } of piecesOf(runs, stripes, PIECE_BYTES)) {
    const offset = address * stripes.blockSize;
    stripes.note(offset, bytes);
    steps.push({ kind: 'write', device, offset, sources, durable: true });
    if (steps.length < 2) continue;
    yield { kind: 'together', steps };
    steps = [];
  }
  if (steps.length > 0) yield { kind: 'together', steps };
}

/** What is written by one call: blocks in a row. */
class Piece {
  readonly address: number; // block index
  bytes = 0;
  /** Bytes that it may still take. */
  room: number;
  readonly #sources: Uint8Array[] = [];
  /** The memory that comes last, which may go on: it gets its view when that is known. */
  #memory: ArrayBufferLike | undefined;
  #from = 0;
  #to = 0;

  constructor(address: number, room: number) {
    this.address = address;
    this.room = room;
  }

  /** Adds `source[from, from + length)`; what lies in a row in memory is one source. */
  add(source: Uint8Array, from: number, length: number): void {
    const start = source.byteOffset + from;
    if (source.buffer !== this.#memory || start !== this.#to) {
      this.#close();
      this.#memory = source.buffer;
      this.#from = start;
    }
    this.#to = start + length;
    this.bytes += length;
    this.room -= length;
  }

  #close(): void {
    if (this.#memory === undefined) return;
    this.#sources.push(new Uint8Array(this.#memory, this.#from, this.#to - this.#from));
    this.#memory = undefined;
  }

  /** What was added; nothing more may be. */
  get sources(): readonly Uint8Array[] {
    this.#close();
    return this.#sources;
  }
}

/**
 * Pieces of at most `most` bytes, or of one longer run. With stripes they end where a stripe does,
 * and runs are cut there.
 */
export function* piecesOf(
  runs: readonly PendingRun[],
  stripes: StripeMeter,
  most: number,
): Generator<Piece> {
  const { blockSize, width } = stripes;
  let piece: Piece | undefined;
  for (const { address, bytes } of runs) {
    for (let at = 0; at < bytes.length; ) {
      const offset = address * blockSize + at;
      const least = width > 0 ? blockSize : bytes.length;
      if (piece !== undefined && (endOfPiece(piece, blockSize) !== offset || piece.room < least)) {
        yield piece;
        piece = undefined;
      }
      piece ??= new Piece(address + at / blockSize, roomAt(offset, width, most));
      const part = width > 0 ? Math.min(bytes.length - at, piece.room) : bytes.length;
      piece.add(bytes, at, part);
      at += part;
    }
  }
  if (piece !== undefined) yield piece;
}

function endOfPiece(piece: Piece, blockSize: number): number {
  return piece.address * blockSize + piece.bytes;
}

/** Bytes of a piece that begins at byte `offset` of the device. */
function roomAt(offset: number, width: number, most: number): number {
  if (width === 0) return most;
  const whole = Math.max(width, most - (most % width));
  return whole - (offset % whole);
}
