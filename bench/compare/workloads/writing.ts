/** Durable puts, one at a time and many in flight, and bulk loads. */

import { type Bench, keepInFlight, memoryBytes, percentile } from '../bench.js';
import { keyOf, makeValue } from '../records.js';
import type { Collection } from '../system.js';
import {
  ALL,
  BATCH,
  type Goal,
  type Sample,
  type Scale,
  WITHOUT_RAW,
  type Workload,
} from '../workload.js';

const IN_FLIGHT = 64;

/** Objects that are there before the first put, where they are small. */
const THERE_BEFORE = 5000;

/** Where new keys of a round begin: never where an earlier one has been. */
const ROUND_KEYS = 2 ** 24;

async function fillSome(bench: Bench): Promise<void> {
  const isSmall = bench.name !== 'raw' && bench.options.valueBytes <= 4096;
  if (isSmall) await bench.load(bench.main, THERE_BEFORE);
  await bench.main.put(keyOf(THERE_BEFORE), makeValue(bench.written++, bench.options.valueBytes));
}

/** More than any system puts in a second. */
const SMALL_BYTES_PER_SECOND = 384 * 1024 ** 2;
const LARGE_BYTES_PER_SECOND = 1536 * 1024 ** 2;

/** A store of `scale` that puts don't fill; the plain file has its blocks from the start too. */
function roomFor(valueBytes: number, { seconds, rounds }: Scale) {
  const speed = valueBytes > 4096 ? LARGE_BYTES_PER_SECOND : SMALL_BYTES_PER_SECOND;
  const bytes = 256 * 1024 ** 2 + (rounds + 1) * seconds * speed;
  return { valueBytes, sizeMax: bytes - (bytes % 1024 ** 2), preallocated: true } as const;
}

type Put = readonly [name: string, title: string, valueBytes: number, goal: Goal];

function putOne(scale: Scale, [name, title, valueBytes, goal]: Put): Workload {
  return {
    name,
    group: 'put',
    title,
    unit: 'op/s',
    goal,
    systems: ALL,
    options: { shape: 'objects', ...roomFor(valueBytes, scale) },
    warmUp: true,
    fill: fillSome,
    round: async (bench, round) => {
      const collection = bench.main;
      const measured = await bench.measure(() => putFor(bench, collection, round));
      return { value: measured.operations / measured.seconds, cpuMicros: measured.cpuMicros };
    },
  };
}

/** Puts one after the other until the time is up; gives how many. */
async function putFor(bench: Bench, collection: Collection, round: number): Promise<number> {
  const { valueBytes } = bench.options;
  const end = performance.now() + bench.scale.seconds * 1000;
  let count = 0;
  for (; performance.now() < end; count++) {
    const key = keyOf(ROUND_KEYS * (round + 1) + count);
    const done = collection.put(key, makeValue(bench.written++, valueBytes));
    if (done !== undefined) await done;
  }
  return count;
}

function putInFlight(scale: Scale, [name, title, valueBytes, goal]: Put): Workload {
  return {
    name,
    group: 'flight',
    title,
    unit: 'op/s',
    goal,
    systems: WITHOUT_RAW,
    options: { shape: 'objects', ...roomFor(valueBytes, scale) },
    warmUp: true,
    fill: fillSome,
    round: async (bench, round) => {
      let latencies: number[] = [];
      const measured = await bench.measure(async () => {
        latencies = await flight(bench, round, bench.scale.seconds);
        return latencies.length;
      });
      return { value: measured.operations / measured.seconds, cpuMicros: measured.cpuMicros };
    },
  };
}

function flight(bench: Bench, round: number, seconds: number): Promise<number[]> {
  const { valueBytes } = bench.options;
  const collection = bench.main;
  let next = ROUND_KEYS * (round + 1);
  return keepInFlight(IN_FLIGHT, seconds, () =>
    collection.putConcurrent(keyOf(next++), makeValue(bench.written++, valueBytes)),
  );
}

/** Collections that are dropped while puts are under way, one in each round. */
const SUSTAINED_ROUNDS = 3;

function doomedName(round: number): string {
  return `doomed-${round}`;
}

const DOOMED_BYTES = 100;

