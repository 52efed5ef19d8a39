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

/** The names that a bundle of options may have: the compiler sees to it that none is forgotten. */
export type OptionNames<T> = Readonly<Record<keyof T, true>>;

/**
 * `options`, of which all are `known`.
 * @throws StoreError E_INVALID_ARGUMENT for no object, and for the first that is unknown: a mistyped name
 */
export function checkOptions<T extends object>(options: T, known: OptionNames<T>): T {
  for (const name of Object.keys(checkObject(options, 'options'))) {
    if (Object.hasOwn(known, name)) continue;
    const names = Object.keys(known).join(', ');
    throw invalidArgument(`Unknown option ${JSON.stringify(name)}: expected one of ${names}`);
  }
  return options;
}

/** `value`, of which there are some. @throws StoreError E_INVALID_ARGUMENT for no iterable */
export function checkIterable<T extends Iterable<unknown>>(value: T, what: string): T {
  if (value !== undefined && value !== null && Symbol.iterator in Object(value)) return value;
  throw invalidArgument(`Cannot use ${what} ${String(value)}: expected an iterable`);
}

/**
 * Keys from `from` on and in front of `to`; where one is left out, up to that end of the tree.
 * Both the same: this key alone.
 */
export interface KeyRange {
  readonly from?: Uint8Array;
  readonly to?: Uint8Array;
}

/** What damage is a part of, as far as it is known. */
export interface DamagePlace {
  /** Role of the tree: `collections`, `objects`, `attributes`, `blob`, `map` and so on; format.md. */
  readonly tree?: string;
  /** Keys of that tree, as it stores them, that can't be reached. */
  readonly keys?: KeyRange;
  /** Name of the collection that was being read or changed. */
  readonly collection?: Uint8Array;
  /** Name of the object. */
  readonly object?: Uint8Array;
}

/** Bytes on the device are not what was written there. */
export class CorruptError extends StoreError {
  /** Byte offset on the device, or -1 where it is not known. */
  readonly offset: number;
  /** What the damage is a part of; the message says it too. */
  readonly place: DamagePlace;
  readonly #what: string;

  constructor(
    message: string,
    offset = -1,
    { place = {}, ...options }: ErrorOptions & { readonly place?: DamagePlace } = {},
  ) {
    super('E_CORRUPT', `${message}${placeText(place)}`, options);
    this.name = 'CorruptError';
    this.offset = offset;
    this.place = place;
    this.#what = message;
  }

  /** This error with what is known of the place besides; what it knows itself stays. */
  at(place: DamagePlace): CorruptError {
    const { offset, cause } = this;
    const known = { ...place, ...this.place };
    return new CorruptError(this.#what, offset, {
      place: known,
      ...(cause !== undefined && { cause }),
    });
  }
}

/** Bytes of a key or name that a message shows. */
const SHOWN_SIZE_MAX = 60;

/** A place as the end of a message. */
function placeText({ tree, keys, collection, object }: DamagePlace): string {
  const parts: string[] = [];
  if (tree !== undefined) parts.push(`tree ${tree}`);
  if (keys !== undefined) parts.push(rangeText(keys));
  if (object !== undefined) parts.push(`object ${shown(object)}`);
  if (collection !== undefined) parts.push(`collection ${shown(collection)}`);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

function rangeText({ from, to }: KeyRange): string {
  if (from === undefined) return to === undefined ? 'all keys' : `keys before ${shown(to)}`;
  if (to === undefined) return `keys from ${shown(from)} on`;
  return from === to ? `key ${shown(from)}` : `keys from ${shown(from)} to before ${shown(to)}`;
}

/** Text that can be printed in quotes, all else in hexadecimal digits; shortened. */
function shown(bytes: Uint8Array): string {
  const front = Buffer.from(bytes.subarray(0, SHOWN_SIZE_MAX));
  const rest = bytes.length > front.length ? '...' : '';
  const isPrintable = front.every((byte) => byte >= 0x20 && byte < 0x7f);
  return isPrintable ? `"${front.toString('latin1')}${rest}"` : `0x${front.toString('hex')}${rest}`;
}

/** True when `error` is a StoreError with this code. */
export function hasCode(error: unknown, code: ErrorCode): error is StoreError {
  return error instanceof StoreError && error.code === code;
}
