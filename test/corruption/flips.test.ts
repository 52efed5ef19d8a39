/**
 * Single flipped bytes: a slice of what `npm run flips` does in full. The seed chooses contents,
 * bits and stride; all fields of superblocks and all headers of blocks and records are in it.
 */

import test from 'ava';
import { SUPERBLOCK } from '../../src/format/superblock.js';
import { DamageLab } from '../support/damage-lab.js';
import { FlipSweep } from '../support/flip-sweep.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import type { ByteClass } from '../support/sample-map.js';
import { sampleStore } from '../support/sample-store.js';

const seed = seedFromEnvironment();

/** Bytes of a slot that hold fields, and a few of its root records. */
const SLOT_FIELDS = SUPERBLOCK.size + 16;

/** Bytes between two that are flipped outside of headers: primes, so that all columns are met. */
const STRIDES = [389, 397, 401, 409, 419, 421] as const;

function wantsIn(lab: DamageLab, prng: Prng) {
  const stride = prng.pick(STRIDES);
  const shift = prng.below(stride);
  const inHeader = new Set<number>();
  for (const { offset, length } of lab.map.headers) {
    for (let at = offset; at < offset + length; at++) inHeader.add(at);
  }
  return (offset: number, name: ByteClass): boolean => {
    if (name === 'slot') {
      const at = lab.map.slots.find((slot) => offset >= slot && offset < slot + 4096) ?? 0;
      return offset - at < SLOT_FIELDS || offset % stride === shift;
    }
    return inHeader.has(offset) || offset % stride === shift;
  };
}

for (const image of ['unmarked', 'marked'] as const) {
  test.serial(
    `a flipped byte of a store is noticed or does not matter (${image} tail)`,
    async (t) => {
      t.timeout(600_000);
      t.log('SEED', seed);
      const lab = new DamageLab(await sampleStore(seed), image, { thinning: 40, stopEarly: 8 });
      const prng = new Prng(seed);
      const wants = wantsIn(lab, prng);
      const isTail = image === 'marked';
      const last = lab.map.records.at(-2)?.offset ?? 0;
      const sweep = new FlipSweep({
        lab,
        seed,
        wants: (offset, name) =>
          (!isTail || (name === 'record' && offset >= last)) && wants(offset, name),
      });
      const { faults, flipped, unread } = sweep.run();
      t.log(JSON.stringify(flipped), `${unread} bytes are read by nothing`);
      t.log(JSON.stringify(lab.counts));
      t.deepEqual(faults, []);
      t.true((flipped['record'] ?? 0) > 200, 'headers of records were flipped');
      t.true(lab.counts.corrupt > 500 || isTail, 'damage was noticed');
    },
  );
}
