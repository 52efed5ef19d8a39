/**
 * Crash runs for as long as they are asked to take:
 *
 *     node dist/test/crash/sweep.js [--seed N] [--budget 10m]
 *
 * Each run has a seed of its own, which is printed: `--seed` with it and any budget begins with
 * the same run.
 */

import { parseArgs } from 'node:util';
import { milliseconds } from '../support/budget.js';
import { type CrashCounts, CrashRun } from '../support/crash-run.js';
import { CRASH_SHAPES } from '../support/crash-shapes.js';
import { Prng } from '../support/prng.js';

const SEGMENTS = 12;

const { values } = parseArgs({
  options: { seed: { type: 'string' }, budget: { type: 'string', default: '1m' } },
});

const ends = Date.now() + milliseconds(values.budget);
let seed = Number(values.seed ?? Date.now() % 1_000_000);
const total: Partial<Record<keyof CrashCounts, number>> = {};
do {
  const prng = new Prng(seed);
  const [name, shape] = prng.pick(Object.entries(CRASH_SHAPES));
  const run = new CrashRun({ ...shape, prng });
  const began = Date.now();
  try {
    for (let i = 0; i < SEGMENTS && Date.now() < ends; i++) await run.segment();
  } catch (error) {
    process.stdout.write(`seed ${seed} (${name}) failed in segment ${run.counts.segments}\n`);
    throw error;
  }
  for (const [key, count] of Object.entries(run.counts)) {
    const name = key as keyof CrashCounts;
    total[name] = (total[name] ?? 0) + count;
  }
  const line = JSON.stringify(run.counts);
  process.stdout.write(`seed ${seed} (${name}), ${Date.now() - began} ms: ${line}\n`);
  seed++;
} while (Date.now() < ends);
process.stdout.write(`all: ${JSON.stringify(total)}\n`);
