/**
 * Listings of any length, a page at a time.
 */

import type {
  DamageOption,
  ListedObject,
  MapEntry,
  ObjectName,
  Store,
  StoredCollection,
  StoredObject,
} from '../index.js';

/** A page of names. */
const NAMES_PAGE = 1000;

/** The objects of a collection, in its order. */
export async function* objectPages(
  collection: StoredCollection,
  damage: DamageOption = {},
): AsyncGenerator<ListedObject[]> {
  const options = { ...damage, limit: NAMES_PAGE };
  let page = await collection.list(options);
  for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
    yield page;
    if (page.length < NAMES_PAGE) break; // what lies behind has been looked at
    page = await collection.list({ ...options, after: objectNameOf(last) });
  }
}

/** Names of all collections, in order. */
export async function* collectionPages(
  store: Store,
  damage: DamageOption = {},
): AsyncGenerator<Uint8Array[]> {
  const options = { ...damage, limit: NAMES_PAGE };
  let page = await store.listCollections(options);
  for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
    yield page;
    if (page.length < NAMES_PAGE) break;
    page = await store.listCollections({ ...options, after: last });
  }
}

/** A page of map entries: values may be large, so few at a time. */
const MAP_PAGE = 100;

/** The map stream of an object, in its order. */
export async function* mapPages(
  object: StoredObject,
  damage: DamageOption = {},
): AsyncGenerator<MapEntry[]> {
  const options = { ...damage, limit: MAP_PAGE };
  let page = await object.mapEntries(options);
  for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
    yield page;
    if (page.length < MAP_PAGE) break;
    page = await object.mapEntries({ ...options, after: last[0] });
  }
}

/** The name under which a listed object is found. */
export function objectNameOf({ name, hash }: ListedObject): ObjectName {
  return hash === undefined ? name : { name, hash };
}
