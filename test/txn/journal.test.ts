import test from 'ava';
import { AssertionError } from '../../src/assert.js';
import { runAsync, runSync } from '../../src/blockdev/io.js';
import { hasCode } from '../../src/errors.js';
import { lengthOf } from '../../src/format/hash-list.js';
import { JOURNAL_ORIGIN, RECORD, RECORD_TYPE, sealBody } from '../../src/format/journal-record.js';
import { Journal } from '../../src/txn/journal.js';
import { SimulatedDevice } from '../support/simulated-device.js';
import {
  appendBody,
  BLOCK_SIZE,
  bodyFor,
  bodyOfBlocks,
  DEVICE_BYTES,
  flush,
  mark,
  newDevice,
  newJournal,
  put,
  RING_BYTES,
  RING_OFFSET,
  RUN_ADDRESS,
  ringOn,
  scan,
  sequences,
  writeRecord,
} from './journal-fixture.js';

test('append() writes whole blocks, each record at a block', (t) => {
  const device = newDevice();
  const journal = newJournal(device);
  const lengths = [0, 1, bodyOfBlocks(1), bodyOfBlocks(1) + 1, bodyOfBlocks(3), 77];
  let blocks = 0;
  for (const length of lengths) {
    const record = put(device, journal, length);
    t.is(record.bytes, Math.ceil((RECORD.size + length) / BLOCK_SIZE) * BLOCK_SIZE);
    t.is(record.writes[0]?.offset, RING_OFFSET + blocks * BLOCK_SIZE);
    blocks += record.bytes / BLOCK_SIZE;
  }
  t.is(journal.usedBytes, blocks * BLOCK_SIZE);
  t.is(journal.bytesSince(JOURNAL_ORIGIN), blocks * BLOCK_SIZE);
});

test('append() with stripes fills the units of a record that is longer than one', (t) => {
  const device = newDevice();
  device.writeSync(0, [new Uint8Array(DEVICE_BYTES).fill(0xaa)]); // an older round of the ring
  const journal = new Journal({ ...ringOn(device), align: 4 * BLOCK_SIZE });
  journal.begin(JOURNAL_ORIGIN);
  const lengths = [1, bodyOfBlocks(2), bodyOfBlocks(4), bodyOfBlocks(5), bodyOfBlocks(6), 9];
  const written = [1, 2, 4, 8, 8, 1];
  for (const [i, length] of lengths.entries()) {
    const [write] = put(device, journal, length).writes;
    t.is(write === undefined ? 0 : lengthOf(write.sources), (written[i] as number) * BLOCK_SIZE);
    t.is(((write?.offset as number) - RING_OFFSET) % (4 * BLOCK_SIZE), 0);
  }
  const found = runSync(journal.scan(JOURNAL_ORIGIN));
  t.deepEqual(found.next, journal.position());
  for (const [i, record] of found.records.entries()) {
    t.deepEqual(runSync(journal.readBody(record)), bodyFor(i + 1, lengths[i] as number));
  }
});

test('scan() gives back every record and body', async (t) => {
  const device = newDevice();
  const journal = newJournal(device);
  const lengths = [0, 1, 500, 5000, 3000, bodyOfBlocks(2)];
  for (const length of lengths) put(device, journal, length);
  const found = await runAsync(journal.scan(JOURNAL_ORIGIN));
  t.deepEqual(sequences(found), [1, 2, 3, 4, 5, 6]);
  t.deepEqual(found.next, journal.position());
  t.is(found.cut, undefined);
  t.is(found.damage, undefined);
  t.deepEqual(found.stale, []);
  for (const [i, record] of found.records.entries()) {
    t.deepEqual(await runAsync(journal.readBody(record)), bodyFor(i + 1, lengths[i] as number));
    t.like(record, { firstTransaction: (i + 1) * 10, transactionCount: 3, epoch: 1 });
  }
});

test('scan() from a later position gives what follows it', (t) => {
  const device = newDevice();
  const journal = newJournal(device);
  put(device, journal, 100);
  const position = journal.position();
  put(device, journal, 100);
  const found = runSync(journal.scan(position));
  t.deepEqual(sequences(found), [2]);
  t.is(found.highestDurable, 1);
});

