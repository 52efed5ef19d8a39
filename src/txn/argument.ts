/**
 * Arguments of operations: checked when an operation is added, so that what makes no sense never
 * gets into a transaction.
 */

import { checkIterable, invalidArgument, StoreError } from '../errors.js';
import { asciiBytes, copyOut, textOf } from '../format/bytes.js';
import { NAME_SIZE_MAX, OBJECT_SIZE_MAX } from '../onode/limits.js';

/** Text stands for its UTF-8 bytes. */
export type Bytes = string | Uint8Array;

/**
 * An object's name, of at least one byte; `hash` (u32) places it in hash-ordered collections, and
 * with one the name may be empty.
 */
export type ObjectName = Bytes | { readonly name: Bytes; readonly hash: number };

const encoder = new TextEncoder();

/** The bytes that text or bytes stand for. */
export function toBytes(value: Bytes): Uint8Array {
  if (typeof value === 'string') return asciiBytes(value) ?? encoder.encode(value);
  if (value instanceof Uint8Array) return value;
  throw invalidArgument('Cannot use name, key or value: expected a string or a Uint8Array');
}

/** As `toBytes`; nothing that the caller does with his bytes changes them. */
export function toOwnBytes(value: Bytes): Uint8Array {
  return value instanceof Uint8Array ? copyOut(value, 0, value.length) : toBytes(value);
}

/** A name that stays as it is, whatever the caller does with his bytes. */
export function toOwnName(name: ObjectName): ObjectName {
  if (name instanceof Uint8Array) return toOwnBytes(name);
  if (typeof name !== 'object' || name === null) return name;
  const { name: bytes, hash } = name;
  return { name: bytes instanceof Uint8Array ? toOwnBytes(bytes) : bytes, hash };
}

export function checkCount(value: number, what: string, max: number = OBJECT_SIZE_MAX): number {
  if (!Number.isSafeInteger(value) || value < 0 || value > max) {
    const given = String(value);
    throw invalidArgument(`Cannot use ${what} ${given}: expected a whole number in [0, ${max}]`);
  }
  return value;
}

export function checkSize(bytes: Uint8Array, what: string, max: number): Uint8Array {
  if (bytes.length <= max) return bytes;
  throw new StoreError('E_TOO_BIG', `Cannot use ${what}: ${bytes.length} bytes exceed ${max}`);
}

/** The bytes that a name stands for, as text: one character for each. */
export function nameText(name: Bytes, what: string): string {
  const text = typeof name === 'string' && isAscii(name) ? name : textOf(toBytes(name));
  if (text.length <= NAME_SIZE_MAX) return text;
  throw new StoreError(
    'E_TOO_BIG',
    `Cannot use ${what}: ${text.length} bytes exceed ${NAME_SIZE_MAX}`,
  );
}

export function isHashed(object: ObjectName): object is Exclude<ObjectName, Bytes> {
  return typeof object === 'object' && object !== null && !(object instanceof Uint8Array);
}

/** Names or keys and their values. @throws StoreError E_INVALID_ARGUMENT for what are no pairs */
export function* pairsOf(
  entries: Iterable<readonly [Bytes, Bytes]>,
): Generator<readonly [name: Bytes, value: Bytes]> {
  for (const pair of checkIterable(entries, 'entries')) yield checkIterable(pair, 'entry');
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}

/** A name has at least one byte; an object that a hash tells from others may do without. */
export function checkName<T extends Bytes>(name: T, what: string): T {
  if (name.length > 0) return name;
  throw new StoreError('E_INVALID', `Cannot use ${what}: it is empty; give it at least one byte`);
}
