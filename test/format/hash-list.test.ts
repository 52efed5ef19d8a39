import test from 'ava';
import { checksum, hash } from '../../src/format/checksum.js';
import { hashList, lengthOf } from '../../src/format/hash-list.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';

/** Cuts `bytes` at random places; parts may be empty. */
function divided(bytes: Uint8Array, prng: Prng): Uint8Array[] {
  const cuts = Array.from({ length: prng.below(6) }, () => prng.below(bytes.length + 1));
  const places = [0, ...cuts.sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((to, i) => bytes.subarray(places[i], to));
}

test('hashList() does not depend on how the bytes are divided', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  for (const length of [0, 1, 31, 32, 33, 4096, 32767, 32768, 32769, 65536, 65537, 200_000]) {
    const bytes = prng.bytes(length);
    hash(bytes, 0, length);
    const expected = { ...checksum };
    for (let i = 0; i < 8; i++) {
      const parts = divided(bytes, prng);
      hashList(parts);
      t.deepEqual({ ...checksum }, expected, `${length} bytes`);
      t.is(lengthOf(parts), length);
    }
  }
});

test('hashList() of nothing is the hash of no bytes', (t) => {
  hashList([]);
  t.deepEqual({ ...checksum }, { low: 0x51d8_e999, high: 0xef46_db37 });
});
