/**
 * The objects that a transaction names, opened on first use and written back at its end.
 *
 * - A slot stands for one (collection, key); two names of the same key share it.
 * - Where there are several, their onodes are kept open for the transactions that follow: one of
 *   them is most often what the others changed too, such as the log of a PG.
 * - Changes live in the slot's onode until `writeBack`; operations on whole collections call it
 *   first and start over with `forget`, since keys may then be elsewhere.
 */

import { StoreError } from '../errors.js';
import { equalBytes, textOf } from '../format/bytes.js';
import { COLLECTION_KIND } from '../onode/cnode.js';
import { objectKey } from '../onode/object-key.js';
import { forEachRoot, Onode } from '../onode/onode.js';
import { ObjectMap } from './object-map.js';
import type { OpenCollection } from './open-collection.js';
import { printable, type StoreState } from './store-state.js';

/** Objects up to which a transaction's slots are searched in a row. */
const ROW_MAX = 8;

/** An object of the transaction's table, as the builder wrote it. */
export interface NamedObject {
  readonly collection: string;
  readonly name: Uint8Array;
  readonly hash: number | undefined;
}

/** One object, with what the transaction did to it so far. */
export class ObjectSlot {
  readonly collection: OpenCollection;
  readonly key: Uint8Array;
  readonly name: Uint8Array;
  /** The object, if it exists. */
  onode: Onode | undefined;
  /** The collection's tree has a record for the key. */
  stored: boolean;
  /** Size in bytes of the object of that record. */
  storedSize: number;
  changed = false;
  /** Its onode is kept open when the transaction has ended. */
  readonly isKept: boolean;

  constructor(
    collection: OpenCollection,
    key: Uint8Array,
    name: Uint8Array,
    onode: Onode | undefined,
    isKept: boolean,
  ) {
    this.collection = collection;
    this.key = key;
    this.name = name;
    this.onode = onode;
    this.isKept = isKept;
    this.stored = onode !== undefined;
    this.storedSize = onode?.size ?? 0;
  }

  /** True when it stands for `key` in the collection. */
  isOf(collection: OpenCollection, key: Uint8Array): boolean {
    return this.collection.id === collection.id && equalBytes(this.key, key);
  }

  /** Notes that the tree holds what the transaction made of the object. */
  settle(): void {
    const isThere = this.onode !== undefined;
    const size = this.onode?.size ?? 0;
    this.collection.count(Number(isThere) - Number(this.stored), size - this.storedSize);
    this.stored = isThere;
    this.storedSize = size;
    this.changed = false;
  }

  /**
   * To be called before the object is changed or given up: its record's leaf is not shared any
   * more then, so that what it refers to has been counted for everybody who shared it.
   */
  change(): void {
    if (this.changed) return;
    this.changed = true;
    if (this.stored) this.collection.objects.own(this.key);
  }
}

export class ObjectTable {
  readonly #state: StoreState;
  readonly #named: readonly NamedObject[];
  #byIndex: (ObjectSlot | undefined)[] = [];
  readonly #slots: ObjectSlot[] = [];
  /** The slots by collection and key, where there are many. */
  #byKey: ObjectMap<ObjectSlot> | undefined;
  /** Ids of hash-ordered collections that got an object, bits or another's objects. */
  #grown: Set<number> | undefined;

  constructor(state: StoreState, named: readonly NamedObject[]) {
    this.#state = state;
    this.#named = named;
  }

  /** The slot of the object at `index` of the transaction's table. E_NOT_FOUND: no collection. */
  slot(index: number): ObjectSlot {
    const known = this.#byIndex[index];
    if (known !== undefined) return known;
    const named = this.#named[index];
    if (named === undefined) throw new StoreError('E_CORRUPT', 'Cannot find object in transaction');
    const collection = this.#state.changing(named.collection);
    const key = objectKey(collection.kind, named.name, named.hash);
    const isAlone = this.#named.length === 1 && this.#state.openObjects.isEmpty;
    const slot = isAlone
      ? this.#open(collection, key, named.name, false)
      : this.#shared(collection, key, named.name);
    this.#byIndex[index] = slot;
    return slot;
  }

