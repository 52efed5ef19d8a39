/**
 * Errors of replaying: what is wrong, and at which line.
 */

import { type ErrorCode, StoreError } from '../../errors.js';

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
