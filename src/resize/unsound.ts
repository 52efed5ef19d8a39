/** What a change of size says of something that it has to read, and can't. */

import { CorruptError, StoreError } from '../errors.js';

/** Why it can't be read: the device fails, or has other bytes than were written. */
export interface Unsound {
  readonly isUnreadable: boolean;
  readonly reason: string;
}

/** The error for `what`, which lies at byte `offset` of the device: E_IO or E_CORRUPT. */
export function unsound(what: string, offset: number, found: Unsound): StoreError {
  const { isUnreadable, reason } = found;
  if (isUnreadable) return new StoreError('E_IO', `Cannot resize: cannot read ${what}: ${reason}`);
  const message = `Cannot resize: ${what} at device offset ${offset} is damaged (${reason})`;
  return new CorruptError(`${message}; repair the store first`, offset);
}
