import test from 'ava';
import { BLOCK_HEADER, BLOCK_TYPE, blockFault } from '../../src/format/block.js';
import { equalBytes, setU16, setU32, setU48, setU64 } from '../../src/format/bytes.js';
import { writeHash } from '../../src/format/checksum.js';
import {
  decodeRecordHeader,
  decodeRecovered,
  encodeRecordHeader,
  encodeRecovered,
  RECORD,
  RECORD_BODY_BYTES_MAX,
  RECORD_TYPE,
  RECOVERED,
  type RecordHeader,
  recordFault,
  sealBody,
} from '../../src/format/journal-record.js';
import { fieldsOf } from '../../src/format/layout.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';

const UUID = Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i);

function sampleHeader(changes: Partial<RecordHeader> = {}): RecordHeader {
  return {
    type: RECORD_TYPE.transactions,
    offset: 8192,
    incarnation: 3,
    sequence: 42,
    previous: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    durable: 40,
    epoch: 9,
    firstTransaction: 1000,
    transactionCount: 5,
    bodyLength: 300,
    bodyLow: 0x1234_5678,
    bodyHigh: 0x9abc_def0,
    ...changes,
  };
}

function encoded(header: RecordHeader): Uint8Array {
  const bytes = new Uint8Array(RECORD.size);
  encodeRecordHeader(bytes, 0, UUID, header);
  return bytes;
}

function reseal(bytes: Uint8Array): Uint8Array {
  writeHash(bytes, RECORD.checksum, bytes, RECORD.magic, RECORD.size);
  return bytes;
}

test('encodeRecordHeader() writes the golden bytes', (t) => {
  t.is(Buffer.from(encoded(sampleHeader())).toString('hex'), GOLDEN);
});

test('decodeRecordHeader() gives back what was encoded, with and without a run', (t) => {
  const inline = sampleHeader();
  t.deepEqual(decodeRecordHeader(encoded(inline), 0), inline);
  const low = inline.bodyLow;
  const high = inline.bodyHigh;
  const run = sampleHeader({
    bodyRun: { address: 2 ** 47, blocks: 9, bodyLength: 300, low, high },
  });
  t.deepEqual(decodeRecordHeader(encoded(run), 0), run);
});

test('recordFault() finds every flipped bit, another place and another journal', (t) => {
  const bytes = encoded(sampleHeader());
  t.is(recordFault(bytes, 0, UUID, 8192), undefined);
  t.is(recordFault(bytes, 0, UUID, 4096), 'offset is not its own');
  t.is(recordFault(bytes, 0, new Uint8Array(16), 8192), 'not a record of this journal');
  for (let bit = 0; bit < 8 * RECORD.size; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    if (recordFault(flipped, 0, UUID, 8192) === undefined) t.fail(`bit ${bit}`);
  }
});

test('recordFault() finds what no writer writes, under a right checksum', (t) => {
  const changes: Record<string, (bytes: Uint8Array) => void> = {
    version: (bytes) => bytes.fill(2, RECORD.version, RECORD.version + 1),
    'type 0': (bytes) => bytes.fill(0, RECORD.type, RECORD.type + 1),
    'type 6': (bytes) => bytes.fill(6, RECORD.type, RECORD.type + 1),
    reserved: (bytes) => setU16(bytes, RECORD.reserved, 256),
    padding: (bytes) => bytes.fill(1, RECORD.size - 1),
    'incarnation 0': (bytes) => setU64(bytes, RECORD.incarnation, 0),
    'incarnation over 2^53': (bytes) => setU32(bytes, RECORD.incarnation + 4, 2 ** 31),
    'sequence 0': (bytes) => setU64(bytes, RECORD.sequence, 0),
    'sequence over 2^53': (bytes) => setU32(bytes, RECORD.sequence + 4, 2 ** 31),
    'durable not below': (bytes) => setU64(bytes, RECORD.durable, 42),
    'epoch over 2^53': (bytes) => setU32(bytes, RECORD.epoch + 4, 2 ** 31),
    'transaction over 2^53': (bytes) => setU32(bytes, RECORD.firstTransaction + 4, 2 ** 31),
    'long body': (bytes) => setU32(bytes, RECORD.bodyLength, RECORD_BODY_BYTES_MAX + 1),
    'run without blocks': (bytes) => setU48(bytes, RECORD.bodyAddress, 7),
    'run without address': (bytes) => setU32(bytes, RECORD.bodyBlocks, 7),
    'mark with a body': (bytes) => bytes.fill(2, RECORD.type, RECORD.type + 1),
  };
  for (const [name, change] of Object.entries(changes)) {
    const bytes = encoded(sampleHeader());
    change(bytes);
    t.is(typeof recordFault(reseal(bytes), 0, UUID, 8192), 'string', name);
  }
});

test('recordFault() bounds everything that decodeRecordHeader() reads', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  for (let i = 0; i < 20000; i++) {
    const bytes = encoded(sampleHeader());
    const field = prng.pick(fieldsOf(RECORD));
    for (let j = 0; j < 3; j++) bytes[field.offset + prng.below(field.size)] = prng.below(256);
    if (recordFault(reseal(bytes), 0, UUID, 8192) !== undefined) continue;
    const header = decodeRecordHeader(bytes, 0);
    const numbers = Object.values(header).filter((value) => typeof value === 'number');
    if (!numbers.every((value) => Number.isSafeInteger(value))) t.fail(JSON.stringify(header));
    if (header.bodyLength > RECORD_BODY_BYTES_MAX) t.fail('body over its limit');
  }
  t.pass();
});

test('sealBody() makes a block run that its checksum vouches for', (t) => {
  const parts = [new Uint8Array(5000).fill(1), new Uint8Array(4000).fill(2)];
  const identity = { address: 77, blockSize: 4096, epoch: 5, firstTransaction: 6, store: 7 };
  const { page, run } = sealBody(parts, identity);
  t.is(page.length, 3 * 4096);
  t.like(run, { address: 77, blocks: 3, bodyLength: 9000 });
  const expected = { type: BLOCK_TYPE.journal, level: 0, role: 0, address: 77, birth: 5 };
  t.is(blockFault(page, expected, run.low, run.high), undefined);
  t.is(
    blockFault(page, { ...expected, birth: 6 }, run.low, run.high),
    'birth differs from its pointer',
  );
  const body = page.subarray(BLOCK_HEADER.size, BLOCK_HEADER.size + 9000);
  t.true(equalBytes(body, Buffer.concat(parts)));
});

test('decodeRecovered() gives back what was encoded and nothing else', (t) => {
  const recovered = { sequence: 9, offset: 4096, damaged: true };
  const bytes = encodeRecovered(recovered);
  t.deepEqual(decodeRecovered(bytes), recovered);
  t.is(decodeRecovered(bytes.subarray(1)), undefined);
  bytes[RECOVERED.damaged] = 2;
  t.is(decodeRecovered(bytes), undefined);
});

const GOLDEN = [
  '2358c8bd2214f86a48464a5201010000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf',
  '002000000000000003000000000000002a000000000000000102030405060708',
  '28000000000000000900000000000000e803000000000000050000002c010000',
  '78563412f0debc9a000000000000000000000000000000000000000000000000',
].join('');
