/**
 * The same workloads on Holdfast, native systems and the plain file:
 * `npm run bench:peers -- [--quick | --full] [--only NAME,...] [--json] [--page]`.
 *
 * - `--systems NAME,...` takes part of the systems; `npm run bench` takes Holdfast and the file.
 * - `--page` writes docs/benchmarks.md, its pictures and docs/benchmarks.json; with `--from FILE`
 *   of results that were measured before. With `--only` the figures of all other workloads stay.
 *   Growth to 10 million objects takes minutes: `--only growth-10000000`.
 * - Temporary stores lie in BENCH_DIR, or where the system keeps temporary files.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { whyNoMemoryLimit } from './compare/memory-limit.js';
import { versionOf } from './compare/open-system.js';
import { writePage } from './compare/page.js';
import { REPOSITORY } from './compare/peer-package.js';
import { mergeResults, type Results, summarize, type WorkloadResult } from './compare/results.js';
import { SYSTEM_NAMES, type SystemName } from './compare/system.js';
import { agingTable, cpuTable, extraTable, speedTable } from './compare/table.js';
import { runTeam } from './compare/team.js';
import { GROUPS, SCALES, type Scale, type Workload } from './compare/workload.js';
import { workloadsAt } from './compare/workloads.js';
import { inTemporaryDirectory, machine } from './measure.js';
import { readOptions, refuse } from './options.js';

const USAGE = `The same workloads on Holdfast, native systems and the plain file

npm run bench:peers -- [OPTIONS]   (npm ci --prefix bench/peers installs the systems)
npm run bench -- [OPTIONS]         Holdfast and the plain file alone

  --quick          all of it in less than two minutes, small
  --full           larger and longer than without
  --only NAME,...  these workloads or groups: ${Object.keys(GROUPS).join(', ')}
  --systems NAME,...  of ${SYSTEM_NAMES.join(', ')}
  --json           results as JSON on stdout, the rest on stderr
  --page           writes docs/benchmarks.md, its pictures and docs/benchmarks.json; with --only
                   the figures of all other workloads stay
  --from FILE      takes the results of FILE, which --json made, instead of measuring

Stores lie in BENCH_DIR, or where the system keeps temporary files.
`;

const { values } = readOptions(USAGE, {
  options: {
    quick: { type: 'boolean', default: false },
    full: { type: 'boolean', default: false },
    only: { type: 'string' },
    systems: { type: 'string' },
    json: { type: 'boolean', default: false },
    page: { type: 'boolean', default: false },
    from: { type: 'string' },
  },
});

const scale = SCALES[values.quick ? 'quick' : values.full ? 'full' : 'normal'];
const docs = join(REPOSITORY, 'docs');
if (values.page && values.systems !== undefined) {
  refuse('Cannot make page of some systems: leave --systems out');
}

/** Progress goes to stderr where stdout is for JSON. */
function say(text: string): void {
  if (values.json) process.stderr.write(`${text}\n`);
  else console.log(text);
}

function chosenSystems(): SystemName[] {
  const asked = values.systems?.split(',') ?? [...SYSTEM_NAMES];
  const unknown = asked.filter((name) => !SYSTEM_NAMES.some((known) => known === name));
  if (unknown.length > 0) {
    refuse(`Cannot measure ${unknown.join()}: there are ${SYSTEM_NAMES.join(', ')}`);
  }
  return SYSTEM_NAMES.filter((name) => asked.includes(name));
}

function chosenWorkloads(of: Scale): readonly Workload[] {
  const all = workloadsAt(of);
  const { only } = values;
  if (only === undefined) return all.filter(({ onlyWhenNamed }) => onlyWhenNamed !== true);
  const names = only.split(',');
  const chosen = all.filter(({ name, group, onlyWhenNamed }) => {
    return names.includes(name) || (names.includes(group) && onlyWhenNamed !== true);
  });
  if (chosen.length > 0) return chosen;
  const known = [...Object.keys(GROUPS), ...all.map(({ name }) => name)].join(', ');
  return refuse(`Cannot find workload ${only}: there are ${known}`);
}

/** A workload whose dataset the directory holds already, or is to keep for the next one. */
interface Turn {
  readonly directory: string;
  readonly isFilled: boolean;
  readonly keeps: boolean;
}

async function runWorkload(
  workload: Workload,
  systems: readonly SystemName[],
  turn: Turn,
): Promise<WorkloadResult> {
  const why = workload.memoryBytes === undefined ? undefined : whyNoMemoryLimit();
  if (why !== undefined) return { ...summarize(workload, {}), skipped: why };
  return summarize(workload, await runTeam({ workload, scale, systems, ...turn }));
}

function report(result: WorkloadResult, seconds: number): void {
  say(`\n${result.name}: ${GROUPS[result.group]} (${seconds.toFixed(1)} s)`);
  if (result.skipped !== undefined) say(`skipped: ${result.skipped}`);
  for (const [name, reason] of Object.entries(result.failed)) say(`${name} FAILED: ${reason}`);
  const tables = [
    speedTable([result]),
    result.group === 'age' ? agingTable(result) : extraTable([result]),
    cpuTable([result]),
  ];
  for (const table of tables) if (table !== '') say(table);
}

function commit(): string {
  try {
    const options = { cwd: REPOSITORY, encoding: 'utf8', stdio: 'pipe' } as const;
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], options).trim();
  } catch {
    return 'unknown'; // not a working copy
  }
}

async function runAll(): Promise<Results> {
  const where = machine(); // before the run makes load of its own
  const systems = chosenSystems();
  const versions = Object.fromEntries(systems.map((name) => [name, versionOf(name)]));
  say(`${where}\n${Object.values(versions).join('; ')}\nscale ${scale.name}`);
  const workloads = await inTemporaryDirectory(async (directory) => {
    const chosen = chosenWorkloads(scale);
    const results: WorkloadResult[] = [];
    for (const [index, workload] of chosen.entries()) {
      const begin = performance.now();
      const { dataset } = workload;
      const shares = (other: Workload | undefined): boolean =>
        dataset !== undefined && other?.dataset === dataset;
      const isFilled = shares(chosen[index - 1]);
      const keeps = shares(chosen[index + 1]);
      const result = await runWorkload(workload, systems, { directory, isFilled, keeps });
      results.push(result);
      report(result, (performance.now() - begin) / 1000);
    }
    return results;
  });
  const date = new Date().toISOString().slice(0, 10);
  return { date, commit: commit(), machine: where, scale: scale.name, versions, workloads };
}

function readResults(path: string): Results {
  return JSON.parse(readFileSync(path, 'utf8')) as Results;
}

/** With what was measured before: all others, or what runs only where it is named. */
function shownOf(measured: Results): Results {
  const names = measured.workloads.map(({ name }) => name);
  if (values.only !== undefined) return mergeResults(readResults(stored), measured, names);
  if (!existsSync(stored)) return measured;
  const rare = workloadsAt(scale).filter(({ onlyWhenNamed }) => onlyWhenNamed === true);
  return mergeResults(
    measured,
    readResults(stored),
    rare.map(({ name }) => name).filter((name) => !names.includes(name)),
  );
}

const stored = join(docs, 'benchmarks.json');
const results = values.from === undefined ? await runAll() : readResults(values.from);
if (values.json) console.log(JSON.stringify(results, undefined, 2));
if (values.page) {
  const shown = shownOf(results);
  writePage(shown, docs);
  writeFileSync(stored, `${JSON.stringify(shown, undefined, 2)}\n`);
}
const failures = results.workloads.flatMap(({ failed }) => Object.keys(failed));
if (failures.length > 0) process.exitCode = 1;
