import test from 'ava';
import { AssertionError } from '../../src/assert.js';
import { runSync } from '../../src/blockdev/io.js';
import { writeHash } from '../../src/format/checksum.js';
import {
  decodeRecovered,
  JOURNAL_ORIGIN,
  RECORD,
  RECORD_TYPE,
  sealBody,
} from '../../src/format/journal-record.js';
import { fieldsOf } from '../../src/format/layout.js';
import { Journal } from '../../src/txn/journal.js';
import type { JournalScan } from '../../src/txn/journal-scan.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import type { SimulatedDevice } from '../support/simulated-device.js';
import {
  BLOCK_SIZE,
  bodyFor,
  bodyOfBlocks,
  flush,
  mark,
  newDevice,
  newJournal,
  put,
  RING_OFFSET,
  RUN_ADDRESS,
  recover,
  ringOn,
  scan,
  sequences,
  writeRecord,
} from './journal-fixture.js';

/** Three durable records of two blocks, then one of three that a crash tears. */
function tornTail(sectors: number | ReadonlySet<number>): SimulatedDevice {
  const device = newDevice();
  const journal = newJournal(device);
  for (let i = 0; i < 3; i++) put(device, journal, bodyOfBlocks(2));
  flush(device, journal);
  put(device, journal, bodyOfBlocks(3));
  const [entry] = device.unflushedAt(device.point).map((one) => one.index);
  return device.crashAt(device.point, { tears: [{ entry: entry as number, sectors }] });
}

test('scan() cuts a tail that is torn at any sector', (t) => {
  for (let sectors = 0; sectors < 6; sectors++) {
    const found = scan(tornTail(sectors));
    t.deepEqual(sequences(found), [1, 2, 3]);
    t.is(found.damage, undefined);
    t.deepEqual(found.cut?.sequence, sectors === 0 ? undefined : 4);
    t.is(found.next.sequence, 4);
  }
  t.deepEqual(sequences(scan(tornTail(6))), [1, 2, 3, 4]);
});

test('scan() says that it cuts a tail in whose header any one byte is damaged', (t) => {
  const device = newDevice();
  const journal = newJournal(device);
  put(device, journal, 100);
  flush(device, journal);
  put(device, journal, 100);
  for (let at = 0; at < RECORD.size; at++) {
    const copy = device.crashAt(device.point);
    copy.corrupt(RING_OFFSET + BLOCK_SIZE + at);
    const found = scan(copy);
    t.deepEqual(sequences(found), [1]);
    t.is(found.damage, undefined);
    t.like(found.cut, { sequence: 2, offset: BLOCK_SIZE }, `byte ${at}`);
  }
});

test('scan() cuts a tail whatever sectors of it are there', (t) => {
  for (let bits = 0; bits < 63; bits++) {
    const there = new Set([0, 1, 2, 3, 4, 5].filter((sector) => (bits >> sector) & 1));
    const found = scan(tornTail(there));
    t.deepEqual(sequences(found), [1, 2, 3]);
    t.is(found.damage, undefined);
  }
});

test('scan() reports damage where a later record says that it was durable', (t) => {
  const device = newDevice();
  const journal = newJournal(device);
  for (let i = 0; i < 4; i++) {
    put(device, journal, bodyOfBlocks(2));
    flush(device, journal);
  }
  for (const at of [0, 8, 600, 2047]) {
    const copy = device.crashAt(device.point);
    copy.corrupt(RING_OFFSET + 2048 + at);
    const found = scan(copy);
    t.deepEqual(sequences(found), [1]);
    t.like(found.damage, { sequence: 2, offset: 2048 });
    t.is(found.cut, undefined);
    t.is(found.highestDurable, 3);
  }
});

test('scan() tells the last group too when a mark follows it', (t) => {
  const device = newDevice();
  const journal = newJournal(device);
  put(device, journal, 100);
  flush(device, journal);
  put(device, journal, 100);
  flush(device, journal);
  const unmarked = device.crashAt(device.point);
  mark(device, journal);
  for (const one of [device, unmarked]) one.corrupt(RING_OFFSET + BLOCK_SIZE + 130);
  t.like(scan(device).damage, { sequence: 2 });
  t.is(scan(unmarked).damage, undefined);
  t.like(scan(unmarked).cut, { sequence: 2, reason: 'body checksum differs' });
});

