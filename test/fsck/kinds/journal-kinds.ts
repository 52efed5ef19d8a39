/**
 * Planters of faults in the journal behind the newest superblock.
 */

import { writeHash } from '../../../src/format/checksum.js';
import { separateRingOffset } from '../../../src/format/journal-header.js';
import { RECORD } from '../../../src/format/journal-record.js';
import { HOME_RING_BLOCKS, INCOMPAT } from '../../../src/format/superblock-bounds.js';
import type { Where } from '../../../src/fsck/finding.js';
import { close, commit, newStore, open, SMALL } from '../fixture.js';
import { type Pending, pendingStore, readPending } from '../journal-faults.js';
import { addU32, flip } from '../planter.js';
import { copiesOf, inImage, type Kind, SEVERAL, upTo } from './kind.js';

/** Four pending transactions, of which three are known to be durable. */
const store = copiesOf(() => pendingStore(['p0', 'p1', 'p2', 'p3']));

const LAST = 3;

const ONE_END: Pick<Kind, 'counts' | 'fewer'> = { counts: [1], fewer: 'A journal ends once.' };

function inJournal(
  plant: (pending: Pending, index: number) => Where,
  more: Omit<Kind, 'store' | 'plant'>,
): Kind {
  return {
    store,
    plant(device, count) {
      const pending = readPending(device);
      const places = upTo(count).map((i) => plant(pending, i));
      pending.planter.write();
      return { places };
    },
    ...more,
  };
}

/** Where a record begins. */
function placeOf({ planter, records }: Pending, index: number): Where {
  return { offset: planter.superblock.journalOffset + (records[index]?.offset ?? 0) };
}

/** Damages the data of a transaction, all of which is one extent. */
function loseData({ planter, dataOf }: Pending, index: number): Where {
  const { blockSize } = planter.superblock;
  const offset = dataOf(index) * blockSize;
  flip(planter.image, offset);
  return { offset, length: 40 * blockSize };
}

/** A store whose ring is as large as the place that is kept where the journal is elsewhere. */
const homeSized = copiesOf(() => {
  const device = newStore({ ...SMALL, journalBytes: HOME_RING_BLOCKS * SMALL.blockSize });
  const engine = open(device);
  commit(engine, (tx) => tx.createCollection('c').write('c', 'o', 0, new Uint8Array(5000)));
  close(engine);
  return device;
});

export const JOURNAL_KINDS = {
  'journal-lost': {
    store: homeSized,
    plant: inImage((planter) => {
      const journalOffset = separateRingOffset(planter.superblock.blockSize);
      planter.putSuperblock({ incompat: INCOMPAT.separateJournal, journalOffset });
      return { places: [{}] };
    }),
    counts: [1],
    fewer: 'A store has one journal.',
    asked: { acceptJournalLoss: true },
  },
  'journal-torn': inJournal(
    (pending) => {
      flip(pending.bytes(LAST), RECORD.size);
      return placeOf(pending, LAST);
    },
    { ...ONE_END, losses: /^c\/p3$/ },
  ),
  'journal-damaged': inJournal(
    (pending) => {
      flip(pending.bytes(1), RECORD.size);
      return placeOf(pending, 1);
    },
    { ...ONE_END, losses: /^c\/p[123]$/ },
  ),
  'journal-record': inJournal(
    (pending) => {
      const record = pending.bytes(LAST);
      addU32(record, RECORD.transactionCount, 1);
      writeHash(record, RECORD.checksum, record, RECORD.magic, RECORD.size);
      return placeOf(pending, LAST);
    },
    { ...ONE_END, losses: /^c\/p3$/ },
  ),
  'pending-data': inJournal(loseData, {
    counts: SEVERAL,
    losses: /^c\/p[012]$/,
    stays: 'Data exists once; a repair makes none up.',
  }),
  'pending-torn': inJournal((pending) => loseData(pending, LAST), {
    ...ONE_END,
    losses: /^c\/p3$/,
  }),
  'claim-in-use': inJournal(
    ({ planter, dataOf }, index) => {
      const block = dataOf(index);
      planter.markWhole(block, true);
      return { offset: block * planter.superblock.blockSize, length: planter.superblock.blockSize };
    },
    { counts: SEVERAL },
  ),
} as const satisfies Record<string, Kind>;
