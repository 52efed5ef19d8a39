/**
 * Opens the store that a command works on, and closes it whatever happens.
 */

import { Store } from '../index.js';
import type { Call } from './command.js';

/** What `work` gives on the store that the call names, opened read-only unless `write`. */
export async function withStore<T>(
  call: Call,
  access: 'read' | 'write',
  work: (store: Store) => Promise<T>,
): Promise<T> {
  const options = { readOnly: access === 'read', force: call.flag('force-lock') };
  const store = await Store.open(call.store, options);
  let result: T;
  try {
    result = await work(store);
  } catch (error) {
    await store.close().catch(() => undefined); // the reason is the first error, not what follows
    throw error;
  }
  await store.close();
  return result;
}
