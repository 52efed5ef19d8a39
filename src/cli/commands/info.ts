/** `holdfast info`: what a store is. */

import type { Call, Command } from '../command.js';
import { withStore } from '../open-store.js';
import { writeFacts, writeJson } from '../output.js';
import { formatSize } from '../size.js';

export const INFO: Command = {
  name: 'info',
  arguments: 'STORE',
  summary: 'Prints identity, format and state of a store.',
  run,
};

async function run(call: Call): Promise<undefined> {
  const info = await withStore(call, 'read', async (store) => store.info());
  if (call.json) {
    await writeJson({ ...info, created: new Date(info.createdMs).toISOString() });
    return undefined;
  }
  const stripes =
    info.stripeWidth === 0
      ? 'none'
      : `unit ${formatSize(info.stripeUnit)}, width ${formatSize(info.stripeWidth)}`;
  const { replayed, cut, damage, faults } = info.recovery;
  await writeFacts([
    ['path', info.path],
    ['uuid', info.uuid],
    ['label', info.label === '' ? 'none' : info.label],
    ['format version', `${info.formatVersion}`],
    ['created', new Date(info.createdMs).toISOString()],
    ['block size', formatSize(info.blockSize)],
    ['node size', formatSize(info.nodeSize)],
    ['stripes', stripes],
    ['journal', `${formatSize(info.journalBytes)}, ${formatSize(info.journalUsedBytes)} used`],
    ['journal device', info.journalPath ?? 'that of the store'],
    ['erases', info.erasesFreed ? 'what is freed' : 'nothing'],
    ['epoch', `${info.epoch}`],
    ['transactions', `${info.transaction}, ${replayed} of them only in the journal`],
    ['journal end', cut === undefined ? 'whole' : `cut: ${cut.reason}`],
    ['damage', damage === undefined ? 'none seen' : `journal: ${damage.reason}; run fsck`],
    ['superblock faults', `${faults.length}`],
  ]);
  return undefined;
}
