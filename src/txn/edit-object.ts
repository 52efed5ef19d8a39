/**
 * Changes of an object's record by housekeeping, outside of any transaction.
 *
 * - What is kept open of objects is forgotten: it says what the record was before.
 */

import { assert } from '../assert.js';
import { Onode } from '../onode/onode.js';
import type { StoreState } from './store-state.js';

/**
 * Gives the onode of the object under `key` in the collection to `change`, within a savepoint of
 * the caller, and writes it back. Nothing happens when there is no such object any more.
 */
export function editObject(
  state: StoreState,
  name: string,
  key: Uint8Array,
  change: (onode: Onode) => void,
): void {
  if (state.collection(name) === undefined) return;
  const collection = state.changing(name);
  const { objects } = collection;
  if (objects.get(key) === undefined) return;
  objects.own(key); // what is shared is shared no more: its record names its nodes anew
  const record = objects.get(key);
  assert(record !== undefined, 'owning a record keeps it');
  const onode = Onode.decode(state, record);
  change(onode);
  objects.set(key, onode.encode());
  state.writeBack(collection);
  state.openObjects.forget();
}
