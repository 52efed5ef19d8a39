/** Texts that are made once. */

import test from 'ava';
import { ByteReader, ByteWriter, textOf } from '../../src/format/bytes.js';
import { readKnownText } from '../../src/txn/known-text.js';

function readerOf(bytes: Uint8Array): ByteReader {
  const writer = new ByteWriter();
  writer.u8(0);
  writer.lengthPrefixed(bytes);
  writer.u8(7);
  const reader = new ByteReader(writer.copy());
  reader.u8();
  return reader;
}

test('readKnownText() gives the text of the bytes, also where names take turns in a slot', (t) => {
  const names = Array.from({ length: 2000 }, (_, i) => Buffer.from(`${i % 10}.${i}_head\xff`));
  names.push(Buffer.alloc(0), Buffer.alloc(64, 'a'), Buffer.alloc(65, 'a'), Buffer.alloc(500, 200));
  for (const name of [...names, ...names.toReversed()]) {
    const reader = readerOf(name);
    t.is(readKnownText(reader), textOf(name));
    t.is(reader.u8(), 7, 'it stops behind the text');
    t.false(reader.failed);
  }
});

test('readKnownText() fails its reader where the bytes are cut short', (t) => {
  const reader = new ByteReader(Uint8Array.of(5, 1, 2));
  t.is(readKnownText(reader), '');
  t.true(reader.failed);
});
