/**
 * The identity of an object as Ceph's OSDs have it, and its text form.
 *
 * - Text: `[SHARD]#POOL:HHHHHHHH:NAMESPACE:KEY:NAME:SNAP#[GENERATION]`. HHHHHHHH is the hash with
 *   its bits reversed; shard, snap and generation are hexadecimal; `%xx` stands for `%`, `:`, `/`
 *   and every byte outside of printable ASCII. What is printed reads back to the same identity.
 * - Order: shard, pool, bit-reversed hash, namespace, key or else name, name, snap, generation;
 *   names bytewise. The live object (no generation) comes behind its older generations.
 * - A locator key that equals the name is no key, as in Ceph.
 */

import { checkObject, invalidArgument, StoreError } from '../errors.js';
import { hashPosition } from '../store/hash-position.js';

/** An object that is not part of an erasure-coded one. */
export const NO_SHARD = -1;

/** Largest shard. */
const SHARD_MAX = 127;

/** The snap of an object's head: the present, not a clone for a snapshot. */
export const SNAP_HEAD = 0xffff_ffff_ffff_fffen;

/** The snap of the object that stands for the snapshots of a removed head. */
export const SNAP_DIR = 0xffff_ffff_ffff_ffffn;

/** The generation of the live object. */
export const NO_GENERATION = 0xffff_ffff_ffff_ffffn;

/** The identity of one of Ceph's objects, complete; `ghobject` makes one. */
export interface Ghobject {
  /** 0 to 127, or NO_SHARD. */
  readonly shard: number;
  /** -1: of no pool; -2 - p: a temporary object of pool p. */
  readonly pool: number;
  /** u32. */
  readonly hash: number;
  readonly namespace: Uint8Array;
  /** Locator key; empty: none. */
  readonly key: Uint8Array;
  /** Empty: the metadata object of a PG. */
  readonly name: Uint8Array;
  /** u64; SNAP_HEAD, SNAP_DIR or the snap that a clone is for. */
  readonly snap: bigint;
  /** u64; NO_GENERATION for the live object. */
  readonly generation: bigint;
}

/** What tells an object from others; what is left out is as for a plain object's head. */
export interface GhobjectParts {
  readonly shard?: number;
  readonly pool: number;
  readonly hash: number;
  readonly namespace?: string | Uint8Array;
  readonly key?: string | Uint8Array;
  readonly name: string | Uint8Array;
  readonly snap?: bigint;
  readonly generation?: bigint;
}

const U64_MAX = 0xffff_ffff_ffff_ffffn;

/**
 * An identity of these parts.
 *
 * @throws StoreError E_INVALID_ARGUMENT when a number is out of its range
 */
