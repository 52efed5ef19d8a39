/**
 * CPU time of a replay, thread by thread: `node dist/bench/replay.bench.js TRACE STORE [COUNT]`.
 *
 * - COUNT replays, 1 by default, each onto a new store at STORE; later ones in the process show
 *   what is left when the engine's code has been compiled.
 * - CPU time does not depend on what else the machine does, or little; the rate does.
 * - Threads that have ended meanwhile, as the one that builds the transactions, count in `all` only.
 */

import { readFileSync, rmSync } from 'node:fs';
import { replay } from '../src/cli/replay/replayer.js';
import { mkfs, Store } from '../src/index.js';

const IN_FLIGHT = 16;

/** The file of the store grows up to this. */
const STORE_BYTES = 8 * 1024 ** 3;

/** Transactions between two figures of the thread that has the store. */
const STEP = 4000;

/** Microseconds that the main thread has run. */
function mainUs(): number {
  const [ns = '0'] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ');
  return Number(ns) / 1000;
}

async function replayOnce(trace: string, path: string): Promise<void> {
  rmSync(path, { force: true });
  await mkfs(path, { size: STORE_BYTES });
  const store = await Store.open(path);
  const startUs = mainUs();
  const steps: number[] = [];
  let lines = 0;
  let [stepLines, stepUs] = [0, startUs];
  const figures = await replay({
    store,
    path: trace,
    batch: 1,
    inFlight: IN_FLIGHT,
    onLines: (count) => {
      lines += count;
      if (lines - stepLines < STEP) return;
      const now = mainUs();
      steps.push(Math.round((now - stepUs) / (lines - stepLines)));
      [stepLines, stepUs] = [lines, now];
    },
  });
  const { transactions, seconds, cpuSeconds, commitMs } = figures;
  const row = {
    transactions,
    transactionsPerSecond: Math.round(transactions / seconds),
    mainUs: Math.round((mainUs() - startUs) / transactions),
    allUs: Math.round((1e6 * cpuSeconds) / transactions),
    mainUsBySteps: steps,
    commitMs,
  };
  process.stdout.write(`${JSON.stringify(row)}\n`);
  await store.close();
  rmSync(path, { force: true });
}

const [trace, path, count = '1'] = process.argv.slice(2);
if (trace === undefined || path === undefined) {
  throw new TypeError('Usage: replay.bench.js TRACE STORE [COUNT]');
}
for (let left = Number(count); left > 0; left--) await replayOnce(trace, path);
