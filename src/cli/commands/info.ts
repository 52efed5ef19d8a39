/** `holdfast info`: what a store is. */

import type { ListedReservation, StoreInfo } from '../../index.js';
import type { Call, Command } from '../command.js';
import { withStore } from '../open-store.js';
import { writeFacts, writeJson } from '../output.js';
import { formatSize } from '../size.js';
import { jsonBytes, printable } from '../text.js';

export const INFO: Command = {
  name: 'info',
  arguments: 'STORE',
  summary: 'Prints identity, format and state of a store.',
  run,
};

async function run(call: Call): Promise<undefined> {
  const { info, total, reservations } = await withStore(call, 'read', async (store) => ({
    info: store.info(),
    total: store.statfsSync().total,
    reservations: await store.reservations(),
  }));
  if (call.json) {
    const created = new Date(info.createdMs).toISOString();
    await writeJson({ ...info, created, total, reservations: reservations.map(jsonOf) });
    return undefined;
  }
  const stripes =
    info.stripeWidth === 0
      ? 'none'
      : `unit ${formatSize(info.stripeUnit)}, width ${formatSize(info.stripeWidth)}`;
  const { replayed, pending, cut, damage, faults } = info.recovery;
  await writeFacts([
    ['path', info.path],
    ['uuid', info.uuid],
    ['label', info.label === '' ? 'none' : info.label],
    ['format version', `${info.formatVersion}`],
    ['features', featuresText(info.features)],
    ['created', new Date(info.createdMs).toISOString()],
    ['size limit', formatSize(total)],
    ['block size', formatSize(info.blockSize)],
    ['node size', formatSize(info.nodeSize)],
    ['metadata copies', `${info.metadataCopies}`],
    ['stripes', stripes],
    ['journal', `${formatSize(info.journalBytes)}, ${formatSize(info.journalUsedBytes)} used`],
    ['journal device', info.journalPath ?? 'that of the store'],
    ['erases', info.erasesFreed ? 'what is freed' : 'nothing'],
    ['epoch', `${info.epoch}`],
    ['transactions', `${info.transaction}, ${replayed} of them only in the journal`],
    [
      'pending',
      pending === 0
        ? 'none'
        : `${pending} transactions, which need a comparator that is not registered`,
    ],
    ['journal end', cut === undefined ? 'whole' : `cut: ${cut.reason}`],
    ['damage', damage === undefined ? 'none seen' : `journal: ${damage.reason}; run fsck`],
    ['superblock faults', `${faults.length}`],
    ['reservations', `${reservations.length}`],
    ...reservations.map((one): [string, string] => ['reservation', lineOf(one)]),
  ]);
  return undefined;
}

function featuresText({ compat, roCompat, incompat }: StoreInfo['features']): string {
  if (compat + roCompat + incompat === 0) return 'none';
  return `compat ${compat}, ro-compat ${roCompat}, incompat ${incompat}`;
}

function jsonOf({ name, owner, ...units }: ListedReservation): unknown {
  return { ...jsonBytes('name', name), ...jsonBytes('owner', owner), ...units };
}

function lineOf(reservation: ListedReservation): string {
  const { name, owner, bytes, operations, keys, heldBytes } = reservation;
  const whose = owner.length === 0 ? '' : ` of ${printable(owner)}`;
  const units = `${formatSize(bytes)}, ${operations} operations, ${keys} keys`;
  return `${printable(name)}${whose}: ${units}, holds back ${formatSize(heldBytes)}`;
}
