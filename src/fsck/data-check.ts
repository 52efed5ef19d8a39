/**
 * Verifies data against the checksums of its extents, window by window: what is to be read is
 * gathered, sorted by address, and read in large pieces, several at a time.
 *
 * - Memory: up to WINDOW_RUNS extents of WINDOW_BYTES of data are known at a time, and twice
 *   READS_TOGETHER pieces of READ_BYTES are in memory: some are read while others are compared.
 * - A piece that can't be read is read again chunk by chunk, so that a finding is about the chunk
 *   that is lost and the others are verified.
 */

import { AlignedMemory } from '../blockdev/aligned-memory.js';
import type { BlockDevice } from '../blockdev/block-device.js';
import { Drive, waitFor } from '../blockdev/drive.js';
import type { Io, IoStep } from '../blockdev/io.js';
import { hasCode } from '../errors.js';
import { matchesHash } from '../format/checksum.js';
import type { ExtentEntry } from '../onode/extent-entry.js';
import type { Visited } from './context.js';
import type { DeviceMap } from './device-map.js';
import type { Findings, Where } from './finding.js';

/** Bytes of data that are sorted together: what lies near is then read in one go. */
export const WINDOW_BYTES = 256 * 1024 * 1024;

/** Runs that are sorted together, whatever they add up to: some 16 MiB of memory. */
const WINDOW_RUNS = 32 * 1024;

/** Bytes that are read at once, unless a chunk is larger. */
const READ_BYTES = 1024 * 1024;

/** Reads under way at a time. */
const READS_TOGETHER = 4;

/** Bytes between two runs that are rather read over than left out. */
const GAP_BYTES = 64 * 1024;

/** Whole chunks of one extent that are read together. */
interface DataRun {
  readonly extent: ExtentEntry;
  /** Bytes of the object in front of the extent. */
  readonly offset: number;
  /** First chunk of the extent, and the one behind the last. */
  readonly from: number;
  readonly to: number;
  /** Bytes of the device. */
  readonly start: number;
  readonly end: number;
  readonly where: Where;
}

/** Runs that one read covers. */
interface Piece {
  readonly start: number;
  end: number;
  readonly runs: DataRun[];
}

/** Pieces that are being read. */
interface Group {
  readonly pieces: readonly Piece[];
  readonly targets: readonly Uint8Array[];
  readonly reading: Drive<void>;
}

export interface DataCheckOptions {
  readonly device: BlockDevice;
  readonly map: DeviceMap;
  readonly findings: Findings;
  /** Told of bytes that were read and compared. */
  readonly verified: (bytes: number) => void;
}

export class DataCheck {
  readonly #options: DataCheckOptions;
  readonly #buffers: ReadBuffers;
  #runs: DataRun[] = [];
  #bytes = 0;

  constructor(options: DataCheckOptions) {
    this.#options = options;
    this.#buffers = ReadBuffers.shared;
  }

  /**
   * Adds an extent that lies at byte `offset` of an object, but for chunks that `visited` knows.
   * Gives the bytes that are to be read for it.
   */
  *add(extent: ExtentEntry, offset: number, where: Where, visited: Visited): Io<number> {
    const { blockSize } = this.#options.map;
    const chunk = 2 ** extent.shift;
    const count = Math.ceil((extent.blocks * blockSize) / chunk);
    const together = Math.max(1, Math.floor(READ_BYTES / chunk));
    const copy = { ...extent, checksums: extent.checksums.slice() };
    const { birth } = extent;
    const isNew = (at: number): boolean => {
      const address = extent.address + (at * chunk) / blockSize;
      return visited.isNewChunk?.({ address, birth }) ?? true;
    };
    let bytes = 0;
    for (let from = 0; from < count; ) {
      if (!isNew(from)) {
        from++;
        continue;
      }
      let to = from + 1;
      while (to < count && to - from < together && isNew(to)) to++;
      bytes += this.#put(copy, offset, from, to, where);
      from = to;
    }
    if (this.#bytes >= WINDOW_BYTES || this.#runs.length >= WINDOW_RUNS) yield* this.flush();
    return bytes;
  }

  #put(extent: ExtentEntry, offset: number, from: number, to: number, where: Where): number {
    const { blockSize } = this.#options.map;
    const base = extent.address * blockSize;
    const start = base + from * 2 ** extent.shift;
    const end = base + Math.min(to * 2 ** extent.shift, extent.blocks * blockSize);
    this.#runs.push({ extent, offset, from, to, start, end, where });
    this.#bytes += end - start;
    return end - start;
  }

  /** Reads and compares everything that was added. */
  *flush(): Io<void> {
    const runs = this.#runs.sort((one, other) => one.start - other.start);
    this.#runs = [];
    this.#bytes = 0;
    const pieces = piecesOf(runs);
    let next = this.#begin(pieces, 0);
    for (let at = READS_TOGETHER; next !== undefined; at += READS_TOGETHER) {
      const group: Group = next;
      next = this.#begin(pieces, at);
      yield* this.#end(group);
    }
  }

