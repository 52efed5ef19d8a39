/** What a command worked on, as JSON. */

import type { NamedObject } from './command.js';
import { jsonBytes } from './text.js';

/** A collection, and an object of it where one is named. */
export function jsonPlace(collection: Uint8Array, object?: NamedObject): Record<string, unknown> {
  const place = jsonBytes('collection', collection);
  if (object === undefined) return place;
  if (object instanceof Uint8Array) return { ...place, ...jsonBytes('object', object) };
  return { ...place, ...jsonBytes('object', object.name), hash: object.hash };
}
