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

/** Bytes of the buffer that the small transactions of a chunk share. */
const SLAB_BYTES = 128 * 1024;

/** Transactions on their way into a chunk. */
class ChunkFiller {
  #transactions: PackedLines[] = [];
  #lines = 0;
  #bytes = 0;
  #buffers: ArrayBuffer[] = [];
  #slab: ArrayBuffer | undefined;
  #slabAt = 0;

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
      const buffer = new ArrayBuffer(length);
      this.#buffers.push(buffer);
      return new Uint8Array(buffer);
    }
    if (this.#slab === undefined || this.#slabAt + length > SLAB_BYTES) {
      this.#slab = new ArrayBuffer(SLAB_BYTES);
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

  constructor(port: MessagePort) {
    port.on('message', () => {
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
  const chunk = new ChunkFiller();
  const demand = new Demand(port);
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
