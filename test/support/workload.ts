/**
 * Seeded random transactions of all operations, aimed at what the model holds: most name things
 * that are there, some name things that aren't, and every error has its share.
 */

import { type Comparator, ComparatorRegistry } from '../../src/btree/comparator.js';
import type { ReservationUnits } from '../../src/txn/transaction.js';
import {
  type ModelCollection,
  type ModelName,
  type ModelObject,
  type ModelState,
  modelKey,
} from './model.js';
import { applyToModel } from './model-apply.js';
import type { ModelOperation, ObjectOperation } from './model-operation.js';
import type { Prng } from './prng.js';

export interface WorkloadOptions {
  /** Names of collections in play. */
  readonly collections: number;
  /** Names of objects in play, in each collection. */
  readonly objects: number;
  /** Keys in play, in each map. */
  readonly keys: number;
  /** Operations of a transaction: 1 to this. */
  readonly operationsMax: number;
  /** Part of the operations that are on whole collections. */
  readonly onCollections: number;
  /** Part of data and values that is large: journaled, spilled or written ahead. */
  readonly large: number;
  /** Largest data, in bytes. */
  readonly bytesMax: number;
  /** Part of the operations that are taken although they would be refused. */
  readonly refused: number;
  /** Custom comparators that maps may be formatted with. */
  readonly comparators: readonly Comparator[];
}

export const SMALL_WORKLOAD: WorkloadOptions = {
  collections: 6,
  objects: 24,
  keys: 60,
  operationsMax: 5,
  onCollections: 0.03,
  large: 0.02,
  bytesMax: 40_000,
  refused: 0.15,
  comparators: [],
};

const ON_OBJECT: readonly ObjectOperation[] = [
  'create',
  'touch',
  'remove',
  'removeAttributes',
  'mapClear',
  'setAllocationHint',
  'mustExist',
  'mustNotExist',
];

/** Where a model run has its transactions from. */
export interface TransactionSource {
  /** A transaction for a store that holds about what `state` says. */
  transaction(state: ModelState): ModelOperation[];
}

export class Workload implements TransactionSource {
  readonly #prng: Prng;
  readonly #options: WorkloadOptions;
  readonly #registry = new ComparatorRegistry();

  constructor(prng: Prng, options: WorkloadOptions) {
    this.#prng = prng;
    this.#options = options;
    for (const comparator of options.comparators) this.#registry.register(comparator);
  }

