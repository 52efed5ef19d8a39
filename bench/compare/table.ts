/** Results as text: Markdown tables that read well on a terminal too. */

import type { Figure } from '../measure.js';
import {
  compare,
  isReached,
  lastToFirst,
  type SystemResult,
  type WorkloadResult,
} from './results.js';
import { SYSTEM_NAMES, SYSTEM_TITLES, type SystemName } from './system.js';
import type { Goal } from './workload.js';

/** Three figures, more where a number is large. */
export function numberText(value: number): string {
  if (!Number.isFinite(value)) return '-';
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString('en');
  return size === 0 ? '0' : String(Number(value.toPrecision(size >= 10 ? 3 : 2)));
}

function figureText({ median, low, high }: Figure): string {
  if (low === high) return numberText(median);
  return `${numberText(median)} (${numberText(low)} to ${numberText(high)})`;
}

/** A table with columns as wide as their widest cell. */
export function tableText(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(3, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = rows;
  const rule = widths.map((width) => '-'.repeat(width));
  return [head, rule, ...body].map(line).join('\n');
}

/** Systems that have a result in any of the workloads. */
function presentIn(results: readonly WorkloadResult[]): SystemName[] {
  return SYSTEM_NAMES.filter((name) => results.some(({ systems }) => systems[name] !== undefined));
}

/** `3.2 x LMDB` */
function ratioText(result: WorkloadResult): string {
  const { peer, toPeer, toRaw } = compare(result);
  const parts: string[] = [];
  if (toPeer !== undefined && peer !== undefined) {
    parts.push(`${numberText(toPeer)} x ${SYSTEM_TITLES[peer]}`);
  }
  if (toRaw !== undefined) parts.push(`${numberText(toRaw)} x raw`);
  return parts.join(', ');
}

function goalText({ peer, raw, msMax, lastToFirst: share, extraMax = {} }: Goal): string {
  const parts: string[] = [];
  if (peer !== undefined) parts.push(`${peer} x best peer`);
  if (raw !== undefined) parts.push(`${raw} x raw`);
  if (msMax !== undefined) parts.push(`below ${msMax} ms`);
  if (share !== undefined) parts.push(`last / first at least ${share}`);
  for (const [name, most] of Object.entries(extraMax)) parts.push(`${name} at most ${most}`);
  return parts.join(', ');
}

function verdict(result: WorkloadResult): string {
  const reached = isReached(result);
  if (reached === undefined) return '';
  return reached ? 'yes' : 'no';
}

/** Medians with their spread, and Holdfast beside the others. */
export function speedTable(results: readonly WorkloadResult[]): string {
  const names = presentIn(results);
  const head = ['workload', 'unit', ...names.map((name) => SYSTEM_TITLES[name])];
  const rows = results.map((result) => [
    result.title,
    result.unit,
    ...names.map((name) => cell(result, name)),
    ratioText(result),
    goalText(result.goal),
    verdict(result),
  ]);
  return tableText([[...head, 'Holdfast is', 'asked', 'reached'], ...rows]);
}

function cell({ systems, failed, skipped }: WorkloadResult, name: SystemName): string {
  const result = systems[name];
  if (result !== undefined) return figureText(result.figure);
  if (failed[name] !== undefined) return 'failed';
  return skipped === undefined ? '' : 'skipped';
}

/** Processor time for an operation, all threads together; empty when nobody measured it. */
export function cpuTable(results: readonly WorkloadResult[]): string {
  const measured = results.filter(({ systems }) =>
    Object.values(systems).some(({ cpuMicros }) => cpuMicros !== undefined),
  );
  if (measured.length === 0) return '';
  const names = presentIn(measured);
  const rows = measured.map(({ title, systems }) => [
    title,
    ...names.map((name) => {
      const cpu = systems[name]?.cpuMicros;
      return cpu === undefined ? '' : numberText(cpu.median);
    }),
  ]);
  const head = ['processor time, us an operation', ...names.map((name) => SYSTEM_TITLES[name])];
  return tableText([head, ...rows]);
}

/** Everything else that was measured: a line for each figure of each workload. */
export function extraTable(results: readonly WorkloadResult[]): string {
  const names = presentIn(results);
  const rows = results.flatMap((result) =>
    extraNames(result.systems).map((extra) => [
      result.title,
      extra,
      ...names.map((name) => numberText(result.systems[name]?.extra[extra] ?? Number.NaN)),
    ]),
  );
  if (rows.length === 0) return '';
  return tableText([['workload', 'figure', ...names.map((name) => SYSTEM_TITLES[name])], ...rows]);
}

function extraNames(systems: WorkloadResult['systems']): string[] {
  return [...new Set(Object.values(systems).flatMap(({ extra }) => Object.keys(extra)))];
}

/** What was measured round after round, at the beginning and at the end. */
export function agingTable(result: WorkloadResult): string {
  const names = presentIn([result]);
  const row = (title: string, figure: (system: SystemResult) => number): string[] => [
    title,
    ...names.map((name) => {
      const system = result.systems[name];
      return system === undefined ? '' : numberText(figure(system));
    }),
  ];
  const pass = (index: number) => (system: SystemResult) => system.rounds.at(index) ?? Number.NaN;
  const rows = [
    row('overwrites/s, first pass', pass(0)),
    row('overwrites/s, last pass', pass(-1)),
    row('last / first', lastToFirst),
  ];
  for (const extra of extraNames(result.systems)) {
    rows.push(row(`${extra}, first pass`, ({ firstExtra }) => firstExtra[extra] ?? Number.NaN));
    rows.push(row(`${extra}, last pass`, ({ lastExtra }) => lastExtra[extra] ?? Number.NaN));
  }
  return tableText([['figure', ...names.map((name) => SYSTEM_TITLES[name])], ...rows]);
}
