/**
 * What the benchmarks share: temporary stores, medians, where figures come from.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';

/** A measured figure with its spread over the rounds. */
export interface Figure {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** Median, lowest and highest of some rounds. */
export function figureOf(rounds: readonly number[]): Figure {
  const sorted = [...rounds].sort((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  return { median: at(sorted.length >> 1), low: at(0), high: at(sorted.length - 1) };
}

/**
 * Runs the cases in turn, `rounds` times and once before to warm up: each case returns its rate of
 * that round.
 */
export async function alternate<K extends string>(
  rounds: number,
  cases: Readonly<Record<K, (round: number) => number | Promise<number>>>,
): Promise<Record<K, Figure>> {
  const names = Object.keys(cases) as K[];
  const rates = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<
    K,
    number[]
  >;
  for (let round = -1; round < rounds; round++) {
    for (const name of names) {
      const rate = await cases[name](round);
      if (round >= 0) rates[name].push(rate);
    }
  }
  return Object.fromEntries(names.map((name) => [name, figureOf(rates[name])])) as Record<
    K,
    Figure
  >;
}

/** Seconds that `work` takes. */
export async function secondsOf(work: () => unknown): Promise<number> {
  const begin = performance.now();
  await work();
  return (performance.now() - begin) / 1000;
}

/** A directory of its own that is removed when `work` ends. */
export async function inTemporaryDirectory<T>(work: (directory: string) => T | Promise<T>) {
  const directory = mkdtempSync(join(process.env['BENCH_DIR'] ?? tmpdir(), 'holdfast-bench-'));
  try {
    return await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A figure as text: median and spread. */
export function show(figure: Figure, unit: string): string {
  const text = (value: number): string =>
    value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
  return `${text(figure.median)} ${unit} (${text(figure.low)} to ${text(figure.high)})`;
}

/** One line that says where the figures come from. */
export function machine(): string {
  const [cpu] = cpus();
  const load = loadavg()[0]?.toFixed(1) ?? 'unknown';
  const processors = `${cpus().length} x ${cpu?.model ?? 'unknown processor'}`;
  const memory = `${Math.round(totalmem() / 1024 ** 3)} GiB`;
  const system = `${process.platform} ${release()}`;
  return `Node ${process.version}, ${processors}, ${memory}, ${system}, load ${load} before the run`;
}
