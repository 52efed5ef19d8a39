/**
 * Conformance, 10: random operations against the model, under a matrix of settings.
 *
 * `SEED=1 OPS=10000 npx ava test/conformance/synthetic.test.ts` runs a chosen sequence again, or a
 * longer one.
 */

import test from 'ava';
import { ModelRun, type ModelRunOptions } from '../support/model-run.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import type { BedOptions } from '../support/store-fixture.js';
import {
  SYNTHETIC,
  SYNTHETIC_ATTRIBUTES,
  SYNTHETIC_LIMITED,
  Synthetic,
  type SyntheticOptions,
} from '../support/synthetic.js';
import { scaled } from './fixture.js';

const SEED = seedFromEnvironment();
const OPS = Number(process.env['OPS'] ?? scaled(10_000, 400));

const K = 1024;
const M = K * K;

const SMALL: SyntheticOptions = {
  mix: SYNTHETIC,
  objects: scaled(300, 60),
  sizeMax: 400 * K,
  writeMax: 40 * K,
  alignment: 0,
};

/** Of the field's matrix: the objects, writes and alignments that go with a setting. */
const WRITES = {
  'of 64 KiB, unaligned': { ...SMALL, sizeMax: 256 * K, writeMax: 64 * K },
  'of 128 KiB, by 512': { ...SMALL, sizeMax: M, writeMax: 128 * K, alignment: 512, objects: 30 },
  'of 128 KiB, by 4096': { ...SMALL, sizeMax: M, writeMax: 128 * K, alignment: 4096, objects: 30 },
  'of 1 MiB, by 64 KiB': { ...SMALL, sizeMax: 2 * M, writeMax: M, alignment: 65536, objects: 16 },
} as const satisfies Record<string, SyntheticOptions>;

const TINY = { cacheBytes: 0, dirtyBytes: 256 * K };
const MIDDLE = { cacheBytes: 2 * M, dirtyBytes: M };
const LARGE = { cacheBytes: 64 * M, dirtyBytes: 16 * M };

const STRIPED = { geometry: { unit: 64 * K, width: 256 * K } };

interface Setting {
  readonly writes: SyntheticOptions;
  readonly bed: BedOptions;
}

const RUNS: Readonly<Record<string, Setting>> = {
  Synthetic: { writes: SMALL, bed: MIDDLE },
  SyntheticLimited: { writes: { ...SMALL, mix: SYNTHETIC_LIMITED, objects: 50 }, bed: MIDDLE },
  AttrSynthetic: { writes: { ...SMALL, mix: SYNTHETIC_ATTRIBUTES }, bed: MIDDLE },
  'SyntheticMatrix: blocks of 1 KiB, no cache': {
    writes: WRITES['of 64 KiB, unaligned'],
    bed: { ...TINY, blockSize: K, nodeSize: K },
  },
  'SyntheticMatrix: blocks of 1 KiB, nodes of 16 KiB, stripes, ample cache': {
    writes: WRITES['of 128 KiB, by 512'],
    bed: { ...LARGE, ...STRIPED, blockSize: K, nodeSize: 16 * K },
  },
  'SyntheticMatrix: blocks of 4 KiB, nodes of 4 KiB, no cache': {
    writes: WRITES['of 128 KiB, by 4096'],
    bed: { ...TINY, nodeSize: 4 * K },
  },
  'SyntheticMatrix: blocks of 4 KiB, stripes, no cache': {
    writes: WRITES['of 64 KiB, unaligned'],
    bed: { ...TINY, ...STRIPED },
  },
  'SyntheticMatrix: blocks of 4 KiB, nodes of 64 KiB': {
    writes: WRITES['of 1 MiB, by 64 KiB'],
    bed: { ...MIDDLE, nodeSize: 64 * K },
  },
  'SyntheticMatrix: blocks of 16 KiB, stripes': {
    writes: WRITES['of 128 KiB, by 512'],
    bed: { ...MIDDLE, ...STRIPED, blockSize: 16 * K },
  },
  'SyntheticMatrix: blocks of 64 KiB, no cache': {
    writes: WRITES['of 64 KiB, unaligned'],
    bed: { ...TINY, blockSize: 64 * K, size: 1024 * M },
  },
  'SyntheticMatrix: blocks of 64 KiB, stripes, ample cache': {
    writes: WRITES['of 1 MiB, by 64 KiB'],
    bed: { ...LARGE, ...STRIPED, blockSize: 64 * K, size: 1024 * M },
  },
};

Object.entries(RUNS).forEach(([title, { writes, bed }], index) => {
  test.serial(title, async (t) => {
    const options: ModelRunOptions = {
      bed: { size: scaled(1024, 256) * M, journalBytes: 4 * M, ...bed },
      workload: (prng) => new Synthetic(prng, writes),
      every: 50,
      audits: 20,
      inFlight: 16,
      readsBack: true,
    };
    const run = new ModelRun(new Prng(SEED + index), options);
    try {
      await run.run(OPS);
    } catch (error) {
      t.log(`SEED=${SEED} OPS=${OPS}, transaction ${run.transactions}`);
      throw error;
    }
    t.log(`SEED=${SEED}: ${run.transactions} transactions, ${run.refused} refused`);
    t.true(run.transactions >= OPS);
  });
});
