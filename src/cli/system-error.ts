/**
 * Errors of the operating system, told to people.
 */

import { getSystemErrorMap } from 'node:util';
import { type ErrorCode, StoreError } from '../errors.js';

/** True for an error that the operating system gave for a file. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).errno === 'number';
}

/** What went wrong, without Node's repetition of path and call. */
export function reasonOf(error: unknown): string {
  if (!isSystemError(error)) return error instanceof Error ? error.message : String(error);
  return getSystemErrorMap().get(error.errno ?? 0)?.[1] ?? error.message;
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'E_NOT_FOUND',
  ENOTDIR: 'E_NOT_FOUND',
  EEXIST: 'E_EXISTS',
  EACCES: 'E_PERMISSION',
  EPERM: 'E_PERMISSION',
  EROFS: 'E_READ_ONLY',
  ENOSPC: 'E_NO_SPACE',
  EDQUOT: 'E_NO_SPACE',
  EISDIR: 'E_INVALID',
  ENAMETOOLONG: 'E_TOO_BIG',
};

/** A typed error for one of the operating system: `action` could not be done. */
export function typedError(action: string, error: unknown): StoreError {
  const code = isSystemError(error) ? CODES[error.code ?? ''] : undefined;
  return new StoreError(code ?? 'E_IO', `${action}: ${reasonOf(error)}`, { cause: error });
}
