/** `holdfast bench`: what a store does on the operator's own device. */

import { randomBytes } from 'node:crypto';
import { StoreError } from '../../errors.js';
import type { Store } from '../../index.js';
import { CASES, type Case, ROUND_TRIP_BYTES, StoreBench } from '../bench/cases.js';
import { RawFile } from '../bench/raw-file.js';
import { type Call, type Command, EXIT } from '../command.js';
import { withStore } from '../open-store.js';
import { write, writeJson } from '../output.js';
import { Progress } from '../progress.js';

/** Rounds of each case; they alternate with those of the plain file. */
const ROUNDS = 3;

const SECONDS_DEFAULT = 3;

export const BENCH: Command = {
  name: 'bench',
  arguments: 'STORE',
  summary: 'Measures a store on its own device, beside a plain file.',
  details: [
    'Works in a collection of its own, which is removed afterwards; nothing else is touched. Needs',
    'about 200MiB of room, in the store and beside it. Figures are operations a second: the median',
    'of three rounds, and the lowest and highest. "of raw" compares with a temporary file in the',
    "store's directory: the same bytes with write and fdatasync, or pread. Beside a block device",
    'there is no such file. Reads come out of memory where the system has them there. Interrupted,',
    'it prints what it has, cleans up and exits with 1.',
  ],
  options: {
    seconds: { value: 'N', help: `time for each case, ${SECONDS_DEFAULT} by default` },
  },
  run,
};

/** A case's figures, in operations a second. */
interface CaseFigures {
  readonly name: string;
  readonly rounds: readonly number[];
  readonly raw: readonly number[];
}

async function run(call: Call): Promise<number> {
  const seconds = secondsOf(call);
  const figures = await withStore(call, 'write', (store) => benchStore(call, store, seconds));
  if (call.json) await writeJson(figures.map(jsonOf));
  else await write(figures.map((one) => `${lineOf(one)}\n`).join(''));
  return figures.length === CASES.length ? EXIT.success : EXIT.failure;
}

function secondsOf(call: Call): number {
  const text = call.text('seconds') ?? `${SECONDS_DEFAULT}`;
  const seconds = Number(text);
  if (text.trim() !== '' && seconds > 0 && seconds <= 3600) return seconds;
  throw new StoreError(
    'E_USAGE',
    `Cannot use --seconds ${JSON.stringify(text)}: expected a number above 0, up to 3600`,
  );
}

/** Runs all cases in a collection of their own, which is gone when this ends. */
async function benchStore(call: Call, store: Store, seconds: number): Promise<CaseFigures[]> {
  const collection = `holdfast-bench-${randomBytes(8).toString('hex')}`;
  await store.commit(store.transaction().createCollection(collection));
  const bench = new StoreBench(store, collection);
  const stop = (): void => {
    bench.isStopped = true;
  };
  process.once('SIGINT', stop);
  try {
    return await runCases(call, bench, seconds);
  } finally {
    process.off('SIGINT', stop);
    await store.commit(store.transaction().dropCollection(collection));
  }
}

async function runCases(call: Call, bench: StoreBench, seconds: number): Promise<CaseFigures[]> {
  const file = RawFile.make(call.store, ROUND_TRIP_BYTES, bench.pool);
  const progress = new Progress({ what: 'bench', unit: 'cases', total: CASES.length });
  try {
    const figures: CaseFigures[] = [];
    for (const one of CASES) {
      progress.at(figures.length);
      const measured = await runCase(one, bench, file, seconds / ROUNDS);
      if (bench.isStopped) break;
      figures.push(measured);
    }
    return figures;
  } finally {
    progress.end();
    file?.remove();
  }
}

async function runCase(
  { name, run: work, raw: rawWork }: Case,
  bench: StoreBench,
  file: RawFile | undefined,
  seconds: number,
): Promise<CaseFigures> {
  const rounds: number[] = [];
  const raw: number[] = [];
  for (let round = 0; round < ROUNDS && !bench.isStopped; round++) {
    rounds.push(await rateOf(() => work(bench, seconds)));
    if (file === undefined || rawWork === undefined) continue;
    raw.push(await rateOf(() => rawWork(file, bench, seconds)));
  }
  return { name, rounds, raw };
}

/** Operations a second. */
async function rateOf(work: () => number | Promise<number>): Promise<number> {
  const beginMs = performance.now();
  const operations = await work();
  return operations / ((performance.now() - beginMs) / 1000);
}

function jsonOf({ name, rounds, raw }: CaseFigures) {
  const rates = sorted(rounds);
  const [low, median, high] = [rates[0], medianOf(rounds), rates.at(-1)];
  return { name, unit: 'op/s', median, low, high, ...(raw.length > 0 && { raw: medianOf(raw) }) };
}

function lineOf({ name, rounds, raw }: CaseFigures): string {
  const rates = sorted(rounds);
  const [low = 0, high = 0] = [rates[0], rates.at(-1)];
  const line = `${`${name}:`.padEnd(38)}${rateText(medianOf(rounds))}/s (${rateText(low)} to ${rateText(high)})`;
  if (raw.length === 0) return line;
  const share = medianOf(rounds) / medianOf(raw);
  return `${line}; raw ${rateText(medianOf(raw))}/s, ${share.toFixed(2)} of raw`;
}

function sorted(rates: readonly number[]): number[] {
  return [...rates].sort((a, b) => a - b);
}

function medianOf(rates: readonly number[]): number {
  return sorted(rates)[rates.length >> 1] ?? 0;
}

function rateText(rate: number): string {
  return rate >= 100 ? Math.round(rate).toLocaleString('en-US') : rate.toPrecision(3);
}
