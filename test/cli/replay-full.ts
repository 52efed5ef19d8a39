/**
 * Both recorded traces, whole, on a file and on a block device, undisturbed and killed again and
 * again, with one and with many transactions in flight:
 *
 *     node dist/test/cli/replay-full.js [--seed N] [--kills 12]
 *
 * Each ends with a deep fsck. Prints the figures; the exit code is 1 when anything differs.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { mkfsSync } from '../../src/index.js';
import { Prng } from '../support/prng.js';
import { type ReplayResult, recordedTrace, replayWithKills } from '../support/recorded-replay.js';
import { makeLoopDevice } from '../support/temp-loop-device.js';

const MIB = 2 ** 20;
const DEVICE_BYTES = 1024 * MIB;

const { values } = parseArgs({
  options: { seed: { type: 'string' }, kills: { type: 'string', default: '12' } },
});
const prng = new Prng(Number(values.seed ?? Date.now() % 1_000_000));
const kills = Number(values.kills);
process.stdout.write(`seed ${prng.seed}\n`);

/** Traces and what a replay of each writes, about. */
const TRACES = { content: 120 * MIB, lengths: 650 * MIB } as const;

const RUNS: readonly { readonly kills: number; readonly options: readonly string[] }[] = [
  { kills: 0, options: [] },
  { kills, options: [] },
  { kills, options: ['--in-flight', '1', '--batch', '8'] },
  { kills, options: ['--in-flight', '200'] },
];

let failed = false;
for (const [name, writtenBytes] of Object.entries(TRACES)) {
  for (const medium of ['file', 'block device'] as const) {
    for (const run of RUNS) {
      const title = `${name} on a ${medium}, ${run.kills} kills ${run.options.join(' ')}`.trim();
      const recorded = recordedTrace(name as keyof typeof TRACES);
      const result = await withStore(medium, (path) =>
        replayWithKills({ ...recorded, ...run, path, prng, writtenBytes }),
      );
      process.stdout.write(`${title}: ${typeof result === 'string' ? result : lineOf(result)}\n`);
      if (typeof result !== 'string' && result.check.differences > 0) failed = true;
    }
  }
}
process.exitCode = failed ? 1 : 0;

/** What `work` gives on an empty store; or why there can't be one. */
async function withStore<T>(
  medium: 'file' | 'block device',
  work: (path: string) => Promise<T>,
): Promise<T | string> {
  if (medium === 'block device') {
    const device = makeLoopDevice(DEVICE_BYTES);
    if (typeof device === 'string') return `not run: ${device}`;
    try {
      mkfsSync(device.path);
      return await work(device.path);
    } finally {
      device.close();
    }
  }
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-replay-'));
  try {
    const path = join(directory, 'store');
    mkfsSync(path, { size: DEVICE_BYTES });
    return await work(path);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function lineOf({ resumedAt, check, commitMs, device, space, ...rates }: ReplayResult): string {
  const { differences, dataVerified, valuesVerified } = check;
  const from = resumedAt > 0 ? `from line ${resumedAt}: ` : '';
  return [
    `${differences} differences, ${dataVerified} objects and ${valuesVerified} values verified`,
    `${from}${Math.round(rates.transactionsPerSecond)} transactions/s`,
    `${Math.round(rates.cpuMicrosecondsPerTransaction)} us of CPU each`,
    `p50 ${commitMs.p50.toFixed(2)} ms, p99 ${commitMs.p99.toFixed(2)} ms`,
    `amplification ${device.amplification.toFixed(2)}`,
    `metadata ${(space.metadata / 1e6).toFixed(1)} MB`,
  ].join('; ');
}
