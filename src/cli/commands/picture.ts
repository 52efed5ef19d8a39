/** `holdfast map`: a picture of a store's device. */

import { writeFile } from 'node:fs/promises';
import { StoreError } from '../../index.js';
import {
  type DevicePicture,
  gatherPicture,
  type ShownObject,
} from '../../picture/device-picture.js';
import { withDevice } from '../../store/check.js';
import type { Call, Command } from '../command.js';
import { HASH_OPTION } from '../command.js';
import { write, writeJson } from '../output.js';
import { checkNotOwn } from '../own-file.js';
import { jsonOf } from '../picture/figures.js';
import { htmlPicture } from '../picture/html.js';
import { SVG_CELLS_MAX, svgPicture } from '../picture/svg.js';
import { TEXT_CELLS_MAX, textPicture } from '../picture/text.js';
import { printable } from '../text.js';

const FORMATS = ['text', 'svg', 'html'] as const;

export const PICTURE: Command = {
  name: 'map',
  arguments: 'STORE [COLLECTION] [OBJECT]',
  summary: "Draws what lies where on a store's device: --text, --svg or --html.",
  details: [
    'Fill, fragmentation, stripes, metadata, journal, superblocks, limbo, and where OBJECT lies.',
    'It shows the newest checkpoint, and reads bitmaps and the branches of all trees only.',
    'map ls, get, set and rm are about the map stream of an object; each has its own --help.',
  ],
  options: {
    text: { help: 'characters, for a terminal (the default)' },
    svg: { help: 'a picture' },
    html: { help: 'a page that tells of each cell under the pointer' },
    output: { short: 'o', value: 'FILE', help: 'write to a file' },
    hash: HASH_OPTION,
  },
  run,
};

async function run(call: Call): Promise<undefined> {
  const format = formatOf(call);
  const object = objectOf(call);
  const file = call.text('output');
  if (file !== undefined) checkNotOwn(call, 'write', file);
  const cellsMax = format === 'text' ? TEXT_CELLS_MAX : SVG_CELLS_MAX;
  const options = { cellsMax, ...(object !== undefined && { object }) };
  const access = { force: call.flag('force-lock'), journal: call.text('journal') };
  const picture = await withDevice(call.store, access, ({ device, journalDevice }) =>
    gatherPicture(device, { ...options, journalDevice }),
  );
  if (call.json) {
    await writeJson(jsonOf(picture));
    return undefined;
  }
  const shown =
    object === undefined ? undefined : `${printable(object.collection)}/${printable(object.name)}`;
  const drawn = draw(format, picture, shown);
  if (file === undefined || file === '-') await write(drawn);
  else await writeFile(file, drawn);
  return undefined;
}

function draw(
  format: (typeof FORMATS)[number],
  picture: DevicePicture,
  shown: string | undefined,
): string {
  if (format === 'svg') return svgPicture(picture, { shown });
  return format === 'html' ? htmlPicture(picture, shown) : textPicture(picture, shown);
}

function formatOf(call: Call): (typeof FORMATS)[number] {
  const chosen = FORMATS.filter((format) => call.flag(format));
  if (chosen.length <= 1) return chosen[0] ?? 'text';
  throw new StoreError('E_USAGE', 'Cannot draw in several formats: choose --text, --svg or --html');
}

function objectOf(call: Call): ShownObject | undefined {
  if (call.count === 1) return undefined;
  if (call.count === 2) throw new StoreError('E_USAGE', 'Cannot show a collection: name an object');
  const collection = call.name(1, 'COLLECTION');
  const name = call.object(2);
  if (name instanceof Uint8Array) return { collection, name };
  if (typeof name === 'string') return { collection, name: Buffer.from(name) };
  const { hash } = name;
  const bytes = typeof name.name === 'string' ? Buffer.from(name.name) : name.name;
  return { collection, name: bytes, ...(hash !== undefined && { hash }) };
}
