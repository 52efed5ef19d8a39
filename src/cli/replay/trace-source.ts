/**
 * The transactions of a trace, built by a thread of their own (build-thread.ts).
 */

import { on } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { BuilderOptions } from './trace-builder.js';
import { errorOf, type TraceChunk } from './trace-chunk.js';

/**
 * Chunks of transactions, in order.
 *
 * @throws StoreError when the trace makes no sense, behind all that was built before
 */
export async function* traceChunks(options: BuilderOptions): AsyncGenerator<TraceChunk> {
  const thread = new Worker(new URL('./build-thread.js', import.meta.url), {
    workerData: options,
  });
  try {
    for await (const [message] of on(thread, 'message')) {
      const chunk = message as TraceChunk;
      yield chunk;
      if (chunk.failure !== undefined) throw errorOf(chunk.failure);
      if (chunk.isLast) return;
      thread.postMessage(undefined);
    }
  } finally {
    await thread.terminate();
  }
}
