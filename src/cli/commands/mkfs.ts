/** `holdfast mkfs`: makes an empty store. */

import { mkfs } from '../../index.js';
import type { Call, Command } from '../command.js';
import { withStore } from '../open-store.js';
import { write, writeJson } from '../output.js';
import { formatSize } from '../size.js';

export const MKFS: Command = {
  name: 'mkfs',
  arguments: 'STORE',
  summary: 'Makes an empty store in a file or on a block device.',
  details: [
    'A file is created, and grows as it fills, up to --size; with --preallocate it is that large at',
    'once. A file that holds anything, and a block device on which a file system, a partition table',
    'or a store is found, is refused. A block device of the journal is used whole.',
  ],
  options: {
    size: { value: 'SIZE', help: 'what a file may grow to (64GiB)' },
    preallocate: { help: 'write all of a file once: it is really there and never grows' },
    label: { value: 'TEXT', help: 'a name for people' },
    'block-size': { value: 'SIZE', help: 'unit of allocation (4KiB)' },
    'node-size': { value: 'SIZE', help: 'size of tree nodes (8KiB)' },
    'journal-size': { value: 'SIZE', help: 'size of the journal (64MiB, less in a small store)' },
    'erase-freed': { help: 'overwrite what is removed; see holdfast erase' },
    journal: {
      value: 'PATH',
      help: 'keep the journal on this device, or in this file, of its own',
    },
    'stripe-unit': { value: 'SIZE', help: 'bytes on one disk of a RAID before the next' },
    'stripe-width': { value: 'SIZE', help: 'data bytes of one full stripe of a RAID' },
    force: { short: 'f', help: 'destroy what is there' },
  },
  advice: { E_EXISTS: 'use --force to destroy it' },
  run,
};

async function run(call: Call): Promise<undefined> {
  const label = call.text('label');
  const size = call.size('size');
  const blockSize = call.size('block-size');
  const nodeSize = call.size('node-size');
  const journalBytes = call.size('journal-size');
  const journal = call.text('journal');
  const unit = call.size('stripe-unit');
  const width = call.size('stripe-width') ?? unit;
  await mkfs(call.store, {
    force: call.flag('force'),
    preallocate: call.flag('preallocate'),
    eraseFreed: call.flag('erase-freed'),
    ...(label !== undefined && { label }),
    ...(size !== undefined && { size }),
    ...(blockSize !== undefined && { blockSize }),
    ...(nodeSize !== undefined && { nodeSize }),
    ...(journalBytes !== undefined && { journalBytes }),
    ...(journal !== undefined && { journal }),
    ...(width !== undefined && { geometry: { unit: unit ?? width, width } }),
  });
  await report(call);
  return undefined;
}

async function report(call: Call): Promise<void> {
  const { info, total } = await withStore(call, 'read', async (store) => {
    return { info: store.info(), total: store.statfs().total };
  });
  const { uuid, blockSize, nodeSize, journalBytes } = info;
  if (call.json)
    await writeJson({ path: call.store, uuid, total, blockSize, nodeSize, journalBytes });
  else await write(`Made store ${uuid} of up to ${formatSize(total)} at ${call.store}\n`);
}