test('append() pads the end of the ring and goes on at its start', (t) => {
  const device = newDevice();
  const journal = newJournal(device);
  for (let i = 0; i < 15; i++) put(device, journal, bodyOfBlocks(4));
  flush(device, journal);
  const start = journal.position();
  journal.release(start);
  const record = put(device, journal, bodyOfBlocks(5));
  t.deepEqual(
    record.writes.map((write) => write.offset),
    [RING_OFFSET + 60 * BLOCK_SIZE, RING_OFFSET],
  );
  t.is(record.bytes, 6 * BLOCK_SIZE);
  t.is(record.sequence, start.sequence + 1);
  t.is(journal.usedBytes, 9 * BLOCK_SIZE);
  t.is(journal.position().head, 5 * BLOCK_SIZE);
  const found = runSync(journal.scan(start));
  t.deepEqual(
    found.records.map((one) => one.type),
    [RECORD_TYPE.pad, RECORD_TYPE.transactions],
  );
  t.deepEqual(
    found.records.map((one) => one.end),
    [0, 5 * BLOCK_SIZE],
  );
  t.deepEqual(found.next, journal.position());
});

test('append() needs no pad where the record before it ends with the ring', (t) => {
  const device = newDevice();
  const journal = newJournal(device);
  for (let i = 0; i < 15; i++) put(device, journal, bodyOfBlocks(4));
  flush(device, journal);
  const start = journal.position();
  journal.release(start);
  put(device, journal, bodyOfBlocks(4));
  t.is(journal.position().head, 0);
  put(device, journal, bodyOfBlocks(2));
  const found = runSync(journal.scan(start));
  t.deepEqual(sequences(found), [16, 17]);
  t.is(found.records.length, 2);
});

test('fits() keeps room for a recovery and answers again after release()', (t) => {
  const device = newDevice();
  const journal = newJournal(device);
  let second = journal.position();
  while (journal.fits(bodyOfBlocks(4))) {
    put(device, journal, bodyOfBlocks(4));
    if (second.sequence === 1) second = journal.position();
  }
  t.is(journal.usedBytes, RING_BYTES - 4 * BLOCK_SIZE);
  t.false(journal.fits(0));
  t.true(journal.fits(0, RECORD_TYPE.recovered));
  t.throws(() => appendBody(journal, 0), { instanceOf: AssertionError });
  t.throws(() => journal.release(second), { message: /only durable records are released/ });
  flush(device, journal);
  journal.release(second);
  t.is(journal.usedBytes, RING_BYTES - 8 * BLOCK_SIZE);
  t.true(journal.fits(bodyOfBlocks(4)));
  t.false(journal.fits(bodyOfBlocks(5)));
});

test('fits() counts the pad in front of a record', (t) => {
  const device = newDevice();
  const journal = newJournal(device);
  for (let i = 0; i < 15; i++) put(device, journal, bodyOfBlocks(4));
  flush(device, journal);
  const whole = runSync(journal.scan(JOURNAL_ORIGIN));
  const tenth = whole.records[2];
  t.truthy(tenth);
  if (tenth === undefined) return;
  const { offset, sequence, previous, incarnation } = tenth;
  journal.release({ head: offset, sequence, previous, incarnation });
  t.true(journal.fits(bodyOfBlocks(4)), 'it ends with the ring');
  t.false(journal.fits(bodyOfBlocks(5)), '4 for the pad, 5, and 4 kept are more than 12');
});

test('release() to the head empties the ring, and a full ring is not an empty one', (t) => {
  const device = newDevice();
  const journal = newJournal(device);
  while (journal.fits(bodyOfBlocks(4))) put(device, journal, bodyOfBlocks(4));
  while (journal.fits(0, RECORD_TYPE.recovered)) {
    const bare = { body: [], epoch: 1, firstTransaction: 0, transactionCount: 0 };
    writeRecord(device, journal.append({ type: RECORD_TYPE.recovered, ...bare }));
  }
  t.is(journal.position().head, 0);
  t.is(journal.bytesSince(JOURNAL_ORIGIN), RING_BYTES);
  const found = runSync(journal.scan(JOURNAL_ORIGIN));
  t.is(found.records.length, 19);
  t.deepEqual(found.next, journal.position());
  flush(device, journal);
  journal.release(journal.position());
  t.is(journal.usedBytes, 0);
  t.true(journal.fits(bodyOfBlocks(4)));
});

