/**
 * What a superblock's figures must obey, so that nobody behind it has to check them again:
 * sizes are powers or multiples, everything fixed lies inside the device, nothing overlaps.
 */

import { invalidArgument } from '../errors.js';
import { separateRingOffset } from './journal-header.js';
import {
  COUNTED_LIMIT,
  COUNTER_LIMIT,
  EPOCH_LIMIT,
  type JournalPosition,
} from './journal-record.js';

/** Features that nobody may ignore, as bits of `incompat`. */
export const INCOMPAT = {
  separateJournal: 1, // the ring is on a device of its own
} as const;

/** Features that only a reader may ignore, as bits of `roCompat`. */
export const RO_COMPAT = {
  eraseFreed: 1, // what is freed is overwritten
} as const;

/** The figures of a superblock; the units are those of SUPERBLOCK. */
export interface SuperblockFigures {
  readonly number: number;
  readonly uuid: Uint8Array; // 16 bytes
  readonly incompat: number; // INCOMPAT
  readonly blockSize: number;
  readonly nodeSize: number;
  readonly deviceBlocks: number;
  readonly deviceBlocksMax: number;
  readonly groupBlocks: number;
  readonly stripeUnit: number;
  readonly stripeWidth: number;
  readonly slotStride: number;
  readonly farOffset: number;
  readonly metadataCopies: number;
  readonly journalUuid: Uint8Array; // 16 bytes
  readonly journalOffset: number;
  readonly journalBytes: number;
  readonly journalStart: JournalPosition;
  readonly epoch: number;
  readonly transaction: number;
  readonly nextObject: number;
  readonly nextCollection: number;
  readonly nextDrop: number;
  readonly storedBytes: number;
  readonly objects: number;
  readonly createdMs: number;
  readonly writtenMs: number;
}

/**
 * All four slots lie at multiples of this many bytes, so that a search finds any of them, the
 * other three being bad, without knowing where it belongs.
 */
export const SLOT_STEP = 64 * 1024;

/** Bytes; a wider stripe than such a stride can hold is refused. */
export const SLOT_STRIDE_MAX = 256 * 1024 * 1024;

/** Smallest superblock slot, in bytes. */
const SLOT_BYTES_MIN = 4096;

export const BLOCK_SIZE_MIN = 1024;
export const BLOCK_SIZE_MAX = 65536;

/** Addresses are u48 block indices. */
export const DEVICE_BLOCKS_MAX = 2 ** 48;

/** A ring smaller than this could not hold three generations. */
export const JOURNAL_BLOCKS_MIN = 64;

/** Stripe units of the smallest ring: a record takes at least one, and at most an eighth. */
export const JOURNAL_UNITS_MIN = 16;
/** Blocks that a store keeps at least for a ring of its own while its journal is elsewhere. */
export const HOME_RING_BLOCKS = 256;

/** Bytes; a larger ring would only make opening slower. */
export const JOURNAL_BYTES_MAX = 1024 * 1024 * 1024;

/** Bytes that a write of a slot covers: a whole stripe where there are stripes, else a block. */
export function slotBytes(fields: Pick<SuperblockFigures, 'blockSize' | 'stripeWidth'>): number {
  return fields.stripeWidth > 0
    ? Math.ceil(SLOT_BYTES_MIN / fields.stripeWidth) * fields.stripeWidth
    : Math.max(SLOT_BYTES_MIN, fields.blockSize);
}

/**
 * Bytes from the slots of parity 0 to those of parity 1 that a new store takes: the least that
 * is whole steps and whole slots.
 *
 * @throws StoreError E_INVALID_ARGUMENT when that is over SLOT_STRIDE_MAX (a stripe width of odd KiB and huge).
 */
export function slotStrideFor(
  fields: Pick<SuperblockFigures, 'blockSize' | 'stripeWidth'>,
): number {
  const bytes = slotBytes(fields);
  let stride = bytes;
  while (stride % SLOT_STEP !== 0 && stride <= SLOT_STRIDE_MAX) stride += bytes;
  if (stride <= SLOT_STRIDE_MAX) return stride;
  throw invalidArgument(`Cannot place superblocks in stripes of ${fields.stripeWidth} bytes`);
}

/** True when the ring is on a device of its own. */
export function hasSeparateJournal(fields: Pick<SuperblockFigures, 'incompat'>): boolean {
  return (fields.incompat & INCOMPAT.separateJournal) !== 0;
}

