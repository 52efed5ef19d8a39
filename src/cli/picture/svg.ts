/**
 * A picture of a device as SVG: a grid of cells, each a small vessel that is filled from below by
 * what lies in it, and beside it a legend with totals and figures about groups and free space.
 *
 * - It has a background of its own, so that it can be read on dark pages too.
 * - Each cell has a title, which browsers show under the pointer.
 */

import type { BlockKind, Cells } from '../../picture/cells.js';
import type { DevicePicture } from '../../picture/device-picture.js';
import { formatSize } from '../size.js';
import { type Fact, factsOf, KIND_NAMES, legendOf, runLengthBins } from './figures.js';

/** Cells of a row, and most rows: what a picture for SVG is to be gathered with. */
export const SVG_COLUMNS = 64;
export const SVG_CELLS_MAX = SVG_COLUMNS * 64;

const COLORS: Readonly<Record<BlockKind, string>> = {
  superblock: '#111827',
  journal: '#6b7280',
  metadata: '#7c3aed',
  data: '#0f9d8a',
  limbo: '#f2a900',
  freeShort: '#fbe3d4',
  freeLong: '#eef2f5',
};

const OBJECT_COLOR = '#e11d74';

/** From the bottom of a cell to its top. */
const STACK: readonly BlockKind[] = [
  'superblock',
  'journal',
  'metadata',
  'data',
  'limbo',
  'freeShort',
];

/** Kinds that are drawn even where there is too little of them to be seen. */
const RARE: ReadonlySet<BlockKind> = new Set(['superblock', 'journal', 'metadata', 'limbo']);
const SEEN_MIN = 2;

const MARGIN = 28;
const CELL = 14;
const GAP = 1.5;
const PITCH = CELL + GAP;
const AXIS = 66;
const TOP = 92;
const PANEL = 330;
const PANEL_GAP = 34;
const BAR = 11;

const INK = '#1f2933';
const QUIET = '#66727f';

interface TextOptions {
  readonly size?: number;
  readonly weight?: 'bold';
  readonly anchor?: 'end' | 'middle';
  readonly color?: string;
}

export interface SvgOptions {
  /** What the object that is shown is called. */
  readonly shown: string | undefined;
  /** Each cell tells what is in it under the pointer, which makes the picture larger. */
  readonly hasTitles?: boolean;
}

export function svgPicture(picture: DevicePicture, options: SvgOptions): string {
  const { cells } = picture;
  const { shown, hasTitles = false } = options;
  const panelX = MARGIN + AXIS + SVG_COLUMNS * PITCH + PANEL_GAP;
  const panel = new Panel(panelX);
  panel.legend(picture);
  panel.object(picture, shown);
  panel.stripes(picture);
  panel.freeRuns(picture);
  panel.groups(picture);
  panel.facts(factsOf(picture));
  const width = panelX + PANEL + MARGIN;
  const height = Math.max(TOP + rowsOf(cells) * PITCH + 40, panel.bottom) + MARGIN;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${n(width)} ${n(height)}" width="${n(width)}" height="${n(height)}" font-family="Inter, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif" font-size="12">`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    ...header(picture),
    ...grid(cells, hasTitles),
    ...caption(picture),
    ...panel.parts,
    '</svg>',
    '',
  ].join('\n');
}

function header({ path, superblock, cells }: DevicePicture): string[] {
  const bytes = cells.blocks * superblock.blockSize;
  const name = superblock.label === '' ? path : `${superblock.label} - ${path}`;
  const free = cells.total('freeLong') + cells.total('freeShort');
  const usedShare = percent(cells.blocks - free, cells.blocks);
  const line = `${formatSize(bytes)}, ${usedShare} in use, ${superblock.objects.toLocaleString('en-US')} objects, ${formatSize(superblock.storedBytes)} stored`;
  return [
    text(MARGIN, MARGIN + 18, name, { size: 22, weight: 'bold' }),
    text(MARGIN, MARGIN + 42, line, { size: 14, color: QUIET }),
  ];
}

/** The cells: what lies in them, a path for each kind, and the object on top. */
function grid(cells: Cells, hasTitles: boolean): string[] {
  const rects = new Map<string, string[]>();
  const draw = (color: string, x: number, y: number, width: number, height: number): void => {
    const known = rects.get(color) ?? [];
    known.push(`M${n(x)} ${n(y)}h${n(width)}v${n(height)}h${n(-width)}z`);
    rects.set(color, known);
  };
  const marks: string[] = [];
  const titles: string[] = [];
  for (let index = 0; index < cells.count; index++) {
    const x = MARGIN + AXIS + (index % SVG_COLUMNS) * PITCH;
    const y = TOP + Math.floor(index / SVG_COLUMNS) * PITCH;
    draw(COLORS.freeLong, x, y, CELL, CELL);
    fill(cells, index, (color, from, height) => draw(color, x, y + from, CELL, height));
    const share = cells.at('object', index) / cells.sizeOf(index);
    if (share > 0) marks.push(objectMark(x + 0.75, y + 0.75, CELL - 1.5, 0.2 + 0.6 * share));
    if (hasTitles) titles.push(`<g>${hotSpot(x, y)}<title>${titleOf(cells, index)}</title></g>`);
  }
  const paths = [...rects].map(([color, parts]) => `<path fill="${color}" d="${parts.join('')}"/>`);
  return [...paths, ...marks, ...titles, ...rowLabels(cells)];
}