test('scan() believes a durable figure from elsewhere', (t) => {
  const device = newDevice();
  const journal = newJournal(device);
  put(device, journal, 100);
  put(device, journal, 100);
  device.corrupt(RING_OFFSET + BLOCK_SIZE + 130);
  const found = runSync(journal.scan(JOURNAL_ORIGIN, { knownDurable: 2 }));
  t.like(found.damage, { sequence: 2 });
  t.is(runSync(journal.scan(JOURNAL_ORIGIN, { knownDurable: 1 })).damage, undefined);
});

test('scan() reports damage where a durable record is gone without a trace', (t) => {
  const device = newDevice();
  const journal = newJournal(device);
  put(device, journal, 100);
  flush(device, journal);
  device.faults.loseAt(1);
  put(device, journal, 100);
  flush(device, journal);
  put(device, journal, 100);
  t.like(scan(device).damage, { sequence: 2, reason: 'it is missing in front of 3' });
});

test('scan() reports damage where a superblock starts at a record that was durable', (t) => {
  const device = newDevice();
  const journal = newJournal(device);
  put(device, journal, 100);
  flush(device, journal);
  put(device, journal, 100);
  device.corrupt(RING_OFFSET + 8);
  t.like(scan(device).damage, { sequence: 1, reason: 'it is missing in front of 2' });
});

/** Records 1, 2 durable; 3 to 6 in flight, of which a crash loses 3. */
function outOfOrder(): SimulatedDevice {
  const device = newDevice();
  const journal = newJournal(device);
  for (let i = 0; i < 2; i++) put(device, journal, 100);
  flush(device, journal);
  for (let i = 0; i < 4; i++) put(device, journal, 100);
  const [third] = device.unflushedAt(device.point).map((entry) => entry.index);
  return device.crashAt(device.point, { drop: new Set([third as number]) });
}

test('scan() cuts records that overtook a lost one and says what to clear', (t) => {
  const found = scan(outOfOrder());
  t.deepEqual(sequences(found), [1, 2]);
  t.like(found.cut, { sequence: 3, reason: 'it is missing in front of 4' });
  t.deepEqual(found.stale, [{ offset: 3 * BLOCK_SIZE, length: 3 * BLOCK_SIZE }]);
});

test('a recovery names what it cut and clears the tail', (t) => {
  const device = outOfOrder();
  const journal = recover(device, scan(device));
  const found = scan(device);
  t.deepEqual(sequences(found), [1, 2, 3]);
  const last = found.records.at(-1);
  t.is(last?.type, RECORD_TYPE.recovered);
  t.is(last?.incarnation, 2);
  const body = last === undefined ? new Uint8Array(0) : runSync(journal.readBody(last));
  t.deepEqual(decodeRecovered(body), { sequence: 3, offset: 2 * BLOCK_SIZE, damaged: false });
  t.deepEqual(found.stale, []);
  t.is(found.cut, undefined);
  t.true(
    device
      .bytes()
      .subarray(RING_OFFSET + 3 * BLOCK_SIZE)
      .every((byte) => byte === 0),
  );
});

test('a tail of a former incarnation is never taken up, nor taken for a witness', (t) => {
  const device = outOfOrder();
  const journal = new Journal(ringOn(device));
  journal.resume(scan(device), 2);
  writeRecord(device, journal.appendRecovered(1));
  flush(device, journal);
  // The tail is not cleared: 4, 5 and 6 of incarnation 1 stand right behind.
  const before = scan(device);
  t.deepEqual(sequences(before), [1, 2, 3]);
  t.is(before.cut, undefined);
  t.is(before.damage, undefined);
  t.deepEqual(before.stale, [{ offset: 3 * BLOCK_SIZE, length: 3 * BLOCK_SIZE }]);
  for (const expected of [
    [1, 2, 3, 4],
    [1, 2, 3, 4, 5],
  ]) {
    put(device, journal, 100);
    const after = scan(device);
    t.deepEqual(sequences(after), expected);
    t.is(after.records.at(-1)?.incarnation, 2);
    t.is(after.damage, undefined);
  }
});