  transaction(state: ModelState): ModelOperation[] {
    const count = 1 + this.#prng.below(this.#options.operationsMax);
    return Array.from({ length: count }, () => this.#mostlyGood(state));
  }

  /** Mostly an operation that would not be refused now. */
  #mostlyGood(state: ModelState): ModelOperation {
    for (;;) {
      const operation = this.#operation(state);
      if (this.#prng.chance(this.#options.refused)) return operation;
      if ('state' in applyToModel(state, [operation], this.#registry)) return operation;
    }
  }

  #operation(state: ModelState): ModelOperation {
    const roll = this.#prng.below(1000);
    if (state.collections.size < 2 || this.#prng.chance(this.#options.onCollections)) {
      return this.#onCollection(state);
    }
    if (roll < 20) return this.#onReservation(state);
    const c = this.#collection(state);
    const o = this.#object(state.collections.get(c));
    if (roll < 200) return { op: this.#prng.pick(ON_OBJECT), c, o };
    if (roll < 210) return { op: 'ifVersion', c, o, version: this.#version(find(state, c, o)) };
    if (roll < 560) return this.#onBytes(c, o, find(state, c, o));
    if (roll < 660) return this.#copying(state, c, o);
    return this.#onKeys(c, o, find(state, c, o));
  }

  // Names

  #collection(state: ModelState): string {
    const names = [...state.collections.keys()];
    if (names.length > 0 && this.#prng.chance(0.995)) return this.#prng.pick(names);
    return this.#newCollection();
  }

  #newCollection(): string {
    return `c${this.#prng.below(this.#options.collections)}`;
  }

  #object(collection: ModelCollection | undefined): ModelName {
    const prng = this.#prng;
    if (collection !== undefined && collection.objects.size > 0 && prng.chance(0.75)) {
      const keys = [...collection.objects.values()];
      const { name, hash } = prng.pick(keys);
      return hash === undefined ? { name } : { name, hash };
    }
    const index = prng.below(this.#options.objects);
    const name = index === 0 ? '\x00' : index === 1 ? '\x00\xff\x80long'.repeat(80) : `o${index}`;
    return prng.chance(0.5) ? { name, hash: (index * 0x9e37_79b1) >>> 0 } : { name };
  }

  #key(object: ModelObject | undefined): string {
    const prng = this.#prng;
    if (object !== undefined && object.map.size > 0 && prng.chance(0.4)) {
      return prng.pick([...object.map.keys()]);
    }
    const index = prng.below(this.#options.keys);
    if (object !== undefined && object.keySize > 0 && prng.chance(0.99)) {
      return String(index).padStart(object.keySize, '\0').slice(-object.keySize);
    }
    if (index === 0) return '';
    return prng.chance(0.02) ? 'x'.repeat(prng.below(700)) + index : `key${index}`;
  }

  #attribute(attributes: ReadonlyMap<string, Uint8Array> | undefined): string {
    const prng = this.#prng;
    if (attributes !== undefined && attributes.size > 0 && prng.chance(0.5)) {
      return prng.pick([...attributes.keys()]);
    }
    const index = prng.below(8);
    return index === 0 ? '' : `a${index}`;
  }

  #version(object: ModelObject | undefined): number {
    if (object !== undefined && this.#prng.chance(0.8)) return object.version;
    return this.#prng.below(5);
  }

  #data(): Uint8Array {
    const prng = this.#prng;
    const { large, bytesMax } = this.#options;
    let size = prng.below(120);
    if (prng.chance(large)) size = prng.below(bytesMax);
    else if (prng.chance(0.1)) size = prng.below(Math.min(3000, bytesMax));
    const data = new Uint8Array(size).fill(prng.u32() >>> 5);
    for (let i = 0; i < size; i += 61) data[i] = prng.u32() >>> 7;
    return data;
  }

  /** A place in an object: anywhere, at an end, or behind it. */
  #offset(object: ModelObject | undefined): number {
    const size = object?.bytes.length ?? 0;
    const roll = this.#prng.below(10);
    if (roll < 3) return size;
    if (roll < 4) return Math.min(size + this.#prng.below(6000), 4 * this.#options.bytesMax);
    if (roll < 5) return Math.floor(this.#prng.below(size + 1) / 4096) * 4096;
    return this.#prng.below(size + 1);
  }

  // Operations

  #onCollection(state: ModelState): ModelOperation {
    const prng = this.#prng;
    const c = this.#collection(state);
    const to = prng.chance(0.6) ? this.#newCollection() : this.#collection(state);
    const roll = prng.below(20);
    if (roll < 4 || state.collections.size < 2) {
      const order = prng.chance(0.5) ? 'hash' : 'name';
      return { op: 'createCollection', c: to, order, bits: order === 'hash' ? prng.below(3) : 0 };
    }
    if (roll < 6) return { op: 'cloneCollection', c, to };
    if (roll < 7) return { op: 'renameCollection', c, to };
    if (roll < 8) return { op: 'dropCollection', c };
    if (roll < 9) return { op: 'removeCollection', c };
    if (roll < 12) return this.#split(state, c, to);
    if (roll < 14) return { op: 'mergeCollection', c, to, bits: prng.below(3) };
    if (roll < 15) return { op: 'setCollectionBits', c, bits: prng.below(33) };
    if (roll < 16) return { op: 'collectionHint', c };
    const name = this.#attribute(state.collections.get(c)?.attributes);
    if (roll < 17) return { op: 'removeCollectionAttribute', c, name };
    return { op: 'setCollectionAttribute', c, name, value: this.#data() };
  }

  #split(state: ModelState, c: string, to: string): ModelOperation {
    const prng = this.#prng;
    const empty = [...state.collections].find(
      ([, { objects, order }]) => objects.size === 0 && order === 'hash',
    );
    const hashed = [...state.collections].filter(([, { order }]) => order === 'hash');
    const source = hashed.length > 0 && prng.chance(0.9) ? prng.pick(hashed)[0] : c;
    const { bits: has = 0, objects } = state.collections.get(source) ?? {};
    const [some] = objects?.values() ?? [];
    const low = (some?.hash ?? 0) % 2 ** has;
    const exact = has < 32 && prng.chance(0.8);
    const bits = exact ? has + 1 : prng.below(4);
    return {
      op: 'splitCollection',
      c: source,
      to: empty !== undefined && prng.chance(0.9) ? empty[0] : to,
      bits,
      remainder: exact ? low + prng.below(2) * 2 ** has : prng.below(2 ** bits),
    };
  }

  #onReservation(state: ModelState): ModelOperation {
    const prng = this.#prng;
    const name = `r${prng.below(4)}`;
    const roll = prng.below(10);
    if (roll < 4) return { op: 'reserve', name, owner: `pg${prng.below(3)}`, units: units(prng) };
    const held = state.reservations.get(name);
    if (roll < 9) return { op: 'redeem', name, units: part(prng, held) };
    return { op: 'cancelReservation', name };
  }

