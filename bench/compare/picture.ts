/**
 * Pictures of results as SVG: bars with their spread, and lines over something that grows. They
 * have a background of their own, so that they can be read on dark pages too.
 */

import type { WorkloadResult } from './results.js';
import { SYSTEM_NAMES, SYSTEM_TITLES, type SystemName } from './system.js';
import { numberText } from './table.js';

const COLORS: Readonly<Record<SystemName, string>> = {
  holdfast: '#0b7a75',
  lmdb: '#c8553d',
  leveldb: '#e0a030',
  sqlite: '#5b6fb5',
  raw: '#9aa0a6',
};

const WIDTH = 760;
const MARGIN = 16;
const LABEL_WIDTH = 80;
const VALUE_WIDTH = 150;
const BAR_HEIGHT = 14;
const BAR_STEP = 18;
const TITLE_STEP = 26;

function escapeXml(text: string): string {
  return text.replace(/[<>&"]/g, (one) => `&#${one.charCodeAt(0)};`);
}

interface TextOptions {
  readonly weight?: 'bold';
  readonly anchor?: 'middle' | 'end';
  readonly color?: string;
}

function textAt(x: number, y: number, text: string, options: TextOptions = {}): string {
  const { weight = 'normal', anchor = 'start', color = '#202124' } = options;
  return `<text x="${round(x)}" y="${round(y)}" font-weight="${weight}" text-anchor="${anchor}" fill="${color}">${escapeXml(text)}</text>`;
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function svg(height: number, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${round(height)}" width="${WIDTH}" height="${round(height)}" font-family="sans-serif" font-size="12">`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

/** Where a value's bar ends, as a share of the longest. */
type Measure = (value: number) => number;

/** Rates by their length; times by their order of magnitude, since they differ by thousands. */
function measureOf({ unit, systems }: WorkloadResult): Measure {
  const figures = Object.values(systems).map(({ figure }) => figure);
  const high = Math.max(...figures.map((figure) => figure.high));
  if (unit === 'op/s') return (value) => value / high;
  const low = Math.min(...figures.map((figure) => figure.low)) / 2;
  return (value) => Math.log(value / low) / Math.log(high / low);
}

/** One block of bars for each workload, one bar for each system. */
export function barPicture(title: string, results: readonly WorkloadResult[]): string {
  const parts = [textAt(MARGIN, 24, title, { weight: 'bold' })];
  let y = 40;
  for (const result of results) {
    const better = result.unit === 'op/s' ? 'longer is better' : 'shorter is better, log scale';
    parts.push(textAt(MARGIN, y + 14, `${result.title} (${result.unit}, ${better})`));
    y += TITLE_STEP;
    const measure = measureOf(result);
    for (const name of SYSTEM_NAMES) {
      const system = result.systems[name];
      if (system === undefined) continue;
      parts.push(...bar(name, y, system.figure, measure));
      y += BAR_STEP;
    }
  }
  return svg(y + MARGIN, parts);
}

function bar(
  name: SystemName,
  y: number,
  figure: { readonly median: number; readonly low: number; readonly high: number },
  measure: Measure,
): string[] {
  const from = MARGIN + LABEL_WIDTH;
  const room = WIDTH - from - VALUE_WIDTH;
  const end = (value: number): number => from + Math.max(1, measure(value) * room);
  const middle = y + BAR_HEIGHT / 2;
  return [
    textAt(from - 8, y + 11, SYSTEM_TITLES[name], { anchor: 'end' }),
    `<rect x="${from}" y="${y}" width="${round(end(figure.median) - from)}" height="${BAR_HEIGHT}" fill="${COLORS[name]}"/>`,
    `<path d="M${round(end(figure.low))} ${middle}H${round(end(figure.high))}" stroke="#202124"/>`,
    textAt(end(figure.high) + 8, y + 11, numberText(figure.median)),
  ];
}

export interface LinePanel {
  readonly title: string;
  /** x and y of each point; both axes are logarithmic where x is. */
  readonly lines: Partial<Record<SystemName, readonly (readonly [number, number])[]>>;
}

const PANEL_HEIGHT = 190;
const PANEL_WIDTH = (WIDTH - MARGIN) / 2;
const PLOT = { left: 56, right: 12, top: 34, bottom: 28 };

/** Panels two by two, with a legend; `across` says what is counted from left to right. */
export function linePicture(
  title: string,
  panels: readonly LinePanel[],
  scale: 'linear' | 'log',
  across: string,
): string {
  const axes =
    scale === 'log' ? `across: ${across}; both axes are logarithmic` : `across: ${across}`;
  const parts = [
    textAt(MARGIN, 24, title, { weight: 'bold' }),
    textAt(WIDTH - MARGIN, 24, axes, { anchor: 'end', color: '#5f6368' }),
    ...legend(panels),
  ];
  panels.forEach((panel, index) => {
    const x = MARGIN / 2 + (index % 2) * PANEL_WIDTH;
    const y = 52 + Math.floor(index / 2) * PANEL_HEIGHT;
    parts.push(`<g transform="translate(${round(x)} ${y})">`, ...panelParts(panel, scale), '</g>');
  });
  return svg(52 + Math.ceil(panels.length / 2) * PANEL_HEIGHT + MARGIN, parts);
}

function legend(panels: readonly LinePanel[]): string[] {
  const names = SYSTEM_NAMES.filter((name) => panels.some(({ lines }) => lines[name]));
  return names.flatMap((name, index) => {
    const x = MARGIN + index * 100;
    return [
      `<rect x="${x}" y="34" width="12" height="12" fill="${COLORS[name]}"/>`,
      textAt(x + 18, 44, SYSTEM_TITLES[name]),
    ];
  });
}

/** Powers of ten well inside [from, to], where a line and its number cover no other. */
function decades(from: number, to: number): number[] {
  const powers: number[] = [];
  for (let power = 10 ** Math.ceil(Math.log10(from * 1.5)); power * 1.5 < to; power *= 10) {
    powers.push(power);
  }
  return powers;
}

function panelParts({ title, lines }: LinePanel, scale: 'linear' | 'log'): string[] {
  const points = Object.values(lines).flat();
  const xs = [...new Set(points.map(([x]) => x))].sort((a, b) => a - b);
  const ys = points.map(([, y]) => y);
  const bottom = scale === 'log' ? Math.min(...ys) / 1.5 : 0;
  const top = Math.max(...ys) * (scale === 'log' ? 1.5 : 1.1);
  const of = scale === 'log' ? Math.log : (value: number) => value;
  const share = (value: number, from: number, to: number): number =>
    to === from ? 0.5 : (of(value) - of(from)) / (of(to) - of(from));
  const plotWidth = PANEL_WIDTH - PLOT.left - PLOT.right;
  const plotHeight = PANEL_HEIGHT - PLOT.top - PLOT.bottom;
  const xOf = (x: number): number => PLOT.left + share(x, xs[0] ?? 1, xs.at(-1) ?? 1) * plotWidth;
  const yOf = (y: number): number => PLOT.top + (1 - share(y, bottom, top)) * plotHeight;
  const parts = [
    textAt(PLOT.left, 22, title),
    `<path d="M${PLOT.left} ${PLOT.top}V${PLOT.top + plotHeight}H${PLOT.left + plotWidth}" fill="none" stroke="#9aa0a6"/>`,
    textAt(PLOT.left - 6, yOf(top) + 8, numberText(top), { anchor: 'end', color: '#5f6368' }),
    textAt(PLOT.left - 6, yOf(bottom), numberText(bottom), { anchor: 'end', color: '#5f6368' }),
    ...(scale === 'log' ? decades(bottom, top) : []).map(
      (y) =>
        `<path d="M${PLOT.left} ${round(yOf(y))}H${PLOT.left + plotWidth}" stroke="#e8eaed"/>${textAt(PLOT.left - 6, yOf(y) + 4, numberText(y), { anchor: 'end', color: '#5f6368' })}`,
    ),
    ...xs.map((x) =>
      textAt(xOf(x), PANEL_HEIGHT - 12, numberText(x), { anchor: 'middle', color: '#5f6368' }),
    ),
  ];
  for (const name of SYSTEM_NAMES) {
    const line = lines[name];
    if (line === undefined || line.length === 0) continue;
    const path = line.map(([x, y]) => `${round(xOf(x))} ${round(yOf(y))}`).join('L');
    parts.push(`<path d="M${path}" fill="none" stroke="${COLORS[name]}" stroke-width="2"/>`);
    for (const [x, y] of line) {
      parts.push(
        `<circle cx="${round(xOf(x))}" cy="${round(yOf(y))}" r="3" fill="${COLORS[name]}"/>`,
      );
    }
  }
  return parts;
}
