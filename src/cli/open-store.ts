/**
 * Opens the store that a command works on, and closes it whatever happens.
 *
 * - A read-only open shows less than the journal holds where that can't be applied: stderr says so.
 */

import { type JournalLoss, Store, StoreError } from '../index.js';
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
  for (const line of hiddenState(store, access)) process.stderr.write(`holdfast: ${line}\n`);
  let result: T;
  try {
    if (call.hash !== undefined) await checkHash(call, store);
    result = await work(store);
  } catch (error) {
    await store.close().catch(() => undefined); // the reason is the first error, not what follows
    throw error;
  }
  await store.close();
  return result;
}

/** A hash that would be passed over is refused. */
async function checkHash(call: Call, store: Store): Promise<void> {
  const collection = store.collection(call.name(1, 'COLLECTION'));
  const isThere = await collection.exists();
  if (isThere && (await collection.stat()).order === 'hash') return;
  const reason = isThere ? 'the collection is ordered by names' : 'there is no such collection';
  throw new StoreError('E_USAGE', `Cannot use --hash: ${reason}; leave it out`);
}

/** What is lost, and what the journal holds and a read-only open can't show. */
function hiddenState({ recovery }: Store, access: 'read' | 'write'): string[] {
  const { pending, damage, lost } = recovery;
  const lines: string[] = [];
  if (lost !== undefined) lines.push(lossLine(lost, access));
  if (pending > 0) {
    lines.push(
      `transactions pending in the journal: ${pending}; what is shown is the state before them, as they need a comparator that is not registered`,
    );
  }
  if (damage !== undefined) {
    lines.push(
      `journal record ${damage.sequence} is damaged (${damage.reason}); what is shown is the state before it; run fsck`,
    );
  }
  return lines;
}

function lossLine({ reason, transaction }: JournalLoss, access: 'read' | 'write'): string {
  const lost = `the journal is lost (${reason}): everything behind transaction ${transaction} is missing`;
  return access === 'read' ? lost : `${lost}; another journal was made`;
}
