import test from 'ava';
import {
  isPlain,
  isProvisional,
  POINTER,
  pointerAddress,
  pointerBirth,
  pointerChecksumHigh,
  pointerChecksumLow,
  pointerCopy,
  pointerLength,
  pointerLevel,
  pointerRecords,
  putPointer,
  putProvisional,
} from '../../src/format/pointer.js';

const POINTER_SAMPLE = {
  address: 2 ** 47 + 1,
  copy: 2 ** 46 + 3,
  length: 2,
  low: 0x1234_5678,
  high: 0x9abc_def0,
  birth: 2 ** 40,
  level: 3,
  plain: true,
  records: 1_000_000,
  bytes: 2 ** 52 + 1,
} as const;

test('putPointer() writes the golden bytes over whatever was there', (t) => {
  const bytes = new Uint8Array(POINTER.size).fill(255);
  putPointer(bytes, 0, POINTER_SAMPLE);
  t.is(Buffer.from(bytes).toString('hex'), GOLDEN);
});

test('a pointer comes back field by field', (t) => {
  const bytes = new Uint8Array(POINTER.size + 3);
  putPointer(bytes, 3, POINTER_SAMPLE);
  const { address, copy, length, low, high, birth, level, records } = POINTER_SAMPLE;
  t.is(pointerAddress(bytes, 3), address);
  t.is(pointerCopy(bytes, 3), copy);
  t.is(pointerLength(bytes, 3), length);
  t.is(pointerChecksumLow(bytes, 3), low);
  t.is(pointerChecksumHigh(bytes, 3), high);
  t.is(pointerBirth(bytes, 3), birth);
  t.is(pointerLevel(bytes, 3), level);
  t.is(pointerRecords(bytes, 3), records);
  t.true(isPlain(bytes, 3));
  t.false(isProvisional(bytes, 3));
});

test('putProvisional() names a node by its number and says so', (t) => {
  const bytes = new Uint8Array(POINTER.size).fill(255);
  putProvisional(bytes, 0, 77, 2, 1, 9);
  t.true(isProvisional(bytes, 0));
  t.false(isPlain(bytes, 0));
  t.is(pointerAddress(bytes, 0), 77);
  t.is(pointerCopy(bytes, 0), 0);
  t.is(pointerLevel(bytes, 0), 1);
  t.is(pointerBirth(bytes, 0), 9);
});

const GOLDEN = [
  '010000000080020078563412f0debc9a000000000001030140420f000000',
  '0300000000400100000000001000',
].join('');
