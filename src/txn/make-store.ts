/**
 * Making a store: where everything lies, and the first two superblocks.
 *
 *     near slot 0 | near slot 1 | journal | [far slots 0, 1] | ... | [far slots 0, 1]
 *
 * - The far slots stand at the end of a device that can't grow, else behind the journal.
 * - A new store has no bitmap: a group without a summary is free but for fixed places.
 */

import type { BlockRun } from '../alloc/block-run.js';
import { groupBlocksFor } from '../alloc/group-geometry.js';
import type { BlockDevice, StripeGeometry } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import { emptyRoot } from '../btree/root-record.js';
import { invalidArgument, StoreError } from '../errors.js';
import { separateRingOffset } from '../format/journal-header.js';
import { LABEL_BYTES_MAX, type Superblock } from '../format/superblock.js';
import {
  homeRing,
  homeRingBytes,
  INCOMPAT,
  JOURNAL_BLOCKS_MIN,
  JOURNAL_UNITS_MIN,
  RO_COMPAT,
  SLOT_STEP,
  SLOT_STRIDE_MAX,
  slotBytes,
  slotStrideFor,
  superblockFault,
} from '../format/superblock-bounds.js';
import { type Environment, SYSTEM_ENVIRONMENT } from './environment.js';
import { GROUPS_SPEC } from './group-store.js';
import { ringOf } from './journal-scan.js';
import { clearRing, newHeader, separateRingBytes } from './make-journal.js';
import { housekeepingBlocks } from './space-policy.js';
import { DROP_FIRST, STORE_SPECS } from './store-state.js';
import { SuperblockWriter } from './superblock-writer.js';

export const BLOCK_SIZE_DEFAULT = 4096;
export const NODE_SIZE_DEFAULT = 8192;

/** Bytes of the journal's ring where nothing else is asked, in a store that is large enough. */
const JOURNAL_BYTES_DEFAULT = 64 * 1024 * 1024;

/** Stripe units of the ring of a small store. */
const JOURNAL_UNITS = 4 * JOURNAL_UNITS_MIN;

/** The journal's part of a small store. */
const JOURNAL_SHARE = 16;

/** Bytes that are zeroed at once, in whole stripes. */
const ZERO_BYTES = 1024 * 1024;

/** Bytes that a growing store has beyond its fixed places and its pool at the start. */
const INITIAL_BYTES = 8 * 1024 * 1024;

export interface MakeStoreOptions {
  /** At most 64 bytes of UTF-8. */
  readonly label?: string;
  /** Bytes, a power of two in [1024, 65536]. */
  readonly blockSize?: number;
  /** Bytes, a multiple of the block size, at most 65536. */
  readonly nodeSize?: number;
  /** Bytes of the journal's ring. */
  readonly journalBytes?: number;
  /** Writes all of a file once, so that it never grows; by default it does, as it fills. */
  readonly preallocate?: boolean;
  /** Places of each metadata block, far from each other: 1 by default, or 2. */
  readonly metadataCopies?: number;
  /** RAID geometry, in bytes; what the device says of itself by default. */
  readonly geometry?: StripeGeometry;
  /** Overwrites what is freed; docs/erase.md. */
  readonly eraseFreed?: boolean;
  /** Path of the journal's device, where it is to have one of its own. */
  readonly journal?: string;
  /** That device, where it is open already; all of it is used. It stays the caller's. */
  readonly journalDevice?: BlockDevice;
  /** Where the time and the store's names come from; the system's by default. */
  readonly environment?: Environment;
}

/** The figures of a store of up to `sizeMax` bytes; `fixedSize`: it has them from the start. */
export interface StorePlan {
  readonly blockSize: number;
  readonly nodeSize: number;
  readonly metadataCopies: number;
  readonly slotStride: number;
  /** The ring on the store's device, in use or kept for it. */
  readonly homeRing: { readonly offset: number; readonly bytes: number };
  readonly farOffset: number;
  readonly groupBlocks: number;
  readonly geometry: StripeGeometry;
  /** Bytes that must be there before the store can be made. */
  readonly initialSize: number;
}

/**
 * Bytes of the ring of a new store of up to `sizeMax` bytes.
 *
 * @throws StoreError E_INVALID_ARGUMENT for a size that makes no sense
 */
export function journalBytesFor(
  sizeMax: number,
  options: MakeStoreOptions,
  { unit, width }: StripeGeometry = NO_STRIPES,
): number {
  const { blockSize = BLOCK_SIZE_DEFAULT } = options;
  const share = Math.floor(sizeMax / JOURNAL_SHARE);
  const wanted = options.journalBytes ?? Math.min(JOURNAL_BYTES_DEFAULT, share);
  if (!Number.isSafeInteger(wanted) || wanted < 0) {
    throw invalidArgument(`Cannot use a journal of ${wanted} bytes: expected a whole number`);
  }
  const step = width || blockSize;
  const least = Math.max(JOURNAL_BLOCKS_MIN * blockSize, JOURNAL_UNITS * unit);
  return Math.floor(Math.max(Math.ceil(least / step) * step, wanted) / step) * step;
}