/** The parts of a vessel from its bottom up: color, top edge and height. */
function fill(
  cells: Cells,
  index: number,
  draw: (color: string, from: number, height: number) => void,
): void {
  let bottom = CELL;
  for (const kind of STACK) {
    const part = (cells.at(kind, index) / cells.sizeOf(index)) * CELL;
    if (part <= 0) continue;
    const height = Math.min(bottom, RARE.has(kind) ? Math.max(part, SEEN_MIN) : part);
    bottom -= height;
    draw(COLORS[kind], bottom, height);
  }
}

function objectMark(x: number, y: number, side: number, opacity: number): string {
  return `<rect x="${n(x)}" y="${n(y)}" width="${side}" height="${side}" fill="${OBJECT_COLOR}" fill-opacity="${n(opacity)}" stroke="${OBJECT_COLOR}" stroke-width="1.5"/>`;
}

function hotSpot(x: number, y: number): string {
  return `<rect x="${n(x)}" y="${n(y)}" width="${CELL}" height="${CELL}" fill="#000" fill-opacity="0"/>`;
}

function titleOf(cells: Cells, index: number): string {
  const size = cells.sizeOf(index);
  const parts = legendKinds(cells, index).map(
    ([kind, blocks]) => `${KIND_NAMES[kind]} ${percent(blocks, size)}`,
  );
  const offset = formatSize(index * cells.cellBlocks * cells.blockSize);
  return escapeXml(`at ${offset}: ${parts.join(', ')}`);
}

function legendKinds(cells: Cells, index: number): (readonly [BlockKind, number])[] {
  const kinds: readonly BlockKind[] = [...STACK, 'freeLong'];
  return kinds
    .map((kind) => [kind, cells.at(kind, index)] as const)
    .filter(([, blocks]) => blocks > 0);
}

/** Offsets in front of rows: bytes where the row begins. */
function rowLabels(cells: Cells): string[] {
  const rows = rowsOf(cells);
  const step = 2 ** Math.ceil(Math.log2(Math.max(1, rows / 16)));
  const labels: string[] = [];
  for (let row = 0; row < rows; row += step) {
    const y = TOP + row * PITCH + CELL - 3;
    const offset = formatSize(row * SVG_COLUMNS * cells.cellBlocks * cells.blockSize);
    labels.push(text(MARGIN + AXIS - 8, y, offset, { size: 11, anchor: 'end', color: QUIET }));
  }
  return labels;
}

function rowsOf(cells: Cells): number {
  return Math.ceil(cells.count / SVG_COLUMNS);
}

function caption({ cells, pendingTransactions, lost }: DevicePicture): string[] {
  const y = TOP + rowsOf(cells) * PITCH + 18;
  const cellBytes = formatSize(cells.cellBlocks * cells.blockSize);
  const lines = [
    `Each cell is ${cellBytes}, filled from below by what lies in it; rows go on from left to right.`,
  ];
  if (pendingTransactions > 0) {
    lines.push(`${pendingTransactions} transactions that only the journal holds are not shown.`);
  }
  if (lost > 0) lines.push(`${lost} tree nodes or bitmaps cannot be read: run fsck.`);
  return lines.map((line, i) =>
    text(MARGIN + AXIS, y + 16 * i, line, { size: 11.5, color: QUIET }),
  );
}

/** The column on the right, from top to bottom. */
class Panel {
  readonly parts: string[] = [];
  readonly #x: number;
  #y = TOP + 4;

  constructor(x: number) {
    this.#x = x;
  }

  get bottom(): number {
    return this.#y;
  }

