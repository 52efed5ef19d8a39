/**
 * Verifies data against the checksums of its extents: what is to be read is gathered, sorted by
 * address, and read in large pieces, several at a time.
 *
 * - What lies close together is read at once, in the background: the walk goes on meanwhile. What
 *   lies scattered waits for its neighbours, which may come late in the walk; so a device is read
 *   nearly in its own order and once, in whatever order its objects are walked.
 * - Memory: RUNS_MAX runs that wait and as many that are being read (data-runs.ts), READS_TOGETHER
 *   pieces of BUFFER_BYTES, and what is known to be sound where clones share it (sound-chunks.ts).
 * - A piece that can't be read is read again chunk by chunk, so that a finding is about the chunk
 *   that is lost and the others are verified.
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import { Drive, waitFor } from '../blockdev/drive.js';
import type { Io, IoStep } from '../blockdev/io.js';
import { hasCode } from '../errors.js';
import { matchesHash } from '../format/checksum.js';
import { ROLE } from '../format/role.js';
import type { ExtentEntry } from '../onode/extent-entry.js';
import type { Visited } from './context.js';
import { type DataRun, DataRuns, type Piece, RUNS_MAX } from './data-runs.js';
import type { DeviceMap } from './device-map.js';
import { type Findings, type Place, placeIn, type Where } from './finding.js';
import { BUFFER_BYTES, ReadBuffers } from './read-buffers.js';
import { SoundChunks } from './sound-chunks.js';

/** Bytes of data after which is looked for what lies close together. */
const LOOK_BYTES = 32 * 1024 * 1024;

/** A piece is dense that has so many bytes, and no more than an eighth of it left out. */
const DENSE_BYTES = 256 * 1024;
const DENSE_SHARE = 7 / 8;

/** Reads under way at a time. */
const READS_TOGETHER = 3;

/** Bytes between two runs that are rather read over than left out. */
const GAP_BYTES = 64 * 1024;

const LIMITS = { readBytes: BUFFER_BYTES, gapBytes: GAP_BYTES } as const;

/** Some runs in the order of their addresses, and how they are read. */
interface Batch {
  readonly runs: DataRuns;
  readonly order: Uint32Array;
  readonly pieces: readonly Piece[];
}

/** A piece that is being read. */
interface Reading {
  readonly piece: Piece;
  readonly target: Uint8Array;
  readonly drive: Drive<void>;
}

export interface DataCheckOptions {
  readonly device: BlockDevice;
  readonly map: DeviceMap;
  readonly findings: Findings;
  /** Clones may share data, and nobody else remembers what was seen of it. */
  readonly isShared: boolean;
  /** Told of bytes that were read and compared. */
  readonly verified: (bytes: number) => void;
  /** Runs that wait at most, about; RUNS_MAX unless given. */
  readonly runsMax?: number;
}

export class DataCheck {
  readonly #options: DataCheckOptions;
  readonly #buffers = ReadBuffers.shared;
  readonly #sound: SoundChunks | undefined;
  #waiting = new DataRuns();
  /** What is read and compared while the walk goes on. */
  #background: Drive<void> | undefined;
  #lookBytes = LOOK_BYTES;

  constructor(options: DataCheckOptions) {
    this.#options = options;
    this.#sound = options.isShared ? new SoundChunks() : undefined;
  }

  /**
   * Adds an extent that lies at byte `offset` of an object, but for chunks that `visited` knows, or
   * that are known to be sound where it knows of none. Gives the bytes that are to be read for it;
   * `read` follows when `isDue`.
   */
  add(extent: ExtentEntry, offset: number, place: Place, visited: Visited): number {
    const { blockSize } = this.#options.map;
    const chunk = 2 ** extent.shift;
    const count = Math.ceil((extent.blocks * blockSize) / chunk);
    const together = Math.max(1, Math.floor(BUFFER_BYTES / chunk));
    const before = this.#waiting.bytes;
    const isNew = (at: number): boolean => {
      const block = extent.address + (at * chunk) / blockSize;
      const isUnseen = visited.isNewChunk?.(block, extent.birth);
      return isUnseen ?? this.#sound?.has(block, extent.checksums, at * 8) !== true;
    };
    for (let from = 0; from < count; ) {
      if (!isNew(from)) {
        from++;
        continue;
      }
      let to = from + 1;
      while (to < count && to - from < together && isNew(to)) to++;
      this.#waiting.add(extent, blockSize, offset, from, to, place);
      from = to;
    }
    return this.#waiting.bytes - before;
  }

  /** So much was added that it is time to `read`. */
  get isDue(): boolean {
    return this.#isFull || this.#waiting.bytes >= this.#lookBytes;
  }

  /** Begins to read some of what was added, once all that was begun before has ended. */
  *read(): Io<void> {
    if (this.#isFull) yield* this.#beginAll();
    else yield* this.#beginDense();
  }

  /** Reads and compares everything that was added. */
  *flush(): Io<void> {
    yield* this.#beginAll();
    yield* this.#endBackground();
  }

  get #isFull(): boolean {
    return this.#waiting.count >= (this.#options.runsMax ?? RUNS_MAX);
  }

