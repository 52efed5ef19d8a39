import test from 'ava';
import { AssertionError } from '../../src/assert.js';
import { CorruptError, hasCode, StoreError } from '../../src/errors.js';
import { setU32, setU64 } from '../../src/format/bytes.js';
import { writeHash } from '../../src/format/checksum.js';
import { COUNTED_LIMIT, EPOCH_LIMIT } from '../../src/format/journal-record.js';
import { fieldsOf } from '../../src/format/layout.js';
import {
  decodeSuperblock,
  encodeSuperblock,
  isWritable,
  ROOTS_BYTES_MAX,
  SUPERBLOCK,
  SUPERBLOCK_SIZE,
  type Superblock,
} from '../../src/format/superblock.js';
import { slotBytes, slotStrideFor, superblockFault } from '../../src/format/superblock-bounds.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { MIB, sampleSuperblock } from './superblock-sample.js';

/** Makes the checksum of changed bytes right again. */
function reseal(bytes: Uint8Array): Uint8Array {
  writeHash(bytes, SUPERBLOCK.checksum, bytes, SUPERBLOCK.magic, SUPERBLOCK_SIZE);
  return bytes;
}

test('encodeSuperblock() writes the golden bytes', (t) => {
  const bytes = encodeSuperblock(sampleSuperblock(), 4096);
  t.is(bytes.length, 4096);
  t.is(Buffer.from(bytes.subarray(0, SUPERBLOCK.size + 20)).toString('hex'), GOLDEN);
  t.true(bytes.subarray(SUPERBLOCK.size + 20).every((byte) => byte === 0));
});

test('decodeSuperblock() gives back what was encoded', (t) => {
  const fields = sampleSuperblock({
    number: COUNTED_LIMIT - 1,
    label: 'tång '.repeat(10),
    cleanClose: true,
  });
  t.deepEqual(decodeSuperblock(encodeSuperblock(fields, 8 * MIB), 8 * MIB), fields);
  const full = { ...fields.roots, collections: new Uint8Array(ROOTS_BYTES_MAX - 3).fill(255) };
  const brimming = sampleSuperblock({ roots: full });
  t.deepEqual(decodeSuperblock(encodeSuperblock(brimming, 0), 0), brimming);
});

test('decodeSuperblock() refuses every flipped bit', (t) => {
  const bytes = encodeSuperblock(sampleSuperblock(), 0);
  for (let at = 0; at < SUPERBLOCK_SIZE; at++) {
    bytes[at] = (bytes[at] as number) ^ (1 << (at % 8));
    const error = t.throws(() => decodeSuperblock(bytes, 0), { instanceOf: CorruptError });
    if (error?.offset !== 0) t.fail(`offset at byte ${at}`);
    bytes[at] = (bytes[at] as number) ^ (1 << (at % 8));
  }
});

test('decodeSuperblock() refuses one that lies elsewhere', (t) => {
  const bytes = encodeSuperblock(sampleSuperblock(), 0);
  t.throws(() => decodeSuperblock(bytes, 4096), {
    message: /at device offset 4096: .*belongs at 0$/,
  });
});

test('decodeSuperblock() tells another format from damage', (t) => {
  const newer = encodeSuperblock(sampleSuperblock(), 0);
  setU32(newer, SUPERBLOCK.version, 3);
  t.true(
    hasCode(
      t.throws(() => decodeSuperblock(newer, 0)),
      'E_CORRUPT',
    ),
  );
  t.true(
    hasCode(
      t.throws(() => decodeSuperblock(reseal(newer), 0)),
      'E_VERSION',
    ),
  );
  const older = encodeSuperblock(sampleSuperblock(), 0);
  setU32(older, SUPERBLOCK.version, 1);
  const refused = t.throws(() => decodeSuperblock(reseal(older), 0));
  t.true(hasCode(refused, 'E_VERSION'));
  t.regex(refused?.message ?? '', /version 1 is older than 2: export .*new store$/);
  const unknown = encodeSuperblock(sampleSuperblock(), 0);
  setU32(unknown, SUPERBLOCK.incompat, 0x8000_0000);
  const error = t.throws(() => decodeSuperblock(reseal(unknown), 0));
  t.true(hasCode(error, 'E_VERSION'));
  t.regex(error?.message ?? '', /0x80000000/);
});

