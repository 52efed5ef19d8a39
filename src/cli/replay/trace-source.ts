/**
 * The transactions of a trace, built by a thread of their own (build-thread.ts).
 */

import { on } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { BuilderOptions } from './trace-builder.js';
import { type ChunkAnswer, errorOf, type TraceChunk } from './trace-chunk.js';

/** A chunk whose buffers are given back when its transactions are settled. */
export interface LentChunk extends TraceChunk {
  /** Nothing looks at the bytes of its transactions any more. */
  giveBack(): void;
}

/**
 * Chunks of transactions, in order.
 *
 * @throws StoreError when the trace makes no sense, behind all that was built before
 */
export async function* traceChunks(options: BuilderOptions): AsyncGenerator<LentChunk> {
  const thread = new Worker(new URL('./build-thread.js', import.meta.url), {
    workerData: options,
  });
  const answer = (asks: boolean, buffers: ArrayBuffer[]): void => {
    const message: ChunkAnswer = { asks, buffers };
    thread.postMessage(message, buffers);
  };
  try {
    for await (const [message] of on(thread, 'message')) {
      const chunk = message as TraceChunk;
      yield { ...chunk, giveBack: () => answer(false, buffersOf(chunk)) };
      if (chunk.failure !== undefined) throw errorOf(chunk.failure);
      if (chunk.isLast) return;
      answer(true, []);
    }
  } finally {
    await thread.terminate();
  }
}

function buffersOf({ transactions }: TraceChunk): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const { bytes } of transactions) {
    if (bytes.buffer instanceof ArrayBuffer) buffers.add(bytes.buffer);
  }
  return [...buffers];
}
