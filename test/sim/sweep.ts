/**
 * The whole sweep of crashes, for as long as it is asked to take.
 *
 * - Prints what it has looked at every half minute and at the end, and every failure at once;
 *   exits with 1 after any.
 * - The distinct images of all jobs are put together at the end: one that two jobs have looked
 *   at counts once.
 */

import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { milliseconds } from '../support/budget.js';
import { ScriptOptions } from '../support/script-options.js';
import type { CrashCounts } from './crash-checker.js';
import { type SweepPart, type SweepProgress, sweepPart } from './sweep-work.js';

const USAGE = `Usage: npm run sweep -- [OPTION]...

Crashes every short sequence of steps at every write, and checks what is left.

  --seed N      of the order of the sequences (1)
  --budget TIME how long it goes on: 90s, 10m, 2h (1m)
  --depth N     longest sequences (3)
  --jobs N      processes beside each other (as many as there are cores)

Prints what it has looked at; exits with 1 after a failure.
`;

const REPORT_EVERY_MS = 30_000;

/** Young objects live as long as a state: fewer, larger collections of them. */
const WORKER_LIMITS = { maxYoungGenerationSizeMb: 64 };

type Message = { readonly progress: SweepProgress } | { readonly digests: Float64Array };

/** Runs one part in a worker; resolves with its digests. */
function startPart(part: SweepPart, heard: (progress: SweepProgress) => void) {
  return new Promise<Float64Array>((resolve, reject) => {
    const file = new URL(import.meta.url);
    const worker = new Worker(file, { workerData: part, resourceLimits: WORKER_LIMITS });
    worker.on('error', reject);
    worker.on('message', (message: Message) => {
      if ('digests' in message) resolve(message.digests);
      else heard(message.progress);
    });
  });
}

function sumOf(all: readonly SweepProgress[]): Record<string, number> {
  const total = { sequences: 0, simulations: 0 } as Record<string, number>;
  for (const { counts, sequences, simulations } of all) {
    total['sequences'] = (total['sequences'] ?? 0) + sequences;
    total['simulations'] = (total['simulations'] ?? 0) + simulations;
    for (const key of Object.keys(counts) as (keyof CrashCounts)[]) {
      const before = total[key] ?? 0;
      total[key] = key === 'replayedMax' ? Math.max(before, counts[key]) : before + counts[key];
    }
  }
  return total;
}

async function main(): Promise<void> {
  const options = ScriptOptions.read(USAGE, {
    seed: '1',
    budget: '1m',
    depth: '3',
    jobs: String(availableParallelism()),
  });
  const began = Date.now();
  const parts = options.count('jobs');
  const [seed, depth] = [options.count('seed'), options.count('depth')];
  const endsMs = began + options.parsed('budget', milliseconds);
  const latest: SweepProgress[] = [];
  let failed = 0;
  const print = (what: string, more: Record<string, unknown> = {}): void => {
    const seconds = Math.round((Date.now() - began) / 1000);
    const { rss } = process.memoryUsage();
    const mebibytes = Math.round(rss / 2 ** 20);
    const all = { seconds, mebibytes, ...sumOf(latest.filter(Boolean)), failed, ...more };
    process.stdout.write(`${what} ${JSON.stringify(all)}\n`);
  };
  const timer = setInterval(() => print('so far'), REPORT_EVERY_MS);
  const runs = Array.from({ length: parts }, (_, index) => {
    const part = { seed, depth, index, parts, endsMs };
    return startPart(part, (progress) => {
      latest[index] = progress;
      for (const failure of progress.failures) process.stdout.write(`FAILED ${failure}\n`);
      failed += progress.failures.length;
    });
  });
  const distinct = new Set<number>();
  for (const digests of await Promise.all(runs)) for (const one of digests) distinct.add(one);
  clearInterval(timer);
  const isDone = latest.every((progress) => progress.isDone);
  print(isDone ? 'all of' : 'a part of', { seed, distinct: distinct.size });
  process.exitCode = failed > 0 ? 1 : 0;
}

async function work(part: SweepPart): Promise<void> {
  const digests = await sweepPart(part, (progress) => parentPort?.postMessage({ progress }));
  parentPort?.postMessage({ digests }, [digests.buffer as ArrayBuffer]);
}

if (isMainThread) await main();
else await work(workerData as SweepPart);