test('isWritable() is false under unknown roCompat features only', (t) => {
  t.true(isWritable(sampleSuperblock({ compat: 4 })));
  const bytes = encodeSuperblock(sampleSuperblock({ roCompat: 2 }), 0);
  t.false(isWritable(decodeSuperblock(bytes, 0)));
});

const HOSTILE: Record<string, Partial<Superblock>> = {
  'number 0': { number: 0 },
  'number over its limit': { number: 2 ** 52 },
  'epoch over its limit': { epoch: 2 ** 52 },
  'block size 512': { blockSize: 512 },
  'block size not a power': { blockSize: 5120, nodeSize: 5120 },
  'block size too large': { blockSize: 131072, nodeSize: 131072 },
  'node below a block': { nodeSize: 2048 },
  'node over its limit': { nodeSize: 131072 },
  'no blocks': { deviceBlocks: 0 },
  'more blocks than the limit': { deviceBlocksMax: 4095 },
  'limit over 2^48 blocks': { deviceBlocksMax: 2 ** 48 + 1 },
  'limit over 2^53 bytes': { deviceBlocksMax: 2 ** 42 },
  'empty groups': { groupBlocks: 0 },
  'stripe without unit': { stripeWidth: 8192 },
  'stripe without width': { stripeUnit: 4096 },
  'stripe of half units': { stripeUnit: 8192, stripeWidth: 12288, slotStride: 196608 },
  'slots not whole stripes': { stripeUnit: 4096, stripeWidth: 12288, slotStride: 65536 },
  'stride 0': { slotStride: 0 },
  'stride off a step': { slotStride: 100 * 1024 },
  'stride over its limit': { slotStride: 257 * MIB },
  'far slots not on a step': { farOffset: 8 * MIB + 4096 },
  'far slots over near ones': { farOffset: 0 },
  'far slots off the device': { farOffset: 16 * MIB },
  'no copy': { metadataCopies: 0 },
  'three copies': { metadataCopies: 3 },
  'journal off a block': { journalOffset: MIB + 512 },
  'journal too small': { journalBytes: 4096 },
  'journal too large': {
    journalBytes: 2048 * MIB,
    deviceBlocks: 2 ** 24,
    deviceBlocksMax: 2 ** 24,
  },
  'journal over near slots': { journalOffset: 4096 },
  'journal over far slots': { journalOffset: 8 * MIB - 4096 },
  'journal off the device': { journalOffset: 16 * MIB - 4096 },
  'journal far away': { journalOffset: 2 ** 52 },
  'head off the ring': {
    journalStart: { head: MIB, sequence: 1, previous: new Uint8Array(8), incarnation: 1 },
  },
  'head off a block': {
    journalStart: { head: 512, sequence: 1, previous: new Uint8Array(8), incarnation: 1 },
  },
  'sequence 0': {
    journalStart: { head: 0, sequence: 0, previous: new Uint8Array(8), incarnation: 1 },
  },
  'incarnation 0': {
    journalStart: { head: 0, sequence: 1, previous: new Uint8Array(8), incarnation: 0 },
  },
};

for (const [name, changes] of Object.entries(HOSTILE)) {
  test(`superblockFault() finds ${name}`, (t) => {
    t.is(superblockFault(sampleSuperblock()), undefined);
    t.is(typeof superblockFault(sampleSuperblock(changes)), 'string');
    t.throws(() => encodeSuperblock(sampleSuperblock(changes), 0), { instanceOf: AssertionError });
  });
}

