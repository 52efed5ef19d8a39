/**
 * Applies transactions to the model: the meaning of every operation, said a second time and as
 * plainly as can be.
 */

import type { ComparatorRegistry } from '../../src/btree/comparator.js';
import type { ErrorCode } from '../../src/errors.js';
import type { ReservationUnits } from '../../src/txn/transaction.js';
import {
  compareKeys,
  copyObject,
  type ModelCollection,
  ModelDraft,
  type ModelName,
  type ModelObject,
  type ModelState,
  modelKey,
  newObject,
} from './model.js';
import type { ModelOperation } from './model-operation.js';

/** Why the model refuses a transaction. */
class Refusal extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode) {
    super(code);
    this.code = code;
  }
}

/** What became of a transaction: the new state, or the code of the error. */
export type Outcome = { readonly state: ModelState } | { readonly code: ErrorCode };

/** Applies a transaction to `state`, which stays as it is. */
export function applyToModel(
  state: ModelState,
  operations: readonly ModelOperation[],
  comparators: ComparatorRegistry,
): Outcome {
  const model = new Model(state, comparators);
  try {
    for (const operation of operations) model.apply(operation);
    model.checkBits(state);
    return { state: model.draft.done() };
  } catch (error) {
    if (error instanceof Refusal) return { code: error.code };
    throw error;
  }
}

function refuse(code: ErrorCode): never {
  throw new Refusal(code);
}

interface Slot {
  readonly collection: ModelCollection;
  readonly key: string;
}

class Model {
  readonly draft: ModelDraft;
  readonly #comparators: ComparatorRegistry;

  constructor(state: ModelState, comparators: ComparatorRegistry) {
    this.draft = new ModelDraft(state);
    this.#comparators = comparators;
  }

  apply(one: ModelOperation): void {
    switch (one.op) {
      case 'reserve':
        this.draft.reservations.set(one.name, {
          owner:
            one.owner === '' ? (this.draft.reservations.get(one.name)?.owner ?? '') : one.owner,
          ...one.units,
        });
        return;
      case 'cancelReservation':
        if (!this.draft.reservations.delete(one.name)) refuse('E_NOT_FOUND');
        return;
      case 'redeem':
        this.#redeem(one.name, one.units);
        return;
      default:
        if ('o' in one) this.#object(one);
        else this.#collection(one);
    }
  }

  /** The objects of a changed hash-ordered collection agree in their low bits. */
  checkBits(before: ModelState): void {
    for (const [name, { order, bits, objects }] of this.draft.collections) {
      const old = before.collections.get(name);
      if (order !== 'hash' || bits === 0 || old?.objects === objects) continue;
      const low = new Set([...objects.values()].map(({ hash = 0 }) => hash % 2 ** bits));
      if (low.size > 1) refuse('E_INVALID');
    }
  }

