/** Sixteen clients at once that get, put, delete and list. */

import { type Bench, keepInFlight, percentile } from '../bench.js';
import { keyOf, makeRandom, makeValue } from '../records.js';
import type { Collection, Later } from '../system.js';
import { WITHOUT_RAW, type Workload } from '../workload.js';

const CLIENTS = 16;
const VALUE_BYTES = 4096;
const LISTED = 10;

function recordsOf(bench: Bench): number {
  return bench.scale.residentBytes / VALUE_BYTES / 2;
}

/** Of 10 operations 5 get, 3 put, 1 deletes, 1 lists. */
function operationOf(bench: Bench, collection: Collection, random: (below: number) => number) {
  const records = recordsOf(bench);
  return (): Later<unknown> => {
    const key = keyOf(random(records));
    const kind = random(10);
    if (kind < 5) return collection.get(key);
    if (kind < 8) return collection.putConcurrent(key, makeValue(bench.written++, VALUE_BYTES));
    if (kind < 9) return collection.removeConcurrent(key);
    return collection.list(key, LISTED);
  };
}

export const MIXED: Workload = {
  name: 'mixed',
  group: 'mixed',
  title: '50 % get, 30 % put 4 KiB, 10 % delete, 10 % list, 16 in flight: p99',
  unit: 'ms',
  goal: { peer: 1 },
  systems: WITHOUT_RAW,
  options: { shape: 'objects', valueBytes: VALUE_BYTES },
  warmUp: true,
  fill: async (bench) => {
    await bench.load(bench.main, recordsOf(bench));
  },
  round: async (bench, round) => {
    const operation = operationOf(bench, bench.main, makeRandom(round));
    let latencies: number[] = [];
    const { cpuMicros, seconds } = await bench.measure(async () => {
      latencies = await keepInFlight(CLIENTS, bench.scale.seconds, operation);
      return latencies.length;
    });
    const extra = {
      'op/s': latencies.length / seconds,
      'median ms': percentile(latencies, 0.5),
      'p99.9 ms': percentile(latencies, 0.999),
    };
    return { value: percentile(latencies, 0.99), cpuMicros, extra };
  },
};
