/**
 * DuplicateTree: a tree whose keys may have several values, each pair once.
 *
 * - It is a set over composite keys, `[key length u16] key value`: pairs are ordered by key in
 *   the order of the tree's comparator, then by value bytewise.
 * - Key and value together have at most PAIR_SIZE_MAX bytes.
 */

import { invalidArgument } from '../errors.js';
import { EMPTY, setU16 } from '../format/bytes.js';
import { COMPOSITE_HEADER_SIZE, compositeSplit } from './comparator.js';
import type { Cursor } from './cursor.js';
import type { Forest } from './forest.js';
import { KEY_SIZE_MAX } from './node-format.js';
import { type RootRecord, Tree } from './tree.js';
import type { TreeSpec } from './tree-spec.js';

/** Bytes of the largest pair. */
export const PAIR_SIZE_MAX = KEY_SIZE_MAX - COMPOSITE_HEADER_SIZE;

export class DuplicateTree {
  /** The set of composite keys: for its root record, count and checks. */
  readonly tree: Tree;

  /** @throws as Tree does; E_INVALID_ARGUMENT when `spec` has no duplicates. */
  constructor(forest: Forest, spec: TreeSpec, record?: RootRecord) {
    if (!spec.duplicates) throw invalidArgument('Cannot open tree: its spec has no duplicates');
    this.tree = new Tree(forest, spec, record);
  }

  /** Adds a pair; false when it is there already. @throws StoreError E_INVALID_ARGUMENT over PAIR_SIZE_MAX */
  add(key: Uint8Array, value: Uint8Array): boolean {
    if (key.length + value.length > PAIR_SIZE_MAX) {
      throw invalidArgument(
        `Cannot add pair: it has ${key.length + value.length} bytes, more than ${PAIR_SIZE_MAX}`,
      );
    }
    return this.tree.put(composite(key, value), EMPTY);
  }

  has(key: Uint8Array, value: Uint8Array): boolean {
    return this.tree.find(composite(key, value));
  }

  /** Removes a pair; false when it isn't there. */
  delete(key: Uint8Array, value: Uint8Array): boolean {
    return this.tree.delete(composite(key, value));
  }

  /** Removes all values of `key` in O(log n); the rest as `Tree.deleteRange`. */
  deleteAll(key: Uint8Array, onMiddle: (role: number, root: Uint8Array) => void): void {
    this.tree.deleteRange(composite(key, EMPTY), composite(key, ABOVE_ALL), onMiddle);
  }

  /** Copies of the values of `key`, in order. In synchronous mode only; else use a cursor. */
  *values(key: Uint8Array): IterableIterator<Uint8Array> {
    const cursor = new DuplicateCursor(this);
    for (let more = cursor.seek(key); more && cursor.isAt(key); more = cursor.next()) {
      yield cursor.value();
    }
  }

  /** Pairs. */
  count(): number {
    return this.tree.count();
  }

  cursor(): DuplicateCursor {
    return new DuplicateCursor(this);
  }
}

/** Walks pairs in order; steps may be repeated as those of Cursor. */
export class DuplicateCursor {
  readonly #cursor: Cursor;
  readonly #tree: Tree;

  constructor(duplicates: DuplicateTree) {
    this.#tree = duplicates.tree;
    this.#cursor = duplicates.tree.cursor();
  }

  /** To the first pair at or behind (`key`, `value`). */
  seek(key: Uint8Array, value: Uint8Array = EMPTY): boolean {
    return this.#cursor.seek(composite(key, value));
  }

  seekFirst(): boolean {
    return this.#cursor.seekFirst();
  }

  seekLast(): boolean {
    return this.#cursor.seekLast();
  }

  next(): boolean {
    return this.#cursor.next();
  }

  previous(): boolean {
    return this.#cursor.previous();
  }

  /** True when the cursor is at a pair of `key`. */
  isAt(key: Uint8Array): boolean {
    if (!this.#cursor.valid) return false;
    const { keyBytes, keyStart, keyEnd } = this.#cursor;
    const end = compositeSplit(keyBytes, keyStart, keyEnd);
    const from = keyStart + COMPOSITE_HEADER_SIZE;
    return this.#tree.spec.comparator.compare(keyBytes, from, end, key, 0, key.length) === 0;
  }

  /** A copy of the key. */
  key(): Uint8Array {
    const { keyBytes, keyStart, keyEnd } = this.#cursor;
    const end = compositeSplit(keyBytes, keyStart, keyEnd);
    return keyBytes.slice(keyStart + COMPOSITE_HEADER_SIZE, end);
  }

  /** A copy of the value. */
  value(): Uint8Array {
    const { keyBytes, keyStart, keyEnd } = this.#cursor;
    return keyBytes.slice(compositeSplit(keyBytes, keyStart, keyEnd), keyEnd);
  }
}

/** Behind every value that a pair can have. */
const ABOVE_ALL = new Uint8Array(KEY_SIZE_MAX).fill(0xff);

function composite(key: Uint8Array, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(COMPOSITE_HEADER_SIZE + key.length + value.length);
  setU16(bytes, 0, key.length);
  bytes.set(key, COMPOSITE_HEADER_SIZE);
  bytes.set(value, COMPOSITE_HEADER_SIZE + key.length);
  return bytes;
}
