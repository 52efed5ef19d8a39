/**
 * Verified data of objects, kept in memory.
 *
 * - A chunk is taken in when it is read from the device for the second time within a while: what
 *   is read once, as by a scan, takes nothing's place.
 * - It is found by address, length and checksum. Once its blocks hold something else, their extent
 *   has another checksum and the cache nothing for it. So nothing ever has to be taken back, and a
 *   hit is the very bytes that a read would be verified to be.
 * - Chunks stand one behind the other in segments; the oldest segment makes room as a whole.
 * - It shares a budget with the nodes: half of it, and what nodes leave free of the rest.
 */

import { getU32, unsetBytes } from '../format/bytes.js';
import type { ExtentEntry } from '../onode/extent-entry.js';
import { CHUNK_LENGTH_LIMIT, ChunkIndex, LENGTH_UNIT } from './chunk-index.js';

/** Bytes of a segment: a small part of the budget, so that little goes when one makes room. */
const SEGMENT_SIZE_MIN = 64 * 1024;
const SEGMENT_SIZE_MAX = 1024 * 1024;
const SEGMENT_PART = 64;

/** Bytes of budget for each bucket of the index: chunks are seldom smaller. */
const BUCKET_SHARE = 4096;

/** Places are below this. */
const PLACES_LIMIT = 2 ** 32;

/** The chunk that is being looked at. */
const chunk = { address: 0, length: 0, low: 0, high: 0 };

/** Makes the chunk at byte `begin` of an extent's blocks the one that is looked at; gives its end. */
function lookAt(entry: ExtentEntry, begin: number, blockSize: number): number {
  const end = Math.min(begin + 2 ** entry.shift, entry.blocks * blockSize);
  const slot = (begin / 2 ** entry.shift) * 8;
  chunk.address = entry.address + begin / blockSize;
  chunk.length = end - begin;
  chunk.low = getU32(entry.checksums, slot);
  chunk.high = getU32(entry.checksums, slot + 4);
  return end;
}

export class DataCache {
  readonly #blockSize: number;
  readonly #budget: number;
  readonly #segmentSize: number;
  /** Places of a segment. */
  readonly #segmentPlaces: number;
  /** What it may hold at present, in bytes. */
  #bytesMax: number;
  /** From the oldest to the one that is being filled. */
  readonly #segments: Uint8Array[] = [];
  /** Number of the oldest segment: they are counted from 1 on, so that no place is 0. */
  #first = 1;
  /** Bytes used of the last segment. */
  #used = 0;
  /** Made when something is first read. */
  #index: ChunkIndex | undefined;

  /** `budget`: bytes that it shares with nodes; with 0 it keeps nothing. */
  constructor(budget: number, blockSize: number) {
    this.#blockSize = blockSize;
    this.#budget = budget;
    this.#bytesMax = budget;
    const part = 2 ** Math.floor(Math.log2(Math.max(1, budget / SEGMENT_PART)));
    this.#segmentSize = Math.min(SEGMENT_SIZE_MAX, Math.max(SEGMENT_SIZE_MIN, part));
    this.#segmentPlaces = this.#segmentSize / LENGTH_UNIT;
  }

  /** Bytes of memory that it takes. */
  get bytes(): number {
    return this.#segments.length * this.#segmentSize + (this.#index?.bytes ?? 0);
  }

