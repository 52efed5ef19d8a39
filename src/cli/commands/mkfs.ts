/** `holdfast mkfs`: makes an empty store. */

import { statSync } from 'node:fs';
import { mkfs, Store } from '../../index.js';
import { SIZE_MAX_DEFAULT } from '../../store/store.js';
import type { Call, Command } from '../command.js';
import { write, writeJson } from '../output.js';
import { Progress } from '../progress.js';
import { formatSize } from '../size.js';

/** Unit of `blocks` in what stat gives. */
const HOST_BLOCK_BYTES = 512;

const FILL_POLL_MS = 100;

export const MKFS: Command = {
  name: 'mkfs',
  arguments: 'STORE',
  summary: 'Makes an empty store in a file or on a block device.',
  details: [
    'A file is created, and grows as it fills, up to --size; with --preallocate it is that large at',
    'once. A file that holds anything, and a block device on which a file system, a partition table',
    'or a store is found, is refused.',
  ],
  options: {
    size: { value: 'SIZE', help: 'what a file may grow to (64GiB)' },
    preallocate: { help: 'write all of a file once: it is really there and never grows' },
    label: { value: 'TEXT', help: 'a name for people' },
    'block-size': { value: 'SIZE', help: 'unit of allocation (4KiB)' },
    'node-size': { value: 'SIZE', help: 'size of tree nodes (8KiB)' },
    'journal-size': { value: 'SIZE', help: 'size of the journal (64MiB, less in a small store)' },
    'stripe-unit': { value: 'SIZE', help: 'bytes on one disk of a RAID before the next' },
    'stripe-width': { value: 'SIZE', help: 'data bytes of one full stripe of a RAID' },
    force: { short: 'f', help: 'destroy what is there' },
  },
  advice: {
    E_EXISTS: 'use --force to destroy it',
    E_NOT_FOUND: 'make its directory first',
    E_READ_ONLY: 'choose a path that can be written',
  },
  run,
};

async function run(call: Call): Promise<undefined> {
  const label = call.text('label');
  const size = call.size('size');
  const blockSize = call.size('block-size');
  const nodeSize = call.size('node-size');
  const journalBytes = call.size('journal-size');
  const unit = call.size('stripe-unit');
  const width = call.size('stripe-width') ?? unit;
  const progress = fillProgress(call, size ?? SIZE_MAX_DEFAULT);
  const making = mkfs(call.store, {
    force: call.flag('force'),
    preallocate: call.flag('preallocate'),
    ...(label !== undefined && { label }),
    ...(size !== undefined && { size }),
    ...(blockSize !== undefined && { blockSize }),
    ...(nodeSize !== undefined && { nodeSize }),
    ...(journalBytes !== undefined && { journalBytes }),
    ...(width !== undefined && { geometry: { unit: unit ?? width, width } }),
  });
  await making.finally(() => progress.end());
  await report(call);
  return undefined;
}

/** With --preallocate: how much of the file is there by now, as its host counts it. */
function fillProgress(call: Call, total: number): { end(): void } {
  if (!call.flag('preallocate') || !Progress.isSeen) return { end: () => undefined };
  const progress = new Progress({ what: 'mkfs', total });
  const timer = setInterval(() => {
    const blocks = statSync(call.store, { throwIfNoEntry: false })?.blocks ?? 0;
    progress.at(blocks * HOST_BLOCK_BYTES);
  }, FILL_POLL_MS);
  return {
    end: () => {
      clearInterval(timer);
      progress.end();
    },
  };
}

async function report(call: Call): Promise<void> {
  const store = await Store.open(call.store, { readOnly: true });
  const { uuid, blockSize, nodeSize, journalBytes } = store.info();
  const asked = call.size('journal-size') ?? journalBytes;
  const { total } = store.statfs();
  await store.close();
  if (call.json)
    await writeJson({ path: call.store, uuid, total, blockSize, nodeSize, journalBytes });
  else {
    // It is whole blocks, and not below what commits need.
    const journal = asked === journalBytes ? '' : `, with a journal of ${formatSize(journalBytes)}`;
    await write(`Made store ${uuid} of up to ${formatSize(total)} at ${call.store}${journal}\n`);
  }
}
