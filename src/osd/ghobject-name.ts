/**
 * The names under which a hash-ordered collection keeps Ceph's objects.
 *
 * - The collection orders by bit-reversed hash, then by name bytewise. A name holds the rest of
 *   the identity such that this order is Ceph's among objects of one shard and pool.
 * - Name: shard (1 byte, + 128), pool, namespace, locator, then `=`, or `<` or `>` and the name
 *   where a key stands as locator and is above or below it; snap, generation.
 * - Pools: a length byte and the value big-endian; negative ones mirrored. Snaps and generations:
 *   a length byte and the value; the two largest values are one byte each. Texts end with 0; in
 *   them 0 is 1 1 and 1 is 1 2.
 * - One identity, one name: every number takes its shortest form.
 */

import { StoreError } from '../errors.js';
import { type Ghobject, ghobject, locatorOf } from './ghobject.js';

/** An object's name in a hash-ordered collection. */
export interface HashedName {
  readonly name: Uint8Array;
  readonly hash: number;
}

const SHARD_BIAS = 128;

/** Length byte of pool 0; those above it are positive, those below negative. */
const POOL_ZERO = 0x80;

const U64_LAST = 0xff;
const U64_LAST_BUT_ONE = 0xfe;
const U64_MAX = 0xffff_ffff_ffff_ffffn;

const BELOW = 0x3c; // <
const SAME = 0x3d; // =
const ABOVE = 0x3e; // >

/** The name for `object`. */
export function hashedName(object: Ghobject): HashedName {
  const bytes: number[] = [object.shard + SHARD_BIAS];
  putPool(bytes, object.pool);
  putText(bytes, object.namespace);
  putText(bytes, locatorOf(object));
  if (object.key.length === 0) bytes.push(SAME);
  else {
    bytes.push(Buffer.compare(object.name, object.key) < 0 ? BELOW : ABOVE);
    putText(bytes, object.name);
  }
  putU64(bytes, object.snap);
  putU64(bytes, object.generation);
  return { name: Uint8Array.from(bytes), hash: object.hash };
}

/**
 * The object that `hashedName` gave the name for.
 *
 * @throws StoreError E_INVALID when it gave that name for none
 */
export function ghobjectOf({ name, hash }: HashedName): Ghobject {
  const reader = new NameReader(name);
  const shard = reader.byte() - SHARD_BIAS;
  const pool = reader.pool();
  const namespace = reader.text();
  const locator = reader.text();
  const relation = reader.byte();
  if (relation < BELOW || relation > ABOVE) throw notAName();
  const parts = relation === SAME ? { name: locator } : { key: locator, name: reader.text() };
  const rest = { snap: reader.u64(), generation: reader.u64() };
  reader.end();
  if (shard < -1) throw notAName();
  const object = ghobject({ shard, pool, hash, namespace, ...parts, ...rest });
  if (Buffer.compare(hashedName(object).name, name) !== 0) throw notAName();
  return object;
}

function notAName(): StoreError {
  return new StoreError('E_INVALID', "Cannot read object name: it is not one of Ceph's objects");
}

function putPool(bytes: number[], pool: number): void {
  const value = BigInt(pool < 0 ? -1 - pool : pool);
  const digits = digitsOf(value);
  bytes.push(pool < 0 ? POOL_ZERO - 1 - digits.length : POOL_ZERO + digits.length);
  for (const digit of digits) bytes.push(pool < 0 ? 0xff - digit : digit);
}

function putU64(bytes: number[], value: bigint): void {
  if (value >= U64_MAX - 1n) {
    bytes.push(value === U64_MAX ? U64_LAST : U64_LAST_BUT_ONE);
    return;
  }
  const digits = digitsOf(value);
  bytes.push(digits.length, ...digits);
}

/** The bytes of a value, big-endian, without leading zeros; none for 0. */
function digitsOf(value: bigint): number[] {
  const digits: number[] = [];
  for (let left = value; left > 0n; left >>= 8n) digits.unshift(Number(left & 0xffn));
  return digits;
}

function putText(bytes: number[], text: Uint8Array): void {
  for (const byte of text) {
    if (byte > 1) bytes.push(byte);
    else bytes.push(1, byte + 1);
  }
  bytes.push(0);
}

/** Reads a name from its start. */
class NameReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw notAName();
    return byte;
  }

  pool(): number {
    const head = this.byte();
    const negative = head < POOL_ZERO;
    const length = negative ? POOL_ZERO - 1 - head : head - POOL_ZERO;
    if (length > 7) throw notAName();
    let value = 0n;
    for (let i = 0; i < length; i++) {
      const byte = this.byte();
      value = (value << 8n) | BigInt(negative ? 0xff - byte : byte);
    }
    const pool = negative ? -1n - value : value;
    if (!Number.isSafeInteger(Number(pool))) throw notAName();
    return Number(pool);
  }

  text(): Uint8Array {
    const bytes: number[] = [];
    for (let byte = this.byte(); byte !== 0; byte = this.byte()) {
      bytes.push(byte === 1 ? this.byte() - 1 : byte);
    }
    return Uint8Array.from(bytes);
  }

  u64(): bigint {
    const length = this.byte();
    if (length === U64_LAST) return U64_MAX;
    if (length === U64_LAST_BUT_ONE) return U64_MAX - 1n;
    if (length > 8) throw notAName();
    let value = 0n;
    for (let i = 0; i < length; i++) value = (value << 8n) | BigInt(this.byte());
    return value;
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw notAName();
  }
}
