/**
 * The lines of a text file, plain or gzipped, in constant memory.
 *
 * - A line ends with a line feed; the last one may do without.
 * - Whether it is gzipped is told by its first bytes, not by its name.
 */

import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { StoreError } from '../../errors.js';
import { isSystemError, typedError } from '../system-error.js';
import { badLine } from './line-error.js';

/** Longest line unless less is asked for: a state has an object with its whole map in one. */
const LINE_BYTES_MAX = 64 * 1024 * 1024;

const LINE_FEED = 0x0a;
const GZIP_MAGIC = [0x1f, 0x8b] as const;

export interface Line {
  /** From 1. */
  readonly number: number;
  /** Without the line feed; valid until the next line is asked for. */
  readonly bytes: Uint8Array;
}

/**
 * Reads the lines of the file at `path`.
 *
 * @throws StoreError E_TRACE where the file is damaged, ends early or has a line over `bytesMax`;
 *   E_NOT_FOUND, E_PERMISSION, E_IO
 */
export async function* readLines(path: string, bytesMax = LINE_BYTES_MAX): AsyncGenerator<Line> {
  let number = 0;
  let begun: Uint8Array[] = [];
  let begunBytes = 0;
  try {
    for await (const chunk of chunksOf(path)) {
      let from = 0;
      for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, from)) {
        const end = chunk.subarray(from, at);
        number++;
        if (begunBytes + end.length > bytesMax) throw tooLong(path, number, bytesMax);
        yield { number, bytes: begun.length === 0 ? end : Buffer.concat([...begun, end]) };
        begun = [];
        begunBytes = 0;
        from = at + 1;
      }
      if (from === chunk.length) continue;
      begun.push(chunk.subarray(from));
      begunBytes += chunk.length - from;
      if (begunBytes > bytesMax) throw tooLong(path, number + 1, bytesMax);
    }
  } catch (error) {
    throw readError(path, number + 1, error);
  }
  if (begunBytes > 0) yield { number: number + 1, bytes: Buffer.concat(begun) };
}

function tooLong(path: string, line: number, bytesMax: number): StoreError {
  return badLine(path, line, `it has more than ${bytesMax} bytes`);
}

/** An error of zlib says that the file is damaged; others are the system's. */
function readError(path: string, line: number, error: unknown): unknown {
  if (error instanceof StoreError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code.startsWith('Z_')) {
    const reason = code === 'Z_BUF_ERROR' ? 'the file is cut short' : 'the file is damaged';
    return badLine(path, line, reason, error);
  }
  return isSystemError(error) ? typedError(`Cannot read ${path}`, error) : error;
}

async function* chunksOf(path: string): AsyncGenerator<Buffer> {
  const packed = await isGzipped(path);
  const source = createReadStream(path, { highWaterMark: 256 * 1024 });
  if (!packed) {
    yield* source as AsyncIterable<Buffer>;
    return;
  }
  const unpacked = createGunzip({ chunkSize: 256 * 1024 });
  // A failure of either comes out of the iteration below.
  pipeline(source, unpacked, () => undefined);
  yield* unpacked as AsyncIterable<Buffer>;
}

async function isGzipped(path: string): Promise<boolean> {
  const file: FileHandle = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(2), 0, 2, 0);
    return bytesRead === 2 && GZIP_MAGIC.every((byte, index) => buffer[index] === byte);
  } finally {
    await file.close();
  }
}
