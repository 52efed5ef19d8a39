/** `holdfast resize`: makes a store that nobody has open larger or smaller. */

import { resizeStore, StoreError } from '../../index.js';
import type { Call, Command } from '../command.js';
import { write, writeJson } from '../output.js';
import { Progress } from '../progress.js';
import { formatSize, parseSize } from '../size.js';

export const RESIZE: Command = {
  name: 'resize',
  arguments: 'STORE SIZE',
  summary: 'Makes a store larger or smaller.',
  details: [
    'SIZE is what a file may grow to, or how much of a block device the store takes: "all" for what',
    'the device has now. What lies behind a smaller size is moved, then a file is cut; of a device',
    'the rest is free for others afterwards. A size for which there is no room is refused with the',
    'least one that there is. Interrupted at any time, the store is as before or as it shall be.',
    'Programs that have a store open grow it with store.resize().',
  ],
  advice: { E_CORRUPT: 'run holdfast fsck --repair first' },
  run,
};

async function run(call: Call): Promise<undefined> {
  const text = call.argument(1);
  const size = text === 'all' ? undefined : parseSize(text);
  if (size === 0) throw new StoreError('E_USAGE', 'Cannot resize store to 0 bytes');
  const progress = new Progress({ what: 'resize', unit: undefined, total: undefined });
  const journal = call.text('journal');
  const report = await resizeStore(call.store, size, {
    force: call.flag('force-lock'),
    ...(journal !== undefined && { journal }),
    onProgress: (bytes) => progress.at(bytes),
  });
  progress.end();
  if (call.json) {
    await writeJson({ path: call.store, ...report });
    return undefined;
  }
  const { before, after, movedBytes, movedNodes } = report;
  let line = `${call.store}: ${formatSize(before)} before, ${formatSize(after)} now`;
  if (movedNodes > 0) line += `; moved ${formatSize(movedBytes)} of data, ${movedNodes} tree nodes`;
  await write(`${line}\n`);
  return undefined;
}