/** How long a round's puts have gone on when a collection is dropped. */
const DROP_AFTER = 1 / 3;

const SUSTAINED: Workload = {
  name: 'latency',
  group: 'mixed',
  title: 'put 4 KiB, 64 in flight, sustained, a large collection is dropped meanwhile: p99.9',
  unit: 'ms',
  goal: { extraMax: { 'p99.9 / median': 20 } },
  systems: WITHOUT_RAW,
  options: { shape: 'objects', valueBytes: 4096 },
  rounds: SUSTAINED_ROUNDS,
  fill: async (bench) => {
    const doomed = Math.ceil(bench.scale.collectionRecords / 4);
    for (let round = 0; round < SUSTAINED_ROUNDS; round++) {
      const collection = bench.system.collection(doomedName(round));
      await bench.loadInOrder(collection, doomed, DOOMED_BYTES);
    }
    await fillSome(bench);
  },
  setup: (bench) => bench.reopen(),
  round: async (bench, round) => {
    const seconds = bench.scale.sustainedSeconds;
    const [latencies, dropMs] = await Promise.all([
      flight(bench, round, seconds),
      dropLater(bench, doomedName(round), seconds * DROP_AFTER),
    ]);
    const [median, p999] = [percentile(latencies, 0.5), percentile(latencies, 0.999)];
    const extra = {
      'op/s': latencies.length / seconds,
      'median ms': median,
      'p99 ms': percentile(latencies, 0.99),
      'p99.9 / median': p999 / median,
      'longest ms': latencies.at(-1) ?? Number.NaN,
      'drop acknowledged ms': dropMs,
      'memory MB': memoryBytes() / 1e6,
    };
    return { value: p999, extra };
  },
};

/** Drops a collection after a while; gives the milliseconds that this took. */
async function dropLater(bench: Bench, name: string, seconds: number): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const begin = performance.now();
  await bench.system.dropConcurrent(name);
  return performance.now() - begin;
}

/** Loads `share` of the scale's records. */
function bulkLoad(
  name: string,
  title: string,
  shape: 'map' | 'objects',
  share: number,
  goal?: Goal,
): Workload {
  return {
    name,
    group: 'load',
    title,
    unit: 'op/s',
    ...(goal !== undefined && { goal }),
    systems: WITHOUT_RAW,
    options: { shape, valueBytes: 100 },
    rounds: 3,
    round: (bench) => loadAll(bench, share),
  };
}

async function loadAll(bench: Bench, share: number): Promise<Sample> {
  await bench.fresh();
  const collection = bench.main;
  const records = bench.scale.records * share;
  // Keys and values are made before: making them costs as much as some systems take.
  const batches = Array.from({ length: records / BATCH }, (_, i) =>
    bench.entries(i * BATCH, BATCH),
  );
  const measured = await bench.measure(async () => {
    for (const entries of batches) {
      const done = collection.putBatch(entries);
      if (done !== undefined) await done;
    }
    return records;
  });
  return { value: records / measured.seconds, cpuMicros: measured.cpuMicros };
}

const PUTS: readonly Put[] = [
  ['put-100', '100 B', 100, { peer: 1.1, raw: 0.85 }],
  ['put-4k', '4 KiB', 4096, { peer: 1.1, raw: 0.85 }],
  ['put-64k', '64 KiB', 65536, { peer: 2, raw: 0.6 }],
  ['put-1m', '1 MiB', 1024 ** 2, { peer: 4, raw: 0.6 }],
];

const FLIGHTS: readonly Put[] = [
  ['flight-100', '100 B', 100, { peer: 4 }],
  ['flight-4k', '4 KiB', 4096, { peer: 3 }],
];

const LOADS: readonly Workload[] = [
  bulkLoad('load-map', '100 B entries of a map, random order, 1000 a commit', 'map', 1, {
    peer: 2,
  }),
  bulkLoad(
    'load-objects',
    'a quarter of it as objects, random order, 1000 a commit',
    'objects',
    1 / 4,
  ),
];

export function writingAt(scale: Scale): readonly Workload[] {
  return [
    ...PUTS.map((put) => putOne(scale, put)),
    ...FLIGHTS.map((put) => putInFlight(scale, put)),
    ...LOADS,
    SUSTAINED,
  ];
}
