/**
 * Names and keys that an asynchronous read keeps while it waits: copies, since the caller's bytes are
 * his again as soon as the call has returned.
 */

import { type Bytes, type ObjectName, toBytes } from '../txn/transaction.js';

/** As `toBytes`; nothing that the caller does with his bytes changes them. */
export function toOwnBytes(value: Bytes): Uint8Array {
  return value instanceof Uint8Array ? new Uint8Array(value) : toBytes(value);
}

/** A name that stays as it is, whatever the caller does with his bytes. */
export function toOwnName(name: ObjectName): ObjectName {
  if (name instanceof Uint8Array) return toOwnBytes(name);
  if (typeof name !== 'object' || name === null) return name;
  const { name: bytes, hash } = name;
  return { name: bytes instanceof Uint8Array ? toOwnBytes(bytes) : bytes, hash };
}