export function ghobject(parts: GhobjectParts): Ghobject {
  const {
    shard = NO_SHARD,
    pool,
    hash,
    snap = SNAP_HEAD,
    generation = NO_GENERATION,
  } = checkObject(parts, 'parts');
  checkNumber(shard, 'shard', NO_SHARD, SHARD_MAX);
  checkNumber(pool, 'pool', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  checkNumber(hash, 'hash', 0, 2 ** 32 - 1);
  for (const value of [snap, generation]) {
    if (typeof value !== 'bigint' || value < 0n || value > U64_MAX) {
      throw invalidArgument(`Cannot use snap or generation ${String(value)}: expected 64 bits`);
    }
  }
  const name = bytesOf(parts.name);
  const key = bytesOf(parts.key ?? '');
  return {
    shard,
    pool,
    hash,
    namespace: bytesOf(parts.namespace ?? ''),
    key: Buffer.compare(key, name) === 0 ? Buffer.alloc(0) : key,
    name,
    snap,
    generation,
  };
}

function checkNumber(value: number, what: string, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  const given = String(value);
  throw invalidArgument(`Cannot use ${what} ${given}: expected a whole number in [${min}, ${max}]`);
}

function bytesOf(text: string | Uint8Array): Uint8Array {
  if (typeof text === 'string') return Buffer.from(text, 'utf8');
  if (text instanceof Uint8Array) return text;
  throw invalidArgument('Cannot use name, key or namespace: expected a string or a Uint8Array');
}

const FORM =
  /^([0-9a-f]{0,2})#(-?\d{1,16}):([0-9a-f]{8}):([^:]*):([^:]*):([^:]*):(head|snapdir|[0-9a-f]{1,16})#([0-9a-f]{0,16})$/i;

/**
 * Reads the text form.
 *
 * @throws StoreError E_INVALID when the text is none, or stands for a bound (GHMIN, GHMAX)
 */
export function parseGhobject(text: string): Ghobject {
  const match = typeof text === 'string' ? FORM.exec(text) : null;
  if (match === null) throw notAnObject(text);
  const [, shard = '', pool, reversed = '', namespace = '', key = '', name = '', snap = ''] = match;
  const generation = match[8] ?? '';
  const shardNumber = shard === '' ? NO_SHARD : Number.parseInt(shard, 16);
  if (shardNumber > SHARD_MAX || !Number.isSafeInteger(Number(pool))) throw notAnObject(text);
  return ghobject({
    shard: shardNumber,
    pool: Number(pool),
    hash: hashPosition(Number.parseInt(reversed, 16)),
    namespace: unescaped(namespace, text),
    key: unescaped(key, text),
    name: unescaped(name, text),
    snap: snapOf(snap),
    generation: generation === '' ? NO_GENERATION : BigInt(`0x${generation}`),
  });
}

function notAnObject(text: string): StoreError {
  const shown =
    typeof text !== 'string'
      ? String(text)
      : JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}...` : text);
  return new StoreError(
    'E_INVALID',
    `Cannot read object ${shown}: expected [SHARD]#POOL:HASH:NAMESPACE:KEY:NAME:SNAP#[GENERATION]`,
  );
}

function snapOf(text: string): bigint {
  if (text === 'head') return SNAP_HEAD;
  return text === 'snapdir' ? SNAP_DIR : BigInt(`0x${text}`);
}

function unescaped(part: string, text: string): Uint8Array {
  if (!part.includes('%')) return Buffer.from(part, 'utf8');
  const pieces: Uint8Array[] = [];
  for (const [piece, code] of part.matchAll(/%([0-9a-f]{2})?|[^%]+/gi)) {
    if (piece === '%') throw notAnObject(text);
    pieces.push(code === undefined ? Buffer.from(piece, 'utf8') : Buffer.from(code, 'hex'));
  }
  return Buffer.concat(pieces);
}

/** The text form, as Ceph prints it. */
export function formatGhobject(object: Ghobject): string {
  const { shard, pool, hash, namespace, key, name, snap, generation } = object;
  const reversed = hashPosition(hash).toString(16).padStart(8, '0');
  const names = [namespace, key, name].map(escaped).join(':');
  const before = shard === NO_SHARD ? '' : shard.toString(16);
  const behind = generation === NO_GENERATION ? '' : generation.toString(16);
  return `${before}#${pool}:${reversed}:${names}:${snapText(snap)}#${behind}`;
}

function snapText(snap: bigint): string {
  if (snap === SNAP_HEAD) return 'head';
  return snap === SNAP_DIR ? 'snapdir' : snap.toString(16);
}

const PLAIN = /^[\x20-\x24\x26-\x2e\x30-\x39\x3b-\x7e]*$/;

function escaped(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  if (PLAIN.test(text)) return text;
  return text.replace(/[^\x20-\x24\x26-\x2e\x30-\x39\x3b-\x7e]/g, (one) => {
    return `%${one.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

/** Ceph's order: below 0 when `a` comes first, 0 when they are the same object. */
export function compareGhobjects(a: Ghobject, b: Ghobject): number {
  return (
    a.shard - b.shard ||
    a.pool - b.pool ||
    hashPosition(a.hash) - hashPosition(b.hash) ||
    Buffer.compare(a.namespace, b.namespace) ||
    Buffer.compare(locatorOf(a), locatorOf(b)) ||
    Buffer.compare(a.name, b.name) ||
    compareNumbers(a.snap, b.snap) ||
    compareNumbers(a.generation, b.generation)
  );
}

/** The key, or the name where there is none: what the hash was made of. */
export function locatorOf({ key, name }: Ghobject): Uint8Array {
  return key.length > 0 ? key : name;
}

function compareNumbers(a: bigint, b: bigint): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
