/**
 * Faults of the journal behind the newest superblock, in a store with three pending transactions.
 */

import { runSync } from '../../src/blockdev/io.js';
import type { MemoryDevice } from '../../src/blockdev/memory-device.js';
import { writeHash } from '../../src/format/checksum.js';
import { RECORD } from '../../src/format/journal-record.js';
import { readBody, type ScannedRecord, scanJournal } from '../../src/txn/journal-scan.js';
import { decodeTransactionRecords } from '../../src/txn/transaction-record.js';
import { checkpoint, commit, newStore, open } from './fixture.js';
import { addU32, flip, Planter } from './planter.js';

/** Bytes of data that goes to its place before the record. */
const AHEAD = 40_000;

/** A store with pending transactions, each with data written ahead for an object of its own. */
export function pendingStore(names: readonly string[] = ['a', 'b', 'd']): MemoryDevice {
  const device = newStore();
  const engine = open(device);
  commit(engine, (tx) => tx.createCollection('c').write('c', 'z', 0, new Uint8Array(9000)));
  checkpoint(engine);
  for (const name of names) {
    commit(engine, (tx) => tx.write('c', name, 0, new Uint8Array(AHEAD).fill(7)));
  }
  return device;
}

export interface Pending {
  readonly planter: Planter;
  /** Of the three transactions. */
  readonly records: readonly ScannedRecord[];
  /** Bytes of a record in the image. */
  bytes(index: number): Uint8Array;
  /** First block of a transaction's data. */
  dataOf(index: number): number;
}

export function readPending(device: MemoryDevice): Pending {
  const planter = new Planter(device);
  const { journalOffset, journalBytes, blockSize, journalUuid, journalStart } = planter.superblock;
  const ring = { device, offset: journalOffset, bytes: journalBytes, blockSize, uuid: journalUuid };
  const scan = runSync(scanJournal(ring, journalStart));
  const records = scan.records.filter(({ transactionCount }) => transactionCount > 0);
  return {
    planter,
    records,
    bytes: (index) => planter.image.subarray(journalOffset + (records[index]?.offset ?? 0)),
    dataOf(index) {
      const body = runSync(readBody(ring, records[index] as ScannedRecord));
      const [record] = decodeTransactionRecords(body);
      return record?.ahead[0]?.extents[0]?.address ?? 0;
    },
  };
}

/** A fault, all that fsck may say about it, and how many transactions are still pending. */
export type JournalFault = readonly [
  codes: readonly string[],
  pending: number,
  plant: (pending: Pending) => void,
];

const lostData =
  (index: number) =>
  ({ planter, dataOf }: Pending): void =>
    flip(planter.image, dataOf(index) * planter.superblock.blockSize);

export const JOURNAL_FAULTS: Readonly<Record<string, JournalFault>> = {
  'nothing at all': [[], 3, () => undefined],
  'a last record that is not whole': [
    ['journal-torn'],
    2,
    (pending) => flip(pending.bytes(2), RECORD.size),
  ],
  'a durable record that is not whole': [
    ['journal-damaged'],
    0,
    (pending) => flip(pending.bytes(0), RECORD.size),
  ],
  'a record with another number of transactions': [
    ['journal-record'],
    2,
    (pending) => {
      const record = pending.bytes(2);
      addU32(record, RECORD.transactionCount, 1);
      writeHash(record, RECORD.checksum, record, RECORD.magic, RECORD.size);
    },
  ],
  'durable data that is not there': [['pending-data'], 3, lostData(0)],
  'last data that is not there': [['pending-torn'], 2, lostData(2)],
  'a claimed block that is marked as used': [
    ['claim-in-use', 'group-free', 'group-longest'],
    3,
    ({ planter, dataOf }) => planter.mark(dataOf(0)),
  ],
};

/** A store with pending transactions and a fault. */
export function faultyJournal(plant: (pending: Pending) => void): MemoryDevice {
  const device = pendingStore();
  const pending = readPending(device);
  plant(pending);
  pending.planter.write();
  return device;
}
