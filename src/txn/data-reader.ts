/**
 * Reads an object's bytes: from memory, from the device, verified, or from what is pending.
 *
 * - Every chunk that a byte is taken from is read whole and verified against its checksum.
 * - Where an extent's blocks are wanted whole they are read straight into the target.
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import { type Io, type IoStep, runSync } from '../blockdev/io.js';
import { CorruptError } from '../errors.js';
import { copyOut, unsetBytes } from '../format/bytes.js';
import { matchesHash } from '../format/checksum.js';
import type { PlacedEntry } from '../onode/blob-stream.js';
import { type BlobEntry, ENTRY_KIND, type ExtentEntry, sliceEntry } from '../onode/extent-entry.js';
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

/** Where bytes go, and the entries that they come from. */
export interface EntriesRead {
  /** The entries of a blob stream, cut to [from, to). */
  readonly entries: readonly PlacedEntry[];
  readonly from: number; // bytes
  readonly to: number; // bytes
  /** At least to - from bytes. What stands in it after a failure is of no use. */
  readonly target: Uint8Array;
}

/**
 * Reads the bytes [from, to) of a stream into the front of `target`.
 *
 * @throws CorruptError naming the device offset of a chunk that does not match
 */
export function* readEntriesInto(
  state: StoreState,
  device: BlockDevice,
  { entries, from, to, target }: EntriesRead,
): Io<void> {
  checkTiling(entries, from, to);
  const parts: Part[] = [];
  const reads: IoStep[] = [];
  for (const { offset, entry } of entries) {
    const at = offset - from;
    if (entry.kind === ENTRY_KIND.inline) target.set(entry.data, at);
    else if (entry.kind === ENTRY_KIND.hole) target.fill(0, at, at + entry.length);
    if (entry.kind !== ENTRY_KIND.extent || state.dataCache.copyTo(entry, target, at)) continue;
    const part = partOf(state, device, entry, at, target, false);
    parts.push(part);
    reads.push(...readsOf(state, device, entry, part.bytes));
  }
  for (let i = 0; i < reads.length; i += READS_TOGETHER) {
    const [only, ...more] = reads.slice(i, i + READS_TOGETHER);
    if (only === undefined) break;
    yield more.length === 0 ? only : { kind: 'together', steps: [only, ...more] };
  }
  for (const part of parts) finish(state, part, target);
}

/** As `readEntriesInto`; the result is the caller's. */
export function* readEntries(
  state: StoreState,
  device: BlockDevice,
  entries: readonly PlacedEntry[],
  from: number,
  to: number,
): Io<Uint8Array> {
  const target = unsetBytes(to - from);
  yield* readEntriesInto(state, device, { entries, from, to, target });
  return target;
}

/**
 * Reads bytes [from, to) of one entry into the front of `target`, or into an array of their own;
 * gives this array. Synchronously.
 *
 * @throws CorruptError as readEntriesInto
 */
export function readEntrySync(
  state: StoreState,
  device: BlockDevice,
  whole: BlobEntry,
  from: number,
  to: number,
  target?: Uint8Array,
): Uint8Array {
  const { blockSize } = state;
  const length = to - from;
  if (whole.kind === ENTRY_KIND.inline && target === undefined)
    return copyOut(whole.data, from, to);
  const entry = sliceEntry(whole, from, to, blockSize);
  if (entry.kind === ENTRY_KIND.extent) {
    const mayPad = target === undefined;
    const room = target ?? unsetBytes(Math.max(length, entry.blocks * blockSize));
    if (!state.dataCache.copyTo(entry, room, 0)) {
      const part = partOf(state, device, entry, 0, room, mayPad);
      if (state.pending.isEmpty) device.readSync(entry.address * blockSize, part.bytes);
      else runSync(inTurn(readsOf(state, device, entry, part.bytes)));
      finish(state, part, room);
    }
    return room.length === length ? room : room.subarray(0, length);
  }
  const into = target ?? unsetBytes(length);
  if (entry.kind === ENTRY_KIND.inline) into.set(entry.data);
  else into.fill(0, 0, length);
  return into;
}

/**
 * Where the blocks of an entry are read to: straight into `target` at `at` if they are the object's
 * from the first byte on and to the last one, or if what pads them may stand there.
 */
function partOf(
  state: StoreState,
  device: BlockDevice,
  entry: ExtentEntry,
  at: number,
  target: Uint8Array,
  mayPad: boolean,
): Part {
  const size = entry.blocks * state.blockSize;
  checkOnDevice(device, entry.address * state.blockSize, size, 'data');
  const inPlace = entry.skip === 0 && (mayPad || size === entry.length);
  const bytes = inPlace ? target.subarray(at, at + size) : unsetBytes(size);
  return { entry, at, bytes, inPlace };
}

/** Verifies what was read, and copies what isn't in its place. */
function finish(state: StoreState, { entry, at, bytes, inPlace }: Part, target: Uint8Array): void {
  verify(entry, bytes, state.blockSize);
  state.dataCache.offer(entry, bytes);
  if (!inPlace) target.set(bytes.subarray(entry.skip, entry.skip + entry.length), at);
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
  checkOnDevice(device, entry.address * state.blockSize, bytes.length, 'data');
  yield* inTurn(readsOf(state, device, entry, bytes));
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

/**
 * Copies to `target` what of an extent isn't on the device yet, and gives the reads for what is: an
 * object that grows may have both in one extent.
 */
function readsOf(
  state: StoreState,
  device: BlockDevice,
  { address, blocks }: ExtentEntry,
  target: Uint8Array,
): IoStep[] {
  const { pending, blockSize } = state;
  const reads: IoStep[] = [];
  pending.copyTo(target, address, blocks, (from, to) => {
    const part = target.subarray(from * blockSize, to * blockSize);
    reads.push({ kind: 'read', device, offset: (address + from) * blockSize, target: part });
  });
  return reads;
}

function* inTurn(steps: readonly IoStep[]): Io<void> {
  for (const step of steps) yield step;
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
