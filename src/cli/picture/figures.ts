/** What a picture says in numbers, for its legend, its panel and its text form. */

import { BLOCK_KINDS, type BlockKind, LONG_RUN_BYTES } from '../../picture/cells.js';
import type { DevicePicture } from '../../picture/device-picture.js';
import { formatSize } from '../size.js';

export const KIND_NAMES: Readonly<Record<BlockKind, string>> = {
  superblock: 'superblock slots',
  journal: 'journal',
  metadata: 'tree nodes and bitmaps',
  data: 'object data',
  limbo: 'limbo: free soon',
  freeShort: `free, in runs below ${formatSize(LONG_RUN_BYTES)}`,
  freeLong: 'free, in longer runs',
};

export interface LegendEntry {
  readonly kind: BlockKind;
  readonly name: string;
  readonly bytes: number;
  /** Of the device. */
  readonly share: string;
}

const ORDER: readonly BlockKind[] = [
  'data',
  'metadata',
  'journal',
  'superblock',
  'limbo',
  'freeShort',
  'freeLong',
];

export function legendOf({ cells }: DevicePicture): LegendEntry[] {
  return ORDER.map((kind) => {
    const blocks = cells.total(kind);
    return {
      kind,
      name: KIND_NAMES[kind],
      bytes: blocks * cells.blockSize,
      share: `${((100 * blocks) / cells.blocks).toFixed(1)}%`,
    };
  });
}

export type Fact = readonly [name: string, value: string];

export function factsOf(picture: DevicePicture): Fact[] {
  const { superblock, cells, scan, nodes, groupCount } = picture;
  const { blockSize, nodeSize, stripeUnit, stripeWidth, epoch } = superblock;
  const free = cells.total('freeLong') + cells.total('freeShort');
  const mean = scan.freeRuns === 0 ? 0 : Math.round(free / scan.freeRuns) * blockSize;
  const facts: Fact[] = [
    ['blocks of', formatSize(blockSize)],
    ['nodes of', formatSize(nodeSize)],
    ['tree nodes', nodes.toLocaleString('en-US')],
    ['allocation groups', groupCount.toLocaleString('en-US')],
    ['free runs', scan.freeRuns.toLocaleString('en-US')],
    ['mean free run', formatSize(mean)],
    ['longest free run', formatSize(scan.longestFree * blockSize)],
    ['may grow to', formatSize(superblock.deviceBlocksMax * blockSize)],
    ['epoch', epoch.toLocaleString('en-US')],
  ];
  if (stripeWidth > 0) {
    facts.push(['stripes', `${formatSize(stripeUnit)} x ${stripeWidth / stripeUnit}`]);
  }
  return facts;
}

/** A bar of a chart. */
export interface Bar {
  readonly name: string;
  readonly value: number;
  readonly label: string;
  /** A run that serves large data well. */
  readonly isLong: boolean;
}

/** Most bars of run lengths: shorter runs are one bar, and so are longer ones. */
const BINS_MAX = 12;

/** Free bytes by the length of their runs, from the shortest that there are. */
export function runLengthBins({ scan, cells }: DevicePicture): Bar[] {
  const { freeByLength } = scan;
  const first = freeByLength.findIndex((blocks) => blocks > 0);
  if (first < 0) return [];
  const last = Math.min(freeByLength.length - 1, first + BINS_MAX - 1);
  return Array.from({ length: last - first + 1 }, (_, i): Bar => {
    const bin = first + i;
    const rest = bin === last ? freeByLength.slice(last) : [freeByLength[bin] ?? 0];
    const bytes = rest.reduce((sum, blocks) => sum + blocks, 0) * cells.blockSize;
    const least = 2 ** bin * cells.blockSize;
    return {
      name: `${formatSize(least)}+`,
      value: bytes,
      label: formatSize(bytes),
      isLong: least >= LONG_RUN_BYTES,
    };
  });
}

/** The figures of a picture for programs. */
export function jsonOf(picture: DevicePicture): Readonly<Record<string, unknown>> {
  const { cells, scan, superblock, object, pendingTransactions, lost, nodes } = picture;
  const { blockSize } = superblock;
  const kinds = BLOCK_KINDS.map((kind) => [kind, cells.total(kind) * blockSize]);
  return {
    path: picture.path,
    bytes: cells.blocks * blockSize,
    kinds: Object.fromEntries(kinds),
    nodes,
    freeRuns: scan.freeRuns,
    longestFree: scan.longestFree * blockSize,
    freeByLength: scan.freeByLength.map((blocks) => blocks * blockSize),
    groupsByFill: scan.groupsByFill,
    stripes: scan.stripes ?? null,
    object:
      object === undefined
        ? null
        : {
            extents: object.extents,
            dataBytes: object.dataBlocks * blockSize,
            nodeBytes: object.nodeBlocks * blockSize,
          },
    pendingTransactions,
    lost,
    cellBytes: cells.cellBlocks * blockSize,
    cells: Array.from({ length: cells.count }, (_, index) =>
      Object.fromEntries(
        BLOCK_KINDS.map((kind) => [kind, cells.at(kind, index) * blockSize]).filter(
          ([, bytes]) => bytes !== 0,
        ),
      ),
    ),
  };
}