  *#beginAll(): Io<void> {
    const runs = this.#waiting;
    this.#waiting = new DataRuns();
    this.#lookBytes = LOOK_BYTES;
    const order = runs.sorted();
    yield* this.#beginBatch({ runs, order, pieces: runs.pieces(order, LIMITS) });
  }

  /** Begins to read what lies close together; the rest goes on waiting. */
  *#beginDense(): Io<void> {
    const runs = this.#waiting;
    const order = runs.sorted();
    const pieces = runs.pieces(order, LIMITS);
    const dense = pieces.filter(isDense);
    const bytes = dense.reduce((sum, piece) => sum + piece.bytes, 0);
    if (bytes < runs.bytes / 2) {
      this.#lookBytes = 4 * runs.bytes;
      return;
    }
    this.#waiting = new DataRuns();
    for (const piece of pieces) {
      if (isDense(piece)) continue;
      for (let i = piece.from; i < piece.to; i++) this.#waiting.take(runs, order[i] ?? 0);
    }
    this.#lookBytes = this.#waiting.bytes + LOOK_BYTES;
    yield* this.#beginBatch({ runs, order, pieces: dense });
  }

  *#beginBatch(batch: Batch): Io<void> {
    yield* this.#endBackground();
    this.#background = new Drive(this.#readAll(batch));
  }

  *#endBackground(): Io<void> {
    const background = this.#background;
    this.#background = undefined;
    if (background !== undefined) yield waitFor(background);
  }

  /** Reads pieces, some while others are compared. */
  *#readAll(batch: Batch): Io<void> {
    const readings: Reading[] = [];
    for (let next = 0; next < batch.pieces.length || readings.length > 0; ) {
      const piece = batch.pieces[next];
      if (piece !== undefined && readings.length < READS_TOGETHER) {
        readings.push(this.#begin(piece));
        next++;
      } else yield* this.#end(batch, readings.shift());
    }
  }

  #begin(piece: Piece): Reading {
    const { device } = this.#options;
    const target = this.#buffers.take(piece.end - piece.start);
    const step: IoStep = { kind: 'read', device, offset: piece.start, target };
    return { piece, target, drive: new Drive(oneStep(step)) };
  }

  /** Waits for a piece and compares it. */
  *#end({ runs, order }: Batch, reading: Reading | undefined): Io<void> {
    if (reading === undefined) return;
    const { piece, target, drive } = reading;
    const isRead = yield* succeeds(drive);
    for (let i = piece.from; i < piece.to; i++) {
      const index = order[i] ?? 0;
      if (isRead) this.#compare(runs, index, target, runs.startOf(index) - piece.start);
      else yield* this.#readChunks(runs.at(index), runs.checksums);
    }
    this.#buffers.give(target);
  }

  /** Reads a run chunk by chunk: some read near it has failed. */
  *#readChunks(run: DataRun, checksums: Uint8Array): Io<void> {
    const { map, findings } = this.#options;
    const chunk = 2 ** run.shift;
    for (let at = 0, slot = run.checksumAt; at < run.length; at += chunk, slot += 8) {
      const one = partOf(run, at, Math.min(run.length, at + chunk), slot);
      const bytes = yield* map.read(one.start / map.blockSize, one.length / map.blockSize);
      if (typeof bytes === 'string') {
        findings.add('unreadable', `Cannot read data: ${bytes}`, whereOf(one));
      } else if (!this.#isSound(one.start, checksums, slot, bytes, 0, bytes.length)) {
        this.#addDamaged(one);
      }
    }
  }

  /** Compares the bytes of a run, which begin at `bytes[from]`, with its checksums. */
  #compare(runs: DataRuns, index: number, bytes: Uint8Array, from: number): void {
    const { checksums } = runs;
    const start = runs.startOf(index);
    const length = runs.lengthOf(index);
    const chunk = 2 ** runs.shiftOf(index);
    for (let at = 0, slot = runs.checksumOf(index); at < length; at += chunk, slot += 8) {
      const end = Math.min(length, at + chunk);
      if (this.#isSound(start + at, checksums, slot, bytes, from + at, from + end)) continue;
      this.#addDamaged(partOf(runs.at(index), at, end, slot));
    }
  }

  /** Whether `bytes[from, to)`, of the chunk at byte `start` of the device, have their checksum. */
  #isSound(
    start: number,
    checksums: Uint8Array,
    slot: number,
    bytes: Uint8Array,
    from: number,
    to: number,
  ): boolean {
    const block = start / this.#options.map.blockSize;
    if (this.#sound?.has(block, checksums, slot) === true) return true;
    this.#options.verified(to - from);
    if (!matchesHash(checksums, slot, bytes, from, to)) return false;
    this.#sound?.add(block, checksums, slot);
    return true;
  }

  #addDamaged(chunk: DataRun): void {
    const where = whereOf(chunk);
    const { objectOffset = 0, objectLength = 0 } = where;
    const range = `[${objectOffset}, ${objectOffset + objectLength})`;
    this.#options.findings.add('data-damaged', `Bytes ${range} differ from their checksum`, where);
  }
}

function isDense({ start, end, bytes }: Piece): boolean {
  return bytes >= DENSE_BYTES && bytes >= DENSE_SHARE * (end - start);
}

function* oneStep(step: IoStep): Io<void> {
  yield step;
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

/** Bytes [from, to) of a run, whose first checksum stands at `checksumAt`. */
function partOf(run: DataRun, from: number, to: number, checksumAt: number): DataRun {
  const { start, objectStart } = run;
  return {
    ...run,
    start: start + from,
    length: to - from,
    objectStart: objectStart + from,
    checksumAt,
  };
}

/** Where a run is, on the device and in its object. */
function whereOf({ start, length, objectStart, objectFrom, objectTo, place }: DataRun): Where {
  const low = Math.max(objectFrom, objectStart);
  const high = Math.min(objectTo, objectStart + length);
  return {
    ...placeIn(ROLE.blob, place),
    offset: start,
    length,
    objectOffset: low,
    objectLength: high - low,
  };
}