  /** Makes room for nodes, which take `nodeBytes` now. */
  trim(nodeBytes: number): void {
    this.#bytesMax = Math.max(this.#budget / 2, this.#budget - nodeBytes);
    while (this.#segments.length > 0 && this.bytes > this.#bytesMax) this.#dropOldest();
  }

  /**
   * Copies the bytes of an extent to `target[at]`. False when not all of its chunks are here; what
   * then stands in the target is of no use.
   */
  copyTo(entry: ExtentEntry, target: Uint8Array, at: number): boolean {
    if (this.#segments.length === 0 || this.#index === undefined) return false;
    const { skip, length } = entry;
    // A run of chunks that stand one behind the other is copied at once.
    let run = 0; // place of its first chunk
    let runStart = 0; // byte of the extent
    let begin = 0;
    while (begin < skip + length) {
      const end = lookAt(entry, begin, this.#blockSize);
      const place = this.#index.find(chunk);
      if (place < this.#first * this.#segmentPlaces) return false;
      if (begin === 0) run = place;
      else if (!this.#continues(run, begin - runStart, place)) {
        this.#copyRun(run, runStart, begin, entry, target, at);
        run = place;
        runStart = begin;
      }
      begin = end;
    }
    this.#copyRun(run, runStart, begin, entry, target, at);
    return true;
  }

  /** True when `place` is behind `length` bytes from `run` on, in the same segment. */
  #continues(run: number, length: number, place: number): boolean {
    return place === run + length / LENGTH_UNIT && place % this.#segmentPlaces !== 0;
  }

  /** Copies what is an extent's own of its bytes [start, end), which stand at the place `run`. */
  #copyRun(
    run: number,
    start: number,
    end: number,
    { skip, length }: ExtentEntry,
    target: Uint8Array,
    at: number,
  ): void {
    const from = Math.max(skip, start);
    const to = Math.min(skip + length, end);
    const segment = this.#segments[Math.floor(run / this.#segmentPlaces) - this.#first];
    const shift = (run % this.#segmentPlaces) * LENGTH_UNIT - start;
    if (segment !== undefined)
      target.set(segment.subarray(from + shift, to + shift), at + from - skip);
  }

  /** Takes notice of the blocks of an extent, which were read and verified, and keeps what is due. */
  offer(entry: ExtentEntry, bytes: Uint8Array): void {
    if (this.#budget < 2 * this.#segmentSize) return;
    const index = this.#openIndex();
    for (let begin = 0; begin < bytes.length; ) {
      const end = lookAt(entry, begin, this.#blockSize);
      if (this.#isDue(index)) {
        const place = this.#append(bytes, begin, end);
        if (place > 0) index.put(chunk, place);
      }
      begin = end;
    }
  }

  #openIndex(): ChunkIndex {
    this.#index ??= new ChunkIndex(2 ** Math.floor(Math.log2(this.#budget / BUCKET_SHARE)));
    return this.#index;
  }

  /** True when the chunk that is looked at was seen before and isn't here. */
  #isDue(index: ChunkIndex): boolean {
    const { length } = chunk;
    if (length > this.#segmentSize || length >= CHUNK_LENGTH_LIMIT || length % LENGTH_UNIT !== 0) {
      return false;
    }
    return index.see(chunk) && index.find(chunk) < this.#first * this.#segmentPlaces;
  }

  /** Puts bytes [begin, end) behind the others; gives their place, 0 when there is no room at all. */
  #append(bytes: Uint8Array, begin: number, end: number): number {
    const isFull = this.#used + end - begin > this.#segmentSize;
    if ((this.#segments.length === 0 || isFull) && !this.#start()) return 0;
    const last = this.#first + this.#segments.length - 1;
    const place = last * this.#segmentPlaces + this.#used / LENGTH_UNIT;
    this.#segments.at(-1)?.set(bytes.subarray(begin, end), this.#used);
    this.#used += end - begin;
    return place;
  }

  /** Starts a segment, in the memory of the oldest one where there is no room for more. */
  #start(): boolean {
    if ((this.#first + this.#segments.length + 1) * this.#segmentPlaces > PLACES_LIMIT)
      this.#clear();
    let memory: Uint8Array | undefined;
    while (this.#segments.length > 0 && this.bytes + this.#segmentSize > this.#bytesMax) {
      memory = this.#dropOldest();
    }
    if (this.bytes + this.#segmentSize > this.#bytesMax) return false;
    this.#segments.push(memory ?? unsetBytes(this.#segmentSize));
    this.#used = 0;
    return true;
  }

  #dropOldest(): Uint8Array | undefined {
    this.#first++;
    return this.#segments.shift();
  }

  /** Forgets everything: places begin anew. */
  #clear(): void {
    this.#segments.length = 0;
    this.#first = 1;
    this.#index?.clear();
  }
}
