/**
 * A collection of Ceph's objects: a placement group (PG), or `meta`.
 *
 * - Objects are ordered by their bit-reversed hash, so that a PG is split and merged by cutting
 *   trees, in time independent of how many objects it has.
 * - Ceph orders by pool before the hash, and a PG holds objects of two pools: its own, and its
 *   temporary ones (pools below -1), which come first. A PG (`2.1_head`) therefore is a pair of
 *   collections, the second one for temporary objects (`2.1_TEMP`); both are made, removed, split
 *   and merged together, in the caller's transaction. Every other collection is one.
 * - Within each of the two all objects have one shard and one pool, as in Ceph.
 */

import { invalidArgument } from '../errors.js';
import type {
  Bytes,
  ListedObject,
  ObjectName,
  StoredCollection,
  StoredObject,
  Transaction,
} from '../index.js';
import { compareGhobjects, type Ghobject } from './ghobject.js';
import { ghobjectOf, hashedName } from './ghobject-name.js';

const HEAD = /_head$/;
const TEMPORARY = /_TEMP$/;

/** Largest pool of temporary objects. */
const TEMPORARY_POOL_MAX = -2;

/** What collections are read from: a store or a snapshot. */
export interface CollectionReader {
  collection(name: Bytes): StoredCollection;
}

/** The names under which the store has an object: arguments of a transaction's operations. */
export interface ObjectPlace {
  readonly collection: string;
  readonly object: ObjectName;
}

/** Which objects of a PG are listed. */
export interface PgListOptions {
  /** The first object, which need not exist. */
  readonly from?: Ghobject;
  /** The object behind the last one: it is not listed itself. */
  readonly to?: Ghobject;
  /** Most objects, 1000 by default. */
  readonly limit?: number;
}

/** A page of a PG's objects. */
export interface PgPage {
  /** In Ceph's order. */
  readonly objects: readonly Ghobject[];
  /** The first object behind these, where to go on; undefined at the collection's end. */
  readonly next: Ghobject | undefined;
}

const LIMIT_DEFAULT = 1000;

/** True for the second collection of a PG, which is not listed as one of Ceph's. */
export function isTemporaryCollection(name: string): boolean {
  return TEMPORARY.test(name);
}

/** A PG of Ceph, or another of its collections. It holds nothing open. */
export class PgCollection {
  /** As in Ceph: `2.1_head`, `2.1s0_head`, `meta`. */
  readonly name: string;
  /** Collection of temporary objects; undefined where there is none. */
  readonly #temporary: string | undefined;

  constructor(name: string) {
    this.name = name;
    this.#temporary = HEAD.test(name) ? name.replace(HEAD, '_TEMP') : undefined;
  }

  /** True for a PG, which has a second collection for temporary objects. */
  get isPg(): boolean {
    return this.#temporary !== undefined;
  }