const NO_STRIPES: StripeGeometry = { unit: 0, width: 0 };

/** @throws StoreError E_TOO_SMALL, E_TOO_BIG for the label; E_INVALID_ARGUMENT for options that make no sense */
export function planStore(
  sizeMax: number,
  isFixed: boolean,
  geometry: StripeGeometry,
  options: MakeStoreOptions,
): StorePlan {
  const { blockSize = BLOCK_SIZE_DEFAULT } = options;
  const nodeSize = options.nodeSize ?? Math.max(NODE_SIZE_DEFAULT, blockSize);
  const { metadataCopies = 1 } = options;
  checkSizes(blockSize, nodeSize);
  checkLabel(options.label ?? '');
  if (metadataCopies !== 1 && metadataCopies !== 2) {
    throw invalidArgument(`Cannot keep ${metadataCopies} copies of metadata: only 1 or 2`);
  }
  const fault = stripesFault(geometry, blockSize);
  if (fault !== undefined) throw invalidArgument(`Cannot use stripes: ${fault}`);
  const slotStride = slotStrideFor({ blockSize, stripeWidth: geometry.width });
  const isSeparate = options.journal !== undefined || options.journalDevice !== undefined;
  const { unit, width } = geometry;
  const bytes = isSeparate
    ? homeRingBytes({ blockSize, stripeUnit: unit, stripeWidth: width })
    : journalBytesFor(sizeMax, options, geometry);
  const ring = { offset: 2 * slotStride, bytes };
  // With stripes the stride is whole stripes: what is a multiple of it begins one.
  const step = width > 0 ? slotStride : SLOT_STEP;
  const journalEnd = Math.ceil((ring.offset + bytes) / step) * step;
  const farOffset = isFixed ? Math.floor((sizeMax - 2 * slotStride) / step) * step : journalEnd;
  const nodeBlocks = (nodeSize / blockSize) * metadataCopies;
  const total = Math.floor(sizeMax / blockSize);
  const pool = 5 * housekeepingBlocks(isFixed ? total : 0, nodeBlocks) * blockSize;
  const needed = journalEnd + 2 * slotStride + pool;
  if (needed > sizeMax) {
    throw new StoreError(
      'E_TOO_SMALL',
      `Cannot make store: ${sizeMax} bytes are too small, ${needed} are needed`,
    );
  }
  const stripeBlocks = geometry.width / blockSize;
  const initial =
    options.preallocate === true ? sizeMax : Math.min(sizeMax, needed + INITIAL_BYTES);
  return {
    blockSize,
    nodeSize,
    metadataCopies,
    slotStride,
    homeRing: ring,
    farOffset,
    groupBlocks: groupBlocksFor(blockSize, stripeBlocks),
    geometry,
    initialSize: isFixed ? sizeMax : initial - (initial % (width || blockSize)),
  };
}

/** Why a store of such blocks can't have these stripes; undefined when it can. */
export function stripesFault(
  { unit, width }: StripeGeometry,
  blockSize: number,
): string | undefined {
  if (unit === 0 && width === 0) return undefined;
  if (!(unit > 0) || unit % blockSize !== 0) {
    return `unit ${unit} is not whole blocks of ${blockSize}`;
  }
  if (!(width > 0) || width % unit !== 0) return `width ${width} is not whole units of ${unit}`;
  const most = Math.min(groupBlocksFor(blockSize, 0) * blockSize, SLOT_STRIDE_MAX);
  return width > most ? `width ${width} is over ${most}` : undefined;
}

function checkSizes(blockSize: number, nodeSize: number): void {
  const isPower = Number.isInteger(Math.log2(blockSize));
  if (!isPower || blockSize < 1024 || blockSize > 65536) {
    throw invalidArgument(
      `Cannot use block size ${blockSize}: not a power of two in [1024, 65536]`,
    );
  }
  if (nodeSize % blockSize !== 0 || nodeSize < blockSize || nodeSize > 65536) {
    throw invalidArgument(
      `Cannot use node size ${nodeSize}: not a multiple of ${blockSize} up to 65536`,
    );
  }
}

function checkLabel(label: string): void {
  const { length } = new TextEncoder().encode(label);
  if (length <= LABEL_BYTES_MAX) return;
  throw new StoreError(
    'E_TOO_BIG',
    `Cannot use label: ${length} bytes exceed ${LABEL_BYTES_MAX}; choose a shorter one`,
  );
}

