/** A small journal on a simulated device, and what tests do with it. */

import type { BlockDevice } from '../../src/blockdev/block-device.js';
import { runSync } from '../../src/blockdev/io.js';
import { JOURNAL_ORIGIN, RECORD, RECORD_TYPE } from '../../src/format/journal-record.js';
import { type AppendedRecord, Journal } from '../../src/txn/journal.js';
import type { JournalRing, JournalScan } from '../../src/txn/journal-scan.js';
import { SimulatedDevice } from '../support/simulated-device.js';

export const BLOCK_SIZE = 1024;
export const RING_OFFSET = 8192;
export const RING_BYTES = 64 * BLOCK_SIZE;
/** Body runs lie behind the ring. */
export const RUN_ADDRESS = 80;
export const DEVICE_BYTES = 160 * BLOCK_SIZE;

export const UUID = Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i);

/** Body length of a record that takes `blocks` blocks to the last byte. */
export function bodyOfBlocks(blocks: number): number {
  return blocks * BLOCK_SIZE - RECORD.size;
}

export function newDevice(): SimulatedDevice {
  return new SimulatedDevice({ size: DEVICE_BYTES });
}

export function ringOn(device: BlockDevice): JournalRing {
  const place = { offset: RING_OFFSET, bytes: RING_BYTES, blockSize: BLOCK_SIZE };
  return { device, ...place, uuid: UUID };
}

/** The journal of a new store. */
export function newJournal(device: BlockDevice): Journal {
  const journal = new Journal(ringOn(device));
  journal.begin(JOURNAL_ORIGIN);
  return journal;
}

/** The body that the record with this sequence is given; its own in every byte. */
export function bodyFor(sequence: number, length: number): Uint8Array {
  const body = new Uint8Array(length);
  for (let i = 0; i < length; i++) body[i] = (sequence * 31 + i * 7) & 255;
  return body;
}

/** Appends a record of transactions, in two parts; nothing is written. */
export function appendBody(journal: Journal, length: number): AppendedRecord {
  const sequence = journal.position().sequence;
  const body = bodyFor(sequence, length);
  const cut = length >> 1;
  return journal.append({
    type: RECORD_TYPE.transactions,
    body: [body.subarray(0, cut), body.subarray(cut)],
    epoch: 1,
    firstTransaction: sequence * 10,
    transactionCount: 3,
  });
}

export function writeRecord(device: BlockDevice, record: AppendedRecord): void {
  for (const { offset, sources } of record.writes) device.writeSync(offset, sources);
}

/** Appends and writes; not flushed. */
export function put(device: BlockDevice, journal: Journal, length: number): AppendedRecord {
  const record = appendBody(journal, length);
  writeRecord(device, record);
  return record;
}

/** Flushes everything put so far. */
export function flush(device: BlockDevice, journal: Journal): void {
  device.flushSync();
  journal.noteDurable(journal.position().sequence - 1);
}

/** Appends, writes and flushes a mark. */
export function mark(device: BlockDevice, journal: Journal): AppendedRecord {
  const bare = { body: [], epoch: 1, firstTransaction: 0, transactionCount: 0 };
  const record = journal.append({ type: RECORD_TYPE.mark, ...bare });
  writeRecord(device, record);
  return record;
}

export function scan(device: BlockDevice, journal = newJournal(device)): JournalScan {
  return runSync(journal.scan(JOURNAL_ORIGIN));
}

/** Sequences of the records that a scan found, pads left out. */
export function sequences(found: JournalScan): number[] {
  return found.records
    .filter((record) => record.type !== RECORD_TYPE.pad)
    .map((record) => record.sequence);
}

/** A whole recovery from `found` on; gives the journal that goes on. */
export function recover(device: BlockDevice, found: JournalScan): Journal {
  const journal = new Journal(ringOn(device));
  journal.resume(found, found.highestIncarnation + 1);
  writeRecord(device, journal.appendRecovered(1));
  flush(device, journal);
  runSync(journal.clearTail());
  device.flushSync();
  return journal;
}
