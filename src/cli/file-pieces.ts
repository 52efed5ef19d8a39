/**
 * Reads files and streams piece by piece, each piece in a buffer of its own.
 */

import { readSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { PIECE_BYTES } from './object-writer.js';

/** Reads up to `size` bytes at `offset`; gives how many there were. */
export function readAt(descriptor: number, target: Buffer, size: number, offset: number): number {
  let at = 0;
  while (at < size) {
    const count = readSync(descriptor, target, at, size - at, offset + at);
    if (count === 0) break;
    at += count;
  }
  return at;
}

/** A file from its beginning to where it ends when that is reached. */
export async function* piecesOfFile(file: FileHandle): AsyncGenerator<Uint8Array> {
  for (let offset = 0, more = true; more; offset += PIECE_BYTES) {
    const piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
    let length = 0;
    while (length < PIECE_BYTES) {
      const { bytesRead } = await file.read(piece, length, PIECE_BYTES - length, offset + length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    more = length === PIECE_BYTES;
    if (length > 0) yield piece.subarray(0, length);
  }
}

/** A stream, put together to pieces. */
export async function* piecesOfStream(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  let length = 0;
  for await (const chunk of stream) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + PIECE_BYTES - length);
      piece.set(part, length);
      length += part.length;
      at += part.length;
      if (length < PIECE_BYTES) continue;
      yield piece;
      piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
      length = 0;
    }
  }
  if (length > 0) yield piece.subarray(0, length);
}
