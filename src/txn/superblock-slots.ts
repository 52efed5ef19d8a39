/**
 * Where superblocks lie, and finding the newest.
 *
 * - Number N goes to the near and the far slot of parity N mod 2, so that writing it never
 *   touches number N - 1. No older one exists.
 * - A slot that cannot be read, or holds something else, is a fault to report, not a failure,
 *   as long as another slot holds the number.
 * - One sound superblock tells where all four slots are. Without a sound one at offset 0, all
 *   multiples of SLOT_STEP are searched, near ones first.
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io, IoStep } from '../blockdev/io.js';
import { CorruptError, hasCode, StoreError } from '../errors.js';
import {
  decodeSuperblock,
  encodeSuperblock,
  SUPERBLOCK_SIZE,
  type Superblock,
  superblockNumber,
} from '../format/superblock.js';
import { SLOT_STEP, slotBytes } from '../format/superblock-bounds.js';

/**
 * Slots are looked for in the first GiB and in the last 64 MiB of a device: 17 408 reads when
 * there is nothing. Far slots elsewhere are only found through a sound near one.
 */
export const SEARCH_START_BYTES = 1024 * 1024 * 1024;
export const SEARCH_END_BYTES = 64 * 1024 * 1024;

/** A slot that does not hold what it should. */
export interface SlotFault {
  readonly offset: number; // bytes
  readonly reason: string;
}

/** What the slots of a device hold. */
export interface SuperblocksRead {
  readonly newest: Superblock;
  /** The newest of the other parity. */
  readonly older?: Superblock;
  readonly faults: readonly SlotFault[];
}

type SlotPlaces = Pick<Superblock, 'slotStride' | 'farOffset'>;

/** Byte offsets of the slots of parity `parity`: near, far. */
export function slotOffsets(places: SlotPlaces, parity: number): [near: number, far: number] {
  const shift = parity * places.slotStride;
  return [shift, places.farOffset + shift];
}

/**
 * Writes both slots of `fields.number`, durably, and pads them to whole stripes. Everything that
 * the superblock refers to must be durable already.
 */
export function* writeSuperblock(device: BlockDevice, fields: Superblock): Io<void> {
  const steps = slotOffsets(fields, fields.number % 2).map((offset) =>
    slotStep(device, fields, offset),
  );
  yield { kind: 'together', steps };
}

/** Writes one slot. */
function slotStep(device: BlockDevice, fields: Superblock, offset: number): IoStep {
  const padding = new Uint8Array(slotBytes(fields) - SUPERBLOCK_SIZE);
  const sources = [encodeSuperblock(fields, offset)];
  if (padding.length > 0) sources.push(padding);
  return { kind: 'write', device, offset, sources, durable: true };
}

/**
 * Switches from the state `before`, which stands in all four slots, to `after`, under the next two
 * numbers, each `announce`d before; gives the second. The far slots of `after` may have another place, free in `before`:
 *
 * 1. The near slot, then the far one, of the first number. From the near one on the place of the
 *    far slots is the new one, and nothing stands there that nobody has switched to.
 * 2. The old far slots are emptied: when no near slot tells the place, a search must not find them.
 * 3. Both slots of the second number.
 *
 * An open that finds the two numbers with different places of far slots goes on with 2.
 */
export function* switchTwice(
  device: BlockDevice,
  before: Superblock,
  after: Superblock,
  announce: (next: Superblock) => Io<void>,
): Io<Superblock> {
  const first = { ...after, number: before.number + 1 };
  yield* announce(first);
  const [near, far] = slotOffsets(first, first.number % 2);
  for (const offset of [near, far]) yield slotStep(device, first, offset);
  yield { kind: 'flush', device };
  yield* emptyOldSlots(device, before, first);
  const second = { ...first, number: first.number + 1 };
  yield* announce(second);
  yield* writeSuperblock(device, second);
  yield { kind: 'flush', device };
  return second;
}

