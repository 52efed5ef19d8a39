/**
 * Compares what a store says with what the model holds: listings, paging, every byte, every
 * attribute, maps in both directions, figures.
 *
 * - Works on anything that can be read like a store: the present state or a snapshot.
 */

import { deepStrictEqual, strictEqual } from 'node:assert/strict';
import type { MapEntry } from '../../src/store/entry-page.js';
import type { Snapshot, Store } from '../../src/store/store.js';
import type { StoredCollection } from '../../src/store/stored-collection.js';
import type { StoredObject } from '../../src/store/stored-object.js';
import {
  bytesOf,
  latin1,
  type ModelCollection,
  type ModelName,
  type ModelObject,
  type ModelState,
  modelKey,
  sortedMap,
  sortedText,
  totals,
} from './model.js';
import type { ModelOperation } from './model-operation.js';
import type { Prng } from './prng.js';

/** How thorough a comparison is. */
export interface CompareOptions {
  readonly prng: Prng;
  /** Part of the objects that are compared in full. */
  readonly part: number;
}

/** @throws AssertionError of node:assert naming the first difference */
export function compareStore(store: Store, state: ModelState, options: CompareOptions): void {
  compareView(store, state, options);
  const { objects, stored } = totals(state);
  const statfs = store.statfsSync();
  strictEqual(statfs.objects, objects, 'objects of statfs');
  strictEqual(statfs.stored, stored, 'stored bytes of statfs');
  const reservations = store.reservationsSync();
  deepStrictEqual(
    reservations.map(({ name, owner, bytes, operations, keys }) => [
      latin1(name),
      { owner: latin1(owner), bytes, operations, keys },
    ]),
    [...state.reservations].sort(([a], [b]) => (a < b ? -1 : 1)),
    'reservations',
  );
  const held = reservations.reduce((sum, { heldBytes }) => sum + heldBytes, 0);
  strictEqual(statfs.reserved, held, 'reserved bytes of statfs');
}

/** Compares every object that the operations name, whether it is there or not. */
export function compareNamed(
  store: Store,
  state: ModelState,
  operations: readonly ModelOperation[],
  prng: Prng,
): void {
  for (const [c, o] of operations.flatMap(namedObjects)) {
    const collection = state.collections.get(c);
    if (collection === undefined) continue;
    const { name, hash } = o;
    const own = bytesOf(name);
    const stored = store
      .collection(bytesOf(c))
      .object(hash === undefined ? own : { name: own, hash });
    const model = collection.objects.get(modelKey(collection.order, o));
    strictEqual(stored.existsSync(), model !== undefined, `existence of ${c}/${name}`);
    if (model !== undefined) compareObject(stored, `${c}/${name}`, model, prng);
  }
}

function namedObjects(one: ModelOperation): [c: string, o: ModelName][] {
  if (!('o' in one)) return [];
  const named: [string, ModelName][] = [[one.c, one.o]];
  if ('toO' in one) named.push(['toC' in one ? one.toC : one.c, one.toO]);
  return named;
}

/** Compares the collections that a store or snapshot shows. */
export function compareView(
  view: Pick<Snapshot, 'collection' | 'listCollectionsSync'>,
  state: ModelState,
  options: CompareOptions,
): void {
  const names = sortedText(state.collections.keys());
  const limit = 1 + options.prng.below(4);
  const listed: string[] = [];
  for (;;) {
    const last = listed.at(-1);
    const after = last === undefined ? {} : { after: bytesOf(last) };
    const page = view.listCollectionsSync({ limit, ...after });
    listed.push(...page.map(latin1));
    if (page.length < limit) break;
  }
  deepStrictEqual(listed, names, 'collections');
  for (const [name, collection] of state.collections) {
    compareCollection(view.collection(bytesOf(name)), name, collection, options);
  }
}

/** As `compareView`, in the asynchronous form; parts only. */
export async function compareViewAsync(
  view: Pick<Snapshot, 'collection' | 'listCollections'>,
  state: ModelState,
  { prng, part }: CompareOptions,
): Promise<void> {
  const names = (await view.listCollections()).map(latin1);
  deepStrictEqual(names, sortedText(state.collections.keys()), 'collections');
  for (const [name, collection] of state.collections) {
    const stored = view.collection(bytesOf(name));
    const listed = await stored.list({ limit: 10_000 });
    strictEqual(listed.length, collection.objects.size, `objects of ${name}`);
    for (const object of collection.objects.values()) {
      if (!prng.chance(part)) continue;
      const own = bytesOf(object.name);
      const handle = stored.object(
        object.hash === undefined ? own : { name: own, hash: object.hash },
      );
      await compareObjectAsync(handle, `${name}/${object.name}`, object);
    }
  }
}

async function compareObjectAsync(
  stored: StoredObject,
  name: string,
  model: ModelObject,
): Promise<void> {
  const [{ version }, bytes, attributes, map, header] = await Promise.all([
    stored.stat(),
    stored.read(),
    stored.attributes(),
    stored.mapEntries({ limit: 10_000 }),
    stored.mapHeader(),
  ]);
  strictEqual(version, model.version, `version of ${name}`);
  same(bytes, model.bytes, `bytes of ${name}`);
  compareEntries(attributes, sortedAttributes(model), `attributes of ${name}`);
  compareEntries(map, sortedMap(model), `map of ${name}`);
  same(header, model.header, `header of ${name}`);
}

function sortedAttributes({ attributes }: ModelObject): [string, Uint8Array][] {
  return sortedText(attributes.keys()).map((key) => [key, attributes.get(key) as Uint8Array]);
}