  #shared(collection: OpenCollection, key: Uint8Array, name: Uint8Array): ObjectSlot {
    const isIndexed = this.#named.length > ROW_MAX;
    const known = isIndexed
      ? this.#byKey?.get(collection.id, key)
      : this.#slots.find((slot) => slot.isOf(collection, key));
    if (known !== undefined) return known;
    const slot = this.#open(collection, key, name, true);
    if (isIndexed) {
      this.#byKey ??= new ObjectMap();
      this.#byKey.set(collection.id, key, slot);
    }
    return slot;
  }

  #open(
    collection: OpenCollection,
    key: Uint8Array,
    name: Uint8Array,
    isKept: boolean,
  ): ObjectSlot {
    const kept = isKept ? this.#state.openObjects.get(collection.id, key) : undefined;
    const onode = kept ?? this.#load(collection, key);
    const slot = new ObjectSlot(collection, key, name, onode, isKept);
    this.#slots.push(slot);
    return slot;
  }

  /** The object at `index`, which must exist. E_NOT_FOUND. */
  existing(index: number): { readonly slot: ObjectSlot; readonly onode: Onode } {
    const slot = this.slot(index);
    if (slot.onode !== undefined) return { slot, onode: slot.onode };
    throw missing(slot);
  }

  /** The object at `index`, made if it is missing; it counts as changed. */
  ensured(index: number): Onode {
    const slot = this.slot(index);
    slot.change();
    if (slot.onode === undefined) this.create(slot);
    return slot.onode as Onode;
  }

  /** Puts a new object into an empty slot. */
  create(slot: ObjectSlot): Onode {
    const { counters } = this.#state;
    slot.onode = Onode.create(this.#state, counters.nextObject++);
    slot.change();
    counters.objects++;
    return slot.onode;
  }

  /** Puts a copy of `source` into `slot`, sharing all that it has. */
  copy(source: Onode, slot: ObjectSlot): void {
    const state = this.#state;
    const record = source.encode();
    forEachRoot(record, 0, record.length, (role, at, end) => {
      state.forest.retainReferences(record, at, end, role);
    });
    this.remove(slot);
    slot.onode = Onode.clone(state, record, state.counters.nextObject++);
    slot.change();
    state.counters.objects++;
    state.counters.storedBytes += slot.onode.size;
  }

  /** Empties a slot and gives up what its object owns. */
  remove(slot: ObjectSlot): void {
    const { onode } = slot;
    if (onode === undefined) return;
    slot.change();
    const state = this.#state;
    const record = onode.encode();
    forEachRoot(record, 0, record.length, (role, at, end) => {
      state.dropTree(role, record.slice(at, end));
    });
    state.counters.objects--;
    state.counters.storedBytes -= onode.size;
    slot.onode = undefined;
  }

  /** Moves the object of one slot to another, empty one; its identity stays. */
  move(from: ObjectSlot, to: ObjectSlot): void {
    to.onode = from.onode;
    from.onode = undefined;
    from.change();
    to.change();
  }

  /** Writes every changed object to its collection's tree. */
  writeBack(): void {
    for (const slot of this.#slots) {
      if (!slot.changed) continue;
      const { onode, collection, key } = slot;
      if (slot.isKept) this.#state.openObjects.keep(collection.id, key, onode);
      if (onode !== undefined) {
        onode.version++;
        collection.objects.set(key, onode.encode());
        if (!slot.stored) this.noteGrown(collection);
      } else if (slot.stored) {
        collection.objects.delete(key);
      }
      slot.settle();
    }
  }

  /** The object at `index` grows by so many bytes of data, from `offset` on. */
  noteGrowth(index: number, offset: number, length: number): void {
    const { scattered } = this.#state;
    const named = this.#named[index];
    if (named === undefined || !scattered.concerns(offset, length)) return;
    scattered.note({ collection: named.collection, key: this.slot(index).key }, offset, length);
  }

  /** The hashes of the collection's objects are to be checked when the transaction ends. */
  noteGrown(collection: OpenCollection): void {
    if (!isHashed(collection)) return;
    this.#grown ??= new Set();
    this.#grown.add(collection.id);
  }

  hasGrown(collection: OpenCollection): boolean {
    return this.#grown?.has(collection.id) === true;
  }

  /** Forgets all slots: they are opened again, from their records, when they are named again. */
  forget(): void {
    this.#state.openObjects.forget();
    this.#byIndex = [];
    this.#slots.length = 0;
    this.#byKey = undefined;
  }

  /** Lets the leaves of all objects be read together, where some of them are not in memory. */
  gather(): void {
    this.#state.forest.gather(this.#named, (named) => lookUp(this.#state, named));
  }

  #load(collection: OpenCollection, key: Uint8Array): Onode | undefined {
    const record = collection.objects.get(key);
    return record === undefined ? undefined : Onode.decode(this.#state, record);
  }
}

/** Reads where the record of an object is, or would be. @throws CorruptError; MissSignal */
export function lookUp(state: StoreState, { collection, name, hash }: NamedObject): void {
  const open = state.collection(collection);
  open?.objects.find(objectKey(open.kind, name, hash));
}

/** What an operation answers that needs an object which isn't there. */
export function missing(slot: ObjectSlot): StoreError {
  const where = printable(textOf(slot.collection.name));
  return new StoreError(
    'E_NOT_FOUND',
    `Cannot find object ${printable(textOf(slot.name))} in collection ${where}`,
  );
}

/** True when names of the collection carry a hash. */
export function isHashed(collection: OpenCollection): boolean {
  return collection.kind === COLLECTION_KIND.hash;
}