/** Empties the far slots of `old` that are not those of `present` too. */
export function* emptyOldSlots(
  device: BlockDevice,
  old: Superblock,
  present: Superblock,
): Io<void> {
  if (old.farOffset === present.farOffset) return;
  const kept = new Set([...slotOffsets(present, 0), ...slotOffsets(present, 1)]);
  const zeros = new Uint8Array(slotBytes(old));
  for (const parity of [0, 1]) {
    const [, offset] = slotOffsets(old, parity);
    if (kept.has(offset) || offset + zeros.length > device.size) continue;
    yield { kind: 'write', device, offset, sources: [zeros], durable: true };
  }
}

/**
 * Reads all slots and chooses.
 *
 * @throws StoreError E_NOT_A_STORE when no slot holds a sound superblock.
 * @throws StoreError E_VERSION when the newest is one of a newer format.
 * @throws CorruptError when the device is smaller than the store on it.
 */
export function* readSuperblocks(device: BlockDevice): Io<SuperblocksRead> {
  const read = yield* findSuperblocks(device);
  const missing = missingBytes(device, read.newest);
  if (missing === 0) return read;
  const bytes = device.size + missing;
  throw new CorruptError(
    `Cannot open ${device.path}: the store has ${bytes} bytes, the device ${device.size}, ` +
      `${missing} are missing`,
  );
}

/** Bytes by which a device is too short for the store on it. */
export function missingBytes(device: BlockDevice, superblock: Superblock): number {
  return Math.max(0, superblock.deviceBlocks * superblock.blockSize - device.size);
}

/** As `readSuperblocks`, also where the device is smaller than the store. */
export function* findSuperblocks(device: BlockDevice): Io<SuperblocksRead> {
  const anchor = yield* findAnchor(device);
  const slots = yield* readSlots(device, anchor);
  const newest = newestOf(slots);
  if (newest === undefined) throw notAStore(device); // the anchor changed while it was read
  refuseNewer(slots, newest);
  const older = newestOf(slots.filter((slot) => slot.parity !== newest.number % 2));
  const faults = slots.flatMap((slot) => faultsOf(slot, slots, newest));
  return { newest, ...(older !== undefined && { older }), faults };
}

interface Slot {
  readonly offset: number;
  readonly parity: number;
  readonly found: Probe;
}

/** What stands at an offset: a superblock, one of a newer format, or neither. */
type Probe =
  | { readonly kind: 'sound'; readonly superblock: Superblock }
  | { readonly kind: 'newer'; readonly number: number; readonly error: StoreError }
  | { readonly kind: 'empty' }
  | { readonly kind: 'bad'; readonly reason: string };

function notAStore(device: BlockDevice): StoreError {
  return new StoreError('E_NOT_A_STORE', `Cannot open ${device.path}: no valid superblock`);
}

function* readSlots(device: BlockDevice, anchor: Superblock): Io<Slot[]> {
  const slots: Slot[] = [];
  for (const parity of [0, 1]) {
    for (const offset of slotOffsets(anchor, parity)) {
      const found = yield* probeSlot(device, offset);
      slots.push({ offset, parity, found: refuseStranger(found, anchor, parity) });
    }
  }
  return slots.sort((a, b) => a.offset - b.offset);
}

/** A sound superblock of another store, or of the other parity, is a fault of this slot. */
function refuseStranger(found: Probe, anchor: Superblock, parity: number): Probe {
  if (found.kind !== 'sound') return found;
  const { superblock } = found;
  if (superblock.uuid.some((byte, i) => byte !== anchor.uuid[i])) {
    return { kind: 'bad', reason: 'it belongs to another store' };
  }
  if (superblock.number % 2 !== parity) {
    return { kind: 'bad', reason: `number ${superblock.number} belongs to the other slots` };
  }
  return found;
}

