/**
 * Operations on whole collections. None costs more than the trees are deep.
 */

import type { Tree } from '../btree/tree.js';
import { StoreError } from '../errors.js';
import { type ByteReader, compareBytes } from '../format/bytes.js';
import { ROLE } from '../format/role.js';
import { COLLECTION_KIND, forEachCnodeRoot } from '../onode/cnode.js';
import { embedMax } from '../onode/limits.js';
import { hashRange, sharesBits } from '../onode/object-key.js';
import { encodeValue, type NewValue, releaseValue } from '../onode/value-record.js';
import { readAttributeKey } from './attribute-key.js';
import type { Totals } from './collection-totals.js';
import type { ObjectTable } from './object-table.js';
import { OpenCollection } from './open-collection.js';
import { OPERATION } from './operation.js';
import { printable, type StoreState } from './store-state.js';

export class CollectionOperations {
  readonly #state: StoreState;
  readonly #objects: ObjectTable;
  readonly #names: readonly string[];
  readonly #reader: ByteReader;

  constructor(
    state: StoreState,
    objects: ObjectTable,
    names: readonly string[],
    reader: ByteReader,
  ) {
    this.#state = state;
    this.#objects = objects;
    this.#names = names;
    this.#reader = reader;
  }

  /** Applies `operation` if it is one of a collection; false if not. */
  apply(operation: number, value: () => NewValue): boolean {
    switch (operation) {
      case OPERATION.createCollection:
        this.#create(this.#name());
        return true;
      case OPERATION.removeCollection:
        this.#remove(this.#settled(), true);
        return true;
      case OPERATION.dropCollection:
        this.#remove(this.#settled(), false);
        return true;
      case OPERATION.renameCollection:
        this.#rename(this.#settled(), this.#name());
        return true;
      case OPERATION.cloneCollection:
        this.#clone(this.#settled(), this.#name());
        return true;
      case OPERATION.setCollectionAttribute:
        this.#setAttribute(this.#open(), value);
        return true;
      case OPERATION.removeCollectionAttribute:
        this.#removeAttribute(this.#open());
        return true;
      case OPERATION.setCollectionBits:
        this.#setBits(this.#open(), this.#reader.varint());
        return true;
      case OPERATION.splitCollection:
        this.#split(this.#settled(), this.#open());
        return true;
      case OPERATION.mergeCollection:
        this.#merge(this.#settled(), this.#open());
        return true;
      case OPERATION.collectionHint:
        this.#open();
        return true;
      default:
        return false;
    }
  }

