/** `holdfast erase`: overwrites what was removed, in a store that was made for it. */

import type { Call, Command } from '../command.js';
import { withStore } from '../open-store.js';
import { write, writeJson } from '../output.js';
import { formatSize, parseSize } from '../size.js';

export const ERASE: Command = {
  name: 'erase',
  arguments: 'STORE',
  summary: 'Overwrites what was removed from a store made with mkfs --erase-freed.',
  details: [
    'Without --wait it says how much is waiting. With it everything that was removed before is',
    'overwritten, in the journal too, and the command ends when that is done. See docs/erase.md for',
    'what the device itself may keep.',
  ],
  options: {
    wait: { help: 'overwrite it now and wait for the end' },
    all: { help: 'with --wait: overwrite all that is free, whether or not anything was there' },
    rate: { value: 'SIZE/s', help: 'overwrite at most so much in a second, as 100MiB/s' },
  },
  run,
};

async function run(call: Call): Promise<undefined> {
  if (!call.flag('wait')) {
    const unerased = await withStore(call, 'read', async (store) => store.statfsSync().unerased);
    if (call.json) await writeJson({ unerased });
    else await write(`${formatSize(unerased)} are waiting to be overwritten\n`);
    return undefined;
  }
  const rate = call.text('rate');
  const options = {
    all: call.flag('all'),
    ...(rate !== undefined && { rate: parseSize(rate.replace(/\/s$/, '')) }),
  };
  const { erasedBytes } = await withStore(call, 'write', (store) => store.erase(options));
  if (call.json) await writeJson({ erasedBytes });
  else await write(`${formatSize(erasedBytes)} overwritten\n`);
  return undefined;
}