function compareCollection(
  stored: StoredCollection,
  name: string,
  model: ModelCollection,
  options: CompareOptions,
): void {
  const keys = sortedText(model.objects.keys());
  const objects = keys.map((key) => model.objects.get(key) as ModelObject);
  const storedBytes = objects.reduce((sum, { bytes }) => sum + bytes.length, 0);
  deepStrictEqual(
    stored.statSync(),
    { id: model.id, order: model.order, bits: model.bits, objects: keys.length, storedBytes },
    `stat of collection ${name}`,
  );
  strictEqual(stored.isEmptySync(), keys.length === 0);
  deepStrictEqual(
    list(stored, 1 + options.prng.below(40)),
    objects.map(({ name: own, hash, bytes, version }) => [own, hash, bytes.length, version]),
    `listing of collection ${name}`,
  );
  const attributes = sortedText(model.attributes.keys());
  deepStrictEqual(stored.attributeNamesSync().map(latin1), attributes, `attributes of ${name}`);
  for (const attribute of attributes) {
    same(
      stored.getAttributeSync(bytesOf(attribute)),
      model.attributes.get(attribute),
      `attribute ${attribute} of collection ${name}`,
    );
  }
  for (const object of objects) {
    if (!options.prng.chance(options.part)) continue;
    const own = bytesOf(object.name);
    const handle = stored.object(
      object.hash === undefined ? own : { name: own, hash: object.hash },
    );
    compareObject(handle, `${name}/${object.name}`, object, options.prng);
  }
}

function list(stored: StoredCollection, limit: number): unknown[] {
  const listed: unknown[] = [];
  let page = stored.listSync({ limit });
  for (;;) {
    for (const { name, hash, size, version } of page) {
      listed.push([latin1(name), hash, size, version]);
    }
    const last = page.at(-1);
    if (last === undefined || page.length < limit) return listed;
    const { name, hash } = last;
    page = stored.listSync({ limit, after: hash === undefined ? name : { name, hash } });
  }
}

function compareObject(stored: StoredObject, name: string, model: ModelObject, prng: Prng): void {
  const { id, version, size } = stored.statSync();
  deepStrictEqual(
    { id, version, size },
    { id: model.id, version: model.version, size: model.bytes.length },
    `stat of ${name}`,
  );
  same(stored.readSync(), model.bytes, `bytes of ${name}`);
  const from = prng.below(size + 10);
  const length = prng.below(size + 10);
  same(stored.readSync(from, length), model.bytes.slice(from, from + length), `part of ${name}`);
  compareExtents(stored, name, size);
  compareEntries(stored.attributesSync(), sortedAttributes(model), `attributes of ${name}`);
  same(stored.mapHeaderSync(), model.header, `header of ${name}`);
  compareMap(stored, name, model, prng);
}

/** What lies where tiles the object. */
function compareExtents(stored: StoredObject, name: string, size: number): void {
  let at = 0;
  for (const { offset, length } of stored.extentsSync()) {
    strictEqual(offset, at, `extents of ${name} tile it`);
    at += length;
  }
  strictEqual(at, size, `extents of ${name} reach its end`);
}

function compareMap(stored: StoredObject, name: string, model: ModelObject, prng: Prng): void {
  const entries = sortedMap(model);
  strictEqual(stored.mapCountSync(), entries.length, `keys of ${name}`);
  const limit = 1 + prng.below(50);
  const listed: MapEntry[] = [];
  for (;;) {
    const last = listed.at(-1);
    const after = last === undefined ? {} : { after: last[0] };
    const page = stored.mapEntriesSync({ limit, ...after });
    listed.push(...page);
    if (page.length < limit) break;
  }
  compareEntries(listed, entries, `map of ${name}`);
  const backwards = stored.mapEntriesSync({ reverse: true, limit: entries.length + 1 });
  compareEntries(backwards.reverse(), entries, `map of ${name}, backwards`);
  if (entries.length === 0) return;
  const low = prng.below(entries.length);
  const high = low + prng.below(entries.length - low);
  const [from] = entries[low] as [string, Uint8Array];
  const [to] = entries[high] as [string, Uint8Array];
  const range = { from: bytesOf(from), to: bytesOf(to) };
  compareEntries(stored.mapEntriesSync(range), entries.slice(low, high), `range of ${name}`);
  const reversed = stored.mapEntriesSync({ ...range, reverse: true }).reverse();
  compareEntries(reversed, entries.slice(low, high), `range of ${name}, backwards`);
  const [key, value] = entries[low] as [string, Uint8Array];
  same(stored.mapGetSync(bytesOf(key)), value, `key ${key} of ${name}`);
}

function compareEntries(
  actual: readonly MapEntry[],
  expected: readonly (readonly [string, Uint8Array])[],
  what: string,
): void {
  deepStrictEqual(
    actual.map(([key]) => latin1(key)),
    expected.map(([key]) => key),
    what,
  );
  actual.forEach(([key, value], i) => {
    same(value, expected[i]?.[1], `${what}, value of ${latin1(key)}`);
  });
}

function same(
  actual: Uint8Array | undefined,
  expected: Uint8Array | undefined,
  what: string,
): void {
  if (actual === undefined || expected === undefined) {
    strictEqual(actual, expected, what);
    return;
  }
  if (Buffer.compare(actual, expected) === 0) return;
  let at = 0;
  while (at < actual.length && actual[at] === expected[at]) at++;
  strictEqual(actual.length, expected.length, `${what}: size`);
  strictEqual(actual[at], expected[at], `${what}: byte ${at} of ${expected.length}`);
}
