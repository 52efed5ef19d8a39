/**
 * What a run gave, as it is written with --json, and what follows from it.
 */

import { type Figure, figureOf } from '../measure.js';
import { isPeer, SYSTEM_NAMES, type SystemName } from './system.js';
import type { Samples } from './team.js';
import type { Goal, Group, Sample, Workload } from './workload.js';

export interface SystemResult {
  readonly figure: Figure;
  /** One for each round, in their order. */
  readonly rounds: readonly number[];
  /** Microseconds of processor time for an operation. */
  readonly cpuMicros?: Figure;
  /** Further figures: the median of the rounds. */
  readonly extra: Readonly<Record<string, number>>;
  /** Those of the first and of the last round, for what changes with time. */
  readonly firstExtra: Readonly<Record<string, number>>;
  readonly lastExtra: Readonly<Record<string, number>>;
}

export interface WorkloadResult {
  readonly name: string;
  readonly group: Group;
  readonly title: string;
  readonly unit: Workload['unit'];
  readonly goal: Goal;
  readonly systems: Partial<Record<SystemName, SystemResult>>;
  readonly failed: Partial<Record<SystemName, string>>;
  /** Why it did not run. */
  readonly skipped?: string;
  /** Which run it comes from, where it isn't the one of the other workloads. */
  readonly run?: Run;
}

/** When, what and how much was measured. */
export interface Run {
  readonly date: string;
  readonly commit: string;
  readonly machine: string;
  readonly scale: string;
}

export interface Results extends Run {
  readonly versions: Partial<Record<SystemName, string>>;
  readonly workloads: readonly WorkloadResult[];
}

/** The results of `before` with those of `part`, of some workloads, in the place of older ones. */
export function mergeResults(before: Results, part: Results): Results {
  const { date, commit, machine, scale } = part;
  const run: Run = { date, commit, machine, scale };
  const added = new Map(part.workloads.map((one) => [one.name, { ...one, run }]));
  const workloads = before.workloads.map((one) => {
    const newer = added.get(one.name);
    added.delete(one.name);
    return newer ?? one;
  });
  return { ...before, workloads: [...workloads, ...added.values()] };
}

/** Summary of the samples of all systems. */
export function summarize(workload: Workload, samples: Samples): WorkloadResult {
  const systems: Partial<Record<SystemName, SystemResult>> = {};
  const failed: Partial<Record<SystemName, string>> = {};
  for (const name of SYSTEM_NAMES) {
    const rounds = samples[name];
    if (rounds === undefined) continue;
    if ('failed' in rounds) failed[name] = rounds.failed;
    else systems[name] = summaryOf(rounds);
  }
  const { name, group, title, unit, goal = {} } = workload;
  return { name, group, title, unit, goal, systems, failed };
}

function summaryOf(samples: readonly Sample[]): SystemResult {
  const cpu = samples.flatMap(({ cpuMicros }) => (cpuMicros === undefined ? [] : [cpuMicros]));
  const extra: Record<string, number> = {};
  for (const name of Object.keys(samples[0]?.extra ?? {})) {
    extra[name] = figureOf(samples.map((sample) => sample.extra?.[name] ?? Number.NaN)).median;
  }
  const rounds = samples.map(({ value }) => value);
  return {
    figure: figureOf(rounds),
    rounds,
    ...(cpu.length > 0 && { cpuMicros: figureOf(cpu) }),
    extra,
    firstExtra: samples[0]?.extra ?? {},
    lastExtra: samples.at(-1)?.extra ?? {},
  };
}

/** How many times as fast `a` is as `b`. */
function speedRatio(unit: Workload['unit'], a: number, b: number): number {
  return unit === 'op/s' ? a / b : b / a;
}

export interface Comparison {
  /** The fastest peer. */
  readonly peer: SystemName | undefined;
  /** Times the speed of the fastest peer, and of the plain file. */
  readonly toPeer: number | undefined;
  readonly toRaw: number | undefined;
}

/** Holdfast beside the fastest peer and the plain file. */
export function compare({ unit, systems }: WorkloadResult): Comparison {
  const ours = systems.holdfast?.figure.median;
  const raw = systems.raw?.figure.median;
  let peer: SystemName | undefined;
  let best = Number.NaN;
  for (const name of SYSTEM_NAMES) {
    const median = systems[name]?.figure.median;
    if (median === undefined || !isPeer(name)) continue;
    if (peer !== undefined && speedRatio(unit, median, best) <= 1) continue;
    peer = name;
    best = median;
  }
  return {
    peer,
    toPeer: ours === undefined || peer === undefined ? undefined : speedRatio(unit, ours, best),
    toRaw: ours === undefined || raw === undefined ? undefined : speedRatio(unit, ours, raw),
  };
}

/** Speed of the last round as a share of the first one's. */
export function lastToFirst({ rounds }: SystemResult): number {
  return (rounds.at(-1) ?? Number.NaN) / (rounds[0] ?? Number.NaN);
}

/** Whether what is asked was reached; undefined when nothing is asked or nothing was measured. */
export function isReached(result: WorkloadResult): boolean | undefined {
  const { goal, systems } = result;
  const { toPeer, toRaw } = compare(result);
  const checks: boolean[] = [];
  if (goal.peer !== undefined && toPeer !== undefined) checks.push(toPeer >= goal.peer);
  if (goal.raw !== undefined && toRaw !== undefined) checks.push(toRaw >= goal.raw);
  const ours = systems.holdfast;
  if (ours !== undefined) {
    if (goal.msMax !== undefined) checks.push(ours.figure.median < goal.msMax);
    if (goal.lastToFirst !== undefined) checks.push(lastToFirst(ours) >= goal.lastToFirst);
    const figures = goal.lastToFirst === undefined ? ours.extra : ours.lastExtra;
    for (const [name, most] of Object.entries(goal.extraMax ?? {})) {
      checks.push((figures[name] ?? Number.NaN) <= most);
    }
  }
  return checks.length === 0 ? undefined : checks.every((one) => one);
}
