/**
 * What the conformance cases share: a small store for each, the helpers that they are told in,
 * and an end that removes everything and checks the whole store.
 *
 * - A case has the name that the field's own test-suite gives it. What it asks for is said in
 *   our operations; where the field's stores disagree, docs/objectstore.md has our answer.
 * - `CONFORMANCE=full npx ava test/conformance/*.test.ts` runs all cases in the field's sizes; some
 *   are smaller otherwise.
 */

import test, { type ExecutionContext } from 'ava';
import type { StoredCollection, StoredObject } from '../../src/index.js';
import type { ListedObject } from '../../src/store/stored-collection.js';
import type { Bytes, ObjectName } from '../../src/txn/transaction.js';
import { type BedOptions, type StoreBed, storeBed } from '../support/store-fixture.js';

/** The collection of cases that need no particular one. */
export const C = 'meta';

/** Memory so small that nodes are read again and checkpoints come all the time. */
const SMALL_MEMORY: BedOptions = {
  size: 128 * 2 ** 20,
  cacheBytes: 256 * 1024,
  dirtyBytes: 2 ** 20,
  journalBytes: 2 ** 20,
};

export type Case = (t: ExecutionContext, bed: StoreBed) => void | Promise<void>;

/** Runs a case on a store of its own; whatever it leaves must be removable, and all sound. */
export const scenario = test.macro<[body: Case, options?: BedOptions]>(
  async (t, body, options = {}) => {
    const bed = storeBed(t, { ...SMALL_MEMORY, ...options });
    await body(t, bed);
    removeEverything(bed);
    const { objects, stored } = bed.store.statfsSync();
    t.deepEqual({ objects, stored }, { objects: 0, stored: 0 }, 'nothing is left');
  },
);

/** As `scenario`, with an empty collection C. */
export const inCollection = test.macro<[body: Case, options?: BedOptions]>(
  async (t, body, options = {}) => {
    await scenario.exec(
      t,
      async (_t, bed) => {
        bed.commit((b) => b.createCollection(C));
        await body(t, bed);
      },
      options,
    );
  },
);

/** Removes each collection with all its objects in one transaction. */
export function removeEverything({ store }: StoreBed): void {
  for (const name of store.listCollectionsSync({ limit: Number.POSITIVE_INFINITY })) {
    const b = store.transaction();
    for (const object of listAll(store.collection(name))) b.remove(name, nameOf(object));
    store.commitSync(b.removeCollection(name));
  }
}

/** `full` where all sizes are asked for, else `small`. */
export function scaled(full: number, small: number): number {
  return process.env['CONFORMANCE'] === 'full' ? full : small;
}

/** The store after a kill, which replays its journal, and then after a close. */
export function remount(bed: StoreBed): void {
  bed.kill();
  bed.reopen();
}

export function filled(byte: number | string, length: number): Uint8Array {
  return Buffer.alloc(length, byte);
}

export function textOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('latin1');
}

export function concat(...parts: readonly Bytes[]): Uint8Array {
  return Buffer.concat(parts.map((part) => Buffer.from(part)));
}

export function object(bed: StoreBed, name: ObjectName, collection: Bytes = C): StoredObject {
  return bed.store.collection(collection).object(name);
}

export function readText(bed: StoreBed, name: ObjectName, offset?: number, length?: number) {
  return textOf(object(bed, name).readSync(offset, length));
}

/** Compares large bytes without printing them. */
export function sameBytes(
  t: ExecutionContext,
  actual: Uint8Array,
  expected: Uint8Array,
  what = 'bytes',
): void {
  t.is(actual.length, expected.length, `length of ${what}`);
  if (Buffer.compare(actual, expected) === 0) return;
  const at = actual.findIndex((byte, i) => byte !== expected[i]);
  t.fail(`${what} differ at ${at}: ${actual[at]} and not ${expected[at]}`);
}

// Listing

/** The name under which a listed object is found again. */
export function nameOf({ name, hash }: ListedObject): ObjectName {
  return hash === undefined ? name : { name, hash };
}

/** Identity of a listed object, as text. */
export function listedText({ name, hash }: ListedObject): string {
  return `${hash ?? ''}:${textOf(name)}`;
}

export function listAll(collection: StoredCollection): ListedObject[] {
  return collection.listSync({ limit: Number.POSITIVE_INFINITY });
}

/** All objects, a page at a time, each page by both forms of the call. */
export async function listPages(
  t: ExecutionContext,
  collection: StoredCollection,
  limit: number,
): Promise<ListedObject[][]> {
  const pages: ListedObject[][] = [];
  for (;;) {
    const last = pages.at(-1)?.at(-1);
    const options = last === undefined ? { limit } : { limit, after: nameOf(last) };
    const page = collection.listSync(options);
    const again = await collection.list(options);
    t.deepEqual(page.map(listedText), again.map(listedText), 'both forms of the call agree');
    if (page.length > 0) pages.push(page);
    if (page.length < limit) return pages;
  }
}

/** Checks that pages of `limit` and one unlimited listing give exactly `expected`, in order. */
export async function checkListing(
  t: ExecutionContext,
  collection: StoredCollection,
  expected: readonly string[],
  limit: number,
): Promise<void> {
  const all = listAll(collection).map(listedText);
  t.true(equalTexts([...all].sort(), [...expected].sort()), 'each object is listed once');
  const pages = (await listPages(t, collection, limit)).flat().map(listedText);
  t.true(equalTexts(pages, all), 'pages give the same in the same order');
}

export function equalTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, i) => text === b[i]);
}

// One object and the bytes that it should have

/** An object whose every change is made to a plain array too. */
export class Shadow {
  readonly #t: ExecutionContext;
  readonly #bed: StoreBed;
  readonly #name: ObjectName;
  bytes: Uint8Array = new Uint8Array(0);

  constructor(t: ExecutionContext, bed: StoreBed, name: ObjectName) {
    this.#t = t;
    this.#bed = bed;
    this.#name = name;
  }

  /** Each piece in one transaction, in this order. */
  write(...pieces: readonly (readonly [offset: number, data: Bytes])[]): this {
    this.#bed.commit((b) => {
      for (const [offset, data] of pieces) b.write(C, this.#name, offset, data);
    });
    for (const [offset, data] of pieces) this.#put(offset, Buffer.from(data));
    return this;
  }

  zero(offset: number, length: number): this {
    this.#bed.commit((b) => b.zero(C, this.#name, offset, length));
    this.#put(offset, new Uint8Array(length));
    return this;
  }

  truncate(size: number): this {
    this.#bed.commit((b) => b.truncate(C, this.#name, size));
    const bytes = new Uint8Array(size);
    bytes.set(this.bytes.subarray(0, size));
    this.bytes = bytes;
    return this;
  }

  /** Reads the whole object. */
  check(): this {
    sameBytes(this.#t, object(this.#bed, this.#name).readSync(), this.bytes);
    return this;
  }

  #put(offset: number, data: Uint8Array): void {
    if (data.length === 0) return;
    if (offset + data.length > this.bytes.length) {
      const bytes = new Uint8Array(offset + data.length);
      bytes.set(this.bytes);
      this.bytes = bytes;
    }
    this.bytes.set(data, offset);
  }
}
