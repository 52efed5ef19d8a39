/** Records of objects, collections, values and extents: as they are stored, and when damaged. */

import test from 'ava';
import { BYTES, REVERSE } from '../../src/btree/comparator.js';
import { emptyRoot } from '../../src/btree/root-record.js';
import { startSoleRoot } from '../../src/btree/small-leaf.js';
import { CorruptError } from '../../src/errors.js';
import { COLLECTION_KIND, decodeCnode, encodeCnode } from '../../src/onode/cnode.js';
import {
  type BlobEntry,
  decodeEntry,
  ENTRY_KIND,
  encodeEntry,
  sliceEntry,
} from '../../src/onode/extent-entry.js';
import {
  hashOf,
  hashRange,
  isInRange,
  objectKey,
  reverseBits,
} from '../../src/onode/object-key.js';
import { decodeOnode, encodeOnode, findBlob, foundBlob } from '../../src/onode/onode.js';
import { ATTRIBUTES_SPEC, BLOB_SPEC, MAP_SPEC, OBJECTS_SPEC } from '../../src/onode/tree-specs.js';
import { decodeValue } from '../../src/onode/value-record.js';
import { Prng } from '../support/prng.js';

const EXTENT: BlobEntry = {
  kind: ENTRY_KIND.extent,
  birth: 7,
  length: 30_000,
  shift: 12,
  skip: 100,
  blocks: 8,
  address: 2 ** 40,
  checksums: Uint8Array.from({ length: 64 }, (_, i) => i),
};

const INLINE: BlobEntry = {
  kind: ENTRY_KIND.inline,
  birth: 300,
  length: 5,
  data: Buffer.from('hello'),
};

const HOLE: BlobEntry = { kind: ENTRY_KIND.hole, birth: 1, length: 2 ** 50 };

function plain(entry: BlobEntry): unknown {
  return JSON.parse(JSON.stringify(entry, (_key, value) => value));
}

test('decodeEntry() gives what encodeEntry() was given', (t) => {
  for (const entry of [EXTENT, INLINE, HOLE]) {
    const bytes = encodeEntry(entry);
    const framed = Buffer.concat([Buffer.alloc(3, 9), bytes, Buffer.alloc(3, 9)]);
    const decoded = decodeEntry(framed, 3, 3 + bytes.length);
    t.deepEqual(encodeEntry(decoded), bytes);
    t.is(decoded.length, entry.length);
    t.is(decoded.birth, entry.birth);
  }
});

test('golden bytes of the entries', (t) => {
  const hex = (entry: BlobEntry): string => Buffer.from(encodeEntry(entry)).toString('hex');
  t.is(hex(INLINE), '02ac020568656c6c6f');
  t.is(hex({ ...HOLE, length: 300 }), '0301ac02');
  const short = { ...EXTENT, length: 10, blocks: 1, checksums: new Uint8Array(8).fill(0xcc) };
  t.is(hex(short), '01070a0c6401000000000001cccccccccccccccc');
});

test('decodeEntry() refuses records that make no sense', (t) => {
  const bytes = encodeEntry(EXTENT);
  for (let end = 0; end < bytes.length; end++) {
    t.throws(() => decodeEntry(bytes, 0, end), { instanceOf: CorruptError });
  }
  for (const bad of [
    { ...EXTENT, shift: 9 },
    { ...EXTENT, shift: 27 },
    { ...EXTENT, skip: 4096 },
    { ...EXTENT, blocks: 0 },
    { ...EXTENT, length: 0 },
    { ...EXTENT, length: 33_000 },
  ]) {
    t.throws(() => decodeEntry(encodeEntry(bad), 0, encodeEntry(bad).length), {
      instanceOf: CorruptError,
    });
  }
});

test('sliceEntry() keeps whole chunks and the bytes in their place', (t) => {
  t.deepEqual(plain(sliceEntry(EXTENT, 0, 30_000, 4096)), plain(EXTENT));
  const middle = sliceEntry(EXTENT, 5000, 9000, 4096);
  t.like(middle, { length: 4000, skip: 1004, address: 2 ** 40 + 1, blocks: 2 });
  const end = sliceEntry(EXTENT, 29_999, 30_000, 4096);
  t.like(end, { length: 1, address: 2 ** 40 + 7, blocks: 1 });
  const coarse: BlobEntry = { ...EXTENT, shift: 14, checksums: new Uint8Array(16) };
  t.like(sliceEntry(coarse, 0, 1, 4096), { blocks: 4, skip: 100 });
  t.like(sliceEntry(coarse, 20_000, 20_001, 4096), { blocks: 4, address: 2 ** 40 + 4 });
  const odd: BlobEntry = { ...coarse, blocks: 6, length: 24_000, skip: 0 };
  t.like(sliceEntry(odd, 17_000, 24_000, 4096), { blocks: 2, skip: 616 });
  t.like(sliceEntry(INLINE, 1, 3, 4096), { length: 2 });
});

