/** `holdfast stat`: the figures of a collection or an object. */

import { hasCode, type MapFormat, type StoredObject } from '../../index.js';
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
  call.checkWithoutObject('hash');
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
  const name = call.bytes(2, 'OBJECT');
  const named = call.object(2);
  const stat = await withStore(call, 'read', async (store) => {
    const object = store.collection(collection).object(named);
    const attributes = (await object.attributes()).length;
    return { ...(await object.stat()), attributes, ...(await mapFigures(object)) };
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
    ['map keys', 'mapFault' in stat ? 'not counted' : `${stat.mapKeys}`],
    ['map order', 'mapFault' in stat ? stat.mapFault : orderText(stat.mapFormat)],
    ['map header', stat.mapHeaderSize === undefined ? 'none' : formatSize(stat.mapHeaderSize)],
  ]);
}

/** Of a map whose comparator is not registered only that is known. */
type MapFigures = { readonly mapHeaderSize: number | undefined } & (
  | { readonly mapKeys: number; readonly mapFormat: Required<MapFormat> }
  | { readonly mapFault: string }
);

async function mapFigures(object: StoredObject): Promise<MapFigures> {
  const mapHeaderSize = (await object.mapHeader())?.length;
  try {
    const mapFormat = await object.mapFormat();
    return { mapKeys: await object.mapCount(), mapFormat, mapHeaderSize };
  } catch (error) {
    if (!hasCode(error, 'E_COMPARATOR')) throw error;
    return { mapFault: error.message, mapHeaderSize };
  }
}

function orderText({ comparator, comparatorVersion, keySize }: Required<MapFormat>): string {
  const keys = keySize === 0 ? '' : `, keys of ${keySize} bytes`;
  return `${comparator}, version ${comparatorVersion}${keys}`;
}
