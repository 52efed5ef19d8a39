/**
 * Listings of any length, a page at a time.
 */

import type {
  ListedObject,
  MapEntry,
  ObjectName,
  Store,
  StoredCollection,
  StoredObject,
} from '../index.js';

/** The objects of a collection, in its order. */
export async function* objectPages(collection: StoredCollection): AsyncGenerator<ListedObject[]> {
  let page = await collection.list();
  for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
    yield page;
    page = await collection.list({ after: objectNameOf(last) });
  }
}

/** Names of all collections, in order. */
export async function* collectionPages(store: Store): AsyncGenerator<Uint8Array[]> {
  let page = await store.listCollections();
  for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
    yield page;
    page = await store.listCollections({ after: last });
  }
}

/** A page of map entries: values may be large, so few at a time. */
const MAP_PAGE = 100;

/** The map stream of an object, in its order. */
export async function* mapPages(object: StoredObject): AsyncGenerator<MapEntry[]> {
  let page = await object.mapEntries({ limit: MAP_PAGE });
  for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
    yield page;
    page = await object.mapEntries({ after: last[0], limit: MAP_PAGE });
  }
}

/** The name under which a listed object is found. */
export function objectNameOf({ name, hash }: ListedObject): ObjectName {
  return hash === undefined ? name : { name, hash };
}
