/**
 * Reading one collection: its objects in order, its attributes, its figures.
 *
 * - A handle names a collection; it holds nothing open. Reads throw E_NOT_FOUND when there is no
 *   such collection.
 */

import type { Io } from '../blockdev/io.js';
import type { Cursor } from '../btree/cursor.js';
import { checkOptions, type OptionNames, StoreError } from '../errors.js';
import { compareBytes, textOf } from '../format/bytes.js';
import { COLLECTION_KIND, type CollectionKind } from '../onode/cnode.js';
import { hashOf, nameOf } from '../onode/object-key.js';
import { decodeOnode } from '../onode/onode.js';
import { type Bytes, type ObjectName, toBytes, toOwnName } from '../txn/argument.js';
import { attributeKey, attributeName, FIRST_ATTRIBUTE_KEY } from '../txn/attribute-key.js';
import type { OpenCollection } from '../txn/open-collection.js';
import { printable } from '../txn/store-state.js';
import { DamageLog } from './damage-log.js';
import { attributePage, type DamageOption, type MapEntry, namedEntries } from './entry-page.js';
import { type FoundValue, findValue, readValue } from './found-value.js';
import { pageLimit } from './page.js';
import { nameKey, StoredObject } from './stored-object.js';
import type { Place, View } from './view.js';

/** Figures of a collection. */
export interface CollectionStat {
  readonly id: number;
  readonly order: 'name' | 'hash';
  readonly bits: number;
  readonly objects: number;
  /** Sum of the sizes of its objects. */
  readonly storedBytes: number;
}

/** An object in a listing. */
export interface ListedObject {
  readonly name: Uint8Array;
  /** In hash-ordered collections. */
  readonly hash: number | undefined;
  readonly size: number; // bytes
  readonly version: number;
}

/** Which objects are listed, in the collection's order. */
export interface ListOptions extends DamageOption {
  /** The first object. */
  readonly from?: ObjectName;
  /** The objects behind this one: for paging. */
  readonly after?: ObjectName;
  /** The objects before this one. */
  readonly to?: ObjectName;
  /** Most objects; 1000 by default. */
  readonly limit?: number;
}

const LIST_OPTIONS: OptionNames<ListOptions> = {
  from: true,
  after: true,
  to: true,
  limit: true,
  onDamage: true,
};

/** A page, and what could not be read of it. */
interface ListedPage {
  readonly listed: ListedObject[];
  readonly damage: DamageLog;
}

/** A collection by its name. Every read throws StoreError E_NOT_FOUND, E_CORRUPT, E_IO, E_CLOSED. */
export class StoredCollection {
  readonly #view: View;
  readonly #name: string;
  /** For errors. */
  readonly #place: Place = () => ({ collection: Buffer.from(this.#name, 'latin1') });

  constructor(view: View, name: Bytes) {
    this.#view = view;
    this.#name = textOf(toBytes(name));
  }

  /** A handle of an object, which need not exist. */
  object(name: ObjectName): StoredObject {
    return new StoredObject(this.#view, this.#name, name);
  }

  /** True when there is such a collection. */
  existsSync(): boolean {
    return this.#view.sync(() => this.#view.openCollection(this.#name) !== undefined, this.#place);
  }

  /** As `existsSync`. */
  exists(): Promise<boolean> {
    return this.#view.run(() => this.#view.openCollection(this.#name) !== undefined, this.#place);
  }

  /** Its figures. */
  statSync(): CollectionStat {
    return this.#view.sync(() => this.#stat(), this.#place);
  }

  /** As `statSync`. */
  stat(): Promise<CollectionStat> {
    return this.#view.run(() => this.#stat(), this.#place);
  }

  /** True when it holds no object. */
  isEmptySync(): boolean {
    return this.#view.sync(() => this.#open().objects.isEmpty(), this.#place);
  }

  /** As `isEmptySync`. */
  isEmpty(): Promise<boolean> {
    return this.#view.run(() => this.#open().objects.isEmpty(), this.#place);
  }

  /** A page of objects in the collection's order. */
  listSync(options: ListOptions = {}): ListedObject[] {
    return told(this.#view.sync(() => this.#list(options), this.#place));
  }

  /** As `listSync`. */
  async list(options: ListOptions = {}): Promise<ListedObject[]> {
    const own = ownOptions(checkOptions(options, LIST_OPTIONS));
    return told(await this.#view.run(() => this.#list(own), this.#place));
  }

  /** Undefined when there is no such attribute. */
  getAttributeSync(name: Bytes): Uint8Array | undefined {
    const key = attributeKey(toBytes(name));
    return this.#view.readSync(
      () => this.#attribute(key),
      (found) => this.#readValue(found),
      this.#place,
    );
  }

  /** As `getAttributeSync`. */
  async getAttribute(name: Bytes): Promise<Uint8Array | undefined> {
    const key = attributeKey(toBytes(name));
    return await this.#view.read(
      () => this.#attribute(key),
      (found) => this.#readValue(found),
      this.#place,
    );
  }

