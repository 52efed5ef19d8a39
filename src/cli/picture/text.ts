/** A picture of a device as text, for terminals. */

import type { Cells } from '../../picture/cells.js';
import type { DevicePicture } from '../../picture/device-picture.js';
import { formatSize } from '../size.js';
import { factsOf, legendOf, runLengthBins } from './figures.js';

/** Cells of a row, and most of them: what a picture for text is to be gathered with. */
export const TEXT_COLUMNS = 64;
export const TEXT_CELLS_MAX = TEXT_COLUMNS * 24;

const OFFSET_WIDTH = 9;

/** By fill, from nothing to everything. */
const SHADES = ['\u00b7', '\u2591', '\u2592', '\u2593', '\u2588'] as const;

const KEY = `S superblock  J journal  M mostly nodes  O the object  ${SHADES.join('')} free to full`;

export function textPicture(picture: DevicePicture, shown: string | undefined): string {
  const { cells, object, pendingTransactions, lost, scan } = picture;
  const lines: string[] = [];
  for (let index = 0; index < cells.count; index += TEXT_COLUMNS) {
    const offset = formatSize(index * cells.cellBlocks * cells.blockSize).padStart(OFFSET_WIDTH);
    const end = Math.min(cells.count, index + TEXT_COLUMNS);
    const row = Array.from({ length: end - index }, (_, i) => mark(cells, index + i));
    lines.push(`${offset} ${row.join('')}`);
  }
  lines.push('', `${KEY}; a cell is ${formatSize(cells.cellBlocks * cells.blockSize)}`, '');
  for (const { name, bytes, share } of legendOf(picture)) {
    lines.push(`${name.padEnd(32)}${formatSize(bytes).padStart(10)}${share.padStart(8)}`);
  }
  if (object !== undefined && shown !== undefined) {
    const data = formatSize(object.dataBlocks * cells.blockSize);
    lines.push('', `${shown}: ${data} of data in ${object.extents} runs`);
  }
  if (scan.stripes !== undefined) {
    const { full, partial, free } = scan.stripes;
    lines.push('', `stripes: ${full} full, ${partial} partly used, ${free} free`);
  }
  lines.push('', 'free space by length of run');
  for (const { name, label } of runLengthBins(picture)) {
    lines.push(`${name.padStart(OFFSET_WIDTH)} ${label.padStart(10)}`);
  }
  lines.push('');
  for (const [name, value] of factsOf(picture))
    lines.push(`${name.padEnd(32)}${value.padStart(10)}`);
  if (pendingTransactions > 0)
    lines.push('', `${pendingTransactions} transactions are in the journal`);
  if (lost > 0) lines.push('', `${lost} nodes or bitmaps cannot be read: run fsck`);
  return `${lines.join('\n')}\n`;
}

/** One character for a cell: what is rare and fixed first. */
function mark(cells: Cells, index: number): string {
  const size = cells.sizeOf(index);
  if (cells.at('object', index) > 0) return 'O';
  if (cells.at('superblock', index) > 0) return 'S';
  if (cells.at('journal', index) * 2 > size) return 'J';
  const metadata = cells.at('metadata', index);
  const used = metadata + cells.at('data', index) + cells.at('limbo', index);
  if (metadata * 2 > size) return 'M';
  const shade = used === 0 ? 0 : 1 + Math.floor((used / size) * (SHADES.length - 1.001));
  return SHADES[shade] ?? SHADES[0];
}
