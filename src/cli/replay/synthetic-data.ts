/**
 * Bytes for writes and values of which a trace has only the length.
 *
 * - They follow from the line, the operation in it, and the key: a replay is repeatable, and what
 *   is written next to the same place differs.
 * - They are views of one table of 8-byte words. Word i is i x WORD_FACTOR and a mixture of i: so
 *   the bytes can be told from all others wherever an object has a whole word of them at a
 *   multiple of 8. What a trace gives by seed never looks so.
 */

const WORDS = 2 ** 20;
const WORD_SIZE = 8;
const TABLE_BYTES = WORDS * WORD_SIZE;

/** Odd, so that it has an inverse modulo 2^32. */
const WORD_FACTOR = 0x9e37_79b1;

let table: Uint8Array | undefined;

function wordTable(): Uint8Array {
  const words = new Uint32Array(2 * WORDS);
  for (let i = 0; i < WORDS; i++) {
    words[2 * i] = Math.imul(i, WORD_FACTOR);
    words[2 * i + 1] = mixed(i);
  }
  return new Uint8Array(words.buffer);
}

function mixed(index: number): number {
  let hash = Math.imul(index ^ 0x5bd1_e995, 0x85eb_ca6b);
  hash ^= hash >>> 13;
  return Math.imul(hash, 0xc2b2_ae35) >>> 0;
}

/** The x with x * WORD_FACTOR = 1 modulo 2^32; each step doubles the bits that are right. */
function inverseFactor(): number {
  let inverse = WORD_FACTOR;
  for (let i = 0; i < 5; i++) {
    inverse = Math.imul(inverse, 2 - Math.imul(WORD_FACTOR, inverse));
  }
  return inverse;
}

const WORD_INVERSE = inverseFactor();

/** Where bytes come from: everything that they depend on. */
export interface Origin {
  readonly line: number;
  /** Index of the operation in the line. */
  readonly operation: number;
  /** Of the attribute or map key; empty for data. */
  readonly key: string;
}

/** `length` bytes for a place at `offset` of an object or value; they must not be changed. */
export function syntheticData(origin: Origin, length: number, offset = 0): Uint8Array {
  table ??= wordTable();
  const skip = offset % WORD_SIZE;
  const needed = Math.ceil((skip + length) / WORD_SIZE);
  const from = WORD_SIZE * placeOf(origin, Math.max(1, WORDS - needed)) + skip;
  if (from + length <= TABLE_BYTES) return table.subarray(from, from + length);
  const bytes = new Uint8Array(length);
  for (let at = 0, start = from; at < length; start = 0) {
    const piece = table.subarray(start, Math.min(TABLE_BYTES, start + length - at));
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** A word in [0, range): successive lines take different ones. */
function placeOf({ line, operation, key }: Origin, range: number): number {
  let hash = 0;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x0100_0193);
  return (line * 1009 + operation * 31 + (hash >>> 0)) % range;
}

/** True when `bytes`, which begin at a multiple of 8, have a whole word of these. */
export function hasSyntheticWord(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + WORD_SIZE <= bytes.length; at += WORD_SIZE) {
    const index = Math.imul(view.getUint32(at, true), WORD_INVERSE) >>> 0;
    if (index < WORDS && view.getUint32(at + 4, true) === mixed(index)) return true;
  }
  return false;
}
