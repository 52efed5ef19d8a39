import test from 'ava';
import { AssertionError } from '../../src/assert.js';
import {
  ByteReader,
  ByteWriter,
  compareBytes,
  getU16,
  getU32,
  getU48,
  getU64,
  getU64BigEndian,
  setU16,
  setU32,
  setU48,
  setU64,
  setU64BigEndian,
  setVarint,
  VARINT_SIZE_MAX,
  varintSize,
} from '../../src/format/bytes.js';

const EDGES = [0, 1, 127, 128, 255, 256, 2 ** 16 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 48 - 1];
const WIDE = [...EDGES, 2 ** 48, 2 ** 53 - 1];

test('integers come back as they were set, little-endian', (t) => {
  const bytes = new Uint8Array(8);
  for (const value of WIDE) {
    setU64(bytes, 0, value);
    t.is(getU64(bytes, 0), value);
    t.is(Buffer.from(bytes).readBigUInt64LE(), BigInt(value));
    setU64BigEndian(bytes, 0, value);
    t.is(getU64BigEndian(bytes, 0), value);
    t.is(Buffer.from(bytes).readBigUInt64BE(), BigInt(value));
  }
  for (const value of EDGES) {
    setU48(bytes, 0, value);
    t.is(getU48(bytes, 0), value);
    setU32(bytes, 0, value);
    t.is(getU32(bytes, 0), value % 2 ** 32);
    setU16(bytes, 0, value);
    t.is(getU16(bytes, 0), value % 2 ** 16);
  }
});

test('setU64() and setU48() refuse what they cannot hold', (t) => {
  const bytes = new Uint8Array(8);
  for (const value of [-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.throws(() => setU64(bytes, 0, value), { instanceOf: AssertionError });
  }
  for (const value of [-1, 2 ** 48]) {
    t.throws(() => setU48(bytes, 0, value), { instanceOf: AssertionError });
  }
});

test('getU64() gives Infinity over 2^53', (t) => {
  t.is(getU64(new Uint8Array(8).fill(255), 0), Number.POSITIVE_INFINITY);
  t.is(getU64BigEndian(new Uint8Array(8).fill(255), 0), Number.POSITIVE_INFINITY);
});

test('big-endian integers sort as their bytes do', (t) => {
  const encoded = WIDE.map((value) => {
    const bytes = new Uint8Array(8);
    setU64BigEndian(bytes, 0, value);
    return bytes;
  });
  t.deepEqual([...encoded].reverse().sort(compareBytes), encoded);
});

test('varints come back in as many bytes as varintSize() says', (t) => {
  const bytes = new Uint8Array(VARINT_SIZE_MAX);
  for (const value of WIDE) {
    const end = setVarint(bytes, 0, value);
    t.is(end, varintSize(value));
    const reader = new ByteReader(bytes, 0, end);
    t.is(reader.varint(), value);
    t.false(reader.failed);
    const short = new ByteReader(bytes, 0, end - 1);
    short.varint();
    t.true(short.failed);
  }
});

test('setVarint() refuses what is no count', (t) => {
  const bytes = new Uint8Array(VARINT_SIZE_MAX);
  for (const value of [-1, 0.5, 1.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.throws(() => setVarint(bytes, 0, value), { instanceOf: AssertionError });
  }
});

test('ByteReader.varint() refuses what is too long or too large', (t) => {
  for (const bytes of [new Uint8Array(9).fill(128), new Uint8Array([...Array(7).fill(255), 127])]) {
    const reader = new ByteReader(bytes);
    reader.varint();
    t.true(reader.failed);
  }
});

test('ByteReader reads what ByteWriter wrote, and nothing behind it', (t) => {
  const writer = new ByteWriter(1);
  writer.u8(1);
  writer.u16(2);
  writer.u32(3);
  writer.u48(4);
  writer.u64(5);
  writer.varint(600);
  writer.raw(Uint8Array.of(7, 8));
  const reader = new ByteReader(writer.bytes, 0, writer.at);
  const values = [reader.u8(), reader.u16(), reader.u32(), reader.u48(), reader.u64()];
  t.deepEqual([...values, reader.varint()], [1, 2, 3, 4, 5, 600]);
  t.deepEqual([...reader.take(2)], [7, 8]);
  t.false(reader.failed);
  t.is(reader.u8(), 0);
  t.true(reader.failed);
  t.is(reader.take(1).length, 0);
});