test('append() may be written again as it is', (t) => {
  const device = newDevice();
  const journal = newJournal(device);
  const first = put(device, journal, 3000);
  put(device, journal, 3000);
  const before = device.bytes();
  writeRecord(device, first);
  t.deepEqual(device.bytes(), before);
});

test('append() says in each record what was durable when it was encoded', (t) => {
  const device = newDevice();
  const journal = newJournal(device);
  put(device, journal, 10);
  put(device, journal, 10);
  flush(device, journal);
  put(device, journal, 10);
  mark(device, journal);
  const found = scan(device);
  t.deepEqual(
    found.records.map((record) => record.durable),
    [0, 0, 2, 2],
  );
  t.is(found.highestDurable, 2);
  t.is(journal.durable, 2);
});

test('a body over the limit of the ring lies in a run of its own', (t) => {
  const device = newDevice();
  const journal = newJournal(device);
  const body = bodyFor(1, journal.inlineBytesMax + 1);
  const identity = { address: RUN_ADDRESS, blockSize: BLOCK_SIZE, epoch: 4, firstTransaction: 9 };
  const { page, run } = sealBody([body], { ...identity, store: 1 });
  device.writeSync(RUN_ADDRESS * BLOCK_SIZE, [page]);
  const rest = { body: [], epoch: 4, firstTransaction: 9, transactionCount: 2, bodyRun: run };
  const record = journal.append({ type: RECORD_TYPE.transactions, ...rest });
  t.is(record.bytes, BLOCK_SIZE);
  writeRecord(device, record);
  const found = scan(device);
  const [only] = found.records;
  t.deepEqual(only?.bodyRun, run);
  if (only !== undefined) t.deepEqual(runSync(journal.readBody(only)), body);
  t.throws(() => appendBody(journal, journal.inlineBytesMax + 1), { instanceOf: AssertionError });
});

test('readBody() takes runs from the store when the journal has a device of its own', (t) => {
  const device = newDevice();
  const bodyDevice = new SimulatedDevice({ size: 64 * BLOCK_SIZE });
  const journal = new Journal({ ...ringOn(device), bodyDevice });
  journal.begin(JOURNAL_ORIGIN);
  const body = bodyFor(1, 9000);
  const identity = { address: 3, blockSize: BLOCK_SIZE, epoch: 1, firstTransaction: 1, store: 1 };
  const { page, run } = sealBody([body], identity);
  bodyDevice.writeSync(3 * BLOCK_SIZE, [page]);
  const rest = { body: [], epoch: 1, firstTransaction: 1, transactionCount: 1, bodyRun: run };
  writeRecord(device, journal.append({ type: RECORD_TYPE.transactions, ...rest }));
  const [only] = runSync(journal.scan(JOURNAL_ORIGIN)).records;
  t.truthy(only);
  if (only !== undefined) t.deepEqual(runSync(journal.readBody(only)), body);
});

test('readBody() never returns a body that changed after the scan', (t) => {
  const device = newDevice();
  const journal = newJournal(device);
  put(device, journal, 2000);
  const [only] = scan(device).records;
  device.corrupt(RING_OFFSET + 1500);
  if (only === undefined) t.fail();
  else
    t.true(
      hasCode(
        t.throws(() => runSync(journal.readBody(only))),
        'E_CORRUPT',
      ),
    );
});

test('scan() fails on a read error, never ends the journal there', (t) => {
  for (const n of [1, 2]) {
    const device = newDevice();
    const journal = newJournal(device);
    for (let i = 0; i < 5; i++) put(device, journal, 2000);
    device.faults.failAt({ kind: 'read', n });
    if (n === 2) device.faults.makeUnreadable(RING_OFFSET + 4096, 512);
    t.true(
      hasCode(
        t.throws(() => scan(device)),
        'E_IO',
      ),
    );
  }
});

test('scan() takes the records of another journal for nothing', (t) => {
  const device = newDevice();
  const other = new Journal({ ...ringOn(device), uuid: new Uint8Array(16).fill(1) });
  other.begin(JOURNAL_ORIGIN);
  put(device, other, 100);
  put(device, other, 100);
  const found = scan(device);
  t.deepEqual(found.records, []);
  t.is(found.cut, undefined);
  t.deepEqual(found.stale, []);
});
