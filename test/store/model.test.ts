/**
 * Random transactions against the model. `SEED=1 OPS=500 npx ava test/store/model.test.ts` runs
 * a chosen sequence again; on a file or a loop device only as far as the system's calls, which end
 * when they end, let it. MEDIA=full runs all of it on these too.
 */

import type { ExecutionContext } from 'ava';
import { IS_MEDIA_FULL, roundsOn, testOnMedia } from '../support/media-test.js';
import { MEDIUM_KINDS, type Medium, type MediumKind } from '../support/medium.js';
import { ModelRun, type ModelRunOptions } from '../support/model-run.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { BY_LENGTH, SIZE_DEFAULT } from '../support/store-fixture.js';
import { SMALL_WORKLOAD } from '../support/workload.js';

const SEED = seedFromEnvironment();
const OPS = Number(process.env['OPS'] ?? 17_500);

/** Transactions after which a store that may be full has been full: on average every thirtieth is. */
const FULL_AFTER = 5000;

async function live(
  t: ExecutionContext,
  options: ModelRunOptions,
  index: number,
  count: number,
): Promise<void> {
  const run = new ModelRun(new Prng(SEED + index), options);
  try {
    await run.run(count);
  } catch (error) {
    t.log(`SEED=${SEED} OPS=${OPS}, transaction ${run.transactions}`);
    throw error;
  }
  const { transactions, refused, full, kills, lost } = run;
  t.log(`SEED=${SEED}: ${transactions} transactions, ${refused} refused, ${full} without room`);
  t.log(`${kills} kills, which took ${lost} transactions that nobody was told to be durable`);
  if (options.mayBeFull === true && transactions >= FULL_AFTER) t.true(full > 0, 'it was full');
  t.pass();
}

const COMPARATORS = { comparators: [BY_LENGTH] };
const WORKLOAD = { ...SMALL_WORKLOAD, comparators: [BY_LENGTH] };

/** Large data on a small store: it has no room for some of it again and again. */
const OFTEN_FULL = {
  workload: { ...WORKLOAD, onCollections: 0.015, large: 0.1, bytesMax: 150 * 1024 },
  every: 60,
  audits: 20,
  inFlight: 16,
  mayBeFull: true,
};

const RUNS: Readonly<Record<string, ModelRunOptions>> = {
  'ample memory, rare checkpoints': {
    bed: { ...COMPARATORS, size: 128 * 2 ** 20, journalBytes: 8 * 2 ** 20 },
    workload: WORKLOAD,
    every: 60,
    audits: 20,
    inFlight: 16,
  },
  'no cache, constant checkpoints': {
    bed: { ...COMPARATORS, cacheBytes: 0, dirtyBytes: 64 * 1024, journalBytes: 2 ** 20 },
    workload: WORKLOAD,
    every: 60,
    audits: 20,
    inFlight: 16,
  },
  'small blocks and nodes': {
    bed: {
      ...COMPARATORS,
      blockSize: 1024,
      nodeSize: 1024,
      cacheBytes: 64 * 1024,
      dirtyBytes: 256 * 1024,
      journalBytes: 2 ** 20,
    },
    workload: WORKLOAD,
    every: 60,
    audits: 20,
    inFlight: 32,
  },
  'many objects in small nodes, no order of completion': {
    bed: {
      ...COMPARATORS,
      size: 128 * 2 ** 20,
      blockSize: 1024,
      nodeSize: 2048,
      cacheBytes: 128 * 1024,
      dirtyBytes: 512 * 1024,
      journalBytes: 2 ** 20,
      scheduler: new Prng(SEED),
    },
    workload: { ...WORKLOAD, collections: 4, objects: 400, onCollections: 0.008, large: 0.01 },
    every: 250,
    audits: 20,
    inFlight: 32,
  },
  'a growing store that is full again and again': {
    bed: {
      ...COMPARATORS,
      size: 6 * 2 ** 20,
      initialSize: 4 * 2 ** 20,
      blockSize: 1024,
      nodeSize: 2048,
      cacheBytes: 256 * 1024,
      dirtyBytes: 512 * 1024,
      journalBytes: 2 ** 20,
    },
    ...OFTEN_FULL,
  },
  'metadata kept twice, a growing store that is full again and again': {
    bed: {
      ...COMPARATORS,
      size: 8 * 2 ** 20,
      initialSize: 4 * 2 ** 20,
      blockSize: 1024,
      nodeSize: 1024,
      metadataCopies: 2,
      cacheBytes: 128 * 1024,
      dirtyBytes: 512 * 1024,
      journalBytes: 2 ** 20,
    },
    ...OFTEN_FULL,
  },
  'stripes of four units, constant checkpoints': {
    bed: {
      ...COMPARATORS,
      geometry: { unit: 8 * 1024, width: 32 * 1024 },
      cacheBytes: 64 * 1024,
      dirtyBytes: 128 * 1024,
      journalBytes: 2 ** 20,
    },
    workload: { ...WORKLOAD, large: 0.1, bytesMax: 150 * 1024 },
    every: 60,
    audits: 20,
    inFlight: 16,
  },
  'a small store of stripes that is full again and again': {
    bed: {
      ...COMPARATORS,
      size: 6 * 2 ** 20,
      blockSize: 1024,
      nodeSize: 2048,
      geometry: { unit: 4 * 1024, width: 12 * 1024 },
      cacheBytes: 256 * 1024,
      dirtyBytes: 512 * 1024,
      journalBytes: 2 ** 20,
    },
    ...OFTEN_FULL,
  },
  'large nodes, many keys, large data': {
    bed: {
      ...COMPARATORS,
      size: 256 * 2 ** 20,
      nodeSize: 32 * 1024,
      cacheBytes: 2 ** 20,
      dirtyBytes: 2 ** 20,
      journalBytes: 4 * 2 ** 20,
    },
    workload: { ...WORKLOAD, keys: 600, large: 0.1, bytesMax: 200 * 1024 },
    every: 40,
    audits: 20,
    inFlight: 16,
  },
};

/** Configurations that are run on other media than memory unless all are. */
const RUNS_ON_MEDIA: Readonly<Record<string, MediumKind>> = {
  'a growing store that is full again and again': 'file',
  'no cache, constant checkpoints': 'loop device',
};

/** On a file or a block device what matters is the ends of stores: they are more, and audited. */
const ON_MEDIA = { every: 20, audits: 10 };

function kindsOf(title: string): readonly MediumKind[] {
  if (IS_MEDIA_FULL) return MEDIUM_KINDS;
  const kind = RUNS_ON_MEDIA[title];
  return kind === undefined ? ['memory'] : ['memory', kind];
}

Object.entries(RUNS).forEach(([title, options], index) => {
  const { size = SIZE_DEFAULT } = options.bed;
  testOnMedia(`model: ${title}`, { size, kinds: kindsOf(title) }, (t, medium) =>
    live(t, optionsOn(medium, options), index, roundsOn(medium, OPS)),
  );
});

function optionsOn(medium: Medium, options: ModelRunOptions): ModelRunOptions {
  return medium.kind === 'memory' ? options : { ...options, ...ON_MEDIA, medium };
}