  #name(): string {
    return this.#names[this.#reader.varint()] ?? '';
  }

  #open(): OpenCollection {
    return this.#state.changing(this.#name());
  }

  /** The collection, with all objects that the transaction changed so far in their trees. */
  #settled(): OpenCollection {
    this.#objects.writeBack();
    this.#objects.forget();
    return this.#open();
  }

  #checkFree(name: string): void {
    if (this.#state.collection(name) === undefined) return;
    throw new StoreError(
      'E_EXISTS',
      `Cannot make collection ${printable(name)}: it exists already`,
    );
  }

  #create(name: string): void {
    this.#checkFree(name);
    const kind = this.#reader.varint();
    const bits = this.#reader.varint();
    const state = this.#state;
    const ordered = kind === COLLECTION_KIND.hash ? COLLECTION_KIND.hash : COLLECTION_KIND.name;
    const id = state.counters.nextCollection++;
    const bytes = Buffer.from(name, 'latin1');
    state.addCollection(OpenCollection.create(state, bytes, id, ordered, bits));
  }

  #remove(collection: OpenCollection, onlyEmpty: boolean): void {
    const state = this.#state;
    if (onlyEmpty && !collection.objects.isEmpty()) {
      const name = printable(Buffer.from(collection.name).toString('latin1'));
      throw new StoreError('E_NOT_EMPTY', `Cannot remove collection ${name}: it holds objects`);
    }
    const limit = embedMax(state.nodeSize);
    state.counters.objects -= collection.totals.objects;
    state.counters.storedBytes -= collection.totals.storedBytes;
    state.dropTree(ROLE.attributes, collection.attributes.encodeRoot(limit));
    state.dropTree(ROLE.objects, collection.objects.encodeRoot(limit));
    state.takeCollection(collection);
  }

  #rename(collection: OpenCollection, name: string): void {
    this.#checkFree(name);
    const state = this.#state;
    collection.encode(embedMax(state.nodeSize));
    state.takeCollection(collection);
    const bytes = Buffer.from(name, 'latin1');
    const renamed = OpenCollection.copy(state, bytes, collection.record, collection.id);
    renamed.known = collection.known;
    state.addCollection(renamed);
  }

  #clone(source: OpenCollection, name: string): void {
    this.#checkFree(name);
    const state = this.#state;
    state.writeBack(source);
    const { record } = source;
    forEachCnodeRoot(record, 0, record.length, (role, at, end) => {
      state.forest.retainReferences(record, at, end, role);
    });
    const id = state.counters.nextCollection++;
    const bytes = Buffer.from(name, 'latin1');
    const copy = OpenCollection.copy(state, bytes, record, id);
    state.addCollection(copy);
    this.#objects.noteGrown(copy);
    copy.known = source.totals;
    state.counters.objects += source.totals.objects;
    state.counters.storedBytes += source.totals.storedBytes;
  }

  #setAttribute(collection: OpenCollection, value: () => NewValue): void {
    const key = readAttributeKey(this.#reader);
    this.#releaseAttribute(collection, key);
    collection.attributes.put(key, encodeValue(this.#state, value()));
  }

  #removeAttribute(collection: OpenCollection): void {
    const key = readAttributeKey(this.#reader);
    this.#releaseAttribute(collection, key);
    collection.attributes.delete(key);
  }

  #releaseAttribute(collection: OpenCollection, key: Uint8Array): void {
    collection.attributes.own(key);
    const record = collection.attributes.get(key);
    if (record !== undefined) releaseValue(this.#state, record, 0, record.length);
  }

  #setBits(collection: OpenCollection, bits: number): void {
    collection.bits = bits;
    this.#objects.noteGrown(collection);
  }

  #split(source: OpenCollection, target: OpenCollection): void {
    const bits = this.#reader.varint();
    const remainder = this.#reader.varint();
    checkDistinct(source, target);
    checkHashed(source);
    checkHashed(target);
    if (!target.objects.isEmpty()) {
      throw new StoreError('E_NOT_EMPTY', 'Cannot split collection: the target holds objects');
    }
    const { from, to } = hashRange(bits, remainder);
    const above = to === undefined ? undefined : source.objects.splitOff(to);
    const middle = source.objects.splitOff(from);
    if (above !== undefined) source.objects.join(above);
    target.objects = this.#adopt(middle, target);
    source.known = undefined;
    target.known = undefined;
    this.#setBits(source, bits);
    this.#setBits(target, bits);
  }

  #merge(source: OpenCollection, target: OpenCollection): void {
    const bits = this.#reader.varint();
    checkDistinct(source, target);
    if (source.kind !== target.kind) {
      throw new StoreError('E_INVALID', 'Cannot merge collections: they are ordered differently');
    }
    const merged = sumOf(source.known, target.known);
    const first = source.objects.firstKey();
    const last = source.objects.lastKey();
    if (first !== undefined && last !== undefined) {
      const above = target.objects.splitOff(first);
      const next = above.firstKey();
      if (next !== undefined && compareBytes(next, last) <= 0) {
        throw new StoreError('E_INVALID', 'Cannot merge collections: their objects interleave');
      }
      target.objects.join(source.objects);
      target.objects.join(above);
      target.known = merged;
    }
    this.#setBits(target, bits);
    const limit = embedMax(this.#state.nodeSize);
    this.#state.dropTree(ROLE.attributes, source.attributes.encodeRoot(limit));
    this.#state.takeCollection(source);
  }

  /** A tree with the owner that its new nodes shall name. */
  #adopt(tree: Tree, collection: OpenCollection): Tree {
    const empty = collection.objects;
    empty.join(tree);
    return empty;
  }
}

/** Totals of two collections together; undefined where one of them isn't known. */
function sumOf(a: Totals | undefined, b: Totals | undefined): Totals | undefined {
  if (a === undefined || b === undefined) return undefined;
  return { objects: a.objects + b.objects, storedBytes: a.storedBytes + b.storedBytes };
}

/** The order is that of the reversed hash: what first and last agree in, all agree in. */
/** @throws StoreError E_INVALID when objects of a hash-ordered collection differ in its bits */
export function checkBits(collection: OpenCollection): void {
  const { kind, bits, objects } = collection;
  if (kind !== COLLECTION_KIND.hash || bits === 0) return;
  const first = objects.firstKey();
  const last = objects.lastKey();
  if (first === undefined || last === undefined || sharesBits(first, last, bits)) return;
  const name = printable(Buffer.from(collection.name).toString('latin1'));
  throw new StoreError(
    'E_INVALID',
    `Cannot change collection ${name}: the hashes of its objects differ in their low ${bits} bits`,
  );
}

function checkDistinct(source: OpenCollection, target: OpenCollection): void {
  if (source !== target) return;
  const name = printable(Buffer.from(source.name).toString('latin1'));
  throw new StoreError('E_INVALID', `Cannot split or merge collection ${name}: both are the same`);
}

function checkHashed(collection: OpenCollection): void {
  if (collection.kind === COLLECTION_KIND.hash) return;
  const name = printable(Buffer.from(collection.name).toString('latin1'));
  throw new StoreError('E_INVALID', `Cannot split collection: ${name} is not ordered by hash`);
}
