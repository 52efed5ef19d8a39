/**
 * Errors of the store.
 *
 * - Operating errors and misuse by the caller are StoreError with a stable code; docs/errors.md
 *   lists them. Our own bugs are AssertionError (assert.ts).
 * - Messages may change between versions, codes may not within a major version.
 */

/** Stable error codes; docs/errors.md says when each is given and what to do. */
export type ErrorCode =
  | 'E_CORRUPT' // bytes read do not match their checksum or their structure
  | 'E_NO_SPACE' // nothing free and nothing being freed could satisfy the request
  | 'E_NOT_FOUND' // no such object, collection, attribute, key or reservation
  | 'E_EXISTS' // it exists already
  | 'E_NOT_EMPTY' // the collection still holds objects
  | 'E_CLOSED' // the store, snapshot or device is closed
  | 'E_IO' // the device failed; after a failed write or flush the store is poisoned
  | 'E_BUSY' // somebody else has the store open, or a write of before is still under way
  | 'E_NOT_A_STORE' // no valid superblock
  | 'E_VERSION' // a newer, incompatible format
  | 'E_COMPARATOR' // the comparator is not registered, or its version differs
  | 'E_TOO_SMALL' // the device is too small for a store
  | 'E_TOO_BIG' // a name, key, value or transaction over its limit
  | 'E_READ_ONLY' // a write to a store or device opened read-only
  | 'E_GUARD' // a guard of the transaction did not hold
  | 'E_INVALID' // an operation that makes no sense on what is there
  | 'E_INVALID_ARGUMENT' // an argument that makes no sense whatever is there: misuse by the caller
  | 'E_STALE' // opened read-only, and written by somebody else since
  | 'E_SNAPSHOT_EXPIRED' // the snapshot held blocks that the pool needed
  | 'E_PERMISSION' // the operating system forbids it
  | 'E_DAMAGED_JOURNAL' // a record that was durable is damaged; a writable open is refused
  | 'E_NO_JOURNAL' // the journal's own device was not given, or is not the right one
  | 'E_TRACE' // a trace, or a state to compare with, makes no sense at one of its lines
  | 'E_USAGE'; // the command line makes no sense

/** An operating error: something that a correct program must expect. */
export class StoreError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreError';
    this.code = code;
  }
}

/** An error of code E_INVALID_ARGUMENT. */
export function invalidArgument(message: string): StoreError {
  return new StoreError('E_INVALID_ARGUMENT', message);
}

/** `value`, a bundle of options or of parts. @throws StoreError E_INVALID_ARGUMENT for no object */
export function checkObject<T extends object>(value: T, what: string): T {
  if (typeof value === 'object' && value !== null) return value;
  throw invalidArgument(`Cannot use ${what} ${String(value)}: expected an object`);
}

/** `value`, of which there are some. @throws StoreError E_INVALID_ARGUMENT for no iterable */
export function checkIterable<T extends Iterable<unknown>>(value: T, what: string): T {
  if (value !== undefined && value !== null && Symbol.iterator in Object(value)) return value;
  throw invalidArgument(`Cannot use ${what} ${String(value)}: expected an iterable`);
}

/** Bytes on the device are not what was written there. */
export class CorruptError extends StoreError {
  /** Byte offset on the device, or -1 where it is not known. */
  readonly offset: number;

  constructor(message: string, offset = -1, options?: ErrorOptions) {
    super('E_CORRUPT', message, options);
    this.name = 'CorruptError';
    this.offset = offset;
  }
}

/** True when `error` is a StoreError with this code. */
export function hasCode(error: unknown, code: ErrorCode): error is StoreError {
  return error instanceof StoreError && error.code === code;
}
