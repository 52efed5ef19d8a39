import test from 'ava';
import { SoundChunks } from '../../src/fsck/sound-chunks.js';
import { Prng } from '../support/prng.js';

test('a chunk is known by its place and its checksum, also in a table that has grown', (t) => {
  const prng = new Prng(3);
  const sound = new SoundChunks();
  const chunks = Array.from({ length: 20_000 }, (_, i) => ({
    block: i % 2 === 0 ? 16 * i : 2 ** 40 + i,
    checksums: Uint8Array.from(prng.bytes(8)),
  }));
  const zeros = new Uint8Array(8);
  t.false(sound.has(0, zeros, 0));
  sound.add(0, zeros, 0);
  t.true(sound.has(0, zeros, 0));
  for (const { block, checksums } of chunks) {
    t.false(sound.has(block, checksums, 0));
    sound.add(block, checksums, 0);
    sound.add(block, checksums, 0);
  }
  for (const { block, checksums } of chunks) {
    t.true(sound.has(block, checksums, 0));
    t.false(sound.has(block + 1, checksums, 0));
    const other = checksums.slice();
    other[0] = (other[0] as number) ^ 1;
    t.false(sound.has(block, other, 0));
  }
});

test('chunks that are forged to lead to one place are remembered in part only', (t) => {
  const sound = new SoundChunks();
  const checksums = new Uint8Array(8);
  const view = new DataView(checksums.buffer);
  let remembered = 0;
  for (let high = 0; high < 10_000; high++) {
    view.setUint32(4, high, true);
    sound.add(0, checksums, 0);
    if (sound.has(0, checksums, 0)) remembered++;
  }
  t.is(remembered, 64);
});
