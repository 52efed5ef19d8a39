/** `holdfast rm`: removes objects or a collection. */

import { type StoredCollection, StoreError, Transaction } from '../../index.js';
import { type Call, type Command, HASH_OPTION } from '../command.js';
import { withStore } from '../open-store.js';
import { write, writeJson } from '../output.js';
import { jsonPlace } from '../place.js';
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
  const name = call.name(1, 'COLLECTION');
  if (call.count === 2) call.checkWithoutObject('hash');
  const { removed, transaction } = await withStore(call, 'write', async (store) => {
    const collection = store.collection(name);
    const changes = new Transaction();
    const count = await addRemovals(call, name, collection, changes);
    if (count === 0) return { removed: 0, transaction: undefined };
    return { removed: count, transaction: await store.commit(changes) };
  });
  if (call.json) await writeJson({ ...jsonPlace(name), removed, transaction });
  else if (removed === 0) await write('Nothing to remove\n');
  return undefined;
}

/** Adds what the call removes; gives how many objects or collections it is. */
async function addRemovals(
  call: Call,
  name: Uint8Array,
  collection: StoredCollection,
  changes: Transaction,
): Promise<number> {
  const isForced = call.flag('force');
  if (!(await collection.exists())) {
    if (isForced) return 0;
    throw missing(`from ${printable(name)}: no such collection`);
  }
  if (call.count === 2) {
    if (call.flag('recursive')) changes.dropCollection(name);
    else changes.removeCollection(name);
    return 1;
  }
  const taken = new Set<string>();
  for (let index = 2; index < call.count; index++) {
    const object = call.object(index);
    const key = call.bytes(index, 'OBJECT');
    if (await collection.object(object).exists()) {
      changes.remove(name, object);
      taken.add(Buffer.from(key).toString('latin1'));
    } else if (!isForced) throw missing(`object "${printable(key)}": it does not exist`);
  }
  return taken.size;
}

function missing(what: string): StoreError {
  return new StoreError('E_NOT_FOUND', `Cannot remove ${what}; ls shows what there is`);
}