test('decodeSuperblock() refuses integers over 2^53, a bad label and a dirty end', (t) => {
  const changes: ((bytes: Uint8Array) => void)[] = [
    (bytes) => bytes.fill(255, SUPERBLOCK.storedBytes, SUPERBLOCK.storedBytes + 8),
    (bytes) => bytes.fill(255, SUPERBLOCK.number, SUPERBLOCK.number + 8),
    (bytes) => bytes.fill(255, SUPERBLOCK.journalSequence, SUPERBLOCK.journalSequence + 8),
    (bytes) => bytes.fill(255, SUPERBLOCK.label, SUPERBLOCK.label + 2),
    (bytes) => bytes.fill(65, SUPERBLOCK.label + 63, SUPERBLOCK.label + 64),
    (bytes) => bytes.fill(1, 4095),
    (bytes) => bytes.fill(255, SUPERBLOCK.size, SUPERBLOCK.size + 2),
    (bytes) => bytes.fill(2, SUPERBLOCK.cleanClose, SUPERBLOCK.cleanClose + 1),
    (bytes) => setU32(bytes, SUPERBLOCK.version, 0),
  ];
  for (const change of changes) {
    const bytes = encodeSuperblock(sampleSuperblock(), 0);
    change(bytes);
    t.throws(() => decodeSuperblock(reseal(bytes), 0), { instanceOf: CorruptError });
  }
});

test('decodeSuperblock() refuses what leaves no room to count up', (t) => {
  const { journalStart } = sampleSuperblock();
  const changes: readonly Partial<Superblock>[] = [
    { number: COUNTED_LIMIT },
    { transaction: COUNTED_LIMIT },
    { nextObject: COUNTED_LIMIT },
    { nextCollection: COUNTED_LIMIT },
    { nextDrop: COUNTED_LIMIT },
    { epoch: EPOCH_LIMIT },
    { journalStart: { ...journalStart, sequence: COUNTED_LIMIT } },
    { journalStart: { ...journalStart, incarnation: COUNTED_LIMIT } },
  ];
  for (const change of changes) {
    const bytes = encodeSuperblock(sampleSuperblock(change), 0);
    t.throws(() => decodeSuperblock(bytes, 0), { message: /too high to be counted up/ });
  }
});

test('decodeSuperblock() answers random sealed bytes with a store error or a sound superblock', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  for (let i = 0; i < 3000; i++) {
    const bytes = encodeSuperblock(sampleSuperblock(), 0);
    const field = prng.pick(fieldsOf(SUPERBLOCK).slice(3));
    for (let j = prng.between(1, 4); j > 0; j--) {
      bytes[field.offset + prng.below(field.size)] = prng.below(256);
    }
    if (prng.chance(0.3)) bytes[SUPERBLOCK.size + prng.below(64)] = prng.below(256);
    setU64(bytes, SUPERBLOCK.address, 0);
    try {
      t.is(superblockFault(decodeSuperblock(reseal(bytes), 0)), undefined);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
  }
});

test('slotBytes() pads a slot to whole stripes', (t) => {
  t.is(slotBytes({ blockSize: 1024, stripeWidth: 0 }), 4096);
  t.is(slotBytes({ blockSize: 65536, stripeWidth: 0 }), 65536);
  t.is(slotBytes({ blockSize: 1024, stripeWidth: 3072 }), 6144);
  t.is(slotBytes({ blockSize: 4096, stripeWidth: 196608 }), 196608);
});

test('slotStrideFor() is the least of whole steps and whole slots', (t) => {
  t.is(slotStrideFor({ blockSize: 1024, stripeWidth: 0 }), 65536);
  t.is(slotStrideFor({ blockSize: 4096, stripeWidth: 48 * 1024 }), 192 * 1024);
  t.is(slotStrideFor({ blockSize: 4096, stripeWidth: 2.5 * MIB }), 2.5 * MIB);
  t.throws(() => slotStrideFor({ blockSize: 1024, stripeWidth: 8 * MIB + 1024 }), {
    code: 'E_INVALID_ARGUMENT',
  });
});

const GOLDEN = [
  'b688cd71ba28bdaa484f4c444641535402000000001000000000000001000000',
  '000000000102030405060708090a0b0c0d0e0f106b656c700000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0010000000200000001000000000000000200000000000000004000000000000',
  '0000000000000100000080000000000001a0a1a2a3a4a5a6a7a8a9aaabacadae',
  'af00001000000000000000100000000000000000000000000001000000000000',
  '000000000000000000010000000000000007000000000000000b000000000000',
  '000d000000000000001100000000000000130000000000000017000000000100',
  '001d00000000000000006c50c4a0010000016c50c4a001000000030001020300',
  '0001000400000000020005060000',
].join('');
