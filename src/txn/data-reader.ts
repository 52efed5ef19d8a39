/**
 * Reads an object's bytes: from the device, verified, or from what is pending.
 *
 * - Every chunk that a byte is taken from is read whole and verified against its checksum.
 * - Where an extent's blocks are wanted whole they are read straight into the target.
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io, IoStep } from '../blockdev/io.js';
import { CorruptError } from '../errors.js';
import { newBytes } from '../format/bytes.js';
import { matchesHash } from '../format/checksum.js';
import type { PlacedEntry } from '../onode/blob-stream.js';
import { ENTRY_KIND, type ExtentEntry } from '../onode/extent-entry.js';
import { checkOnDevice } from './node-reader.js';
import type { StoreState } from './store-state.js';

/** Reads under way at a time. */
const READS_TOGETHER = 4;

interface Part {
  readonly entry: ExtentEntry;
  readonly at: number; // offset in the target
  readonly bytes: Uint8Array; // whole blocks of the entry
  readonly inPlace: boolean;
}

/**
 * The bytes [from, to) of a stream whose entries, cut to this range, are `entries`. The result is
 * the caller's.
 *
 * @throws CorruptError naming the device offset of a chunk that does not match
 */
export function* readEntries(
  state: StoreState,
  device: BlockDevice,
  entries: readonly PlacedEntry[],
  from: number,
  to: number,
): Io<Uint8Array> {
  checkTiling(entries, from, to);
  const target = newBytes(to - from);
  const parts: Part[] = [];
  const reads: IoStep[] = [];
  for (const { offset, entry } of entries) {
    const at = offset - from;
    if (entry.kind === ENTRY_KIND.inline) target.set(entry.data, at);
    if (entry.kind !== ENTRY_KIND.extent) continue;
    const size = entry.blocks * state.blockSize;
    checkOnDevice(device, entry.address * state.blockSize, size, 'data');
    const inPlace = entry.skip === 0 && size === entry.length;
    const bytes = inPlace ? target.subarray(at, at + size) : new Uint8Array(size);
    parts.push({ entry, at, bytes, inPlace });
    if (fillFromPending(state, entry, bytes)) continue;
    const deviceOffset = entry.address * state.blockSize;
    reads.push({ kind: 'read', device, offset: deviceOffset, target: bytes });
  }
  for (let i = 0; i < reads.length; i += READS_TOGETHER) {
    const [only, ...more] = reads.slice(i, i + READS_TOGETHER);
    if (only === undefined) break;
    yield more.length === 0 ? only : { kind: 'together', steps: [only, ...more] };
  }
  for (const { entry, at, bytes, inPlace } of parts) {
    verify(entry, bytes, state.blockSize);
    if (!inPlace) target.set(bytes.subarray(entry.skip, entry.skip + entry.length), at);
  }
  return target;
}

/**
 * All blocks of an extent, verified; the caller's.
 * @throws CorruptError naming the device offset of a chunk that does not match
 */
export function* readBlocks(
  state: StoreState,
  device: BlockDevice,
  entry: ExtentEntry,
): Io<Uint8Array> {
  const bytes = new Uint8Array(entry.blocks * state.blockSize);
  const offset = entry.address * state.blockSize;
  checkOnDevice(device, offset, bytes.length, 'data');
  if (!fillFromPending(state, entry, bytes)) {
    yield { kind: 'read', device, offset, target: bytes };
  }
  verify(entry, bytes, state.blockSize);
  return bytes;
}

/** @throws CorruptError unless the entries cover [from, to) without gap: none is ever left */
function checkTiling(entries: readonly PlacedEntry[], from: number, to: number): void {
  let next = from;
  for (const { offset, entry } of entries) {
    if (offset !== next) break;
    next += entry.length;
  }
  if (next === to) return;
  throw new CorruptError(`Cannot read bytes [${from}, ${to}): nothing stands at ${next}`);
}

/** Copies an extent that isn't on the device yet; false when it is there. */
function fillFromPending(state: StoreState, entry: ExtentEntry, target: Uint8Array): boolean {
  const { pending, blockSize } = state;
  if (pending.get(entry.address) === undefined) return false;
  for (let i = 0; i < entry.blocks; i++) {
    const block = pending.get(entry.address + i);
    if (block === undefined) return false;
    target.set(block, i * blockSize);
  }
  return true;
}

function verify(entry: ExtentEntry, bytes: Uint8Array, blockSize: number): void {
  const chunk = 2 ** entry.shift;
  for (let at = 0, slot = 0; at < bytes.length; at += chunk, slot += 8) {
    const end = Math.min(bytes.length, at + chunk);
    if (matchesHash(entry.checksums, slot, bytes, at, end)) continue;
    const offset = entry.address * blockSize + at;
    throw new CorruptError(
      `Cannot read data at device offset ${offset}: checksum differs from its extent's`,
      offset,
    );
  }
}
