import test from 'ava';
import { runSync } from '../../src/blockdev/io.js';
import { equalBytes } from '../../src/format/bytes.js';
import {
  JOURNAL_ORIGIN,
  type JournalPosition,
  RECORD_TYPE,
} from '../../src/format/journal-record.js';
import { type AppendedRecord, Journal } from '../../src/txn/journal.js';
import { type JournalScan, readBody, type ScannedRecord } from '../../src/txn/journal-scan.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import type { SimulatedDevice } from '../support/simulated-device.js';
import {
  appendBody,
  bodyFor,
  bodyOfBlocks,
  newDevice,
  ringOn,
  writeRecord,
} from './journal-fixture.js';

/** What a record was: its body, undefined for one without our body. */
interface Expected {
  readonly sequence: number;
  readonly body: Uint8Array | undefined;
}

/**
 * A journal under random appends, flushes, checkpoints and crashes, beside a plain list.
 * `start` is what a superblock would hold; its writes are taken to be durable at once.
 */
class Model {
  readonly prng: Prng;
  device: SimulatedDevice;
  journal: Journal;
  start: JournalPosition = JOURNAL_ORIGIN;
  positions: JournalPosition[] = [];
  expected: Expected[] = [];
  inFlight: AppendedRecord[] = [];
  acknowledged = 0;
  crashes = 0;

  constructor(prng: Prng) {
    this.prng = prng;
    this.device = newDevice();
    this.journal = new Journal(ringOn(this.device));
    this.journal.begin(JOURNAL_ORIGIN);
  }

  step(): void {
    const choice = this.prng.next();
    if (choice < 0.5) this.append();
    else if (choice < 0.6) this.flush();
    else if (choice < 0.7) this.commit();
    else if (choice < 0.75) this.mark();
    else if (choice < 0.93) this.checkpoint();
    else this.crash();
  }

  append(): void {
    const { prng, journal } = this;
    const blocks = prng.below(8);
    const length = prng.chance(0.3) ? bodyOfBlocks(blocks + 1) : prng.below(1024 * blocks + 1);
    const inline = Math.min(length, journal.inlineBytesMax);
    if (journal.fits(inline)) this.#append(inline);
    else this.checkpoint();
  }

  mark(): void {
    if (!this.journal.fits(0)) return;
    const bare = { body: [], epoch: 1, firstTransaction: 0, transactionCount: 0 };
    this.#note(this.journal.append({ type: RECORD_TYPE.mark, ...bare }), undefined);
  }

  #append(length: number): void {
    const body = bodyFor(this.journal.position().sequence, length);
    this.#note(appendBody(this.journal, length), body);
  }

  #note(record: AppendedRecord, body: Uint8Array | undefined): void {
    writeRecord(this.device, record);
    this.inFlight.push(record);
    this.expected.push({ sequence: record.sequence, body });
    this.positions.push(this.journal.position());
  }

  flush(): void {
    this.device.flushSync();
    this.inFlight = [];
    this.acknowledged = this.journal.position().sequence - 1;
    this.journal.noteDurable(this.acknowledged);
  }

  /** What a synchronous commit does: everything in flight again, its own, one flush. */
  commit(): void {
    if (!this.journal.fits(500)) return;
    for (const record of this.inFlight) writeRecord(this.device, record);
    this.#append(500);
    this.flush();
  }

  /** A superblock at some position that is durable; everything before it is released. */
  checkpoint(): void {
    this.flush();
    const position = this.prng.chance(0.3) ? this.journal.position() : this.#anyPosition();
    if (position === undefined) return;
    this.start = position;
    this.journal.release(position);
    this.positions = this.positions.filter((one) => one.sequence > position.sequence);
    this.expected = this.expected.filter((one) => one.sequence >= position.sequence);
  }

  #anyPosition(): JournalPosition | undefined {
    return this.positions.length === 0 ? undefined : this.prng.pick(this.positions);
  }

  /** Crashes, and recovers until no crash comes in between. */
  crash(): void {
    do {
      this.crashes++;
      this.device = this.device.randomCrash(this.prng, this.device.point).device;
    } while (!this.#recover());
    this.positions = [this.journal.position()];
  }

  /** False when a crash comes in between. */
  #recover(): boolean {
    const { prng, device } = this;
    const found = this.#scan();
    const journal = new Journal(ringOn(device));
    journal.resume(found, found.highestIncarnation + 1);
    this.journal = journal;
    this.inFlight = [];
    if (!journal.fits(0, RECORD_TYPE.recovered)) {
      this.checkpoint();
      return true;
    }
    const record = journal.appendRecovered(1);
    writeRecord(device, record);
    if (prng.chance(0.3)) return false;
    this.expected.push({ sequence: record.sequence, body: undefined });
    this.flush();
    runSync(journal.clearTail());
    if (prng.chance(0.3)) return false;
    device.flushSync();
    return true;
  }

  /** Scans, and throws when the result is not one that a crash may leave. */
  #scan(): JournalScan {
    const found = runSync(new Journal(ringOn(this.device)).scan(this.start));
    const last = found.next.sequence - 1;
    if (found.damage !== undefined) throw new Error(`damage: ${found.damage.reason}`);
    if (last < this.acknowledged) throw new Error(`${last} is below ${this.acknowledged}`);
    if (found.highestDurable > this.acknowledged) throw new Error('durable before acknowledged');
    this.#compare(
      found.records.filter((record) => record.type !== RECORD_TYPE.pad),
      last,
    );
    return found;
  }

  #compare(records: readonly ScannedRecord[], last: number): void {
    const highest = this.expected.at(-1)?.sequence ?? this.start.sequence - 1;
    const survivors = this.expected.filter((one) => one.sequence <= last);
    for (const [i, { sequence, body }] of survivors.entries()) {
      const record = records[i];
      if (record?.sequence !== sequence) throw new Error(`record ${sequence} is missing`);
      const found = runSync(readBody(ringOn(this.device), record));
      if (body !== undefined && !equalBytes(found, body)) throw new Error(`body of ${sequence}`);
    }
    // A recovered record whose flush had not been waited for may be there or not.
    const others = records.slice(survivors.length);
    const isOurs = others.every((one) => one.type === RECORD_TYPE.recovered);
    if (!isOurs || others.some((one) => one.sequence <= highest)) throw new Error('a stray record');
    this.expected = [
      ...survivors,
      ...others.map((one) => ({ sequence: one.sequence, body: undefined })),
    ];
  }
}

test('after every crash a scan gives all records up to at least the last acknowledged', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  let crashes = 0;
  for (let round = 0; round < 60; round++) {
    const model = new Model(prng.fork());
    for (let step = 0; step < 150; step++) model.step();
    model.crash();
    crashes += model.crashes;
  }
  t.true(crashes > 300);
});
