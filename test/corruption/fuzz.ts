/**
 * Forged stores for as long as they are asked to take.
 *
 * - Rounds are played in a worker: one that does not come to an end is told of, and the next
 *   round goes on behind it.
 */

import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { milliseconds } from '../support/budget.js';
import { FuzzRun } from '../support/fuzz-run.js';
import { sampleStore } from '../support/sample-store.js';
import { ScriptOptions } from '../support/script-options.js';

const USAGE = `Usage: npm run fuzz -- [OPTION]...

Forges stores behind right checksums, and opens, reads, checks and repairs them.

  --seed N      (by the clock)
  --budget TIME how long it goes on: 90s, 10m, 2h (1m)
  --from ROUND  with --seed: repeats that round and goes on (0)

Prints every fault; exits with 1 after any.
`;

/** Milliseconds that a round may take: a thousand times what it takes. */
const PATIENCE_MS = 120_000;

const PROGRESS_MS = 15_000;

/** Faults that are printed before a run gives up. */
const FAULTS_MAX = 20;

interface Task {
  readonly seed: number;
  readonly from: number;
}

interface Played {
  readonly round: number;
  readonly fault: string | undefined;
  readonly counts: FuzzRun['counts'];
}

async function play({ seed, from }: Task): Promise<void> {
  const run = new FuzzRun(await sampleStore(seed), seed);
  for (let round = from; ; round++) {
    const fault = run.round(round);
    const played: Played = { round, fault, counts: run.counts };
    parentPort?.postMessage(played);
  }
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** Plays rounds until `ends`, or until one hangs; gives the last one that was played. */
function watch(task: Task, ends: number, onPlayed: (played: Played) => boolean): Promise<number> {
  return new Promise((resolve) => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: task });
    let last = task.from - 1;
    let heard = Date.now();
    const timer = setInterval(() => {
      const now = Date.now();
      if (now > heard + PATIENCE_MS) print(`seed ${task.seed} round ${last + 1} does not end`);
      else if (now < ends) return;
      stop();
    }, 1000);
    const stop = (): void => {
      clearInterval(timer);
      void worker.terminate();
      resolve(last);
    };
    worker.on('message', (played: Played) => {
      last = played.round;
      heard = Date.now();
      if (onPlayed(played)) stop();
    });
    worker.on('error', (error) => {
      print(`seed ${task.seed} round ${last + 1}: ${error.stack ?? error.message}`);
      last++;
      stop();
    });
  });
}

async function main(): Promise<void> {
  const seedOfNow = String(Date.now() % 1_000_000);
  const options = ScriptOptions.read(USAGE, { seed: seedOfNow, budget: '1m', from: '0' });
  const seed = options.count('seed');
  const ends = Date.now() + options.parsed('budget', milliseconds);
  let printed = Date.now();
  let faults = 0;
  let rounds = 0;
  let refused: Record<string, number> = {};
  const onPlayed = ({ round, fault, counts }: Played): boolean => {
    rounds++;
    refused = counts.refused;
    if (fault !== undefined) {
      faults++;
      print(fault);
    }
    if (Date.now() > printed + PROGRESS_MS) {
      printed = Date.now();
      print(`seed ${seed}: round ${round}, ${faults} faults`);
    }
    return faults >= FAULTS_MAX;
  };
  let from = options.count('from');
  while (Date.now() < ends && faults < FAULTS_MAX) {
    const last = await watch({ seed, from }, ends, onPlayed);
    if (Date.now() < ends && faults < FAULTS_MAX) faults++; // it hung, or died
    from = last + 1;
  }
  print(`seed ${seed}: ${rounds} rounds, ${faults} faults, refused ${JSON.stringify(refused)}`);
  process.exitCode = faults > 0 ? 1 : 0;
}

if (isMainThread) await main();
else await play(workerData as Task);