function newestOf(slots: readonly Slot[]): Superblock | undefined {
  let newest: Superblock | undefined;
  for (const { found } of slots) {
    if (found.kind !== 'sound') continue;
    if (newest === undefined || found.superblock.number > newest.number) newest = found.superblock;
  }
  return newest;
}

function refuseNewer(slots: readonly Slot[], newest: Superblock): void {
  for (const { found } of slots) {
    if (found.kind === 'newer' && found.number > newest.number) throw found.error;
  }
}

function faultsOf(slot: Slot, slots: readonly Slot[], newest: Superblock): SlotFault[] {
  const { offset, parity, found } = slot;
  if (found.kind === 'bad') return [{ offset, reason: found.reason }];
  if (found.kind === 'newer') return [{ offset, reason: found.error.message }];
  const expected = newestOf(slots.filter((one) => one.parity === parity));
  if (found.kind === 'empty') {
    const isUnused = expected === undefined && newest.number === 1;
    return isUnused ? [] : [{ offset, reason: 'slot is empty' }];
  }
  const { number } = found.superblock;
  if (expected === undefined || number === expected.number) return [];
  return [{ offset, reason: `number ${number} is older than ${expected.number} of its twin` }];
}

/** Any sound superblock, from the likeliest place to the least likely. */
function* findAnchor(device: BlockDevice): Io<Superblock> {
  let newer: StoreError | undefined;
  for (const search of searches(device)) {
    const found = yield* search;
    if (found?.kind === 'sound') return found.superblock;
    if (found?.kind === 'newer') newer ??= found.error;
  }
  throw newer ?? notAStore(device);
}

function* searches(device: BlockDevice): Generator<Io<Probe | undefined>, void, void> {
  yield search(device, 0, SEARCH_START_BYTES);
  const from = Math.max(SEARCH_START_BYTES, device.size - SEARCH_END_BYTES);
  yield search(device, from - (from % SLOT_STEP), device.size);
}

/** The first sound superblock in [from, to), else the first of a newer format. */
function* search(device: BlockDevice, from: number, to: number): Io<Probe | undefined> {
  let newer: Probe | undefined;
  for (let at = from; at < to && at + SUPERBLOCK_SIZE <= device.size; at += SLOT_STEP) {
    const found = yield* probeSlot(device, at);
    if (found.kind === 'sound') return found;
    if (found.kind === 'newer') newer ??= found;
  }
  return newer;
}

/** Looks at one place; reads whole sectors around it. */
function* probeSlot(device: BlockDevice, offset: number): Io<Probe> {
  const { sectorSize } = device;
  const from = offset - (offset % sectorSize);
  const to = Math.ceil((offset + SUPERBLOCK_SIZE) / sectorSize) * sectorSize;
  if (to > device.size) return { kind: 'bad', reason: 'slot is off the device' };
  const bytes = new Uint8Array(to - from);
  const fault = yield* readOrFault(device, from, bytes);
  if (fault !== undefined) return { kind: 'bad', reason: fault };
  return probeBytes(bytes.subarray(offset - from, offset - from + SUPERBLOCK_SIZE), offset);
}

/** Reads, and gives what a failed read said: one slot's loss is what the others are for. */
function* readOrFault(
  device: BlockDevice,
  offset: number,
  target: Uint8Array,
): Io<string | undefined> {
  try {
    yield { kind: 'read', device, offset, target };
    return undefined;
  } catch (error) {
    if (hasCode(error, 'E_IO')) return error.message;
    throw error;
  }
}

function probeBytes(bytes: Uint8Array, offset: number): Probe {
  try {
    return { kind: 'sound', superblock: decodeSuperblock(bytes, offset) };
  } catch (error) {
    if (hasCode(error, 'E_VERSION')) {
      return { kind: 'newer', number: superblockNumber(bytes) ?? 0, error };
    }
    if (!(error instanceof CorruptError)) throw error;
    const isEmpty = bytes.every((byte) => byte === 0);
    return isEmpty ? { kind: 'empty' } : { kind: 'bad', reason: error.message };
  }
}
