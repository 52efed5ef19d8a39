/**
 * Reads that come from the medium instead of the page cache, through O_DIRECT.
 *
 * - The kernel writes dirty pages of the range back before it reads, so nothing newer is missed.
 * - The kernel wants memory, offset and length aligned. A read whose target is (AlignedMemory)
 *   goes straight there, any number at a time. Any other goes through an aligned buffer in pieces,
 *   and a piece is widened to whole pages of `ALIGNMENT` bytes.
 * - One buffer serves the synchronous form, a few others the asynchronous one, whose calls queue
 *   up for them.
 * - Where the descriptor or a read is refused with EINVAL, it reads through the page cache.
 */

import { closeSync, constants, openSync, readSync } from 'node:fs';
import { StoreError } from '../errors.js';
import { AlignedMemory } from './aligned-memory.js';
import {
  type Descriptor,
  readFully,
  readFullySync,
  reasonOf,
  systemCode,
} from './descriptor-io.js';

/** No sector is larger, and a multiple suits every smaller one. */
const ALIGNMENT = 4096;

/** Large enough that the medium streams, small enough that the buffers do not count. */
const PIECE_SIZE = 256 * 1024;

/** As many as there are threads for reads where nobody has set another number. */
const BUFFERS = 4;

interface Direct {
  readonly descriptor: Descriptor;
  readonly forSync: Uint8Array;
  /** Those that no read has at the moment. */
  readonly forAsync: Uint8Array[];
}

export class MediaReader {
  readonly #buffered: Descriptor;
  /** Undefined before the first use, null where direct reads are refused. */
  #direct: Direct | null | undefined;
  /** Reads that wait for a buffer, the longest waiting first. */
  readonly #waiting: ((buffer: Uint8Array) => void)[] = [];

  constructor(buffered: Descriptor) {
    this.#buffered = buffered;
  }

  isDirect(): boolean {
    return this.#open() !== null;
  }

  readSync(offset: number, target: Uint8Array): void {
    const direct = this.#open();
    if (direct === null) {
      readFullySync(this.#buffered, offset, target);
      return;
    }
    if (isAligned(offset, target)) {
      readFullySync(direct.descriptor, offset, target);
      return;
    }
    for (const piece of pieces(offset, target, direct.forSync)) {
      readFullySync(direct.descriptor, piece.offset, piece.aligned, piece.least);
      piece.take();
    }
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    const direct = this.#open();
    if (direct === null) return await readFully(this.#buffered, offset, target);
    if (isAligned(offset, target)) return await readFully(direct.descriptor, offset, target);
    if (target.length <= PIECE_SIZE) return await this.#readThrough(direct, offset, target);
    // Two halves at a time: one alone would leave the medium idle between its pieces.
    const half = Math.ceil(target.length / 2);
    const ends = await Promise.allSettled([
      this.#readThrough(direct, offset, target.subarray(0, half)),
      this.#readThrough(direct, offset + half, target.subarray(half)),
    ]);
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }

  /** Reads through a buffer, once there is one. */
  async #readThrough(direct: Direct, offset: number, target: Uint8Array): Promise<void> {
    const buffer = direct.forAsync.pop() ?? (await this.#nextBuffer());
    try {
      await readPieces(direct.descriptor, offset, target, buffer);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) direct.forAsync.push(buffer);
      else next(buffer);
    }
  }

  #nextBuffer(): Promise<Uint8Array> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  close(): void {
    if (this.#direct) closeSync(this.#direct.descriptor.fd);
    this.#direct = null;
  }

  #open(): Direct | null {
    if (this.#direct === undefined) this.#direct = openDirect(this.#buffered);
    return this.#direct;
  }
}

function isAligned(offset: number, target: Uint8Array): boolean {
  const isWhole = offset % ALIGNMENT === 0 && target.length % ALIGNMENT === 0;
  return isWhole && AlignedMemory.isAligned(target);
}

/** Opens the direct descriptor and tries it: some systems refuse only the first read. */
function openDirect(buffered: Descriptor): Direct | null {
  let fd: number | undefined;
  try {
    fd = openSync(`/proc/self/fd/${buffered.fd}`, constants.O_RDONLY | constants.O_DIRECT);
    const memory = new AlignedMemory((1 + BUFFERS) * PIECE_SIZE);
    const forSync = memory.take(PIECE_SIZE);
    const forAsync = Array.from({ length: BUFFERS }, () => memory.take(PIECE_SIZE));
    readSync(fd, forSync, 0, ALIGNMENT, 0);
    return { descriptor: { fd, path: buffered.path }, forSync, forAsync };
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    if (systemCode(error) === 'EINVAL') return null;
    const what = `Cannot read ${buffered.path} past the page cache`;
    throw new StoreError('E_IO', `${what}: ${reasonOf(error)}`, { cause: error });
  }
}

async function readPieces(
  descriptor: Descriptor,
  offset: number,
  target: Uint8Array,
  buffer: Uint8Array,
): Promise<void> {
  for (const piece of pieces(offset, target, buffer)) {
    await readFully(descriptor, piece.offset, piece.aligned, piece.least);
    piece.take();
  }
}

interface Piece {
  readonly offset: number;
  readonly aligned: Uint8Array;
  /** Bytes of it that are needed; the device may end behind them. */
  readonly least: number;
  /** Copies what was read to its place in the target. */
  take(): void;
}

function* pieces(offset: number, target: Uint8Array, buffer: Uint8Array): Generator<Piece> {
  for (let done = 0; done < target.length; ) {
    const at = offset + done;
    const skip = at % ALIGNMENT;
    const length = Math.min(target.length - done, buffer.length - skip);
    const aligned = buffer.subarray(0, Math.ceil((skip + length) / ALIGNMENT) * ALIGNMENT);
    const to = done;
    yield {
      offset: at - skip,
      aligned,
      least: skip + length,
      take: () => target.set(buffer.subarray(skip, skip + length), to),
    };
    done += length;
  }
}