  /** Begins to read some pieces; they are on their way while those before are compared. */
  #begin(pieces: readonly Piece[], from: number): Group | undefined {
    const some = pieces.slice(from, from + READS_TOGETHER);
    if (some.length === 0) return undefined;
    const { device } = this.#options;
    const targets = some.map(({ start, end }) => this.#buffers.take(end - start));
    const steps = some.map(({ start }, i): IoStep => {
      return { kind: 'read', device, offset: start, target: targets[i] as Uint8Array };
    });
    return { pieces: some, targets, reading: new Drive(readAll(steps)) };
  }

  /** Waits for the pieces of a group and compares them. */
  *#end({ pieces, targets, reading }: Group): Io<void> {
    const isRead = yield* succeeds(reading);
    for (const [i, { start, runs }] of pieces.entries()) {
      const bytes = targets[i] as Uint8Array;
      for (const run of runs) {
        if (isRead) this.#compare(run, bytes.subarray(run.start - start, run.end - start));
        else yield* this.#readChunks(run);
      }
      this.#buffers.give(bytes);
    }
  }

  /** Reads a run chunk by chunk: some read near it has failed. */
  *#readChunks(run: DataRun): Io<void> {
    const { map, findings } = this.#options;
    const chunk = 2 ** run.extent.shift;
    for (let at = run.from; at < run.to; at++) {
      const start = run.start + (at - run.from) * chunk;
      const one = { ...run, from: at, to: at + 1, start, end: Math.min(run.end, start + chunk) };
      const blocks = (one.end - start) / map.blockSize;
      const bytes = yield* map.read(start / map.blockSize, blocks);
      if (typeof bytes !== 'string') this.#compare(one, bytes);
      else
        findings.add('unreadable', `Cannot read data: ${bytes}`, placeOf(one, one.start, one.end));
    }
  }

  /** Compares the bytes of a run with its checksums. */
  #compare(run: DataRun, bytes: Uint8Array): void {
    const { extent } = run;
    const chunk = 2 ** extent.shift;
    for (let at = 0, slot = run.from * 8; at < bytes.length; at += chunk, slot += 8) {
      const end = Math.min(bytes.length, at + chunk);
      if (matchesHash(extent.checksums, slot, bytes, at, end)) continue;
      const where = placeOf(run, run.start + at, run.start + end);
      const { objectOffset = 0, objectLength = 0 } = where;
      const range = `[${objectOffset}, ${objectOffset + objectLength})`;
      this.#options.findings.add(
        'data-damaged',
        `Bytes ${range} differ from their checksum`,
        where,
      );
    }
    this.#options.verified(bytes.length);
  }
}

function* readAll(steps: readonly IoStep[]): Io<void> {
  yield { kind: 'together', steps };
}

/** Waits for a reading; false when the device failed. */
function* succeeds(reading: Drive<void>): Io<boolean> {
  try {
    yield waitFor(reading);
    return true;
  } catch (error) {
    if (!hasCode(error, 'E_IO')) throw error;
    return false;
  }
}

/** Where the device bytes [start, end) of a run belong. */
function placeOf(run: DataRun, start: number, end: number): Where {
  const { extent } = run;
  const base = run.start - run.from * 2 ** extent.shift + extent.skip;
  const low = Math.max(0, start - base);
  const high = Math.min(extent.length, end - base);
  return {
    ...run.where,
    offset: start,
    length: end - start,
    objectOffset: run.offset + low,
    objectLength: high - low,
  };
}

/** Joins sorted runs that lie close to each other. */
function piecesOf(runs: readonly DataRun[]): Piece[] {
  const pieces: Piece[] = [];
  let last: Piece | undefined;
  for (const run of runs) {
    const isNear =
      last !== undefined && run.start - last.end <= GAP_BYTES && run.end - last.start <= READ_BYTES;
    if (last !== undefined && isNear) {
      last.runs.push(run);
      last.end = Math.max(last.end, run.end);
    } else {
      last = { start: run.start, end: run.end, runs: [run] };
      pieces.push(last);
    }
  }
  return pieces;
}

/**
 * Aligned buffers for all checks of the process; made when the first one reads. Those of a check
 * that ends with an error do not come back: something may still be read into them.
 */
class ReadBuffers {
  static readonly shared = new ReadBuffers();
  #free: Uint8Array[] | undefined;
  readonly #whole = new Map<Uint8Array, Uint8Array>();

  /** A buffer of `length` bytes: an aligned one, as long as there are any of this size. */
  take(length: number): Uint8Array {
    this.#free ??= makeBuffers();
    const whole = length <= READ_BYTES ? this.#free.pop() : undefined;
    if (whole === undefined) return new Uint8Array(length);
    const part = whole.subarray(0, length);
    this.#whole.set(part, whole);
    return part;
  }

  /** Takes a buffer back. */
  give(buffer: Uint8Array): void {
    const whole = this.#whole.get(buffer);
    if (whole === undefined || this.#free === undefined) return;
    this.#whole.delete(buffer);
    this.#free.push(whole);
  }
}

function makeBuffers(): Uint8Array[] {
  const count = 2 * READS_TOGETHER;
  const memory = new AlignedMemory(count * READ_BYTES);
  return Array.from({ length: count }, () => memory.take(READ_BYTES));
}
