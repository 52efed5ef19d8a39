/**
 * Data that waits for being read and compared: runs of whole chunks, each of one extent.
 *
 * - A table of columns, so that a hundred thousand runs are a few arrays and no object each: some
 *   50 bytes a run, and the checksums.
 * - `pieces` sorts them by address and joins what lies near each other into reads.
 */

import type { ExtentEntry } from '../onode/extent-entry.js';
import type { Place } from './finding.js';

/** Runs of one table: 128 Ki of them take 7 MiB, with eight checksums each 8 more. */
export const RUNS_MAX = 128 * 1024;

/** More than a table has when it was not read in time: by what one node adds. */
const RUNS_LIMIT = 2 ** 20;

/** No block is smaller: with 44 bits for them, sectors reach as far as offsets do. */
const SECTOR_BYTES = 512;

/** Sectors whose number shares the lower half of a word with an index. */
const LOW_SECTORS = 2 ** 32 / RUNS_LIMIT;

/** Runs that a table begins with room for. */
const RUNS_FIRST = 1024;

/** Whole chunks of one extent that are read together. */
export interface DataRun {
  /** Bytes of the device, whole blocks. */
  readonly start: number;
  readonly length: number;
  /** Bits of a chunk's size. */
  readonly shift: number;
  /** Where the checksum of the first chunk stands in `checksums` of the table. */
  readonly checksumAt: number;
  /** Where the first byte of the run would be in the object; below it what the object leaves out. */
  readonly objectStart: number;
  /** Bytes of the object that the extent covers: from here to there. */
  readonly objectFrom: number;
  readonly objectTo: number;
  readonly place: Place;
}

/** Runs that one read covers: entries [from, to) of the sorted table. */
export interface Piece {
  readonly start: number;
  readonly end: number;
  readonly from: number;
  readonly to: number;
  /** Bytes that the runs have. */
  readonly bytes: number;
}

export interface PieceLimits {
  /** Bytes that are read at once, unless a chunk is larger. */
  readonly readBytes: number;
  /** Bytes between two runs that are rather read over than left out. */
  readonly gapBytes: number;
}

/** Columns of offsets, and of what is below 2^32. */
const WIDE = { start: 0, objectStart: 1, objectFrom: 2, objectTo: 3, size: 4 } as const;
const NARROW = { length: 0, shift: 1, checksumAt: 2, size: 3 } as const;

export class DataRuns {
  count = 0;
  /** Bytes of all runs. */
  bytes = 0;
  checksums = new Uint8Array(RUNS_FIRST * 8);
  #checksumsEnd = 0;
  #capacity = RUNS_FIRST;
  #wide = new Float64Array(WIDE.size * RUNS_FIRST);
  #narrow = new Uint32Array(NARROW.size * RUNS_FIRST);
  #places: Place[] = [];

  /** Adds chunks [from, to) of an extent that begins at byte `offset` of an object. */
  add(
    extent: ExtentEntry,
    blockSize: number,
    offset: number,
    from: number,
    to: number,
    place: Place,
  ): void {
    const { shift, skip, blocks, address } = extent;
    const first = from * 2 ** shift;
    const length = Math.min(to * 2 ** shift, blocks * blockSize) - first;
    const checksumAt = this.#keep(extent.checksums, from * 8, to * 8);
    const index = this.#next(place, length);
    this.#putWide(index, WIDE.start, address * blockSize + first);
    this.#putWide(index, WIDE.objectStart, offset - skip + first);
    this.#putWide(index, WIDE.objectFrom, offset);
    this.#putWide(index, WIDE.objectTo, offset + extent.length);
    this.#putNarrow(index, length, shift, checksumAt);
  }

  /** Takes over a run of another table. */
  take(other: DataRuns, index: number): void {
    const run = other.at(index);
    const chunks = Math.ceil(run.length / 2 ** run.shift);
    const end = run.checksumAt + chunks * 8;
    const checksumAt = this.#keep(other.checksums, run.checksumAt, end);
    const own = this.#next(run.place, run.length);
    this.#putWide(own, WIDE.start, run.start);
    this.#putWide(own, WIDE.objectStart, run.objectStart);
    this.#putWide(own, WIDE.objectFrom, run.objectFrom);
    this.#putWide(own, WIDE.objectTo, run.objectTo);
    this.#putNarrow(own, run.length, run.shift, checksumAt);
  }

