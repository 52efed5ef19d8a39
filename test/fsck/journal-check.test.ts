/**
 * Faults of the journal behind the newest superblock.
 */

import test from 'ava';
import { runSync } from '../../src/blockdev/io.js';
import type { MemoryDevice } from '../../src/blockdev/memory-device.js';
import { writeHash } from '../../src/format/checksum.js';
import { RECORD } from '../../src/format/journal-record.js';
import { readBody, type ScannedRecord, scanJournal } from '../../src/txn/journal-scan.js';
import { decodeTransactionRecords } from '../../src/txn/transaction-record.js';
import { check, checkpoint, commit, newStore, open } from './fixture.js';
import { addU32, flip, Planter } from './planter.js';

/** Bytes of data that goes to its place before the record. */
const AHEAD = 40_000;

/** A store with three pending transactions, each with data written ahead. */
function pendingStore(): MemoryDevice {
  const device = newStore();
  const engine = open(device);
  commit(engine, (tx) => tx.createCollection('c').write('c', 'z', 0, new Uint8Array(9000)));
  checkpoint(engine);
  for (const name of ['a', 'b', 'd']) {
    commit(engine, (tx) => tx.write('c', name, 0, new Uint8Array(AHEAD).fill(7)));
  }
  return device;
}

interface Pending {
  readonly planter: Planter;
  /** Of the three transactions. */
  readonly records: readonly ScannedRecord[];
  /** Bytes of a record in the image. */
  bytes(index: number): Uint8Array;
  /** First block of a transaction's data. */
  dataOf(index: number): number;
}

function readPending(device: MemoryDevice): Pending {
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

/** What fsck finds, and how many transactions it counts, after `plant`. */
function found(plant: (pending: Pending) => void): [readonly string[], number] {
  const device = pendingStore();
  const pending = readPending(device);
  plant(pending);
  pending.planter.write();
  const { codes, report } = check(device, { deep: true });
  return [codes, report.pendingTransactions];
}

test('fsck() counts pending transactions and their claims', (t) => {
  t.deepEqual(
    found(() => undefined),
    [[], 3],
  );
});

test('fsck() finds journal-torn when the last record is not whole', (t) => {
  t.deepEqual(
    found((pending) => flip(pending.bytes(2), RECORD.size)),
    [['journal-torn'], 2],
  );
});

test('fsck() finds journal-damaged when a durable record is not whole', (t) => {
  t.deepEqual(
    found((pending) => flip(pending.bytes(0), RECORD.size)),
    [['journal-damaged'], 0],
  );
});

test('fsck() finds journal-record when a record holds another number of transactions', (t) => {
  const result = found((pending) => {
    const record = pending.bytes(2);
    addU32(record, RECORD.transactionCount, 1);
    writeHash(record, RECORD.checksum, record, RECORD.magic, RECORD.size);
  });
  t.deepEqual(result, [['journal-record'], 2]);
});

test('fsck({ deep }) finds pending-data when durable data is not there', (t) => {
  const result = found((pending) => {
    flip(pending.planter.image, pending.dataOf(0) * pending.planter.superblock.blockSize);
  });
  t.deepEqual(result, [['pending-data'], 3]);
});

test('fsck({ deep }) finds pending-torn when the last data is not there', (t) => {
  const result = found((pending) => {
    flip(pending.planter.image, pending.dataOf(2) * pending.planter.superblock.blockSize);
  });
  t.deepEqual(result, [['pending-torn'], 2]);
});

test('fsck() finds claim-in-use when a claimed block is marked as used', (t) => {
  const device = pendingStore();
  const pending = readPending(device);
  const block = pending.dataOf(0);
  const { planter } = pending;
  planter.mark(block);
  planter.write();
  const { codes } = check(device);
  t.deepEqual(codes, ['claim-in-use', 'group-free', 'group-longest']);
});
