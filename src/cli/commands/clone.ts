/** `holdfast clone`: makes writable, independent copies in constant time. */

import { Transaction } from '../../index.js';
import { type Call, type Command, HASH_OPTION } from '../command.js';
import { withStore } from '../open-store.js';
import { writeJson } from '../output.js';
import { jsonBytes } from '../text.js';

export const CLONE: Command = {
  name: 'clone',
  arguments: 'STORE COLLECTION [OBJECT] TO',
  summary: 'Makes TO a writable, independent copy of a collection or of an object.',
  details: [
    'Without OBJECT: TO is a new collection, with everything that is in COLLECTION.',
    'With OBJECT: TO is an object of the same collection, or of --to-collection; one that is there',
    'is replaced. Both share their space until one of them is changed, and take constant time.',
  ],
  options: {
    'to-collection': { value: 'NAME', help: "collection of the object's copy" },
    hash: HASH_OPTION,
  },
  run,
};

async function run(call: Call): Promise<undefined> {
  const transaction = new Transaction();
  const collection = call.name(1, 'COLLECTION');
  const to = call.name(call.count - 1, 'TO');
  if (call.count === 3) transaction.cloneCollection(collection, to);
  else {
    const target = call.nameOption('to-collection') ?? collection;
    const from = call.object(2);
    const hashed = typeof from === 'object' && 'hash' in from;
    transaction.clone(collection, from, hashed ? { name: to, hash: from.hash } : to, target);
  }
  const sequence = await withStore(call, 'write', (store) => store.commit(transaction));
  if (call.json) await writeJson({ ...jsonBytes('name', to), transaction: sequence });
  return undefined;
}
