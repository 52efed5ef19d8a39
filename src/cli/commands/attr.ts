/** `holdfast attr ls|get|set|rm`: attributes of objects and collections. */

import {
  type DamageOption,
  type MapEntry,
  type Store,
  type StoredCollection,
  type StoredObject,
  StoreError,
  Transaction,
} from '../../index.js';
import { type Call, type Command, HASH_OPTION, type NamedObject } from '../command.js';
import { DAMAGE_DETAILS, listBehindDamage } from '../damage.js';
import { withStore } from '../open-store.js';
import { writeJson, writeList } from '../output.js';
import { jsonPlace } from '../place.js';
import { jsonBytes, printable } from '../text.js';
import { argumentValue, writeValue } from '../value.js';

const options = { hash: HASH_OPTION };
const details = ['Without OBJECT the attributes are those of the collection.'];

export const ATTR_COMMANDS: readonly Command[] = [
  {
    name: 'attr ls',
    arguments: 'STORE COLLECTION [OBJECT]',
    summary: 'Lists names and values of attributes.',
    details: [...details, DAMAGE_DETAILS],
    options,
    run: list,
  },
  {
    name: 'attr get',
    arguments: 'STORE COLLECTION [OBJECT] NAME',
    summary: 'Writes the value of an attribute, its bytes as they are.',
    details,
    options,
    run: get,
  },
  {
    name: 'attr set',
    arguments: 'STORE COLLECTION [OBJECT] NAME VALUE',
    summary: 'Sets an attribute; VALUE is read from stdin when it is -.',
    details,
    options,
    run: set,
  },
  {
    name: 'attr rm',
    arguments: 'STORE COLLECTION [OBJECT] NAME',
    summary: 'Removes an attribute.',
    details,
    options,
    run: remove,
  },
];

/** Where an attribute is. */
type Owner = (store: Store) => StoredCollection | StoredObject;

/** By the number of arguments: with OBJECT there are `full` of them, without it one less. */
function placeOf(call: Call, full: number): { collection: Uint8Array; object?: NamedObject } {
  const collection = call.name(1, 'COLLECTION');
  if (call.count >= full) return { collection, object: call.object(2) };
  call.checkWithoutObject('hash');
  return { collection };
}

function ownerOf(call: Call, full: number): Owner {
  const { collection, object } = placeOf(call, full);
  if (object === undefined) return (store) => store.collection(collection);
  return (store) => store.collection(collection).object(object);
}

async function list(call: Call): Promise<undefined> {
  const owner = ownerOf(call, 3);
  await withStore(call, 'read', (store) =>
    listBehindDamage((damage) =>
      writeList(attributePages(owner(store), damage), {
        json: call.json,
        line: ([name, value]) => `${printable(name)}\t${printable(value)}`,
        value: ([name, value]) => ({ ...jsonBytes('name', name), ...jsonBytes('value', value) }),
      }),
    ),
  );
  return undefined;
}

async function* attributePages(
  owner: StoredCollection | StoredObject,
  damage: DamageOption,
): AsyncGenerator<MapEntry[]> {
  yield await owner.attributes(damage);
}

async function get(call: Call): Promise<undefined> {
  const name = call.bytes(call.count - 1, 'NAME');
  const owner = ownerOf(call, 4);
  const value = await withStore(call, 'read', (store) => owner(store).getAttribute(name));
  if (value === undefined) throw missing(name);
  await writeValue(call, 'name', name, value);
  return undefined;
}

async function set(call: Call): Promise<undefined> {
  const name = call.bytes(call.count - 2, 'NAME');
  const value = await argumentValue(call.argument(call.count - 1));
  const { collection, object } = placeOf(call, 5);
  const changes = new Transaction();
  if (object !== undefined) changes.setAttribute(collection, object, name, value);
  else changes.setCollectionAttribute(collection, name, value);
  const transaction = await withStore(call, 'write', (store) => store.commit(changes));
  if (!call.json) return undefined;
  const facts = { ...jsonBytes('name', name), size: value.length, transaction };
  await writeJson({ ...jsonPlace(collection, object), ...facts });
  return undefined;
}

async function remove(call: Call): Promise<undefined> {
  const name = call.bytes(call.count - 1, 'NAME');
  const { collection, object } = placeOf(call, 4);
  const changes = new Transaction();
  if (object !== undefined) changes.removeAttribute(collection, object, name);
  else changes.removeCollectionAttribute(collection, name);
  const transaction = await withStore(call, 'write', async (store) => {
    if ((await ownerOf(call, 4)(store).getAttribute(name)) === undefined) throw missing(name);
    return await store.commit(changes);
  });
  if (!call.json) return undefined;
  const facts = { ...jsonBytes('name', name), removed: 1, transaction };
  await writeJson({ ...jsonPlace(collection, object), ...facts });
  return undefined;
}

function missing(name: Uint8Array): StoreError {
  return new StoreError(
    'E_NOT_FOUND',
    `Cannot find attribute "${printable(name)}"; attr ls shows which there are`,
  );
}
