/** `holdfast ls`: the collections of a store, or the objects of a collection. */

import type { ListedObject } from '../../index.js';
import type { Call, Command } from '../command.js';
import { withStore } from '../open-store.js';
import { writeList } from '../output.js';
import { collectionPages, objectPages } from '../pages.js';
import { formatSize } from '../size.js';
import { jsonBytes, printable } from '../text.js';

export const LS: Command = {
  name: 'ls',
  arguments: 'STORE [COLLECTION]',
  summary: 'Lists the collections of a store, or the objects of a collection, in order.',
  options: { long: { short: 'l', help: 'sizes, and versions of objects or numbers of them' } },
  run,
};

async function run(call: Call): Promise<undefined> {
  const { json } = call;
  const long = call.flag('long');
  const name = call.count > 1 ? call.name(1, 'COLLECTION') : undefined;
  await withStore(call, 'read', async (store) => {
    if (name !== undefined) {
      const collection = store.collection(name);
      const line = long ? longLine : ({ name }: ListedObject): string => printable(name);
      await writeList(objectPages(collection), { json, line, value: objectValue });
      return;
    }
    const stat = (name: Uint8Array) => store.collection(name).statSync();
    await writeList(collectionPages(store), {
      json,
      line: (name) => {
        if (!long) return printable(name);
        const { objects, storedBytes } = stat(name);
        return `${column(formatSize(storedBytes))} ${column(String(objects))} ${printable(name)}`;
      },
      value: (name) => ({ ...jsonBytes('name', name), ...stat(name) }),
    });
  });
  return undefined;
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
