/**
 * Changes of an object's record by housekeeping, outside of any transaction.
 *
 * - What is kept open of objects is forgotten: it says what the record was before.
 */

import { Onode } from '../onode/onode.js';
import type { StoreState } from './store-state.js';

/**
 * Gives the onode of the object under `key` in the collection to `change`, within a savepoint of
 * the caller, and writes it back if that says so.
 * @returns what `change` says; false when there is no such object any more
 */
export function editObject(
  state: StoreState,
  name: string,
  key: Uint8Array,
  change: (onode: Onode) => boolean,
): boolean {
  if (state.collection(name) === undefined) return false;
  const collection = state.changing(name);
  collection.objects.own(key);
  const record = collection.objects.get(key);
  if (record === undefined) return false;
  const onode = Onode.decode(state, record);
  if (!change(onode)) return false;
  collection.objects.put(key, onode.encode());
  state.writeBack(collection);
  state.openObjects.forget();
  return true;
}