test('damaged records are errors, never a hang or another kind of error', (t) => {
  const prng = new Prng(5);
  const samples = [
    encodeEntry(EXTENT),
    encodeCnode({
      id: 5,
      kind: COLLECTION_KIND.hash,
      bits: 3,
      birth: 9,
      attributes: emptyRoot(ATTRIBUTES_SPEC),
      objects: emptyRoot(OBJECTS_SPEC),
    }),
    Uint8Array.of(8, 5, 1, 0, 9, ...emptyRoot({ ...MAP_SPEC, comparator: REVERSE })),
    Uint8Array.of(1, 200, 1, ...emptyRoot({ ...MAP_SPEC, comparator: BYTES })),
  ];
  const decoders = [decodeEntry, decodeCnode, decodeOnode, decodeValue];
  for (let i = 0; i < 20_000; i++) {
    const bytes = Uint8Array.from(prng.pick(samples));
    for (let flips = prng.below(3); flips >= 0; flips--)
      bytes[prng.below(bytes.length)] = prng.below(256);
    const end = prng.below(bytes.length + 1);
    try {
      prng.pick(decoders)(bytes, 0, end);
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error;
    }
  }
  t.pass();
});

/** What `work` gives; undefined when it finds damage. */
function unlessCorrupt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof CorruptError) return undefined;
    throw error;
  }
}

/** The root record of a blob stream with this entry alone, at offset 0. */
function soleBlob(entry: Uint8Array): Uint8Array {
  const root = startSoleRoot(BLOB_SPEC, new Uint8Array(8), entry.length);
  root.set(entry, root.length - entry.length);
  return root;
}

test('findBlob() finds what decodeOnode() decodes, and refuses the same damage', (t) => {
  const prng = new Prng(6);
  let sound = 0;
  for (let i = 0; i < 20_000; i++) {
    const attributes = prng.chance(0.3) ? emptyRoot(ATTRIBUTES_SPEC) : new Uint8Array(0);
    const blob = prng.chance(0.7)
      ? soleBlob(encodeEntry(prng.pick([EXTENT, INLINE])))
      : new Uint8Array(0);
    const record = encodeOnode({
      flags: 0,
      id: prng.u32(),
      version: prng.below(300),
      size: prng.u32(),
      birth: prng.u32(),
      objectSizeHint: prng.chance(0.2) ? prng.u32() : 0,
      writeSizeHint: 0,
      attributes,
      blob,
      map: prng.chance(0.3) ? emptyRoot({ ...MAP_SPEC, comparator: REVERSE }) : new Uint8Array(0),
    });
    const bytes = Buffer.concat([prng.bytes(3), record, prng.bytes(3)]);
    if (prng.chance(0.5)) bytes[3 + prng.below(record.length)] = prng.below(256);
    const end = 3 + record.length - (prng.chance(0.2) ? prng.below(3) : 0);
    const expected = unlessCorrupt(() => decodeOnode(bytes, 3, end));
    const found = unlessCorrupt(() => {
      findBlob(bytes, 3, end);
      return { size: foundBlob.size, blob: bytes.subarray(foundBlob.start, foundBlob.end) };
    });
    if (expected !== undefined) sound++;
    if (found?.size !== expected?.size) t.fail(`record ${i}: size`);
    if (found && expected && !found.blob.equals(expected.blob)) t.fail(`record ${i}: blob`);
  }
  t.true(sound > 5000 && sound < 15_000);
});

test('cnodes come back as they were', (t) => {
  const record = {
    id: 77,
    kind: COLLECTION_KIND.name,
    bits: 0,
    birth: 2 ** 40,
    attributes: emptyRoot(ATTRIBUTES_SPEC),
    objects: emptyRoot(OBJECTS_SPEC),
  };
  const bytes = encodeCnode(record);
  t.deepEqual({ ...decodeCnode(bytes, 0, bytes.length) }, record);
});

test('hash-ordered keys of equal low bits lie side by side', (t) => {
  const prng = new Prng(9);
  t.is(reverseBits(1), 0x8000_0000);
  t.is(reverseBits(0xffff_fffe), 0x7fff_ffff);
  for (let i = 0; i < 2000; i++) {
    const hash = prng.u32();
    const name = prng.bytes(prng.below(4));
    const key = objectKey(COLLECTION_KIND.hash, name, hash);
    t.is(hashOf(key), hash);
    const bits = prng.below(33);
    const remainder = prng.chance(0.5) ? hash % 2 ** bits : prng.below(2 ** bits);
    const { from, to } = hashRange(bits, remainder);
    t.is(isInRange(key, from, to), hash % 2 ** bits === remainder, `${hash} ${bits} ${remainder}`);
  }
  t.deepEqual(objectKey(COLLECTION_KIND.name, Uint8Array.of(1, 2), 7), Uint8Array.of(1, 2));
  t.throws(() => objectKey(COLLECTION_KIND.name, new Uint8Array(4097)), { code: 'E_TOO_BIG' });
});