  #onBytes(c: string, o: ModelName, found: ModelObject | undefined): ModelOperation {
    const prng = this.#prng;
    const roll = prng.below(10);
    const size = found?.bytes.length ?? 0;
    if (size > 4 * this.#options.bytesMax) return { op: 'truncate', c, o, size: 0 };
    if (roll < 7) return { op: 'write', c, o, offset: this.#offset(found), data: this.#data() };
    if (roll < 8) return { op: 'truncate', c, o, size: this.#offset(found) };
    return { op: 'zero', c, o, offset: this.#offset(found), length: prng.below(size + 100) };
  }

  #copying(state: ModelState, c: string, o: ModelName): ModelOperation {
    const prng = this.#prng;
    const toC = prng.chance(0.7) ? c : this.#collection(state);
    const toO = this.#object(state.collections.get(toC));
    const roll = prng.below(10);
    if (roll < 3) return { op: 'clone', c, o, toC, toO };
    if (roll < 4) return { op: 'tryRename', c, o, toO };
    if (roll < 6) return { op: 'moveRename', c, o, toC, toO };
    const same = prng.chance(0.3);
    const size = find(state, c, o)?.bytes.length ?? 0;
    const from = prng.below(size + 1);
    const length = prng.below(size - from + (prng.chance(0.05) ? 100 : 1));
    const target = same ? find(state, c, o) : find(state, toC, toO);
    const offset = Math.min(this.#offset(target), 3 * this.#options.bytesMax);
    return {
      op: 'cloneRange',
      c,
      o,
      toC: same ? c : toC,
      toO: same ? o : toO,
      from,
      length,
      offset,
    };
  }

  #onKeys(c: string, o: ModelName, found: ModelObject | undefined): ModelOperation {
    const prng = this.#prng;
    const roll = prng.below(20);
    const name = this.#attribute(found?.attributes);
    if (roll < 5) return { op: 'setAttribute', c, o, name, value: this.#data() };
    if (roll < 7) return { op: 'removeAttribute', c, o, name };
    if (roll < 8) return { op: 'mapSetHeader', c, o, value: this.#data() };
    if (roll < 9 || (found !== undefined && found.map.size === 0 && roll < 11)) {
      const names = [
        'bytes',
        'u64',
        'reverse',
        'unknown',
        ...this.#options.comparators.map(({ name: own }) => own),
      ];
      return { op: 'formatMap', c, o, comparator: prng.pick(names), keySize: prng.below(2) * 5 };
    }
    const keys = Array.from({ length: prng.below(6) }, () => this.#key(found));
    if (roll < 16) {
      return { op: 'mapSet', c, o, entries: keys.map((key) => [key, this.#data()]) };
    }
    if (roll < 18) return { op: 'mapRemove', c, o, keys };
    const to = prng.chance(0.2) ? undefined : this.#key(found);
    return { op: 'mapRemoveRange', c, o, from: this.#key(found), to };
  }
}

function find(state: ModelState, c: string, o: ModelName): ModelObject | undefined {
  const collection = state.collections.get(c);
  return collection?.objects.get(modelKey(collection.order, o));
}

function units(prng: Prng): ReservationUnits {
  return { bytes: prng.below(20_000), operations: prng.below(4), keys: prng.below(4) };
}

function part(prng: Prng, held: ReservationUnits | undefined): ReservationUnits {
  if (held === undefined || prng.chance(0.1)) return units(prng);
  return {
    bytes: prng.below(held.bytes + 1),
    operations: prng.below(held.operations + 1),
    keys: prng.below(held.keys + 1),
  };
}