  /** All attributes in order of their names. */
  attributesSync(options: DamageOption = {}): MapEntry[] {
    const page = attributePage(this.#view.engine, this.#place(), options);
    const plan = () => page.plan(this.#open().attributes);
    while (!page.isDone) this.#view.readSync(plan, (planned) => page.read(planned), this.#place);
    return namedEntries(page);
  }

  /** As `attributesSync`. */
  async attributes(options: DamageOption = {}): Promise<MapEntry[]> {
    const page = attributePage(this.#view.engine, this.#place(), options);
    const plan = () => page.plan(this.#open().attributes);
    while (!page.isDone) await this.#view.read(plan, (planned) => page.read(planned), this.#place);
    return namedEntries(page);
  }

  /** Names of all attributes, in order. */
  attributeNamesSync(): Uint8Array[] {
    return this.#view.sync(() => this.#attributeNames(), this.#place);
  }

  /** As `attributeNamesSync`. */
  attributeNames(): Promise<Uint8Array[]> {
    return this.#view.run(() => this.#attributeNames(), this.#place);
  }

  #open(): OpenCollection {
    const collection = this.#view.openCollection(this.#name);
    if (collection !== undefined) return collection;
    throw new StoreError('E_NOT_FOUND', `Cannot find collection ${printable(this.#name)}`);
  }

  #stat(): CollectionStat {
    const { id, kind, bits, totals } = this.#open();
    const order = kind === COLLECTION_KIND.hash ? 'hash' : 'name';
    return { id, order, bits, ...totals };
  }

  #list(options: ListOptions): ListedPage {
    const { from, after, to } = checkOptions(options, LIST_OPTIONS);
    const limit = pageLimit(options.limit);
    const damage = new DamageLog(options.onDamage, this.#place());
    const { objects, kind } = this.#open();
    const cursor = objects.cursor();
    const next = (): boolean => cursor.next();
    const start = from === undefined ? undefined : nameKey(kind, from);
    const passed = after === undefined ? undefined : nameKey(kind, after);
    const first = laterOf(start, passed);
    const skipped = passed === undefined ? undefined : textOf(passed);
    const end = to === undefined ? undefined : nameKey(kind, to);
    const listed: ListedObject[] = [];
    if (limit === 0) return { listed, damage };
    const skip = (): boolean => cursor.skip();
    damage.step(() => (first === undefined ? cursor.seekFirst() : cursor.seek(first)), skip);
    while (cursor.valid) {
      const found = cursor.key();
      if (end !== undefined && compareBytes(found, end) >= 0) break;
      if (skipped === undefined || listed.length > 0 || textOf(found) !== skipped) {
        const record = () => listedObject(kind, found, cursor);
        const one = damage.record(record, { tree: 'objects', keys: { from: found, to: found } });
        if (one !== undefined) listed.push(one);
        if (listed.length === limit) break;
      }
      damage.step(next, skip);
    }
    return { listed, damage };
  }

  #attribute(key: Uint8Array): FoundValue | undefined {
    const { attributes } = this.#open();
    if (!attributes.find(key)) return undefined;
    const { hitBytes, hitStart, hitEnd } = attributes;
    return findValue(this.#view.engine.state, hitBytes, hitStart, hitEnd);
  }

  *#readValue(found: FoundValue | undefined): Io<Uint8Array | undefined> {
    return found === undefined ? undefined : yield* readValue(this.#view.engine, found);
  }

  #attributeNames(): Uint8Array[] {
    const names: Uint8Array[] = [];
    const cursor = this.#open().attributes.cursor();
    for (cursor.seek(FIRST_ATTRIBUTE_KEY); cursor.valid; cursor.next()) {
      names.push(attributeName(cursor.key()));
    }
    return names;
  }
}

/** The object at which a cursor stands. */
function listedObject(kind: CollectionKind, key: Uint8Array, cursor: Cursor): ListedObject {
  const { size, version } = decodeOnode(cursor.valueBytes, cursor.valueStart, cursor.valueEnd);
  const hash = kind === COLLECTION_KIND.hash ? hashOf(key) : undefined;
  return { name: nameOf(kind, key), hash, size, version };
}

/** The options, with names of their own. */
function ownOptions({ from, after, to, ...rest }: ListOptions): ListOptions {
  return {
    ...rest,
    ...(from !== undefined && { from: toOwnName(from) }),
    ...(after !== undefined && { after: toOwnName(after) }),
    ...(to !== undefined && { to: toOwnName(to) }),
  };
}

/** The one of two keys that comes later in their order; what there is of them. */
function laterOf(a: Uint8Array | undefined, b: Uint8Array | undefined): Uint8Array | undefined {
  return a === undefined || b === undefined || compareBytes(a, b) < 0 ? (b ?? a) : a;
}

/** The objects of a page, when its damage has been told. */
function told({ listed, damage }: ListedPage): ListedObject[] {
  damage.tell();
  return listed;
}
