/** What concerns a whole collection or a large object at once: dropping and cloning. */

import { type Bench, quiet } from '../bench.js';
import { ALL, type Sample, type Scale, WITHOUT_RAW, type Workload } from '../workload.js';

/** A workload whose title says how much there is. */
type Titled = Omit<Workload, 'title'> & { title(scale: Scale): string };

function objects(count: number): string {
  return `a collection of ${count.toLocaleString('en')} objects`;
}

const OPTIONS = { shape: 'objects', valueBytes: 100 } as const;

const DROP: Titled = {
  name: 'drop-collection',
  group: 'collection',
  title: ({ collectionRecords }) => `delete ${objects(collectionRecords)}, until acknowledged`,
  unit: 'ms',
  goal: { peer: 10 },
  systems: WITHOUT_RAW,
  options: OPTIONS,
  rounds: 3,
  round: async (bench, round) => {
    const name = `doomed-${round}`;
    await bench.loadInOrder(bench.system.collection(name), bench.scale.collectionRecords);
    await bench.reopen();
    let acknowledgedMs = 0;
    let backMs = 0;
    const { cpuMicros } = await bench.measure(async () => {
      const begin = performance.now();
      await bench.system.drop(name);
      acknowledgedMs = performance.now() - begin;
      await bench.system.reclaimed();
      backMs = performance.now() - begin;
      return 1;
    });
    return { value: acknowledgedMs, cpuMicros, extra: { 'space back after ms': backMs } };
  },
};

/** A sample of a clone: until it can be read, and until it is durable. */
async function cloned(bench: Bench, clone: () => number | Promise<number>): Promise<Sample> {
  let readableMs = 0;
  let durableMs = 0;
  const { cpuMicros } = await bench.measure(async () => {
    const begin = performance.now();
    readableMs = (await clone()) * 1000;
    durableMs = performance.now() - begin;
    return 1;
  });
  return { value: readableMs, cpuMicros, extra: { 'durable after ms': durableMs } };
}

const CLONE_COLLECTION: Titled = {
  name: 'clone-collection',
  group: 'collection',
  title: ({ collectionRecords }) => `clone ${objects(collectionRecords)}, until readable`,
  unit: 'ms',
  goal: { msMax: 1 },
  systems: WITHOUT_RAW,
  options: OPTIONS,
  rounds: 3,
  fill: (bench) =>
    bench.loadInOrder(bench.system.collection('source'), bench.scale.collectionRecords),
  setup: (bench) => bench.reopen(),
  round: async (bench, round) => {
    const copy = `copy-${round}`;
    await quiet();
    const sample = await cloned(bench, () => bench.system.cloneCollection('source', copy));
    await bench.system.drop(copy);
    return sample;
  },
};

const CLONE_LARGE: Titled = {
  name: 'clone-object',
  group: 'collection',
  title: ({ largePieces }) => `clone an object of ${largePieces} MiB, until readable`,
  unit: 'ms',
  goal: { msMax: 1 },
  systems: ALL,
  options: { shape: 'objects', valueBytes: 1024 ** 2 },
  rounds: 3,
  fill: async (bench) => {
    await bench.system.writeLarge('large', bench.scale.largePieces);
  },
  setup: (bench) => bench.reopen(),
  round: async (bench, round) => {
    const { system, scale } = bench;
    const copy = `copy-${round}`;
    await quiet();
    const sample = await cloned(bench, () => system.cloneLarge('large', copy, scale.largePieces));
    await system.removeLarge(copy, scale.largePieces);
    return sample;
  },
};

export function wholeAt(scale: Scale): readonly Workload[] {
  const all = [DROP, CLONE_COLLECTION, CLONE_LARGE];
  return all.map((workload) => ({ ...workload, title: workload.title(scale) }));
}
