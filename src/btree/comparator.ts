/**
 * Comparators: the order of the keys of a tree.
 *
 * - A comparator is identified by name and version; both stand in the tree's root record. One
 *   whose order changes must change its version: a tree sorted otherwise can't be searched.
 * - `compare` must be a total order over all byte strings and must not throw.
 * - A registry gives the same object for the same name, so that nodes of clones, which are
 *   shared, are prepared once.
 */

import { invalidArgument, StoreError } from '../errors.js';
import { getU16 } from '../format/bytes.js';

/** Order of keys; `[start, end)` are the bytes of a key. */
export interface Comparator {
  /** 1..255 bytes of UTF-8. */
  readonly name: string;
  /** [0, 2^32). */
  readonly version: number;
  /** Every key has exactly this many bytes. */
  readonly fixedKeySize?: number;
  /** Negative, zero or positive: a before, the same as, behind b. */
  compare(
    a: Uint8Array,
    aStart: number,
    aEnd: number,
    b: Uint8Array,
    bStart: number,
    bEnd: number,
  ): number;
  /** A number in [0, 2^32) that never falls when keys rise. */
  head?(bytes: Uint8Array, start: number, end: number): number;
  /** What two keys have in common in front may be skipped, in `compare` and in `head`. */
  readonly prefixed?: boolean;
  /** The plain order of bytes: a separator may be cut behind the first byte that differs. */
  readonly bytewise?: boolean;
}

function compareBytewise(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const aLength = aEnd - aStart;
  const bLength = bEnd - bStart;
  const shared = Math.min(aLength, bLength);
  for (let i = 0; i < shared; i++) {
    const difference = (a[aStart + i] as number) - (b[bStart + i] as number);
    if (difference !== 0) return difference;
  }
  return aLength - bLength;
}

function headOfBytes(bytes: Uint8Array, start: number, end: number): number {
  if (end - start >= 4) {
    return (
      (((bytes[start] as number) << 24) |
        ((bytes[start + 1] as number) << 16) |
        ((bytes[start + 2] as number) << 8) |
        (bytes[start + 3] as number)) >>>
      0
    );
  }
  let head = 0;
  for (let i = 0; i < 4; i++) {
    head = (head << 8) | (start + i < end ? (bytes[start + i] as number) : 0);
  }
  return head >>> 0;
}

/** Bytewise lexicographic: the default. */
export const BYTES: Comparator = {
  name: 'bytes',
  version: 1,
  prefixed: true,
  bytewise: true,
  compare: compareBytewise,
  head: headOfBytes,
};

/** Eight bytes, big-endian, so that byte order is number order. */
export const U64: Comparator = {
  name: 'u64',
  version: 1,
  fixedKeySize: 8,
  prefixed: true,
  compare: compareBytewise,
  head: headOfBytes,
};

/** Bytewise, from high to low. */
export const REVERSE: Comparator = {
  name: 'reverse',
  version: 1,
  prefixed: true,
  compare(a, aStart, aEnd, b, bStart, bEnd) {
    return compareBytewise(b, bStart, bEnd, a, aStart, aEnd);
  },
  head(bytes, start, end) {
    return ~headOfBytes(bytes, start, end) >>> 0;
  },
};

/** Bytes of the key length in front of a composite key. */
export const COMPOSITE_HEADER_SIZE = 2;

const composites = new WeakMap<Comparator, Comparator>();

/**
 * The order of a tree with duplicates, whose keys are `[key length u16] key value`: by key in
 * the order of `inner`, then by value bytewise. The same object for the same `inner`.
 */
export function compositeComparator(inner: Comparator): Comparator {
  const known = composites.get(inner);
  if (known !== undefined) return known;
  const made = makeComposite(inner);
  composites.set(inner, made);
  return made;
}

/** Where the value begins in a composite key; a bad length never leaves the key. */
export function compositeSplit(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < COMPOSITE_HEADER_SIZE) return end;
  return Math.min(start + COMPOSITE_HEADER_SIZE + getU16(bytes, start), end);
}

function makeComposite(inner: Comparator): Comparator {
  const composite: Comparator = {
    name: inner.name,
    version: inner.version,
    compare(a, aStart, aEnd, b, bStart, bEnd) {
      const aValue = compositeSplit(a, aStart, aEnd);
      const bValue = compositeSplit(b, bStart, bEnd);
      const aKey = Math.min(aStart + COMPOSITE_HEADER_SIZE, aValue);
      const bKey = Math.min(bStart + COMPOSITE_HEADER_SIZE, bValue);
      const byKey = inner.compare(a, aKey, aValue, b, bKey, bValue);
      return byKey !== 0 ? byKey : compareBytewise(a, aValue, aEnd, b, bValue, bEnd);
    },
  };
  const head = inner.head;
  if (head === undefined) return composite;
  return {
    ...composite,
    head(bytes, start, end) {
      const value = compositeSplit(bytes, start, end);
      return head(bytes, Math.min(start + COMPOSITE_HEADER_SIZE, value), value);
    },
  };
}

/** The comparators that a program knows. */
export class ComparatorRegistry {
  readonly #byName = new Map<string, Comparator>();

  constructor() {
    for (const one of [BYTES, U64, REVERSE]) {
      this.#byName.set(one.name, one);
    }
  }

  /**
   * Makes `comparator` known.
   * @throws StoreError E_INVALID_ARGUMENT when the name is taken, empty or too long.
   */
  register(comparator: Comparator): void {
    const size = Buffer.byteLength(comparator.name);
    if (size === 0 || size > 255) {
      throw invalidArgument(`Cannot register a comparator: its name has ${size} bytes, not 1..255`);
    }
    const known = this.#byName.get(comparator.name);
    if (known === comparator) return;
    if (known !== undefined) {
      throw invalidArgument(`Cannot register comparator ${comparator.name}: the name is taken`);
    }
    this.#byName.set(comparator.name, comparator);
  }

  /** True when this name is registered in this version. */
  has(name: string, version: number): boolean {
    return this.#byName.get(name)?.version === version;
  }

  /** @throws StoreError E_COMPARATOR when the name is unknown or has another version. */
  get(name: string, version: number): Comparator {
    const known = this.#byName.get(name);
    if (known === undefined) {
      throw new StoreError(
        'E_COMPARATOR',
        `Cannot order keys: no comparator ${name} is registered`,
      );
    }
    if (known.version !== version) {
      throw new StoreError(
        'E_COMPARATOR',
        `Cannot order keys: comparator ${name} has version ${known.version}, the tree ${version}`,
      );
    }
    return known;
  }
}