/** A range of bytes of the store's device. */
interface DeviceRange {
  readonly offset: number;
  readonly bytes: number;
}

/**
 * Bytes that a store keeps for a ring of its own while its journal is on another device: with stripes
 * whole ones, and enough of their units.
 */
export function homeRingBytes({
  blockSize,
  stripeUnit,
  stripeWidth,
}: Pick<SuperblockFigures, 'blockSize' | 'stripeUnit' | 'stripeWidth'>): number {
  const least = Math.max(HOME_RING_BLOCKS * blockSize, JOURNAL_UNITS_MIN * stripeUnit);
  return stripeWidth > 0 ? Math.ceil(least / stripeWidth) * stripeWidth : least;
}

/** The place of the ring on the store's own device, in use or kept for it. */
export function homeRing(
  fields: Pick<
    SuperblockFigures,
    | 'incompat'
    | 'blockSize'
    | 'stripeUnit'
    | 'stripeWidth'
    | 'slotStride'
    | 'journalOffset'
    | 'journalBytes'
  >,
): DeviceRange {
  return hasSeparateJournal(fields)
    ? { offset: 2 * fields.slotStride, bytes: homeRingBytes(fields) }
    : { offset: fields.journalOffset, bytes: fields.journalBytes };
}

/**
 * Byte offsets at which the far slots of a store that ends at byte `end` can be, the last one first:
 * behind the ring, with room for both.
 */
export function* farPlaces(
  fields: Parameters<typeof homeRing>[0],
  end: number,
): Generator<number, void, void> {
  const { slotStride, stripeWidth } = fields;
  const step = stripeWidth > 0 ? slotStride : SLOT_STEP;
  const ring = homeRing(fields);
  const first = ring.offset + ring.bytes;
  const last = Math.floor((end - 2 * slotStride) / step) * step;
  for (let at = last; at >= first; at -= step) yield at;
}

/** True when a store that ends at byte `end` has room for its ring, and for its far slots somewhere. */
export function hasFixedPlaces(
  fields: Parameters<typeof homeRing>[0] & Pick<SuperblockFigures, 'farOffset'>,
  end: number,
): boolean {
  const ring = homeRing(fields);
  if (ring.offset + ring.bytes > end) return false;
  const isFarThere = fields.farOffset + 2 * fields.slotStride <= end;
  return isFarThere || farPlaces(fields, end).next().done === false;
}

/** What is wrong with a superblock's figures, or undefined. */
export function superblockFault(fields: SuperblockFigures): string | undefined {
  return (
    identityFault(fields) ??
    geometryFault(fields) ??
    slotFault(fields) ??
    journalFault(fields) ??
    counterFault(fields)
  );
}

function identityFault(fields: SuperblockFigures): string | undefined {
  if (!isCount(fields.number)) return 'number is out of range';
  if (fields.uuid.length !== 16 || fields.journalUuid.length !== 16) return 'uuid is not 16 bytes';
  if (fields.metadataCopies !== 1 && fields.metadataCopies !== 2) {
    return 'metadata copies are neither 1 nor 2';
  }
  return undefined;
}

function geometryFault(fields: SuperblockFigures): string | undefined {
  const { blockSize, nodeSize, deviceBlocks, deviceBlocksMax, stripeUnit, stripeWidth } = fields;
  const isPower = (blockSize & (blockSize - 1)) === 0;
  if (!isPower || blockSize < BLOCK_SIZE_MIN || blockSize > BLOCK_SIZE_MAX) {
    return `block size ${blockSize} is not a power of two in [1024, 65536]`;
  }
  if (nodeSize < blockSize || nodeSize > BLOCK_SIZE_MAX || nodeSize % blockSize !== 0) {
    return `node size ${nodeSize} is not a multiple of the block size up to 65536`;
  }
  if (deviceBlocks < 1 || deviceBlocks > deviceBlocksMax) return 'device blocks are out of range';
  if (deviceBlocksMax > DEVICE_BLOCKS_MAX) return 'device limit is over 2^48 blocks';
  if (!Number.isSafeInteger(deviceBlocksMax * blockSize)) return 'device limit is over 2^53 bytes';
  if (fields.groupBlocks < 1) return 'groups are empty';
  if (stripeUnit === 0 && stripeWidth === 0) return undefined;
  if (stripeUnit === 0 || stripeUnit % blockSize !== 0) return 'stripe unit is not whole blocks';
  if (stripeWidth === 0 || stripeWidth % stripeUnit !== 0) return 'stripe width is not whole units';
  return undefined;
}

