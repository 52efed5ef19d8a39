import test from 'ava';
import { CorruptError } from '../../src/errors.js';
import {
  BLOCK_HEADER,
  BLOCK_TYPE,
  blockFault,
  checkBlock,
  headerFault,
  sealBlock,
} from '../../src/format/block.js';
import { checksum, hash, matchesHash, writeHash } from '../../src/format/checksum.js';

const IDENTITY = {
  type: BLOCK_TYPE.node,
  level: 2,
  role: 5,
  address: 1234,
  birth: 56,
  owner: 78,
  store: 0xdead_beef,
} as const;

/** A sealed block of one KiB and the halves of its checksum. */
function sealed(): { page: Uint8Array; low: number; high: number } {
  const page = new Uint8Array(1024).fill(9, BLOCK_HEADER.size, 900);
  sealBlock(page, IDENTITY);
  return { page, low: checksum.low, high: checksum.high };
}

test('sealBlock() writes the golden header', (t) => {
  const { page } = sealed();
  t.is(Buffer.from(page.subarray(0, BLOCK_HEADER.size)).toString('hex'), GOLDEN);
});

test('blockFault() finds nothing in what was sealed, and every flipped bit', (t) => {
  const { page, low, high } = sealed();
  t.is(blockFault(page, IDENTITY, low, high), undefined);
  t.notThrows(() => checkBlock(page, IDENTITY, low, high, 1024));
  for (let at = 8; at < page.length; at++) {
    page[at] = (page[at] as number) ^ (1 << (at % 8));
    if (blockFault(page, IDENTITY, low, high) === undefined) t.fail(`byte ${at}`);
    page[at] = (page[at] as number) ^ (1 << (at % 8));
  }
});

test('headerFault() names what is not as its pointer says', (t) => {
  const { page } = sealed();
  t.is(headerFault(page, IDENTITY), undefined);
  t.is(headerFault(page, { ...IDENTITY, type: BLOCK_TYPE.bitmap }), 'type differs');
  t.is(headerFault(page, { ...IDENTITY, level: 3 }), 'level differs from its pointer');
  t.is(headerFault(page, { ...IDENTITY, role: 4 }), 'role differs from its tree');
  t.is(headerFault(page, { ...IDENTITY, address: 1235 }), 'address is not its own');
  t.is(headerFault(page, { ...IDENTITY, birth: 57 }), 'birth differs from its pointer');
  t.is(headerFault(page.subarray(0, 512), IDENTITY), 'length differs from its pointer');
  t.is(headerFault(new Uint8Array(1024), IDENTITY), 'magic differs');
});

test('checkBlock() throws with the offset on the device', (t) => {
  const { page, low, high } = sealed();
  const error = t.throws(() => checkBlock(page, IDENTITY, low ^ 1, high, 1024), {
    instanceOf: CorruptError,
  });
  t.is(error?.offset, 1234 * 1024);
});

test('hash() is XXH64, and matchesHash() knows what writeHash() wrote', (t) => {
  hash(new TextEncoder().encode('xabcx'), 1, 4);
  t.deepEqual({ ...checksum }, { low: 0xad77_0999, high: 0x44bc_2cf5 });
  const target = new Uint8Array(12);
  const bytes = Uint8Array.of(1, 2, 3);
  writeHash(target, 4, bytes, 0, 2);
  t.true(matchesHash(target, 4, bytes, 0, 2));
  t.false(matchesHash(target, 4, bytes, 0, 3));
});

const GOLDEN = [
  '4962f9f4d794e1a04846424b01010205d2040000000000003800000000000000',
  '4e0000000000000000040000efbeadde',
].join('');
