/**
 * Durable writes that pass the page cache by, through O_DIRECT and O_DSYNC.
 *
 * - The kernel has neither to find pages for the bytes nor to write them back: of a small durable
 *   write that is what does not take the medium's own time. What was written is not in the cache.
 * - The kernel keeps the cache coherent: it writes dirty pages of the range back before, and drops
 *   what it holds of it afterwards. One place is written one way only while anything of it is under
 *   way, so the way depends on length and offset alone, and calls queue up for their buffer.
 * - The bytes are gathered in an aligned buffer: one for the synchronous form, one for the other.
 * - What is longer, or unaligned, is the caller's to write otherwise. So is all of it where the
 *   descriptor or a write is refused with EINVAL.
 */

import { closeSync, constants, openSync } from 'node:fs';
import { totalLength } from './access.js';
import { AlignedMemory } from './aligned-memory.js';
import { type Descriptor, systemCode, writeFully, writeFullySync } from './descriptor-io.js';

/** No sector is larger, and a multiple suits every smaller one. */
const ALIGNMENT = 4096;

/**
 * Of longer writes the medium's time is the larger part, and copying would be felt. What 32
 * transactions with a block of data each put into the journal together is shorter.
 */
const LENGTH_MAX = 256 * 1024;

/** Buffers of LENGTH_MAX bytes that are made at once. */
const BUFFERS = 8;

/** Page-aligned buffers of LENGTH_MAX bytes that no writer has. */
const spares: Uint8Array[] = [];

interface Direct {
  readonly descriptor: Descriptor;
  readonly forSync: Uint8Array;
  readonly forAsync: Uint8Array;
}

export class DirectWriter {
  readonly #buffered: Descriptor;
  /** Undefined before the first use, and where the descriptor is refused. */
  #direct: Direct | undefined;
  #isRefused = false;
  /** Settles when nobody has the buffer of the asynchronous form. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(buffered: Descriptor) {
    this.#buffered = buffered;
  }

  /** False when it has to be written otherwise: nothing of it counts. @throws StoreError E_IO */
  writeSync(offset: number, sources: readonly Uint8Array[]): boolean {
    const direct = this.#for(offset, sources);
    if (direct === undefined) return false;
    try {
      writeFullySync(direct.descriptor, offset, [gather(sources, direct.forSync)]);
      return true;
    } catch (error) {
      return this.#refused(error);
    }
  }

  /** As `writeSync`. */
  async write(offset: number, sources: readonly Uint8Array[]): Promise<boolean> {
    const direct = this.#for(offset, sources);
    if (direct === undefined) return false;
    const written = this.#turn.then(() =>
      writeFully(direct.descriptor, offset, [gather(sources, direct.forAsync)]),
    );
    this.#turn = written.catch(() => undefined);
    try {
      await written;
      return true;
    } catch (error) {
      return this.#refused(error);
    }
  }

  /** Nothing may be under way. */
  close(): void {
    if (this.#direct === undefined) return;
    const { descriptor, forSync, forAsync } = this.#direct;
    closeSync(descriptor.fd);
    spares.push(forSync, forAsync);
    this.#direct = undefined;
    this.#isRefused = true;
  }

  #for(offset: number, sources: readonly Uint8Array[]): Direct | undefined {
    const length = totalLength(sources);
    const isOurs = length <= LENGTH_MAX && length % ALIGNMENT === 0 && offset % ALIGNMENT === 0;
    if (!isOurs || this.#isRefused) return undefined;
    this.#direct ??= open(this.#buffered);
    this.#isRefused = this.#direct === undefined;
    return this.#direct;
  }

  /** False, for all that follows too, when the kernel refuses direct writes here. */
  #refused(error: unknown): false {
    if (systemCode(error) !== 'EINVAL') throw error;
    this.#isRefused = true;
    return false;
  }
}

/** All sources, one behind the other, in the front of `buffer`. */
function gather(sources: readonly Uint8Array[], buffer: Uint8Array): Uint8Array {
  let at = 0;
  for (const source of sources) {
    buffer.set(source, at);
    at += source.length;
  }
  return buffer.subarray(0, at);
}

function open({ fd: of, path }: Descriptor): Direct | undefined {
  const flags = constants.O_RDWR | constants.O_DIRECT | constants.O_DSYNC;
  try {
    const fd = openSync(`/proc/self/fd/${of}`, flags);
    return { descriptor: { fd, path }, forSync: takeBuffer(), forAsync: takeBuffer() };
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined;
  }
}

/** Memories are few and large, as AlignedMemory asks: the writers of a process share one. */
function takeBuffer(): Uint8Array {
  const spare = spares.pop();
  if (spare !== undefined) return spare;
  const memory = new AlignedMemory(BUFFERS * LENGTH_MAX);
  while (memory.free > LENGTH_MAX) spares.push(memory.take(LENGTH_MAX));
  return memory.take(LENGTH_MAX);
}
