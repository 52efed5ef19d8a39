/** `holdfast mkfs`: makes an empty store. */

import { statSync } from 'node:fs';
import { mkfs, StoreError, type StripeGeometry } from '../../index.js';
import { SIZE_MAX_DEFAULT } from '../../store/mkfs.js';
import type { Call, Command } from '../command.js';
import { withStore } from '../open-store.js';
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
    'or a store is found, is refused. What a block device says of its RAID is used and printed, unless',
    '--stripe-unit and --stripe-width say otherwise. A block device of the journal is used whole.',
  ],
  options: {
    size: { value: 'SIZE', help: 'what a file may grow to (64GiB)' },
    preallocate: { help: 'write all of a file once: it is really there and never grows' },
    label: { value: 'TEXT', help: 'a name for people' },
    'block-size': { value: 'SIZE', help: 'unit of allocation (4KiB)' },
    'node-size': { value: 'SIZE', help: 'size of tree nodes (8KiB)' },
    'metadata-copies': { value: 'N', help: '2: keep all metadata twice, far apart (1)' },
    'journal-size': { value: 'SIZE', help: 'size of the journal (64MiB, less in a small store)' },
    'erase-freed': { help: 'overwrite what is removed; see holdfast erase' },
    journal: {
      value: 'PATH',
      help: 'keep the journal on this device, or in this file, of its own',
    },
    'stripe-unit': { value: 'SIZE', help: 'bytes on one disk of a RAID before the next' },
    'stripe-width': { value: 'SIZE', help: 'data bytes of one full stripe: data disks x unit' },
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
  const metadataCopies = call.positive('metadata-copies');
  const journalBytes = call.size('journal-size');
  const journal = call.text('journal');
  const unit = call.size('stripe-unit');
  const width = call.size('stripe-width') ?? unit;
  if (width === 0) throw new StoreError('E_USAGE', 'Cannot use stripes of 0 bytes');
  const progress = fillProgress(call, size ?? SIZE_MAX_DEFAULT);
  const making = mkfs(call.store, {
    force: call.flag('force'),
    preallocate: call.flag('preallocate'),
    eraseFreed: call.flag('erase-freed'),
    ...(label !== undefined && { label }),
    ...(size !== undefined && { size }),
    ...(blockSize !== undefined && { blockSize }),
    ...(nodeSize !== undefined && { nodeSize }),
    ...(metadataCopies !== undefined && { metadataCopies }),
    ...(journalBytes !== undefined && { journalBytes }),
    ...(journal !== undefined && { journal }),
    ...(width !== undefined && { geometry: { unit: unit ?? width, width } }),
  });
  await report(call, await making.finally(() => progress.end()));
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

async function report(call: Call, stripes: StripeGeometry): Promise<void> {
  const { info, total } = await withStore(call, 'read', async (store) => {
    return { info: store.info(), total: store.statfsSync().total };
  });
  const { uuid, blockSize, nodeSize, journalBytes } = info;
  const asked = call.size('journal-size') ?? journalBytes;
  const { unit: stripeUnit, width: stripeWidth, origin } = stripes;
  if (call.json) {
    const sizes = { total, blockSize, nodeSize, journalBytes, stripeUnit, stripeWidth };
    await writeJson({ path: call.store, uuid, ...sizes, stripeOrigin: origin ?? null });
    return;
  }
  // It is whole blocks, and not below what commits need.
  const journal = asked === journalBytes ? '' : `, with a journal of ${formatSize(journalBytes)}`;
  await write(`Made store ${uuid} of up to ${formatSize(total)} at ${call.store}${journal}\n`);
  const line = stripesLine(stripes);
  if (line !== undefined) await write(`${line}\n`);
}

/** What is to be said of stripes; undefined where nobody speaks of any. */
function stripesLine({ unit, width, origin }: StripeGeometry): string | undefined {
  if (width === 0) return origin === undefined ? undefined : `No stripes: ${origin}`;
  const sizes = `Stripes of ${formatSize(width)} in units of ${formatSize(unit)}`;
  return `${sizes}, ${origin === undefined ? 'as asked' : `found: ${origin}`}`;
}
