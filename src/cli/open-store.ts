/**
 * Opens the store that a command works on, and closes it whatever happens.
 */

import { type JournalLoss, Store } from '../index.js';
import type { Call } from './command.js';

/** What `work` gives on the store that the call names, opened read-only unless `write`. */
export async function withStore<T>(
  call: Call,
  access: 'read' | 'write',
  work: (store: Store) => Promise<T>,
): Promise<T> {
  const journal = call.text('journal');
  const options = {
    readOnly: access === 'read',
    force: call.flag('force-lock'),
    acceptJournalLoss: call.flag('accept-journal-loss'),
    ...(journal !== undefined && { journal }),
  };
  const store = await Store.open(call.store, options);
  const { lost } = store.recovery;
  if (lost !== undefined) process.stderr.write(`${lossLine(lost, access)}\n`);
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

function lossLine({ reason, transaction }: JournalLoss, access: 'read' | 'write'): string {
  const lost = `holdfast: the journal is lost (${reason}): everything behind transaction ${transaction} is missing`;
  return access === 'read' ? lost : `${lost}; another journal was made`;
}