/** Blocks at fixed places: superblock slots, and the journal's place on the store's device. */
export function fixedRuns(
  superblock: Pick<
    Superblock,
    | 'incompat'
    | 'blockSize'
    | 'stripeUnit'
    | 'stripeWidth'
    | 'slotStride'
    | 'farOffset'
    | 'journalOffset'
    | 'journalBytes'
  >,
): BlockRun[] {
  const { blockSize, slotStride, farOffset } = superblock;
  const length = slotBytes(superblock) / blockSize;
  const slots = [0, slotStride, farOffset, farOffset + slotStride];
  const runs = slots.map((offset) => ({ start: offset / blockSize, length }));
  const ring = homeRing(superblock);
  runs.push({ start: ring.offset / blockSize, length: ring.bytes / blockSize });
  return runs.sort((a, b) => a.start - b.start);
}

/** Where the ring of a new store is. */
function journalFigures(
  plan: StorePlan,
  journalDevice: BlockDevice | undefined,
): Pick<Superblock, 'incompat' | 'journalOffset' | 'journalBytes'> {
  const { blockSize, homeRing: home } = plan;
  if (journalDevice === undefined) {
    return { incompat: 0, journalOffset: home.offset, journalBytes: home.bytes };
  }
  return {
    incompat: INCOMPAT.separateJournal,
    journalOffset: separateRingOffset(blockSize),
    journalBytes: separateRingBytes(journalDevice, blockSize),
  };
}

/** Makes an empty store on `device`, which has at least the plan's initial size. */
export function* makeStore(
  device: BlockDevice,
  plan: StorePlan,
  options: MakeStoreOptions,
): Io<Superblock> {
  const { blockSize } = plan;
  const { environment = SYSTEM_ENVIRONMENT, journalDevice } = options;
  const { width } = plan.geometry;
  const zeros = new Uint8Array(width > 0 ? Math.ceil(ZERO_BYTES / width) * width : ZERO_BYTES);
  const end = plan.homeRing.offset + plan.homeRing.bytes;
  for (let offset = 0; offset < end; offset += zeros.length) {
    const sources = [zeros.subarray(0, Math.min(zeros.length, end - offset))];
    yield { kind: 'write', device, offset, sources, durable: false };
  }
  yield { kind: 'flush', device };
  const now = environment.now();
  const superblock: Superblock = {
    number: 1,
    uuid: environment.random(16),
    label: options.label ?? '',
    compat: 0,
    roCompat: options.eraseFreed === true ? RO_COMPAT.eraseFreed : 0,
    ...journalFigures(plan, journalDevice),
    blockSize,
    nodeSize: plan.nodeSize,
    deviceBlocks: Math.floor(device.size / blockSize),
    deviceBlocksMax: Math.floor(device.sizeMax / blockSize),
    groupBlocks: plan.groupBlocks,
    stripeUnit: plan.geometry.unit,
    stripeWidth: plan.geometry.width,
    slotStride: plan.slotStride,
    farOffset: plan.farOffset,
    metadataCopies: plan.metadataCopies,
    journalUuid: environment.random(16),
    journalStart: { head: 0, sequence: 1, previous: new Uint8Array(8), incarnation: 1 },
    epoch: 1,
    transaction: 0,
    nextObject: 1,
    nextCollection: 1,
    nextDrop: DROP_FIRST,
    storedBytes: 0,
    objects: 0,
    createdMs: now,
    writtenMs: now,
    cleanClose: true,
    roots: {
      collections: emptyRoot(STORE_SPECS.collections),
      references: emptyRoot(STORE_SPECS.references),
      groups: emptyRoot(GROUPS_SPEC),
      drops: emptyRoot(STORE_SPECS.drops),
      reservations: emptyRoot(STORE_SPECS.reservations),
      runs: new Uint8Array(0),
    },
  };
  const fault = superblockFault(superblock);
  if (fault !== undefined) throw invalidArgument(`Cannot make store: ${fault}`);
  const superblocks = yield* superblockWriter(device, superblock, journalDevice);
  yield* superblocks.write(superblock);
  yield* superblocks.write({ ...superblock, number: 2 });
  yield { kind: 'flush', device };
  return { ...superblock, number: 2 };
}

/** Makes the ring on the journal's own device, if there is one. */
function* superblockWriter(
  device: BlockDevice,
  superblock: Superblock,
  journalDevice: BlockDevice | undefined,
): Io<SuperblockWriter> {
  if (journalDevice === undefined) return new SuperblockWriter(device);
  yield* clearRing(ringOf(device, superblock, journalDevice));
  return new SuperblockWriter(device, { device: journalDevice, header: newHeader(superblock) });
}
