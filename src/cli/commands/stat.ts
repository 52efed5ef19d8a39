/** `holdfast stat`: the figures of a collection or an object. */

import { type Call, type Command, HASH_OPTION } from '../command.js';
import { withStore } from '../open-store.js';
import { writeFacts, writeJson } from '../output.js';
import { formatSize } from '../size.js';
import { jsonBytes, printable } from '../text.js';

export const STAT: Command = {
  name: 'stat',
  arguments: 'STORE COLLECTION [OBJECT]',
  summary: 'Prints the figures of a collection or an object.',
  options: { hash: HASH_OPTION },
  run,
};

async function run(call: Call): Promise<undefined> {
  if (call.count > 2) await statObject(call);
  else await statCollection(call);
  return undefined;
}

async function statCollection(call: Call): Promise<void> {
  const name = call.name(1, 'COLLECTION');
  const stat = await withStore(call, 'read', (store) => store.collection(name).stat());
  if (call.json) {
    await writeJson({ ...jsonBytes('name', name), ...stat });
    return;
  }
  await writeFacts([
    ['collection', printable(name)],
    ['id', `${stat.id}`],
    ['order', stat.order === 'hash' ? `hash, ${stat.bits} bits` : 'name'],
    ['objects', `${stat.objects}`],
    ['stored', formatSize(stat.storedBytes)],
  ]);
}

async function statObject(call: Call): Promise<void> {
  const collection = call.name(1, 'COLLECTION');
  const name = call.name(2, 'OBJECT');
  const stat = await withStore(call, 'read', async (store) => {
    const object = store.collection(collection).object(call.object(2));
    const attributes = (await object.attributes()).length;
    return { ...(await object.stat()), attributes, mapKeys: await object.mapCount() };
  });
  if (call.json) {
    await writeJson({ ...jsonBytes('name', name), ...stat });
    return;
  }
  const { extents, allocatedBytes } = stat;
  await writeFacts([
    ['object', printable(name)],
    ['id', `${stat.id}`],
    ['version', `${stat.version}`],
    ['size', `${formatSize(stat.size)} (${stat.size} bytes)`],
    [
      'allocated',
      `${formatSize(allocatedBytes)} in ${extents} ${extents === 1 ? 'extent' : 'extents'}`,
    ],
    ['attributes', `${stat.attributes}`],
    ['map keys', `${stat.mapKeys}`],
  ]);
}
