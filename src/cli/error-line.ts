/**
 * Errors as a person gets them.
 */

import { AssertionError } from '../assert.js';
import { type ErrorCode, StoreError } from '../errors.js';
import { isSystemError, reasonOf } from './system-error.js';

/** What to do about errors, by their codes. */
type Advice = Readonly<Partial<Record<ErrorCode, string>>>;

/** For all commands, where a message does not say so itself. */
const ADVICE: Advice = {
  E_CORRUPT: 'run fsck',
  E_NO_SPACE: 'remove something',
  E_NOT_FOUND: 'ls shows what there is',
  E_EXISTS: 'choose another name',
  E_NOT_EMPTY: 'remove what is in it first',
  E_NOT_A_STORE: 'check the path, or make a store with mkfs',
  E_VERSION: 'use the holdfast that made it',
  E_COMPARATOR: 'use the program that registers it',
  E_TOO_SMALL: 'use a larger size',
  E_TOO_BIG: 'use less',
  E_INVALID: 'check the arguments',
};

/** An error as one line for stderr: what could not be done, why, and what to do. */
export function errorLine(error: unknown, advice: Advice = {}): string {
  if (error instanceof AssertionError) return oneLine(`${error.stack ?? error.message}`);
  if (isSystemError(error)) return `Cannot ${error.syscall ?? 'go on'}: ${reasonOf(error)}`;
  if (!(error instanceof Error)) return oneLine(String(error));
  const code = error instanceof StoreError ? error.code : undefined;
  const text = code === undefined ? undefined : (advice[code] ?? ADVICE[code]);
  const told = text === undefined || error.message.includes('; ');
  return oneLine(told ? error.message : `${error.message}; ${text}`);
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ');
}