function slotFault(fields: SuperblockFigures): string | undefined {
  const { slotStride, farOffset, deviceBlocks, blockSize } = fields;
  const bytes = slotBytes(fields);
  if (slotStride === 0 || slotStride % SLOT_STEP !== 0 || slotStride % bytes !== 0) {
    return `slot stride ${slotStride} is not whole steps and slots`;
  }
  if (slotStride > SLOT_STRIDE_MAX) return `slot stride ${slotStride} is over its limit`;
  if (farOffset % SLOT_STEP !== 0 || farOffset < 2 * slotStride) {
    return `far slots at ${farOffset} are not at a step behind the near ones`;
  }
  if (farOffset + 2 * slotStride > deviceBlocks * blockSize) return 'far slots are off the device';
  return undefined;
}

function journalFault(fields: SuperblockFigures): string | undefined {
  const { journalOffset, journalBytes, journalStart, blockSize } = fields;
  if (journalOffset % blockSize !== 0 || journalBytes % blockSize !== 0) {
    return 'journal is not whole blocks';
  }
  if (journalBytes < JOURNAL_BLOCKS_MIN * blockSize || journalBytes > JOURNAL_BYTES_MAX) {
    return `journal of ${journalBytes} bytes is out of range`;
  }
  const fault = homeRingFault(fields) ?? stripedRingFault(fields);
  if (fault !== undefined) return fault;
  if (hasSeparateJournal(fields) && journalOffset !== separateRingOffset(blockSize)) {
    return 'journal is not right behind the header of its device';
  }
  if (journalStart.head % blockSize !== 0 || journalStart.head >= journalBytes) {
    return 'journal head is not a block of the ring';
  }
  if (journalStart.previous.length !== 8) return 'previous checksum is not 8 bytes';
  const { sequence, incarnation } = journalStart;
  if (!isCount(sequence)) return 'journal sequence is out of range';
  if (!isCount(incarnation)) return 'incarnation is out of range';
  return undefined;
}

/** A ring on the device of the stripes is made of their units. */
function stripedRingFault(fields: SuperblockFigures): string | undefined {
  const { stripeUnit, journalOffset, journalBytes } = fields;
  if (stripeUnit === 0 || hasSeparateJournal(fields)) return undefined;
  if (journalOffset % stripeUnit !== 0 || journalBytes % stripeUnit !== 0) {
    return 'journal is not whole stripe units';
  }
  if (journalBytes < JOURNAL_UNITS_MIN * stripeUnit) return 'journal is a few stripe units only';
  return undefined;
}

function homeRingFault(fields: SuperblockFigures): string | undefined {
  const { slotStride, farOffset } = fields;
  const { offset, bytes } = homeRing(fields);
  const end = offset + bytes;
  if (end > fields.deviceBlocks * fields.blockSize) return 'journal is off the device';
  if (offset < 2 * slotStride) return 'journal overlaps the near slots';
  if (offset < farOffset + 2 * slotStride && end > farOffset) {
    return 'journal overlaps the far slots';
  }
  return undefined;
}

const COUNTERS = [
  'epoch',
  'transaction',
  'nextObject',
  'nextCollection',
  'nextDrop',
  'storedBytes',
  'objects',
  'createdMs',
  'writtenMs',
] as const;

function counterFault(fields: SuperblockFigures): string | undefined {
  for (const name of COUNTERS) {
    if (fields[name] >= COUNTER_LIMIT) return `${name} is out of range`;
  }
  return undefined;
}

const COUNTED = ['number', 'transaction', 'nextObject', 'nextCollection', 'nextDrop'] as const;

/**
 * What of a superblock that was read leaves no room to count up from it, or undefined when
 * everything does.
 */
export function roomFault(fields: SuperblockFigures): string | undefined {
  for (const name of COUNTED) {
    if (fields[name] >= COUNTED_LIMIT) return `${name} is too high to be counted up`;
  }
  const { sequence, incarnation } = fields.journalStart;
  if (sequence >= COUNTED_LIMIT) return 'journal sequence is too high to be counted up';
  if (incarnation >= COUNTED_LIMIT) return 'incarnation is too high to be counted up';
  return fields.epoch >= EPOCH_LIMIT ? 'epoch is too high to be counted up' : undefined;
}

/** Counts from 1. */
function isCount(value: number): boolean {
  return value >= 1 && value < COUNTER_LIMIT;
}