test('a repair goes on behind damage, and what it cut is no witness any more', (t) => {
  const device = newDevice();
  const journal = newJournal(device);
  for (let i = 0; i < 6; i++) {
    put(device, journal, 100);
    flush(device, journal);
  }
  device.corrupt(RING_OFFSET + 2 * BLOCK_SIZE + 9);
  const damaged = scan(device);
  t.like(damaged.damage, { sequence: 3 });
  const repaired = new Journal(ringOn(device));
  repaired.resume(damaged, damaged.highestIncarnation + 1);
  writeRecord(device, repaired.appendRecovered(1));
  flush(device, repaired);
  const uncleared = scan(device);
  t.is(uncleared.damage, undefined);
  t.deepEqual(sequences(uncleared), [1, 2, 3]);
  runSync(repaired.clearTail());
  device.flushSync();
  t.deepEqual(scan(device).stale, []);
});

test('clearTail() leaves alone what was appended since', (t) => {
  const device = outOfOrder();
  const journal = new Journal(ringOn(device));
  journal.resume(scan(device), 2);
  writeRecord(device, journal.appendRecovered(1));
  put(device, journal, bodyOfBlocks(2));
  runSync(journal.clearTail());
  t.deepEqual(sequences(scan(device)), [1, 2, 3, 4]);
  t.deepEqual(scan(device).stale, []);
});

test('recovering twice gives the same records', (t) => {
  const device = outOfOrder();
  recover(device, scan(device));
  const once = scan(device);
  recover(device, once);
  const twice = scan(device);
  t.deepEqual(sequences(twice), [1, 2, 3, 4]);
  t.deepEqual(twice.records.slice(0, 3), once.records.slice());
  t.is(twice.records.at(-1)?.incarnation, 3);
});

test('a crash at any point of a recovery leaves what was there before it', (t) => {
  const device = outOfOrder();
  const from = device.point;
  recover(device, scan(device));
  let crashes = 0;
  for (const crash of device.crashes(from)) {
    const found = scan(crash.device);
    t.deepEqual(sequences(found).slice(0, 2), [1, 2]);
    t.is(found.damage, undefined);
    t.true(found.records.slice(2).every((record) => record.type === RECORD_TYPE.recovered));
    recover(crash.device, found);
    const again = scan(crash.device);
    t.is(again.damage, undefined);
    t.deepEqual(again.stale, []);
    t.is(again.records.length, found.records.length + 1);
    crashes++;
  }
  t.true(crashes > 5);
});

test('a pad that is lost ends the chain in front of the record behind it', (t) => {
  const device = newDevice();
  const journal = newJournal(device);
  for (let i = 0; i < 15; i++) put(device, journal, bodyOfBlocks(4));
  flush(device, journal);
  const start = journal.position();
  journal.release(start);
  put(device, journal, bodyOfBlocks(6));
  t.deepEqual(sequences(runSync(journal.scan(start))), [17]);
  const entries = device.unflushedAt(device.point).map((entry) => entry.index);
  for (const drop of [[0], [1], [0, 1], []]) {
    const lost = new Set(drop.map((index) => entries[index] as number));
    const crashed = device.crashAt(device.point, { drop: lost });
    const after = runSync(new Journal(ringOn(crashed)).scan(start));
    t.is(after.damage, undefined);
    t.deepEqual(sequences(after), lost.size === 0 ? [17] : []);
  }
});

/** One durable record, then one whose body lies in a run. */
function withRun(device: SimulatedDevice, journal: Journal): void {
  put(device, journal, 100);
  flush(device, journal);
  const identity = { address: RUN_ADDRESS, blockSize: BLOCK_SIZE, epoch: 1, firstTransaction: 1 };
  const { page, run } = sealBody([bodyFor(2, 9000)], { ...identity, store: 1 });
  device.writeSync(RUN_ADDRESS * BLOCK_SIZE, [page]);
  const rest = { body: [], epoch: 1, firstTransaction: 1, transactionCount: 1, bodyRun: run };
  writeRecord(device, journal.append({ type: RECORD_TYPE.transactions, ...rest }));
}

test('scan() cuts a record whose run is torn, and reports damage once it was durable', (t) => {
  const device = newDevice();
  const journal = newJournal(device);
  withRun(device, journal);
  const torn = device.crashAt(device.point);
  torn.corrupt(RUN_ADDRESS * BLOCK_SIZE + 5000);
  t.like(scan(torn).cut, { sequence: 2, reason: 'checksum differs from its pointer' });
  flush(device, journal);
  mark(device, journal);
  device.corrupt(RUN_ADDRESS * BLOCK_SIZE + 5000);
  t.like(scan(device).damage, { sequence: 2 });
});

