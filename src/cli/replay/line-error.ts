/**
 * Errors of replaying: what is wrong, and at which line.
 */

import { CorruptError, type ErrorCode, StoreError } from '../../errors.js';

/** A line of a trace or state file makes no sense, or what it asks for was refused. */
export class LineError extends StoreError {
  /** Counted from 1. */
  readonly line: number;

  constructor(code: ErrorCode, line: number, message: string, options?: ErrorOptions) {
    super(code, message, options);
    this.name = 'LineError';
    this.line = line;
  }
}

/** The text of a line makes no sense. */
export function badLine(file: string, line: number, reason: string, cause?: unknown): LineError {
  return new LineError('E_TRACE', line, `Cannot read line ${line} of ${file}: ${reason}`, {
    cause,
  });
}

/** What the store said about a transaction, with the lines that it was made of. */
export function lineError(
  error: StoreError,
  { first, last }: { readonly first: number; readonly last: number },
): StoreError {
  const { code, message } = error;
  if (error instanceof LineError || error instanceof CorruptError || code === 'E_IO') return error;
  const lines = first === last ? `line ${first}` : `lines ${first} to ${last}`;
  return new LineError(code, first, `Cannot replay ${lines}: ${message}`, { cause: error });
}
