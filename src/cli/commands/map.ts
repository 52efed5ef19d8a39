/** `holdfast map ls|get|set|rm`: the map stream of an object. */

import { type Store, type StoredObject, StoreError, Transaction } from '../../index.js';
import { type Call, type Command, HASH_OPTION } from '../command.js';
import { DAMAGE_DETAILS, listBehindDamage } from '../damage.js';
import { withStore } from '../open-store.js';
import { writeJson, writeList } from '../output.js';
import { mapPages } from '../pages.js';
import { jsonPlace } from '../place.js';
import { jsonBytes, printable } from '../text.js';
import { argumentValue, writeValue } from '../value.js';

const options = { hash: HASH_OPTION };

export const MAP_COMMANDS: readonly Command[] = [
  {
    name: 'map ls',
    arguments: 'STORE COLLECTION OBJECT',
    summary: "Lists keys and values of an object's map stream, in the map's order.",
    details: [DAMAGE_DETAILS],
    options,
    run: list,
  },
  {
    name: 'map get',
    arguments: 'STORE COLLECTION OBJECT KEY',
    summary: 'Writes the value of a key, its bytes as they are.',
    options,
    run: get,
  },
  {
    name: 'map set',
    arguments: 'STORE COLLECTION OBJECT KEY VALUE',
    summary: 'Sets a key; VALUE is read from stdin when it is -.',
    options,
    run: set,
  },
  {
    name: 'map rm',
    arguments: 'STORE COLLECTION OBJECT KEY',
    summary: 'Removes a key.',
    options,
    run: remove,
  },
];

/** The object that a call names. */
function objectOf(call: Call): (store: Store) => StoredObject {
  const collection = call.name(1, 'COLLECTION');
  const object = call.object(2);
  return (store) => store.collection(collection).object(object);
}

async function list(call: Call): Promise<undefined> {
  const object = objectOf(call);
  await withStore(call, 'read', (store) =>
    listBehindDamage((damage) =>
      writeList(mapPages(object(store), damage), {
        json: call.json,
        line: ([key, value]) => `${printable(key)}\t${printable(value)}`,
        value: ([key, value]) => ({ ...jsonBytes('key', key), ...jsonBytes('value', value) }),
      }),
    ),
  );
  return undefined;
}

async function get(call: Call): Promise<undefined> {
  const key = call.bytes(3, 'KEY');
  const object = objectOf(call);
  const value = await withStore(call, 'read', (store) => object(store).mapGet(key));
  if (value === undefined) throw missing(key);
  await writeValue(call, 'key', key, value);
  return undefined;
}

async function set(call: Call): Promise<undefined> {
  const key = call.bytes(3, 'KEY');
  const value = await argumentValue(call.argument(4));
  const collection = call.name(1, 'COLLECTION');
  const object = call.object(2);
  const changes = new Transaction().mapSet(collection, object, [[key, value]]);
  const transaction = await withStore(call, 'write', (store) => store.commit(changes));
  if (!call.json) return undefined;
  const facts = { ...jsonBytes('key', key), size: value.length, transaction };
  await writeJson({ ...jsonPlace(collection, object), ...facts });
  return undefined;
}

async function remove(call: Call): Promise<undefined> {
  const key = call.bytes(3, 'KEY');
  const collection = call.name(1, 'COLLECTION');
  const object = call.object(2);
  const changes = new Transaction().mapRemove(collection, object, [key]);
  const transaction = await withStore(call, 'write', async (store) => {
    if ((await objectOf(call)(store).mapGet(key)) === undefined) throw missing(key);
    return await store.commit(changes);
  });
  if (!call.json) return undefined;
  const facts = { ...jsonBytes('key', key), removed: 1, transaction };
  await writeJson({ ...jsonPlace(collection, object), ...facts });
  return undefined;
}

function missing(key: Uint8Array): StoreError {
  return new StoreError(
    'E_NOT_FOUND',
    `Cannot find key "${printable(key)}"; map ls shows which there are`,
  );
}
