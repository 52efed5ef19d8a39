/** `holdfast rm`: removes objects or a collection. */

import { StoreError, Transaction } from '../../index.js';
import { type Call, type Command, HASH_OPTION } from '../command.js';
import { withStore } from '../open-store.js';
import { write, writeJson } from '../output.js';
import { printable } from '../text.js';

export const RM: Command = {
  name: 'rm',
  arguments: 'STORE COLLECTION [OBJECT...]',
  summary: 'Removes objects, all of them or none, or a collection when no object is named.',
  options: {
    recursive: { short: 'r', help: 'remove a collection with all objects in it' },
    force: { short: 'f', help: 'what is missing is no error' },
    hash: HASH_OPTION,
  },
  advice: { E_NOT_EMPTY: 'use --recursive to remove all that is in it' },
  run,
};

async function run(call: Call): Promise<undefined> {
  const collection = call.name(1, 'COLLECTION');
  const removed = await withStore(call, 'write', async (store) => {
    const transaction = new Transaction();
    const exists = await store.collection(collection).exists();
    if (!exists && !call.flag('force')) {
      throw new StoreError(
        'E_NOT_FOUND',
        `Cannot remove from ${printable(collection)}: no such collection; ls shows which there are`,
      );
    }
    if (!exists) return 0;
    if (call.count > 2) {
      for (let index = 2; index < call.count; index++) {
        if (!call.flag('force')) transaction.mustExist(collection, call.object(index));
        transaction.remove(collection, call.object(index));
      }
    } else if (call.flag('recursive')) transaction.dropCollection(collection);
    else transaction.removeCollection(collection);
    await store.commit(transaction);
    return Math.max(1, call.count - 2);
  });
  if (call.json) await writeJson({ removed });
  else if (removed === 0) await write('Nothing to remove\n');
  return undefined;
}
