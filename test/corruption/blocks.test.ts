/**
 * Whole blocks that are not what was written: zeroed, an older version come back, a copy of
 * another, exchanged, written to the wrong place, never written. `OPS=` sets how many of each.
 */

import test from 'ava';
import { type Damage, DamageLab } from '../support/damage-lab.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { type Sample, sampleStore } from '../support/sample-store.js';

const ROUNDS = Number(process.env['OPS'] ?? 40);

interface Bench {
  readonly lab: DamageLab;
  readonly sample: Sample;
  readonly prng: Prng;
  /** Offsets of all blocks that a checksum covers. */
  readonly blocks: readonly number[];
}

const BLOCK = 1024;

/** What may become of blocks. None: there is nothing to damage here. */
const DAMAGES: Readonly<Record<string, (bench: Bench) => readonly Damage[]>> = {
  zeroed: ({ prng, blocks }) => [{ offset: prng.pick(blocks), bytes: new Uint8Array(BLOCK) }],
  'an older version of itself': ({ prng, blocks, sample }) => {
    const offset = prng.pick(blocks);
    return [{ offset, bytes: prng.pick(sample.history).slice(offset, offset + BLOCK) }];
  },
  'never written': ({ prng, blocks, sample }) => {
    const offset = prng.pick(blocks);
    const before = [...sample.history, ...sample.states]
      .map((image) => image.slice(offset, offset + BLOCK))
      .filter((bytes) => Buffer.compare(bytes, sample.bytes.subarray(offset, offset + BLOCK)));
    const bytes = before.at(-1);
    return bytes === undefined ? [] : [{ offset, bytes }];
  },
  'a copy of another': ({ prng, blocks, lab }) => [
    { offset: prng.pick(blocks), bytes: lab.at(prng.pick(blocks), BLOCK) },
  ],
  'exchanged with another': ({ prng, blocks, lab }) => {
    const [a, b] = [prng.pick(blocks), prng.pick(blocks)];
    return [
      { offset: a, bytes: lab.at(b, BLOCK) },
      { offset: b, bytes: lab.at(a, BLOCK) },
    ];
  },
  'written over another, and missing in its own place': ({ prng, blocks, lab, sample }) => {
    const [from, to] = [prng.pick(blocks), prng.pick(blocks)];
    return [
      { offset: to, bytes: lab.at(from, BLOCK) },
      { offset: from, bytes: prng.pick(sample.history).slice(from, from + BLOCK) },
    ];
  },
  'a superblock slot of before': ({ prng, lab, sample }) => {
    const offset = prng.pick(lab.map.slots);
    return [{ offset, bytes: prng.pick(sample.history).slice(offset, offset + 4096) }];
  },
};

async function makeBench(seed: number): Promise<Bench> {
  const sample = await sampleStore(seed);
  const lab = new DamageLab(sample, 'marked', { thinning: 4 });
  const blocks: number[] = [];
  for (let offset = 0; offset < lab.size; offset += BLOCK) {
    const name = lab.map.classOf(offset + 64);
    if (name !== 'free' && name !== 'padding') blocks.push(offset);
  }
  return { lab, sample, prng: new Prng(seed), blocks };
}

const seed = seedFromEnvironment();
const bench = makeBench(seed);

for (const [title, damage] of Object.entries(DAMAGES)) {
  test(`a block that is ${title} is noticed`, async (t) => {
    t.timeout(600_000);
    t.log('SEED', seed);
    const one = await bench;
    let changed = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const damages = damage(one);
      const isChange = damages.some(({ offset, bytes }) =>
        Buffer.compare(bytes, one.lab.at(offset, bytes.length)),
      );
      if (!isChange) continue;
      changed++;
      const places = damages.map(({ offset }) => `${offset} (${one.lab.map.classOf(offset + 64)})`);
      t.is(one.lab.damage(damages), undefined, `round ${round}: blocks at ${places.join()}`);
    }
    one.lab.recheck();
    t.true(changed > ROUNDS / 8, `${changed} blocks were changed`);
  });
}
