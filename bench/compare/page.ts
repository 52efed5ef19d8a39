/**
 * docs/benchmarks.md and its pictures, out of the results of a run: nothing in them is written by
 * hand.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from './peer-package.js';
import { barPicture, type LinePanel, linePicture } from './picture.js';
import { isReached, type Results, type WorkloadResult } from './results.js';
import { SYSTEM_NAMES, SYSTEM_TITLES, type SystemName } from './system.js';
import { agingTable, cpuTable, extraTable, speedTable } from './table.js';
import { GROUPS, type Group, SCALES, SMALL_HEAP } from './workload.js';

/** Why a workload falls short, by its name: what a profile showed. */
const REASONS = join(REPOSITORY, 'bench', 'compare', 'reasons.json');

/** Makes the page and `directory`/benchmarks/*.svg. */
export function writePage(results: Results, directory: string): void {
  const pictures = join(directory, 'benchmarks');
  mkdirSync(pictures, { recursive: true });
  const sections = (Object.keys(GROUPS) as Group[]).flatMap((group) => {
    const workloads = results.workloads.filter((one) => one.group === group);
    if (workloads.length === 0) return [];
    const picture = pictureOf(group, workloads);
    if (picture !== undefined) writeFileSync(join(pictures, `${group}.svg`), picture);
    return [sectionText(group, workloads, picture !== undefined)];
  });
  writeFileSync(
    join(directory, 'benchmarks.md'),
    `${[headText(results), ...sections].join('\n\n')}\n`,
  );
}

function headText({ date, commit, machine, scale, versions }: Results): string {
  const systems = SYSTEM_NAMES.filter((name) => versions[name] !== undefined).map(
    (name) => `- ${SYSTEM_TITLES[name]}: ${versions[name]}`,
  );
  return `# Benchmarks

Holdfast beside native systems that programs on Node use for the same purpose, and beside the plain file. This page and its
pictures are made by

\`\`\`sh
npm ci --prefix bench/peers
npm run bench:peers -- --page              # writes docs/benchmarks.md, docs/benchmarks/ and docs/benchmarks.json
npm run bench:peers -- --only growth-10000000 --page  # this one alone, minutes long; what else is on the page stays
npm run bench:peers -- --quick             # all of it in less than two minutes, on the terminal only
npm run bench:peers -- --only put-4k,scan  # some workloads or groups, on the terminal only
npm run bench -- --quick                   # Holdfast and the plain file alone
\`\`\`

Measured ${date}, commit ${commit}, ${machine}. ${scaleText(scale)}

${systems.join('\n')}

## How it is measured
- Every system runs in a process of its own, with its own adapter (\`bench/compare/systems/\`), used the way its documentation says is fast.
  One of them works at a time; rounds alternate, and their order turns. The figure is the median of the rounds, with the lowest and highest.
- Everything acknowledged is durable everywhere: LMDB with its default flushes, SQLite with \`journal_mode=WAL\` and \`synchronous=FULL\`,
  LevelDB with \`sync: true\`. The cache is the same everywhere, and so is what may be dirty: half of it. LMDB's cache is the page cache.
- Before reads, drops and clones the store is closed and opened again, so that nobody reads what was only just written out of a log.
- Keys have 16 bytes and come in random order, but for stores that are only cloned, dropped or looked into at several sizes: these are
  loaded in the order of their keys. Values differ from each other and don't compress.
- Under a limit of memory, which counts the page cache too, every process gets the same option of V8 (\`${SMALL_HEAP.join(' ')}\`).
- For writes that are under way together, LMDB uses its own batching; SQLite and LevelDB, which have none that serves here, get all
  waiting writes in one transaction or batch (\`bench/compare/group-queue.ts\`).
- The raw file does the same bytes with \`write\` and \`fdatasync\`, or \`pread\`, in a file whose blocks are there already. So they are in
  Holdfast's file where puts are measured (\`mkfs --preallocate\`); everywhere else it grows like those of the others.
- Holdfast verifies the checksum of every byte that it reads; the others don't.
- Processor time is that of all threads of the process until it is quiet again, so work left for later counts too.
- "Asked" is what the project wants to reach, as a multiple of the fastest peer's speed and of the raw file's. Where it falls short, the
  reason is what a profile has shown (\`node --cpu-prof\`, \`strace -c\`); it is kept in \`bench/compare/reasons.json\`.`;
}

