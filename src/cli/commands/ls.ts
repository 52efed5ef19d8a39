/** `holdfast ls`: the collections of a store, or the objects of a collection. */

import type { DamageOption, ListedObject, Store } from '../../index.js';
import type { Call, Command } from '../command.js';
import { DAMAGE_DETAILS, listBehindDamage } from '../damage.js';
import { withStore } from '../open-store.js';
import { writeList } from '../output.js';
import { collectionPages, objectPages } from '../pages.js';
import { formatSize } from '../size.js';
import { jsonBytes, printable } from '../text.js';

export const LS: Command = {
  name: 'ls',
  arguments: 'STORE [COLLECTION]',
  summary: 'Lists the collections of a store, or the objects of a collection, in order.',
  details: [DAMAGE_DETAILS],
  options: { long: { short: 'l', help: 'sizes, and versions of objects or numbers of them' } },
  run,
};

async function run(call: Call): Promise<undefined> {
  const name = call.count > 1 ? call.name(1, 'COLLECTION') : undefined;
  await withStore(call, 'read', (store) =>
    listBehindDamage((damage) =>
      name === undefined
        ? listCollections(call, store, damage)
        : listObjects(call, store, name, damage),
    ),
  );
  return undefined;
}

async function listObjects(
  call: Call,
  store: Store,
  name: Uint8Array,
  damage: DamageOption,
): Promise<void> {
  const shortLine = (object: ListedObject): string => printable(object.name);
  await writeList(objectPages(store.collection(name), damage), {
    json: call.json,
    line: call.flag('long') ? longLine : shortLine,
    value: objectValue,
  });
}

async function listCollections(call: Call, store: Store, damage: DamageOption): Promise<void> {
  const stat = (name: Uint8Array) => store.collection(name).statSync();
  const longer = (name: Uint8Array): string => {
    const { objects, storedBytes } = stat(name);
    return `${column(formatSize(storedBytes))} ${column(String(objects))} ${printable(name)}`;
  };
  await writeList(collectionPages(store, damage), {
    json: call.json,
    line: call.flag('long') ? longer : printable,
    value: (name) => ({ ...jsonBytes('name', name), ...stat(name) }),
  });
}

function longLine({ name, size, version }: ListedObject): string {
  return `${column(formatSize(size))} ${column(String(version))} ${printable(name)}`;
}

function objectValue({ name, hash, size, version }: ListedObject): unknown {
  return { ...jsonBytes('name', name), ...(hash !== undefined && { hash }), size, version };
}

function column(text: string): string {
  return text.padStart(10);
}