  /** Where `object` is kept if it is in this collection. */
  place(object: Ghobject): ObjectPlace {
    const isTemporary = object.pool <= TEMPORARY_POOL_MAX && this.#temporary !== undefined;
    const collection = isTemporary ? (this.#temporary ?? this.name) : this.name;
    return { collection, object: hashedName(object) };
  }

  // Changing, as operations of the caller's transaction

  /** Makes the collection; `bits` low hash bits are the same for all its objects. E_EXISTS. */
  create(transaction: Transaction, bits: number): void {
    for (const name of this.#names()) {
      transaction.createCollection(name, { order: 'hash', bits });
    }
  }

  /** Removes the collection, which must be empty. E_NOT_FOUND, E_NOT_EMPTY. */
  remove(transaction: Transaction): void {
    for (const name of this.#names()) transaction.removeCollection(name);
  }

  /** Says how many low hash bits all its objects share, 0 to 32. E_NOT_FOUND, E_INVALID. */
  setBits(transaction: Transaction, bits: number): void {
    for (const name of this.#names()) transaction.setCollectionBits(name, bits);
  }

  /**
   * Moves the objects whose low `bits` hash bits are `remainder` to the existing, empty `target`;
   * both then have `bits`. E_NOT_EMPTY; E_INVALID_ARGUMENT when only one of them is a PG.
   */
  split(transaction: Transaction, target: PgCollection, bits: number, remainder: number): void {
    for (const [from, to] of this.#pairs(target)) {
      transaction.splitCollection(from, to, bits, remainder);
    }
  }

  /** Moves all objects to `target`, which then has `bits`; this collection is gone. */
  merge(transaction: Transaction, target: PgCollection, bits: number): void {
    for (const [from, to] of this.#pairs(target)) transaction.mergeCollection(from, to, bits);
  }

  /**
   * Moves an object with everything to another name, here or in `target`. E_EXISTS when there is
   * one of that name; a missing source is no error, as in Ceph.
   */
  rename(
    transaction: Transaction,
    from: Ghobject,
    to: Ghobject,
    target: PgCollection = this,
  ): void {
    const source = this.place(from);
    const place = target.place(to);
    transaction.tryRename(source.collection, source.object, place.object, place.collection);
  }

  // Reading

  /** A handle of an object, which need not exist. */
  object(reader: CollectionReader, object: Ghobject): StoredObject {
    const place = this.place(object);
    return reader.collection(place.collection).object(place.object);
  }

  /** True when it holds no object, a temporary one neither. E_NOT_FOUND. */
  async isEmpty(reader: CollectionReader): Promise<boolean> {
    for (const name of this.#names()) {
      if (!(await reader.collection(name).isEmpty())) return false;
    }
    return true;
  }

  /** As `isEmpty`, without returning to the event loop. */
  isEmptySync(reader: CollectionReader): boolean {
    return this.#names().every((name) => reader.collection(name).isEmptySync());
  }

  /** A page of objects. */
  async list(reader: CollectionReader, options: PgListOptions = {}): Promise<PgPage> {
    const page = new PageBuilder(options);
    for (const { name, from } of this.#listed(options)) {
      const limit = page.wanted;
      if (limit > 0) page.add(await reader.collection(name).list({ limit, ...from }));
    }
    return page.done();
  }

  /** As `list`, without returning to the event loop. */
  listSync(reader: CollectionReader, options: PgListOptions = {}): PgPage {
    const page = new PageBuilder(options);
    for (const { name, from } of this.#listed(options)) {
      const limit = page.wanted;
      if (limit > 0) page.add(reader.collection(name).listSync({ limit, ...from }));
    }
    return page.done();
  }

  /** The store's collections, in the order in which their objects are listed. */
  #names(): readonly string[] {
    return this.#temporary === undefined ? [this.name] : [this.#temporary, this.name];
  }

  /** Those that can hold what `options` ask for, and where to begin in each. */
  #listed(options: PgListOptions): { name: string; from?: { from: ObjectName } }[] {
    const names = this.#names();
    if (options.from === undefined) return names.map((name) => ({ name }));
    const { collection, object } = this.place(options.from);
    return names
      .slice(names.indexOf(collection))
      .map((name) => (name === collection ? { name, from: { from: object } } : { name }));
  }

  #pairs(target: PgCollection): (readonly [string, string])[] {
    const targets = target.#names();
    const sources = this.#names();
    if (sources.length !== targets.length) {
      throw invalidArgument(`Cannot split or merge ${this.name} and ${target.name}: one is no PG`);
    }
    return sources.map((name, index) => [name, targets[index] ?? target.name] as const);
  }
}

/** Gathers one page, possibly of two collections. */
class PageBuilder {
  readonly #options: PgListOptions;
  readonly #limit: number;
  readonly #objects: Ghobject[] = [];
  #next: Ghobject | undefined;

  constructor(options: PgListOptions) {
    this.#options = options;
    this.#limit = options.limit ?? LIMIT_DEFAULT;
  }

  /** How many to list: one more than there is room for, which is where to go on. */
  get wanted(): number {
    return this.#next === undefined ? this.#limit - this.#objects.length + 1 : 0;
  }

  add(listed: readonly ListedObject[]): void {
    const { to } = this.#options;
    for (const { name, hash = 0 } of listed) {
      const object = ghobjectOf({ name, hash });
      const isBehind = to !== undefined && compareGhobjects(object, to) >= 0;
      if (isBehind || this.#objects.length === this.#limit) {
        this.#next = object;
        return;
      }
      this.#objects.push(object);
    }
  }

  done(): PgPage {
    return { objects: this.#objects, next: this.#next };
  }
}