test('cut() takes back a record whose data is torn, and all behind it', (t) => {
  const device = newDevice();
  const journal = newJournal(device);
  put(device, journal, 100);
  flush(device, journal);
  for (let i = 0; i < 3; i++) put(device, journal, bodyOfBlocks(2));
  const found = scan(device);
  const cutAt = (index: number): JournalScan => {
    const record = found.records[index];
    if (record === undefined) throw new RangeError('no such record');
    return journal.cut(found, record, 'extent is torn');
  };
  t.throws(() => cutAt(0), { instanceOf: AssertionError });
  const cut = cutAt(2);
  t.deepEqual(sequences(cut), [1, 2]);
  t.deepEqual(cut.cut, { sequence: 3, offset: 3 * BLOCK_SIZE, reason: 'extent is torn' });
  t.deepEqual(cut.stale, [{ offset: 3 * BLOCK_SIZE, length: 4 * BLOCK_SIZE }]);
  recover(device, cut);
  t.deepEqual(sequences(scan(device)), [1, 2, 3]);
  t.deepEqual(scan(device).stale, []);
});

test('a record that continues another history is not taken up', (t) => {
  const device = newDevice();
  const found = scan(device);
  const [first, second] = [new Journal(ringOn(device)), new Journal(ringOn(device))];
  first.resume(found, 2);
  writeRecord(device, first.appendRecovered(1));
  put(device, first, 100);
  t.deepEqual(sequences(scan(device)), [1, 2]);
  second.resume(found, 2);
  writeRecord(device, second.appendRecovered(7));
  const mixed = scan(device);
  t.deepEqual(sequences(mixed), [1]);
  t.like(mixed.cut, { sequence: 2, reason: 'it continues another record' });
});

test('scan() of random damage gives true records only, and says when one was durable', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const device = newDevice();
  const journal = newJournal(device);
  for (let i = 0; i < 12; i++) {
    put(device, journal, prng.below(4000));
    flush(device, journal);
  }
  mark(device, journal);
  const whole = scan(device);
  for (let i = 0; i < 1500; i++) {
    const hurt = device.crashAt(device.point);
    // Not over two records at once: without the mark nobody knows that the last one was durable.
    const at =
      prng.below(journal.usedBytes / BLOCK_SIZE) * BLOCK_SIZE + prng.below(BLOCK_SIZE - 40);
    hurt.corrupt(RING_OFFSET + at, prng.between(1, 40), prng.between(1, 256));
    const found = scan(hurt);
    t.deepEqual(found.records, whole.records.slice(0, found.records.length));
    if (found.records.length < 12) t.is(found.damage?.sequence, found.records.length + 1);
  }
});

test('scan() of hostile headers ends, whatever they say', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const device = newDevice();
  const journal = newJournal(device);
  for (let i = 0; i < 8; i++) put(device, journal, 1500);
  for (let i = 0; i < 1500; i++) {
    const hurt = device.crashAt(device.point);
    const offset = RING_OFFSET + 2048 * prng.below(8);
    const sector = new Uint8Array(512);
    hurt.readSync(offset, sector);
    const field = prng.pick(fieldsOf(RECORD).slice(3));
    for (let j = 0; j < 2; j++) sector[field.offset + prng.below(field.size)] = prng.u32();
    writeHash(sector, RECORD.checksum, sector, RECORD.magic, RECORD.size);
    hurt.overwrite(offset, sector);
    const found = scan(hurt);
    t.true(found.records.length <= 8);
    if (found.damage === undefined) recover(hurt, found);
  }
});

test('resume() takes no incarnation that was seen', (t) => {
  const device = outOfOrder();
  const journal = new Journal(ringOn(device));
  t.throws(() => journal.resume(scan(device), 1), { instanceOf: AssertionError });
});

test('appendRecovered() finds room in a ring that is full of transactions', (t) => {
  const device = newDevice();
  const journal = newJournal(device);
  while (journal.fits(bodyOfBlocks(4))) put(device, journal, bodyOfBlocks(4));
  while (journal.fits(0)) put(device, journal, 0);
  for (let i = 0; i < 4; i++) recover(device, scan(device));
  const full = scan(device);
  t.is(full.records.filter((record) => record.type === RECORD_TYPE.recovered).length, 4);
  const last = new Journal(ringOn(device));
  last.resume(full, full.highestIncarnation + 1);
  t.false(last.fits(0, RECORD_TYPE.recovered));
  t.like(last.position(), { sequence: full.next.sequence, incarnation: 6 });
});