  at(index: number): DataRun {
    return {
      start: this.startOf(index),
      length: this.lengthOf(index),
      shift: this.shiftOf(index),
      checksumAt: this.checksumOf(index),
      objectStart: this.#wideOf(index, WIDE.objectStart),
      objectFrom: this.#wideOf(index, WIDE.objectFrom),
      objectTo: this.#wideOf(index, WIDE.objectTo),
      place: this.#places[index] as Place,
    };
  }

  /** `start` of a run, without an object for the run; and so on. */
  startOf(index: number): number {
    return this.#wideOf(index, WIDE.start);
  }

  lengthOf(index: number): number {
    return this.#narrowOf(index, NARROW.length);
  }

  shiftOf(index: number): number {
    return this.#narrowOf(index, NARROW.shift);
  }

  checksumOf(index: number): number {
    return this.#narrowOf(index, NARROW.checksumAt);
  }

  /** Indices of all runs by address. */
  sorted(): Uint32Array {
    // Address and index in one word of 64 bits: these are sorted natively, many times as fast as by
    // calls that compare.
    const halves = new Uint32Array(2 * this.count);
    for (let i = 0; i < this.count; i++) {
      const sector = this.startOf(i) / SECTOR_BYTES;
      halves[2 * i] = (sector % LOW_SECTORS) * RUNS_LIMIT + i;
      halves[2 * i + 1] = sector / LOW_SECTORS;
    }
    new BigUint64Array(halves.buffer).sort();
    const order = new Uint32Array(this.count);
    for (let i = 0; i < this.count; i++) order[i] = (halves[2 * i] as number) % RUNS_LIMIT;
    return order;
  }

  /** Joins the runs of `order` that lie close to each other. */
  pieces(order: Uint32Array, { readBytes, gapBytes }: PieceLimits): Piece[] {
    const pieces: Piece[] = [];
    let first = 0;
    let [start, end, bytes] = [0, 0, 0];
    for (let i = 0; i <= order.length; i++) {
      const index = order[i] ?? 0;
      const from = this.startOf(index);
      const to = from + this.lengthOf(index);
      const isNear = i < order.length && from - end <= gapBytes && to - start <= readBytes;
      if (i > 0 && !isNear) pieces.push({ start, end, from: first, to: i, bytes });
      if (i === 0 || !isNear) [first, start, end, bytes] = [i, from, to, 0];
      end = Math.max(end, to);
      bytes += to - from;
    }
    return pieces;
  }

  /** The index of one more run of `length` bytes. */
  #next(place: Place, length: number): number {
    if (this.count === this.#capacity) this.#grow();
    this.#places.push(place);
    this.bytes += length;
    return this.count++;
  }

  #putWide(index: number, column: number, value: number): void {
    this.#wide[WIDE.size * index + column] = value;
  }

  #wideOf(index: number, column: number): number {
    return this.#wide[WIDE.size * index + column] as number;
  }

  #putNarrow(index: number, length: number, shift: number, checksumAt: number): void {
    const at = NARROW.size * index;
    this.#narrow[at + NARROW.length] = length;
    this.#narrow[at + NARROW.shift] = shift;
    this.#narrow[at + NARROW.checksumAt] = checksumAt;
  }

  #narrowOf(index: number, column: number): number {
    return this.#narrow[NARROW.size * index + column] as number;
  }

  /** Copies checksums; gives where they are now. */
  #keep(bytes: Uint8Array, from: number, to: number): number {
    const at = this.#checksumsEnd;
    const end = at + to - from;
    if (end > this.checksums.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.checksums.length));
      grown.set(this.checksums);
      this.checksums = grown;
    }
    for (let i = from; i < to; i++) this.checksums[at + i - from] = bytes[i] as number;
    this.#checksumsEnd = end;
    return at;
  }

  #grow(): void {
    this.#capacity *= 2;
    const wide = new Float64Array(WIDE.size * this.#capacity);
    wide.set(this.#wide);
    this.#wide = wide;
    const narrow = new Uint32Array(NARROW.size * this.#capacity);
    narrow.set(this.#narrow);
    this.#narrow = narrow;
  }
}
