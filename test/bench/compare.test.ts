import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { writePage } from '../../bench/compare/page.js';
import {
  indexesInKeyOrder,
  indexOf,
  keyOf,
  makeValue,
  scramble,
  unscramble,
} from '../../bench/compare/records.js';
import {
  compare,
  isReached,
  mergeResults,
  type Results,
  type SystemResult,
  summarize,
  type WorkloadResult,
} from '../../bench/compare/results.js';
import type { SystemName } from '../../bench/compare/system.js';
import { runTeam } from '../../bench/compare/team.js';
import { type Goal, SCALES, type Workload } from '../../bench/compare/workload.js';
import { workloadsAt } from '../../bench/compare/workloads.js';
import { temporaryDirectory } from '../support/temp-directory.js';

/** One of each kind: all of them would take longer than they are worth. */
const SMOKE = [
  'put-64k',
  'flight-4k',
  'load-map',
  'scan-backward',
  'get-4k',
  'drop-collection',
  'clone-object',
  'mixed',
  'growth-1000',
  'age',
];

test('runTeam() measures Holdfast and the plain file, and writePage() shows what it gave', async (t) => {
  t.timeout(300_000);
  const scale = SCALES.smoke;
  const directory = temporaryDirectory(t);
  const workloads: WorkloadResult[] = [];
  for (const workload of workloadsAt(scale).filter(({ name }) => SMOKE.includes(name))) {
    const samples = await runTeam({ workload, scale, systems: ['holdfast', 'raw'], directory });
    const result = summarize(workload, samples);
    t.deepEqual(result.failed, {}, workload.name);
    checkFigures(t, workload, result);
    workloads.push(result);
  }
  t.is(workloads.length, SMOKE.length);
  writePage(
    { date: '', commit: '', machine: '', scale: 'smoke', versions: {}, workloads },
    directory,
  );
  const page = readFileSync(join(directory, 'benchmarks.md'), 'utf8');
  for (const { title } of workloads) t.true(page.includes(`| ${title}`), title);
  for (const [, picture = ''] of page.matchAll(/\]\((.*\.svg)\)/g)) {
    t.true(existsSync(join(directory, picture)), picture);
    t.false(/NaN|undefined|Infinity/.test(readFileSync(join(directory, picture), 'utf8')), picture);
  }
});

function checkFigures(
  t: { true(value: boolean, message: string): unknown },
  workload: Workload,
  result: WorkloadResult,
): void {
  for (const name of ['holdfast', 'raw'] as const) {
    if (!workload.systems.includes(name)) continue;
    const figure = result.systems[name]?.figure;
    t.true(figure !== undefined && figure.low > 0, `${workload.name}: ${name}`);
  }
}

function resultOf(
  unit: WorkloadResult['unit'],
  goal: Goal,
  medians: Partial<Record<SystemName, number>>,
): WorkloadResult {
  const systems: Partial<Record<SystemName, SystemResult>> = {};
  for (const [name, median] of Object.entries(medians)) {
    const figure = { median, low: median, high: median };
    systems[name as SystemName] = { figure, rounds: [], extra: {}, firstExtra: {}, lastExtra: {} };
  }
  return { name: 'w', group: 'put', title: 'w', unit, goal, systems, failed: {} };
}

test('compare() takes the fastest peer, by rate or by time', (t) => {
  const rates = resultOf('op/s', {}, { holdfast: 30, lmdb: 10, sqlite: 20, raw: 60 });
  t.deepEqual(compare(rates), { peer: 'sqlite', toPeer: 1.5, toRaw: 0.5 });
  const times = resultOf('ms', {}, { holdfast: 2, lmdb: 10, sqlite: 20 });
  t.deepEqual(compare(times), { peer: 'lmdb', toPeer: 5, toRaw: undefined });
});

test('isReached() wants every part of what is asked, and nothing where nothing was measured', (t) => {
  const medians = { holdfast: 30, lmdb: 20, raw: 60 };
  t.true(isReached(resultOf('op/s', { peer: 1.5, raw: 0.5 }, medians)));
  t.false(isReached(resultOf('op/s', { peer: 1.5, raw: 0.6 }, medians)));
  t.false(isReached(resultOf('ms', { msMax: 30 }, medians)));
  t.is(isReached(resultOf('op/s', { peer: 1.5 }, { holdfast: 30 })), undefined);
  t.false(isReached(resultOf('ms', { extraMax: { 'p99.9 / median': 20 } }, medians)));
  const aged = (rounds: readonly number[], overhead: number): WorkloadResult => {
    const result = resultOf('op/s', { lastToFirst: 0.8, extraMax: { overhead: 1.3 } }, medians);
    const holdfast = result.systems.holdfast as SystemResult;
    const systems = { holdfast: { ...holdfast, rounds, lastExtra: { overhead } } };
    return { ...result, systems };
  };
  t.true(isReached(aged([10, 9, 8], 1.3)));
  t.false(isReached(aged([10, 9, 7], 1.3)));
  t.false(isReached(aged([10, 9, 8], 1.4)));
});

test('mergeResults() keeps what was not measured again, and says where the rest comes from', (t) => {
  const run = (date: string, workloads: readonly WorkloadResult[]): Results => {
    return { date, commit: date, machine: '', scale: 'quick', versions: {}, workloads };
  };
  const named = (name: string, median: number): WorkloadResult => {
    return { ...resultOf('ms', {}, { holdfast: median }), name };
  };
  const before = run('monday', [named('a', 1), named('b', 2)]);
  const merged = mergeResults(before, run('tuesday', [named('b', 3), named('c', 4)]));
  t.is(merged.date, 'monday');
  t.deepEqual(
    merged.workloads.map(({ name, systems, run: from }) => [
      name,
      systems.holdfast?.figure.median,
      from?.date,
    ]),
    [
      ['a', 1, undefined],
      ['b', 3, 'tuesday'],
      ['c', 4, 'tuesday'],
    ],
  );
});

test('keyOf() and makeValue() are the same for every system and differ from index to index', (t) => {
  t.is(new Set(Array.from({ length: 10_000 }, (_, index) => scramble(index))).size, 10_000);
  t.is(indexOf(keyOf(123_456)), 123_456);
  for (const index of [0, 1, 123_456, 2 ** 24, 2 ** 32 - 1]) {
    t.is(unscramble(scramble(index)), index);
  }
  const keys = Array.from(indexesInKeyOrder(1000), keyOf);
  t.is(new Set(keys.map(indexOf)).size, 1000);
  t.deepEqual(keys, keys.toSorted(Buffer.compare));
  t.deepEqual(makeValue(7, 100), makeValue(7, 100));
  t.notDeepEqual(makeValue(7, 100), makeValue(8, 100));
});
