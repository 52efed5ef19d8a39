/** `holdfast clone`: makes writable, independent copies in constant time. */

import { Transaction } from '../../index.js';
import { type Call, type Command, HASH_OPTION } from '../command.js';
import { withStore } from '../open-store.js';
import { writeJson } from '../output.js';
import { jsonPlace } from '../place.js';
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
  const facts = call.count === 3 ? addCollection(call, transaction) : addObject(call, transaction);
  const sequence = await withStore(call, 'write', (store) => store.commit(transaction));
  if (call.json) await writeJson({ ...facts, transaction: sequence });
  return undefined;
}

/** Adds the clone of a collection; gives what was cloned, as JSON. */
function addCollection(call: Call, transaction: Transaction): Record<string, unknown> {
  for (const option of ['hash', 'to-collection']) call.checkWithoutObject(option);
  const collection = call.name(1, 'COLLECTION');
  const to = call.name(2, 'TO');
  transaction.cloneCollection(collection, to);
  return { ...jsonPlace(collection), ...jsonBytes('to', to) };
}

/** The same for an object, whose copy has its hash. */
function addObject(call: Call, transaction: Transaction): Record<string, unknown> {
  const collection = call.name(1, 'COLLECTION');
  const object = call.object(2);
  const to = call.object(3);
  const target = call.nameOption('to-collection') ?? collection;
  transaction.clone(collection, object, to, target);
  return {
    ...jsonPlace(collection, object),
    ...jsonBytes('toCollection', target),
    ...jsonBytes('to', call.bytes(3, 'TO')),
  };
}
