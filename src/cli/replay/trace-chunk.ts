/**
 * What the thread that builds a replay's transactions sends to the one that has the store.
 *
 * - Transactions go in chunks, packed, their buffers transferred; no more chunks are under way
 *   than were asked for, so that memory does not grow with the trace.
 * - The buffers come back when the transactions in them are settled, and are used again: else the
 *   garbage collector of the thread that has the store would have all bytes of the trace to follow.
 * - What was built in front of a bad line comes before what is said about it.
 */

import type { ErrorCode } from '../../errors.js';
import { StoreError } from '../../errors.js';
import { LineError } from './line-error.js';
import type { TransactionLines } from './trace-builder.js';

/** Chunks that may be under way. */
export const CHUNKS_AHEAD = 3;

export interface PackedLines extends TransactionLines {
  readonly bytes: Uint8Array;
}

export interface TraceChunk {
  readonly transactions: readonly PackedLines[];
  /** Lines read for it, those included that had been replayed before. */
  readonly lines: number;
  /** Nothing comes behind it. */
  readonly isLast: boolean;
  /** Why nothing does, if it is not the end of the trace. */
  readonly failure: Failure | undefined;
}

/** What goes back. */
export interface ChunkAnswer {
  /** Another chunk is asked for. */
  readonly asks: boolean;
  /** Buffers of chunks that nobody uses any more. */
  readonly buffers: readonly ArrayBuffer[];
}

/** A StoreError as another thread can take it. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly line: number | undefined;
}

export function failureOf(error: StoreError): Failure {
  const { code, message } = error;
  return { code, message, line: error instanceof LineError ? error.line : undefined };
}

export function errorOf({ code, message, line }: Failure): StoreError {
  return line === undefined ? new StoreError(code, message) : new LineError(code, line, message);
}