  legend(picture: DevicePicture): void {
    for (const { kind, name, bytes, share } of legendOf(picture)) {
      this.parts.push(
        rect(this.#x, this.#y - 9, 12, 12, COLORS[kind], '#c6ced6'),
        text(this.#x + 20, this.#y + 1, name),
        text(this.#x + 258, this.#y + 1, formatSize(bytes), { anchor: 'end' }),
        text(this.#x + PANEL, this.#y + 1, share, { anchor: 'end', color: QUIET }),
      );
      this.#y += 19;
    }
    this.#y += 6;
  }

  object({ object, cells }: DevicePicture, shown: string | undefined): void {
    if (object === undefined || shown === undefined) return;
    const { extents, dataBlocks, nodeBlocks } = object;
    const data = formatSize(dataBlocks * cells.blockSize);
    const nodes = nodeBlocks > 0 ? `, ${formatSize(nodeBlocks * cells.blockSize)} of nodes` : '';
    const runs = extents === 1 ? '1 run' : `${extents.toLocaleString('en-US')} runs`;
    this.parts.push(
      objectMark(this.#x, this.#y - 9, 12, 0.6),
      text(this.#x + 20, this.#y + 1, shortened(shown), { weight: 'bold' }),
      text(this.#x + 20, this.#y + 18, `${data} of data in ${runs}${nodes}`, { color: QUIET }),
    );
    this.#y += 46;
  }

  stripes({ scan, superblock }: DevicePicture): void {
    if (scan.stripes === undefined) return;
    const { full, partial, free } = scan.stripes;
    const total = Math.max(1, full + partial + free);
    this.#heading(`Stripes of ${formatSize(superblock.stripeWidth)}`);
    const colors = [COLORS.data, '#f59e6c', COLORS.freeLong] as const;
    let x = this.#x;
    for (const [i, count] of [full, partial, free].entries()) {
      const width = (count / total) * PANEL;
      this.parts.push(rect(x, this.#y - 9, width, 14, colors[i] ?? INK, '#c6ced6'));
      x += width;
    }
    this.#y += 22;
    const figures = `full ${percent(full, total)}, partly used ${percent(partial, total)}, free ${percent(free, total)}`;
    this.parts.push(text(this.#x, this.#y, figures, { color: QUIET }));
    this.#y += 30;
  }

  /** Free space by the length of its runs: what fragmentation looks like. */
  freeRuns(picture: DevicePicture): void {
    const bins = runLengthBins(picture);
    if (bins.length === 0) return;
    this.#heading('Free space by length of run');
    this.#bars(bins, (isLong) => (isLong ? '#9fb3c4' : '#f0a983'));
  }

  groups({ scan, groupCount }: DevicePicture): void {
    if (groupCount < 8) return;
    this.#heading(`${groupCount.toLocaleString('en-US')} allocation groups by fill`);
    const bars = scan.groupsByFill.map((count, i) => ({
      name: i === 9 ? 'over 90%' : `to ${10 * (i + 1)}%`,
      value: count,
      label: count.toLocaleString('en-US'),
      isLong: true,
    }));
    this.#bars(bars, () => COLORS.data);
  }

  facts(facts: readonly Fact[]): void {
    this.#heading('Store');
    for (const [name, value] of facts) {
      this.parts.push(
        text(this.#x, this.#y, name, { color: QUIET }),
        text(this.#x + PANEL, this.#y, value, { anchor: 'end' }),
      );
      this.#y += 18;
    }
  }

  #heading(heading: string): void {
    this.#y += 6;
    this.parts.push(text(this.#x, this.#y, heading, { size: 13, weight: 'bold' }));
    this.#y += 20;
  }

  #bars(
    bars: readonly { name: string; value: number; label: string; isLong: boolean }[],
    color: (isLong: boolean) => string,
  ): void {
    const most = Math.max(1, ...bars.map(({ value }) => value));
    for (const { name, value, label, isLong } of bars) {
      const width = value === 0 ? 0 : Math.max(1.5, (value / most) * 170);
      this.parts.push(
        text(this.#x + 78, this.#y, name, { size: 11, anchor: 'end', color: QUIET }),
        rect(this.#x + 86, this.#y - 9, width, BAR, color(isLong)),
        text(this.#x + 92 + width, this.#y, value === 0 ? '' : label, { size: 11 }),
      );
      this.#y += 16;
    }
    this.#y += 12;
  }
}

function shortened(name: string): string {
  return name.length <= 44 ? name : `${name.slice(0, 20)}...${name.slice(-20)}`;
}

function rect(
  x: number,
  y: number,
  width: number,
  height: number,
  fill: string,
  stroke = '',
): string {
  const line = stroke === '' ? '' : ` stroke="${stroke}" stroke-width="0.75"`;
  return `<rect x="${n(x)}" y="${n(y)}" width="${n(width)}" height="${n(height)}" fill="${fill}"${line}/>`;
}

function text(x: number, y: number, content: string, options: TextOptions = {}): string {
  const { size, weight, anchor, color = INK } = options;
  const more = [
    size === undefined ? '' : ` font-size="${size}"`,
    weight === undefined ? '' : ` font-weight="${weight}"`,
    anchor === undefined ? '' : ` text-anchor="${anchor}"`,
  ].join('');
  return `<text x="${n(x)}" y="${n(y)}" fill="${color}"${more}>${escapeXml(content)}</text>`;
}

export function escapeXml(content: string): string {
  return content
    .replace(/[<>&"]/g, (one) => `&#${one.charCodeAt(0)};`)
    .replace(/[^\t\n\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '?');
}

function percent(part: number, whole: number): string {
  const share = (100 * part) / Math.max(1, whole);
  return `${share >= 10 || share === 0 ? Math.round(share) : share.toFixed(1)}%`;
}

/** A coordinate, short. */
function n(value: number): string {
  return String(Math.round(value * 100) / 100);
}
