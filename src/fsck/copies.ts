/**
 * Reading what is kept twice, nodes and bitmaps, and saying which of the two places is bad.
 *
 * - Both places hold the same bytes, so both are held against the one pointer.
 * - A place that can't be one is not looked at: that is a finding of its own.
 */

import type { Io } from '../blockdev/io.js';
import { hasOwnChecksum, restoreChecksum } from '../format/block.js';
import type { DeviceMap, MisplacedCode } from './device-map.js';

/** What is wrong with a place that can't be one. */
const MISPLACED: Readonly<Record<MisplacedCode, string>> = {
  'outside-device': 'it is outside of the device',
  'in-fixed-place': 'it is in a superblock slot or the journal',
};

/** Where something is, as its pointer or summary says. */
export interface Places {
  readonly address: number; // block index
  readonly copy: number; // block index, 0 without a second copy
  readonly blocks: number;
}

/** What is read, and how it is told to be right. */
export interface Kept extends Places {
  readonly low: number; // halves of the checksum
  readonly high: number;
  /** Why a page is not what the pointer names; undefined when it is. */
  readonly fault: (page: Uint8Array) => string | undefined;
}

/** One of two places, which does not hold what the other one does. */
export interface BadPlace {
  readonly address: number; // block index
  readonly which: 'first' | 'second';
  readonly reason: string;
}

/** The bytes that belong there, and the place that has others. */
export interface FoundPage {
  readonly page: Uint8Array;
  readonly bad: BadPlace | undefined;
}

/** Why neither place has them: what is wrong with the first. */
export interface NoPage {
  readonly isUnreadable: boolean;
  readonly reason: string;
}

/** Why a node or bitmap can't be read: neither of its places can be one. */
export function lostPlace(map: DeviceMap, places: Places): MisplacedCode | undefined {
  const fault = map.placeFault(places.address, places.blocks);
  return fault === undefined || hasCopy(map, places) ? undefined : fault;
}

/** By which block a node or bitmap is remembered: the first of a place on the device. */
export function knownBy(map: DeviceMap, { address, copy }: Places): number {
  return address < map.blocks ? address : copy;
}

/** True when there is a second copy, and it can be where the pointer says. */
export function hasCopy(map: DeviceMap, places: Places): boolean {
  return places.copy !== 0 && copyFault(map, places) === undefined;
}

/** Why the second copy can't be where it is said to be; undefined when it can. */
export function copyFault(map: DeviceMap, { address, copy, blocks }: Places): string | undefined {
  if (copy === 0) return map.metadataCopies === 2 ? 'there is none' : undefined;
  const at = `blocks ${copy}+${blocks}`;
  const fault = map.placeFault(copy, blocks);
  if (fault === 'outside-device') return `${at} are outside of the ${map.blocks} of the store`;
  if (fault !== undefined) return `${at} are in a superblock slot or the journal`;
  return Math.abs(copy - address) < blocks ? `${at} overlap the first copy` : undefined;
}

/** Reads what is kept at some places; of a sound first copy's second one only for a check of `both`. */
export function* readKept(map: DeviceMap, kept: Kept, both: boolean): Io<FoundPage | NoPage> {
  const first = yield* readPlace(map, kept.address, kept);
  if (!hasCopy(map, kept) || !('reason' in first || both)) {
    return 'reason' in first ? first : { page: first, bad: undefined };
  }
  const second = yield* readPlace(map, kept.copy, kept);
  if ('reason' in second) {
    if ('reason' in first) return first;
    return { page: first, bad: { address: kept.copy, which: 'second', reason: second.reason } };
  }
  if ('reason' in first) {
    restoreChecksum(second, kept.low, kept.high);
    return { page: second, bad: { address: kept.address, which: 'first', reason: first.reason } };
  }
  return compared(kept, first, second);
}

/** Two copies that their pointer vouches for; the checksum in their headers is outside of that. */
function compared(kept: Kept, first: Uint8Array, second: Uint8Array): FoundPage {
  const { low, high } = kept;
  const isFirstWhole = hasOwnChecksum(first, low, high);
  const isSecondWhole = hasOwnChecksum(second, low, high);
  if (isFirstWhole && isSecondWhole) return { page: first, bad: undefined };
  const reason = "checksum in the block's header is another one";
  if (isSecondWhole)
    return { page: second, bad: { address: kept.address, which: 'first', reason } };
  restoreChecksum(first, low, high);
  return { page: first, bad: { address: kept.copy, which: 'second', reason } };
}

function* readPlace(map: DeviceMap, start: number, kept: Kept): Io<Uint8Array | NoPage> {
  const misplaced = map.placeFault(start, kept.blocks);
  if (misplaced !== undefined) return { isUnreadable: false, reason: MISPLACED[misplaced] };
  const page = yield* map.read(start, kept.blocks);
  if (typeof page === 'string') return { isUnreadable: true, reason: page };
  const reason = kept.fault(page);
  return reason === undefined ? page : { isUnreadable: false, reason };
}
