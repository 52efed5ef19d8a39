/** Gets and scans of what is in memory, and gets of what does not fit. */

import type { Bench } from '../bench.js';
import { keyOf, makeRandom, makeValue } from '../records.js';
import type { Collection, SystemName } from '../system.js';
import {
  ALL,
  type Goal,
  type Group,
  type Sample,
  type Scale,
  WITHOUT_RAW,
  type Workload,
} from '../workload.js';

/** Memory for everything: the data is resident, wherever a system keeps it. */
const RESIDENT = 1024 ** 3;

/** The map of small entries that gets and scans share. */
const MAP = 'map of small entries';

/** Keys that a round picks from, in an order of their own; made before the time runs. */
const PICKS = 20_000;

/** Gets before the first that counts, of so many bytes together at most. */
const WARM_GETS = 30_000;
const WARM_BYTES = 256 * 1024 ** 2;

/** Gets between two looks at the clock. */
const STRIDE = 20;

interface GetOptions {
  readonly name: string;
  readonly group: Group;
  readonly title: string;
  readonly goal: Goal;
  readonly shape: 'map' | 'objects';
  readonly valueBytes: number;
  readonly systems: readonly SystemName[];
  readonly cacheBytes: number;
  readonly memoryBytes?: number;
  readonly dataset?: string;
  records(scale: Scale): number;
}

function get(options: GetOptions): Workload {
  const { name, group, title, goal, shape, valueBytes, systems, cacheBytes } = options;
  const { memoryBytes, dataset, records } = options;
  return {
    name,
    group,
    title,
    unit: 'op/s',
    goal,
    systems,
    options: { shape, valueBytes, cacheBytes },
    ...(memoryBytes === undefined ? { warmUp: true } : { memoryBytes }),
    ...(dataset !== undefined && { dataset }),
    fill: async (bench) => {
      await bench.load(bench.main, records(bench.scale));
    },
    setup: async (bench) => {
      await bench.reopen();
      if (memoryBytes === undefined) visitAll(bench, records(bench.scale));
    },
    round: (bench, round) => getFor(bench, records(bench.scale), round),
  };
}

/** Gets everything, and often enough that compilers have done their work: into memory with it. */
function visitAll({ main, options }: Bench, records: number): void {
  const visits = Math.max(records, Math.min(WARM_GETS, WARM_BYTES / options.valueBytes));
  for (let index = 0; index < visits; index++) main.get(keyOf(index % records));
}

async function getFor(bench: Bench, records: number, round: number): Promise<Sample> {
  const { valueBytes } = bench.options;
  const collection = bench.main;
  checkOne(collection, round % records, valueBytes);
  const random = makeRandom(round);
  const keys = Array.from({ length: PICKS }, () => keyOf(random(records)));
  const measured = await bench.measure(() => {
    const end = performance.now() + bench.scale.seconds * 1000;
    let count = 0;
    let bytes = 0;
    while (performance.now() < end) {
      for (let i = 0; i < STRIDE; i++) {
        bytes += collection.get(keys[count++ % PICKS] as Buffer)?.length ?? 0;
      }
    }
    if (bytes !== count * valueBytes) throw new Error('Cannot trust figures: values are missing');
    return count;
  });
  return { value: measured.operations / measured.seconds, cpuMicros: measured.cpuMicros };
}

/** Loading numbers values as it numbers keys. */
function checkOne(collection: Collection, index: number, valueBytes: number): void {
  const value = collection.get(keyOf(index)) ?? new Uint8Array();
  // LMDB lends a buffer of which only `length` bytes count.
  const found = Buffer.from(value.buffer, value.byteOffset, value.length);
  if (!makeValue(index, valueBytes).equals(found)) {
    throw new Error('Cannot trust figures: a value is not what was put');
  }
}

function scan(direction: 'forward' | 'backward'): Workload {
  return {
    name: `scan-${direction}`,
    group: 'scan',
    title: `${direction}, 100 B entries`,
    unit: 'op/s',
    goal: { peer: 1.5 },
    systems: WITHOUT_RAW,
    options: { shape: 'map', valueBytes: 100, cacheBytes: RESIDENT },
    warmUp: true,
    dataset: MAP,
    fill: async (bench) => {
      await bench.load(bench.main, bench.scale.records);
    },
    setup: async (bench) => {
      await bench.reopen();
      await bench.main.scan(direction);
    },
    round: async (bench) => {
      const { records } = bench.scale;
      const collection = bench.main;
      const measured = await bench.measure(async () => {
        const bytes = await collection.scan(direction);
        if (bytes !== records * 116) throw new Error('Cannot trust figures: entries are missing');
        return records;
      });
      return { value: records / measured.seconds, cpuMicros: measured.cpuMicros };
    },
  };
}

function getWhole(name: string, title: string, valueBytes: number): Workload {
  return get({
    name,
    group: 'read',
    title,
    goal: { peer: 1, raw: 0.4 },
    shape: 'objects',
    valueBytes,
    systems: ALL,
    cacheBytes: RESIDENT,
    records: ({ residentBytes }) => residentBytes / valueBytes,
  });
}

function getSmall(name: string, title: string, shape: 'map' | 'objects', peer: number): Workload {
  return get({
    name,
    group: 'get',
    title,
    goal: { peer },
    shape,
    valueBytes: 100,
    systems: WITHOUT_RAW,
    cacheBytes: RESIDENT,
    ...(shape === 'map' && { dataset: MAP }),
    records: ({ records }) => records,
  });
}

/** Gets of data that is larger than the memory. */
function getCold({ memoryBytes, memoryRatio }: Scale): Workload {
  const memory = memoryBytes / 1024 ** 2;
  return get({
    name: 'cold-get',
    group: 'cold',
    title: `4 KiB, data ${memoryRatio} x the memory of ${memory} MiB`,
    goal: { peer: 1 },
    shape: 'objects',
    valueBytes: 4096,
    systems: ALL,
    cacheBytes: memoryBytes / 8,
    memoryBytes,
    records: () => Math.floor((memoryBytes * memoryRatio) / 4096),
  });
}

export function readingAt(scale: Scale): readonly Workload[] {
  return [
    getSmall('object-get', 'whole object', 'objects', 1.2),
    getSmall('map-get', 'entry of a map', 'map', 2),
    scan('forward'),
    scan('backward'),
    getWhole('get-4k', '4 KiB', 4096),
    getWhole('get-64k', '64 KiB', 65536),
    getWhole('get-1m', '1 MiB', 1024 ** 2),
    getCold(scale),
  ];
}
