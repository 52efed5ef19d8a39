/** What time does: stores that grow, and stores that are overwritten again and again. */

import { type Bench, memoryBytes, percentile, writtenBytes } from '../bench.js';
import { keyOf, makeRandom, makeValue } from '../records.js';
import { type Collection, MAIN } from '../system.js';
import { type Sample, type Scale, WITHOUT_RAW, type Workload } from '../workload.js';

/** Operations of each kind in a round of growth. */
const GETS = 20_000;
const LISTS = 1000;
const LISTED = 100;
const COMMITS = 200;
const CONCURRENT = 4000;

/** Keys that a round adds. */
const ADDED = COMMITS + CONCURRENT;

export function growthAt(scale: Scale): readonly Workload[] {
  return scale.growth.map((records) => ({
    name: `growth-${records}`,
    group: 'growth',
    title: `${records.toLocaleString('en')} objects of 100 B: random get`,
    unit: 'us',
    systems: WITHOUT_RAW,
    options: { shape: 'objects', valueBytes: 100 },
    freshProcess: true,
    rounds: 3,
    fill: (bench) => bench.loadInOrder(bench.main, records),
    round: (bench, round) => grown(bench, records, round),
  }));
}

async function grown(bench: Bench, records: number, round: number): Promise<Sample> {
  await bench.close();
  const begin = performance.now();
  await bench.open();
  const openMs = performance.now() - begin;
  const collection = bench.main;
  const random = makeRandom(round);
  const keys = Array.from({ length: GETS }, () => keyOf(random(records)));
  getAll(collection, keys.slice(0, GETS / 4)); // for the compilers
  const measured = await bench.measure(() => getAll(collection, keys));
  const first = records + round * ADDED;
  const extra = {
    'open ms': openMs,
    [`list of ${LISTED} us`]: await listMicros(collection, keys.slice(0, LISTS)),
    'commit ms': await commitMs(bench, collection, first),
    'put in flight us': await putMicros(bench, collection, first + COMMITS),
    ...(bench.name === 'holdfast' && (await copiedMs(bench, round))),
    'memory MB': memoryBytes() / 1e6,
  };
  return { value: (measured.seconds / GETS) * 1e6, cpuMicros: measured.cpuMicros, extra };
}

async function listMicros(collection: Collection, keys: readonly Buffer[]): Promise<number> {
  const begin = performance.now();
  for (const key of keys) await collection.list(key, LISTED);
  return ((performance.now() - begin) * 1000) / keys.length;
}

/** Time of a durable put of many that are under way. */
async function putMicros(bench: Bench, collection: Collection, first: number): Promise<number> {
  let next = 0;
  const begin = performance.now();
  const one = async (): Promise<void> => {
    while (next < CONCURRENT) {
      const value = makeValue(bench.written++, bench.options.valueBytes);
      await collection.putConcurrent(keyOf(first + next++), value);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, one));
  return ((performance.now() - begin) * 1000) / CONCURRENT;
}

/** What others can only do by visiting everything: cloning the collection, and dropping it. */
async function copiedMs({ system }: Bench, round: number): Promise<Record<string, number>> {
  const copy = `copy-${round}`;
  const cloned = await system.cloneCollection(MAIN, copy);
  const begin = performance.now();
  await system.drop(copy);
  return { 'clone ms': cloned * 1000, 'drop ms': performance.now() - begin };
}

function getAll(collection: Collection, keys: readonly Buffer[]): number {
  let bytes = 0;
  for (const key of keys) bytes += collection.get(key)?.length ?? 0;
  if (bytes !== keys.length * 100) throw new Error('Cannot trust figures: values are missing');
  return keys.length;
}

/** Median time of a durable put, the only one under way. */
async function commitMs(bench: Bench, collection: Collection, first: number): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < COMMITS; i++) {
    const begin = performance.now();
    const done = collection.put(keyOf(first + i), makeValue(bench.written++, 100));
    if (done !== undefined) await done;
    times.push(performance.now() - begin);
  }
  return percentile(
    times.sort((a, b) => a - b),
    0.5,
  );
}

const IN_FLIGHT = 64;