  #redeem(name: string, units: ReservationUnits): void {
    const held = this.draft.reservations.get(name) ?? refuse('E_NOT_FOUND');
    const bytes = held.bytes - units.bytes;
    const operations = held.operations - units.operations;
    const keys = held.keys - units.keys;
    if (bytes < 0 || operations < 0 || keys < 0) refuse('E_INVALID');
    this.draft.reservations.set(name, { owner: held.owner, bytes, operations, keys });
  }

  // Collections

  #open(name: string): ModelCollection {
    return this.draft.collection(name) ?? refuse('E_NOT_FOUND');
  }

  #settled(name: string): ModelCollection {
    this.draft.settle();
    return this.#open(name);
  }

  #checkFree(name: string): void {
    if (this.draft.collections.has(name)) refuse('E_EXISTS');
  }

  #collection(one: Extract<ModelOperation, { c: string }>): void {
    const { draft } = this;
    switch (one.op) {
      case 'createCollection': {
        this.#checkFree(one.c);
        const { order, bits } = one;
        const id = draft.nextCollection++;
        draft.collections.set(one.c, {
          id,
          order,
          bits,
          attributes: new Map(),
          objects: new Map(),
        });
        break;
      }
      case 'removeCollection':
        if (this.#settled(one.c).objects.size > 0) refuse('E_NOT_EMPTY');
        draft.collections.delete(one.c);
        break;
      case 'dropCollection':
        this.#settled(one.c);
        draft.collections.delete(one.c);
        break;
      case 'renameCollection': {
        const collection = this.#settled(one.c);
        this.#checkFree(one.to);
        draft.collections.delete(one.c);
        draft.collections.set(one.to, collection);
        break;
      }
      case 'cloneCollection': {
        const source = this.#settled(one.c);
        this.#checkFree(one.to);
        draft.settle(); // neither of the two is the draft's own now
        draft.collections.set(one.to, { ...source, id: draft.nextCollection++ });
        break;
      }
      case 'setCollectionAttribute':
        this.#open(one.c).attributes.set(one.name, one.value);
        break;
      case 'removeCollectionAttribute':
        this.#open(one.c).attributes.delete(one.name);
        break;
      case 'setCollectionBits':
        this.#open(one.c).bits = one.bits;
        break;
      case 'splitCollection':
        this.#split(this.#settled(one.c), this.#open(one.to), one.bits, one.remainder);
        break;
      case 'mergeCollection':
        this.#merge(this.#settled(one.c), this.#open(one.to), one.bits);
        draft.collections.delete(one.c);
        break;
      case 'collectionHint':
        this.#open(one.c);
    }
  }

  #split(source: ModelCollection, target: ModelCollection, bits: number, remainder: number): void {
    if (source === target) refuse('E_INVALID');
    if (source.order !== 'hash' || target.order !== 'hash') refuse('E_INVALID');
    if (target.objects.size > 0) refuse('E_NOT_EMPTY');
    const mask = 2 ** bits;
    for (const [key, object] of source.objects) {
      if ((object.hash ?? 0) % mask !== remainder) continue;
      source.objects.delete(key);
      target.objects.set(key, object);
    }
    source.bits = bits;
    target.bits = bits;
  }

  #merge(source: ModelCollection, target: ModelCollection, bits: number): void {
    if (source === target || source.order !== target.order) refuse('E_INVALID');
    let first: string | undefined;
    let last: string | undefined;
    for (const key of source.objects.keys()) {
      if (first === undefined || key < first) first = key;
      if (last === undefined || key > last) last = key;
    }
    if (first !== undefined && last !== undefined) {
      for (const key of target.objects.keys()) {
        if (key >= first && key <= last) refuse('E_INVALID');
      }
    }
    for (const [key, object] of source.objects) target.objects.set(key, object);
    target.bits = bits;
  }

  // Objects

  #slot(c: string, o: ModelName): Slot {
    const collection = this.#open(c);
    return { collection, key: modelKey(collection.order, o) };
  }

  #peek({ collection, key }: Slot): ModelObject | undefined {
    return collection.objects.get(key);
  }

  #changing({ collection, key }: Slot): ModelObject {
    return this.draft.changing(collection, key) ?? refuse('E_NOT_FOUND');
  }

  #create(slot: Slot, o: ModelName): ModelObject {
    const object = newObject(this.draft.nextObject++, slot.collection.order, o);
    this.draft.put(slot.collection, slot.key, object);
    return object;
  }

  #ensured(slot: Slot, o: ModelName): ModelObject {
    return this.draft.changing(slot.collection, slot.key) ?? this.#create(slot, o);
  }

  #object(one: Extract<ModelOperation, { o: ModelName }>): void {
    const slot = this.#slot(one.c, one.o);
    const found = this.#peek(slot);
    switch (one.op) {
      case 'create':
        if (found !== undefined) refuse('E_EXISTS');
        this.#create(slot, one.o);
        break;
      case 'touch':
        this.#ensured(slot, one.o);
        break;
      case 'remove':
        slot.collection.objects.delete(slot.key);
        break;
      case 'write':
        overwrite(this.#ensured(slot, one.o), one.offset, one.data);
        break;
      case 'zero':
        overwrite(this.#ensured(slot, one.o), one.offset, new Uint8Array(one.length));
        break;
      case 'truncate':
        if (found !== undefined) resize(this.#changing(slot), one.size);
        break;
      case 'setAllocationHint':
        if (found !== undefined) this.#changing(slot);
        break;
      case 'ifVersion':
        if (found?.version !== one.version) refuse('E_GUARD');
        break;
      case 'mustExist':
        if (found === undefined) refuse('E_GUARD');
        break;
      case 'mustNotExist':
        if (found !== undefined) refuse('E_GUARD');
        break;
      case 'clone':
        this.#clone(slot, one.toC, one.toO);
        break;
      case 'cloneRange':
        this.#cloneRange(slot, one);
        break;
      case 'moveRename':
        this.#rename(slot, one.toC, one.toO, false);
        break;
      case 'tryRename':
        this.#rename(slot, one.c, one.toO, true);
        break;
      default:
        this.#keyed(one, slot, found);
    }
  }

  #clone(slot: Slot, toC: string, toO: ModelName): void {
    const source = this.#peek(slot) ?? refuse('E_NOT_FOUND');
    const to = this.#slot(toC, toO);
    if (to.collection === slot.collection && to.key === slot.key) return;
    const { name, hash } = newObject(0, to.collection.order, toO);
    const id = this.draft.nextObject++;
    const copy = { ...copyObject(source), id, version: 0, name, hash };
    this.draft.put(to.collection, to.key, copy);
  }

  #cloneRange(slot: Slot, one: Extract<ModelOperation, { op: 'cloneRange' }>): void {
    const source = this.#peek(slot) ?? refuse('E_NOT_FOUND');
    const { from, length, offset } = one;
    if (from + length > source.bytes.length) refuse('E_INVALID');
    const data = source.bytes.slice(from, from + length);
    overwrite(this.#ensured(this.#slot(one.toC, one.toO), one.toO), offset, data);
  }

  #rename(slot: Slot, toC: string, toO: ModelName, tolerant: boolean): void {
    const to = this.#slot(toC, toO);
    if (this.#peek(slot) === undefined) {
      if (tolerant) return;
      refuse('E_NOT_FOUND');
    }
    if (to.collection === slot.collection && to.key === slot.key) return;
    if (this.#peek(to) !== undefined) refuse('E_EXISTS');
    const object = this.#changing(slot);
    slot.collection.objects.delete(slot.key);
    const { name, hash } = newObject(0, to.collection.order, toO);
    object.name = name;
    object.hash = hash;
    to.collection.objects.set(to.key, object);
  }

  // Attributes and map streams

  #keyed(
    one: Extract<ModelOperation, { o: ModelName }>,
    slot: Slot,
    found: ModelObject | undefined,
  ): void {
    if (one.op === 'removeAttributes') {
      if (found !== undefined) this.#changing(slot).attributes.clear();
      return;
    }
    if (one.op === 'mapClear') {
      if (found === undefined) return;
      const object = this.#changing(slot);
      object.map.clear();
      object.header = undefined;
      return;
    }
    if (found === undefined) refuse('E_NOT_FOUND');
    switch (one.op) {
      case 'setAttribute':
        this.#changing(slot).attributes.set(one.name, one.value);
        break;
      case 'removeAttribute':
        if (found.attributes.has(one.name)) this.#changing(slot).attributes.delete(one.name);
        break;
      case 'mapSetHeader':
        this.#changing(slot).header = one.value;
        break;
      case 'formatMap':
        this.#format(one, slot, found);
        break;
      case 'mapSet': {
        const object = this.#changing(slot);
        for (const [key, value] of one.entries) {
          checkKey(object, key);
          object.map.set(key, value);
        }
        break;
      }
      case 'mapRemove':
        for (const key of one.keys) {
          checkKey(found, key);
          if (this.#peek(slot)?.map.has(key) === true) this.#changing(slot).map.delete(key);
        }
        break;
      case 'mapRemoveRange': {
        const { map, comparator } = this.#changing(slot);
        const { from, to } = one;
        for (const key of [...map.keys()]) {
          if (compareKeys(comparator, key, from) < 0) continue;
          if (to !== undefined && compareKeys(comparator, key, to) >= 0) continue;
          map.delete(key);
        }
      }
    }
  }

  #format(one: Extract<ModelOperation, { op: 'formatMap' }>, slot: Slot, found: ModelObject): void {
    if (!this.#comparators.has(one.comparator, 1)) refuse('E_COMPARATOR');
    const comparator = this.#comparators.get(one.comparator, 1);
    if (found.map.size > 0) refuse('E_NOT_EMPTY');
    const object = this.#changing(slot);
    object.comparator = comparator;
    object.keySize = comparator.fixedKeySize ?? one.keySize;
  }
}

function checkKey(object: ModelObject, key: string): void {
  if (object.keySize > 0 && key.length !== object.keySize) refuse('E_INVALID');
}

function overwrite(object: ModelObject, offset: number, data: Uint8Array): void {
  if (data.length === 0) return;
  const bytes = new Uint8Array(Math.max(object.bytes.length, offset + data.length));
  bytes.set(object.bytes);
  bytes.set(data, offset);
  object.bytes = bytes;
}

function resize(object: ModelObject, size: number): void {
  const bytes = new Uint8Array(size);
  bytes.set(object.bytes.subarray(0, size));
  object.bytes = bytes;
}
