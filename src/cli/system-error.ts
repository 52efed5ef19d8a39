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
  ENAMETOOLONG: 'E_INVALID',
  ELOOP: 'E_INVALID',
};

/** What to do where a file or directory beside the store is concerned. */
const ADVICE: Readonly<Partial<Record<ErrorCode, string>>> = {
  E_NOT_FOUND: 'check the path',
  E_EXISTS: 'choose another path',
  E_PERMISSION: 'check its owner and mode, and those of its directory',
  E_READ_ONLY: 'choose a path on another file system',
  E_NO_SPACE: 'make room there, or choose another path',
  E_INVALID: 'choose another path',
  E_IO: 'check the device that it is on',
};

/** The stable code of an error; undefined for one of our own. */
export function codeOf(error: unknown): ErrorCode | undefined {
  if (error instanceof StoreError) return error.code;
  return isSystemError(error) ? (CODES[error.code ?? ''] ?? 'E_IO') : undefined;
}

/**
 * A typed error for one that the system gave for a file or directory that is not the store:
 * `action` could not be done.
 */
export function typedError(action: string, error: unknown): StoreError {
  const code = codeOf(error) ?? 'E_IO';
  const advice = ADVICE[code] ?? 'check the path';
  return new StoreError(code, `${action}: ${reasonOf(error)}; ${advice}`, { cause: error });
}