/** Objects have 4 KiB to 64 KiB, so that no hole fits the next one exactly. */
const UNIT = 4096;
const UNITS_MAX = 16;
const MEAN_BYTES = (UNIT * (UNITS_MAX + 1)) / 2;

/** Share of the store that is allocated, and what of it is not for objects: the journal. */
const FULL = 0.8;
const JOURNAL = 1 / 16;

/** The figure that says what an old store costs. */
const OVERHEAD = 'file without journal / live';

/** Objects whose extents are counted. */
const COUNTED = 1000;

function objectsOf(scale: Scale): number {
  return Math.floor((scale.agingBytes * (FULL - JOURNAL)) / MEAN_BYTES);
}

/** Bytes of the value with this number. */
function sizeOf(number: number): number {
  return UNIT * (1 + (number % UNITS_MAX));
}

/**
 * Rounds are passes: in each as many objects are overwritten as there are. The value numbers run
 * through all sizes evenly, so that what lives stays the same in the mean.
 */
export function agingAt(scale: Scale): Workload {
  const objects = objectsOf(scale);
  return {
    name: 'age',
    group: 'age',
    title: `overwrite of 4 to 64 KiB, 64 in flight, store ${FULL * 100} % full`,
    unit: 'op/s',
    goal: { lastToFirst: 0.8, extraMax: { [OVERHEAD]: 1.3 } },
    systems: WITHOUT_RAW,
    options: {
      shape: 'objects',
      valueBytes: UNIT * UNITS_MAX,
      fixedSize: false,
      sizeMax: scale.agingBytes,
    },
    rounds: scale.agingPasses,
    fill: async (bench) => {
      const collection = bench.main;
      for (let index = 0; index < objects; index++) {
        const value = makeValue(index, sizeOf(index));
        const done = collection.putBatch([[keyOf(index), value]]);
        if (done !== undefined) await done;
      }
      bench.written = objects;
    },
    round: (bench, round) => overwrite(bench, objects, round),
  };
}

async function overwrite(bench: Bench, objects: number, round: number) {
  const collection = bench.main;
  const random = makeRandom(round);
  const writtenBefore = writtenBytes();
  let left = objects;
  let bytes = 0;
  const one = async (): Promise<void> => {
    while (left-- > 0) {
      const number = bench.written++;
      const value = makeValue(number, sizeOf(number));
      bytes += value.length;
      await collection.putConcurrent(keyOf(random(objects)), value);
    }
  };
  const measured = await bench.measure(async () => {
    await Promise.all(Array.from({ length: IN_FLIGHT }, one));
    return objects;
  });
  const fileBytes = bench.fileBytes();
  const journalBytes = bench.system.journalBytes?.() ?? 0;
  const live = liveBytes(collection, objects);
  const getSeconds = await getSome(collection, objects, round);
  return {
    value: objects / measured.seconds,
    cpuMicros: measured.cpuMicros,
    extra: {
      'get/s': Math.min(objects, COUNTED) / getSeconds,
      'write amplification': (writtenBytes() - writtenBefore) / bytes,
      'file / live': fileBytes / live,
      [OVERHEAD]: (fileBytes - journalBytes) / live,
      ...fragmentationOf(bench, objects),
    },
  };
}

async function getSome(collection: Collection, objects: number, round: number): Promise<number> {
  const random = makeRandom(round + 1000);
  const begin = performance.now();
  for (let i = 0; i < Math.min(objects, COUNTED); i++) collection.get(keyOf(random(objects)));
  return (performance.now() - begin) / 1000;
}

function liveBytes(collection: Collection, objects: number): number {
  let bytes = 0;
  for (let index = 0; index < objects; index++) bytes += collection.get(keyOf(index))?.length ?? 0;
  return bytes;
}

function fragmentationOf(bench: Bench, objects: number): Record<string, number> {
  if (bench.system.fragmentation === undefined) return {};
  const keys = Array.from({ length: Math.min(objects, COUNTED) }, (_, index) => keyOf(index));
  const { extentsPerObject, freeSpace } = bench.system.fragmentation(keys);
  return { 'extents per object': extentsPerObject, 'fragmentation of free space': freeSpace };
}