/** How much the workloads did. */
function scaleText(name: string): string {
  const scale = Object.values(SCALES).find((one) => one.name === name);
  if (scale === undefined) return `Scale \`${name}\`.`;
  const { records, seconds, rounds, residentBytes } = scale;
  return [
    `Scale \`${name}\`: ${records.toLocaleString('en')} records in loads, scans and gets of 100 B,`,
    `${residentBytes / 1024 ** 2} MiB of larger ones; ${rounds} rounds of ${seconds} s.`,
  ].join(' ');
}

function sectionText(
  group: Group,
  workloads: readonly WorkloadResult[],
  hasPicture: boolean,
): string {
  const parts = [`## ${GROUPS[group]}`];
  if (hasPicture) parts.push(`![${GROUPS[group]}](benchmarks/${group}.svg)`);
  const measured = workloads.filter(({ skipped }) => skipped === undefined);
  if (measured.length > 0) parts.push(speedTable(measured), shortText(measured), runText(measured));
  for (const result of workloads) {
    if (result.skipped !== undefined) parts.push(`Skipped: ${result.title}: ${result.skipped}.`);
    for (const [name, reason] of Object.entries(result.failed)) {
      const title = SYSTEM_TITLES[name as SystemName];
      parts.push(`${title} failed (${result.title}): ${reason.split('\n')[0]}`);
    }
  }
  if (group === 'age') parts.push(...measured.map(agingTable));
  else parts.push(extraTable(measured));
  parts.push(cpuTable(measured));
  return parts.filter((part) => part !== '').join('\n\n');
}

/** What is known about those that fall short. */
function shortText(workloads: readonly WorkloadResult[]): string {
  const reasons = JSON.parse(readFileSync(REASONS, 'utf8')) as Readonly<Record<string, string>>;
  const lines = workloads
    .filter((result) => isReached(result) === false)
    .map(({ name, title }) => `- ${title}: ${reasons[name] ?? 'not looked into yet'}.`);
  return lines.length === 0 ? '' : ['Where it falls short:', ...lines].join('\n');
}

/** Where figures come from that another run has given. */
function runText(workloads: readonly WorkloadResult[]): string {
  return workloads
    .flatMap(({ title, run }) => {
      if (run === undefined) return [];
      const { date, commit, machine, scale } = run;
      return [`- ${title}: measured ${date}, commit ${commit}, scale \`${scale}\`, ${machine}.`];
    })
    .join('\n');
}

function pictureOf(group: Group, workloads: readonly WorkloadResult[]): string | undefined {
  const measured = workloads.filter(({ systems }) => Object.keys(systems).length > 0);
  if (measured.length === 0) return undefined;
  if (group === 'growth') {
    return linePicture(GROUPS.growth, growthPanels(measured), 'log', 'objects');
  }
  if (group === 'age') {
    return linePicture(GROUPS.age, measured.map(agePanel), 'linear', 'times written over');
  }
  return barPicture(GROUPS[group], measured);
}

function growthPanels(results: readonly WorkloadResult[]): LinePanel[] {
  const panel = (title: string, figure: (result: WorkloadResult, name: SystemName) => number) => ({
    title,
    lines: linesOf((name) =>
      results.map((result) => [Number(result.name.split('-')[1]), figure(result, name)] as const),
    ),
  });
  const extras = results.flatMap(({ systems }) => Object.keys(systems.holdfast?.extra ?? {}));
  return [
    panel('random get us', (result, name) => result.systems[name]?.figure.median ?? Number.NaN),
    ...[...new Set(extras)].map((extra) =>
      panel(extra, (result, name) => result.systems[name]?.extra[extra] ?? Number.NaN),
    ),
  ];
}

function agePanel(result: WorkloadResult): LinePanel {
  return {
    title: 'overwrites/s in each pass',
    lines: linesOf((name) =>
      (result.systems[name]?.rounds ?? []).map((rate, pass) => [pass + 1, rate] as const),
    ),
  };
}

/** Points of all systems that have any. */
function linesOf(
  points: (name: SystemName) => readonly (readonly [number, number])[],
): LinePanel['lines'] {
  const lines: LinePanel['lines'] = {};
  for (const name of SYSTEM_NAMES) {
    const known = points(name).filter(([, y]) => Number.isFinite(y));
    if (known.length > 0) lines[name] = known;
  }
  return lines;
}
