/**
 * The thread of a replay that reads the trace and builds its transactions, so that the thread
 * that has the store has nothing to do but to apply them.
 */

import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { StoreError } from '../../errors.js';
import { readLines } from './line-reader.js';
import { type BuilderOptions, TraceBuilder, type TraceTransaction } from './trace-builder.js';
import {
  CHUNKS_AHEAD,
  type ChunkAnswer,
  type Failure,
  failureOf,
  type PackedLines,
  type TraceChunk,
} from './trace-chunk.js';

/** Longest line of a trace; the longest that an OSD made had 100 KB. */
const LINE_BYTES_MAX = 16 * 1024 * 1024;

/** A chunk is sent when it has so many lines or bytes. */
const CHUNK_LINES = 64;
const CHUNK_BYTES = 1024 * 1024;

/** Bytes of the buffer that the small transactions of a chunk share; a power of two. */
const SLAB_BYTES = 128 * 1024;

/** Least bytes of a buffer; a power of two. */
const BUFFER_BYTES_MIN = 16 * 1024;

/** Bytes of buffers that wait to be used again: what may be in flight. */
const SPARE_BYTES_MAX = 64 * 1024 * 1024;

/** Buffers for chunks, used again as they come back. Their lengths are powers of two. */
class BufferPool {
  readonly #spares = new Map<number, ArrayBuffer[]>();
  #bytes = 0;

  /** A buffer of at least `length` bytes, of any content. */
  take(length: number): ArrayBuffer {
    const size = 2 ** Math.ceil(Math.log2(Math.max(length, BUFFER_BYTES_MIN)));
    const spare = this.#spares.get(size)?.pop();
    if (spare === undefined) return new ArrayBuffer(size);
    this.#bytes -= size;
    return spare;
  }

  give(buffer: ArrayBuffer): void {
    const size = buffer.byteLength;
    if (this.#bytes + size > SPARE_BYTES_MAX) return;
    const spares = this.#spares.get(size) ?? [];
    spares.push(buffer);
    this.#spares.set(size, spares);
    this.#bytes += size;
  }
}

/** Transactions on their way into a chunk. */
class ChunkFiller {
  readonly #pool: BufferPool;
  #transactions: PackedLines[] = [];
  #lines = 0;
  #bytes = 0;
  #buffers: ArrayBuffer[] = [];
  #slab: ArrayBuffer | undefined;
  #slabAt = 0;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  get isFull(): boolean {
    return this.#lines >= CHUNK_LINES || this.#bytes >= CHUNK_BYTES;
  }

  countLine(): void {
    this.#lines++;
  }

  add({ transaction, first, last, userBytes }: TraceTransaction): void {
    const bytes = transaction.pack((length) => this.#take(length));
    this.#bytes += bytes.length;
    this.#transactions.push({ bytes, first, last, userBytes });
  }

  #take(length: number): Uint8Array {
    if (length > SLAB_BYTES / 8) {
      const buffer = this.#pool.take(length);
      this.#buffers.push(buffer);
      return new Uint8Array(buffer, 0, length);
    }
    if (this.#slab === undefined || this.#slabAt + length > SLAB_BYTES) {
      this.#slab = this.#pool.take(SLAB_BYTES);
      this.#slabAt = 0;
      this.#buffers.push(this.#slab);
    }
    this.#slabAt += length;
    return new Uint8Array(this.#slab, this.#slabAt - length, length);
  }

  /** Sends what was added, with its buffers. */
  send(port: MessagePort, end?: { readonly failure: Failure | undefined }): void {
    const transactions = this.#transactions;
    const isLast = end !== undefined;
    const chunk: TraceChunk = { transactions, lines: this.#lines, isLast, failure: end?.failure };
    port.postMessage(chunk, this.#buffers);
    this.#transactions = [];
    this.#lines = 0;
    this.#bytes = 0;
    this.#buffers = [];
    this.#slab = undefined;
  }
}

/** Chunks that may still be sent before another one is asked for. */
class Demand {
  #left = CHUNKS_AHEAD;
  #asked: () => void = () => undefined;

  constructor(port: MessagePort, pool: BufferPool) {
    port.on('message', ({ asks, buffers }: ChunkAnswer) => {
      for (const buffer of buffers) pool.give(buffer);
      if (!asks) return;
      this.#left++;
      this.#asked();
    });
  }

  async take(): Promise<void> {
    while (this.#left === 0) {
      await new Promise<void>((resolve) => {
        this.#asked = resolve;
      });
    }
    this.#left--;
  }
}

async function build(port: MessagePort, options: BuilderOptions): Promise<void> {
  const builder = new TraceBuilder(options);
  const pool = new BufferPool();
  const chunk = new ChunkFiller(pool);
  const demand = new Demand(port, pool);
  let failure: Failure | undefined;
  try {
    for await (const line of readLines(options.path, LINE_BYTES_MAX)) {
      const built = builder.take(line);
      chunk.countLine();
      if (built !== undefined) chunk.add(built);
      if (!chunk.isFull) continue;
      await demand.take();
      chunk.send(port);
    }
    const rest = builder.finish();
    if (rest !== undefined) chunk.add(rest);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    failure = failureOf(error);
  }
  await demand.take();
  chunk.send(port, { failure });
  port.close();
}

if (parentPort !== null) await build(parentPort, workerData as BuilderOptions);
