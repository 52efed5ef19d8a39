/** `holdfast df`: where the space is. */

import type { StripeUse } from '../../index.js';
import type { Call, Command } from '../command.js';
import { withStore } from '../open-store.js';
import { writeFacts, writeJson } from '../output.js';
import { formatSize } from '../size.js';

export const DF: Command = {
  name: 'df',
  arguments: 'STORE',
  summary: 'Prints where the space of a store is.',
  details: [
    'total: the limit; allocated: in use on the device; stored: sum of the sizes of all objects;',
    'reserved: held back by reservations; pending: becomes free by itself;',
    'unerased: free or pending, and not overwritten yet, in a store that erases;',
    'available: free, with what a file may still grow by if its host has it.',
    'stripes, on a RAID: free, partly used, full, and of groups that nobody has looked at;',
    'partial writes: stripes written in part since it was opened, as no whole one was free.',
  ],
  run,
};

async function run(call: Call): Promise<undefined> {
  const space = await withStore(call, 'read', async (store) => store.statfsSync());
  if (call.json) await writeJson(space);
  else {
    const { objects, stripes, ...sizes } = space;
    const facts = Object.entries(sizes).map(([name, bytes]) => [name, formatSize(bytes)] as const);
    const ofStripes = stripes === undefined ? [] : [['stripes', textOf(stripes)] as const];
    await writeFacts([...facts, ['objects', `${objects}`], ...ofStripes]);
  }
  return undefined;
}

function textOf({ free, partial, full, unknown, partialWrites }: StripeUse): string {
  return `${free} free, ${partial} partly used, ${full} full, ${unknown} unknown, ${partialWrites} partial writes`;
}
