/**
 * Errors as a person gets them, on one line, or as a program does.
 */

import { AssertionError } from '../assert.js';
import { CorruptError, type ErrorCode, StoreError } from '../errors.js';
import { codeOf, isSystemError, reasonOf } from './system-error.js';
import { jsonBytes } from './text.js';

/** What to do about errors, by their codes. */
type Advice = Readonly<Partial<Record<ErrorCode, string>>>;

/** For all commands, where a message does not say so itself. */
const ADVICE: Advice = {
  E_CORRUPT: 'run fsck',
  E_NO_SPACE: 'remove something',
  E_NOT_FOUND: 'ls shows what there is',
  E_EXISTS: 'choose another name',
  E_NOT_EMPTY: 'remove what is in it first',
  E_IO: 'check the device; the system log may say more',
  E_BUSY: 'try again when it is free',
  E_NOT_A_STORE: 'check the path, or make a store with mkfs',
  E_VERSION: 'use the holdfast that made it',
  E_COMPARATOR: 'use the program that registers it',
  E_TOO_SMALL: 'use a larger size',
  E_TOO_BIG: 'use less',
  E_READ_ONLY: 'make it writable, or work on a copy',
  E_GUARD: 'look at what is there now, then decide anew',
  E_INVALID: 'check the arguments',
  E_PERMISSION: 'check its owner and mode',
};

/** For what the system says of the path of a store. */
const STORE_PATH_ADVICE: Advice = {
  E_NOT_FOUND: 'check the path, or make a store with mkfs',
  E_INVALID: 'check the path',
  E_EXISTS: 'try again',
  E_NO_SPACE: 'make room there',
};

/** An error as one line for stderr: what could not be done, why, and what to do. */
export function errorLine(error: unknown, advice: Advice = {}): string {
  if (error instanceof AssertionError) return oneLine(`${error.stack ?? error.message}`);
  if (isSystemError(error)) return `Cannot ${error.syscall ?? 'go on'}: ${reasonOf(error)}`;
  if (!(error instanceof Error)) return oneLine(String(error));
  const text = error instanceof StoreError ? adviceOn(error, advice) : undefined;
  const told = text === undefined || error.message.includes('; ');
  return oneLine(told ? error.message : `${error.message}; ${text}`);
}

function adviceOn({ code, cause }: StoreError, advice: Advice): string | undefined {
  const general = isSystemError(cause) ? (STORE_PATH_ADVICE[code] ?? ADVICE[code]) : ADVICE[code];
  return advice[code] ?? general;
}

/**
 * The same for programs: `{"error":{"code":"E_NOT_FOUND","message":"..."}}`, with the place of damage
 * in fields of its own.
 */
export function errorJson(error: unknown, advice: Advice = {}): string {
  const code = codeOf(error) ?? null;
  const message = errorLine(error, advice);
  return JSON.stringify({ error: { code, message, ...jsonDamage(error) } });
}

/** Where damage is: the fields of a CorruptError, or of one that is the cause. */
function jsonDamage(error: unknown): Record<string, unknown> {
  if (!(error instanceof CorruptError)) {
    return error instanceof StoreError && error.cause !== undefined ? jsonDamage(error.cause) : {};
  }
  const { offset, place } = error;
  const { tree, keys, collection, object } = place;
  return {
    ...(offset >= 0 && { offset }),
    ...(tree !== undefined && { tree }),
    ...(keys?.from !== undefined && jsonBytes('from', keys.from)),
    ...(keys?.to !== undefined && jsonBytes('to', keys.to)),
    ...(collection !== undefined && jsonBytes('collection', collection)),
    ...(object !== undefined && jsonBytes('object', object)),
  };
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ');
}
