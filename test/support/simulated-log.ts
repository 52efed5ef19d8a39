/**
 * The write log of a simulated device, and what a crash may leave of it.
 *
 * - A call is an entry when it is issued; when it ends, an `end` entry follows. A crash happens at
 *   a *point*: the entries [0, point) have happened. Between a call and its end it was under way.
 * - A write is *guaranteed* at a point when its end lies before it and either it was `durable`, or
 *   a flush that was issued after that end has ended too. A growth is guaranteed when it has ended.
 * - Of what is not guaranteed any subset of sectors may be on the medium: of what was complete
 *   never an older write over a newer one (the cache holds only the newest); what was still under
 *   way may land behind everything else.
 * - A failed flush abandons what it covered: no later flush makes it durable, as on Linux. A
 *   failed write is abandoned itself; what of it is there stands below every later write.
 * - Images are made from the last snapshot taken when nothing was waiting for a flush.
 */

import type { MemoryImage } from './memory-image.js';
import type { Prng } from './prng.js';

interface Entry {
  readonly index: number;
  /** Index of the `end` entry, of a call that failed too; Infinity while under way. */
  ended: number;
  /** It is guaranteed at points greater than this. */
  guaranteed: number;
}

export interface WriteEntry extends Entry {
  readonly kind: 'write';
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly durable: boolean;
}

export interface FlushEntry extends Entry {
  readonly kind: 'flush';
}

export interface GrowEntry extends Entry {
  readonly kind: 'grow';
  readonly from: number;
  readonly size: number;
}

export interface EndEntry {
  readonly kind: 'end';
  readonly index: number;
  /** The call that ended. */
  readonly of: CallEntry;
  readonly failed: boolean;
}

export type CallEntry = WriteEntry | FlushEntry | GrowEntry;
export type LogEntry = CallEntry | EndEntry;
/** What a crash can lose. */
export type LosableEntry = WriteEntry | GrowEntry;

/** Of the entry with this index only some sectors reached the medium. */
export interface Tear {
  readonly entry: number;
  /** The first so many, or just these; of a growth always the first so many. */
  readonly sectors: number | ReadonlySet<number>;
}

/** What becomes of the entries that are not guaranteed; without a word they are all there. */
export interface CrashChoice {
  /** Indices of entries of which nothing is there. */
  readonly drop?: ReadonlySet<number>;
  readonly tears?: readonly Tear[];
  /** Writes that were under way land in the reverse order of their issue. */
  readonly reversed?: boolean;
}

interface Snapshot {
  readonly point: number;
  readonly image: MemoryImage;
}

/** Fewer entries than this are quicker applied again than kept as a snapshot. */
const SNAPSHOT_DISTANCE = 16;

/** Up to so many entries: all their subsets; of more, those that keep or lose up to `FEW`. */
const SUBSETS_MAX = 5;
const FEW = 3;

/** Of more entries than this only one at a time is lost or kept. */
const FEW_OF_MAX = 10;

/** Entries of up to so many sectors are torn at each of them, longer ones at the edges. */
const TORN_SECTORS_MAX = 16;

export class SimulatedLog {
  readonly sectorSize: number;
  /** Without history, entries older than the last snapshot are forgotten. */
  readonly #history: boolean;
  #entries: LogEntry[] = [];
  /** Index of the first entry that is not forgotten. */
  #first = 0;
  readonly #pending = new Set<LosableEntry>();
  readonly #abandoned = new Set<LosableEntry>();
  #snapshots: Snapshot[];

  constructor(image: MemoryImage, sectorSize: number, history: boolean) {
    this.sectorSize = sectorSize;
    this.#history = history;
    this.#snapshots = [{ point: 0, image: image.fork() }];
  }

  /** Every entry that is not forgotten; `entry.index` is what the other methods take. */
  get entries(): readonly LogEntry[] {
    return this.#entries;
  }

  /** The earliest point that a crash can be asked for. */
  get firstPoint(): number {
    return this.#first;
  }

  /** The point behind everything that has happened. */
  get point(): number {
    return this.#first + this.#entries.length;
  }

  write(offset: number, bytes: Uint8Array, durable: boolean): WriteEntry {
    const entry: WriteEntry = { kind: 'write', offset, bytes, durable, ...this.#fresh() };
    this.#entries.push(entry);
    this.#pending.add(entry);
    return entry;
  }

  flush(): FlushEntry {
    const entry: FlushEntry = { kind: 'flush', ...this.#fresh() };
    this.#entries.push(entry);
    return entry;
  }

  grow(from: number, size: number): GrowEntry {
    const entry: GrowEntry = { kind: 'grow', from, size, ...this.#fresh() };
    this.#entries.push(entry);
    this.#pending.add(entry);
    return entry;
  }

  /** The call has ended well; `image` is what the device now shows. */
  end(entry: CallEntry, image: MemoryImage): void {
    entry.ended = this.#pushEnd(entry, false);
    if (entry.kind === 'flush') this.#guaranteeBefore(entry);
    else if (entry.kind === 'grow' || entry.durable) this.#guarantee(entry, entry.ended);
    if (this.#pending.size === 0) this.#snapshot(image);
  }

  /** The call has ended with an error. */
  fail(entry: CallEntry): void {
    entry.ended = this.#pushEnd(entry, true);
    if (entry.kind !== 'flush') {
      this.#abandoned.add(entry);
      return;
    }
    for (const one of this.#pending) if (one.ended < entry.index) this.#abandoned.add(one);
  }

  /** Entries that a crash at `point` may lose, oldest first. */
  unflushedAt(point: number): LosableEntry[] {
    return this.#windowBefore(point).filter((entry) => entry.guaranteed >= point);
  }

  /** What the medium holds after a crash at `point`; nothing is lost without a choice. */
  imageAt(point: number, choice: CrashChoice = {}): MemoryImage {
    const image = this.#snapshotBefore(point).image.fork();
    for (const entry of this.#landing(point, choice)) {
      const isLosable = entry.guaranteed >= point;
      if (isLosable && choice.drop?.has(entry.index) === true) continue;
      const tear = isLosable ? choice.tears?.find((one) => one.entry === entry.index) : undefined;
      this.#apply(image, entry, tear?.sectors);
    }
    return image;
  }

  /** Points in [from, to] at which a crash can leave something that it could not before. */
  *crashPoints(from = this.#first, to = this.point): Generator<number> {
    if (from <= this.#first) yield this.#first;
    for (const entry of this.#entries) {
      const point = entry.index + 1;
      if (point >= from && point <= to && changesOutcome(entry)) yield point;
    }
  }

  /**
   * Choices for a crash at `point`, of the entries that it may lose:
   *
   * 1. every prefix of them is there;
   * 2. every subset that keeps, or loses, up to three of them; all subsets where they are few;
   *    where writes under way overlap, each also with these landing in the reverse order;
   * 3. the last one of a prefix, and each one alone, torn at each of its sectors.
   *
   * Several may leave the same image.
   */
  *choicesAt(point: number): Generator<CrashChoice> {
    const entries = this.unflushedAt(point);
    const indices = entries.map((entry) => entry.index);
    for (let kept = 0; kept <= indices.length; kept++) {
      yield { drop: new Set(indices.slice(kept)) };
    }
    const isOverlapping = overlapUnderWay(entries, point);
    for (const drop of subsetsOf(indices)) {
      yield { drop };
      if (isOverlapping) yield { drop, reversed: true };
    }
    yield* this.#tornChoicesAt(entries);
  }

  /** Something at random for each entry that a crash at `point` may lose. */
  randomChoice(point: number, prng: Prng): CrashChoice {
    const drop = new Set<number>();
    const tears: Tear[] = [];
    const keep = prng.pick([0.1, 0.5, 0.9]);
    for (const entry of this.unflushedAt(point)) {
      if (!prng.chance(keep)) drop.add(entry.index);
      else if (prng.chance(0.25)) {
        tears.push({ entry: entry.index, sectors: this.#randomSectors(entry, prng) });
      }
    }
    return { drop, tears, reversed: prng.chance(0.5) };
  }

  /** Sectors of an entry. */
  sectorCount(entry: LosableEntry): number {
    const length = entry.kind === 'write' ? entry.bytes.length : entry.size - entry.from;
    return length / this.sectorSize;
  }

  #fresh(): Entry {
    return {
      index: this.point,
      ended: Number.POSITIVE_INFINITY,
      guaranteed: Number.POSITIVE_INFINITY,
    };
  }

  #pushEnd(of: CallEntry, failed: boolean): number {
    const index = this.point;
    this.#entries.push({ kind: 'end', index, of, failed });
    return index;
  }

  #guarantee(entry: LosableEntry, index: number): void {
    entry.guaranteed = index;
    this.#pending.delete(entry);
    this.#abandoned.delete(entry);
  }

  #guaranteeBefore(flush: FlushEntry): void {
    flush.guaranteed = flush.ended;
    for (const entry of this.#pending) {
      if (entry.ended < flush.index && !this.#abandoned.has(entry)) {
        this.#guarantee(entry, flush.ended);
      }
    }
  }

  #snapshot(image: MemoryImage): void {
    const point = this.point;
    const last = this.#snapshots.at(-1);
    if (last !== undefined && point - last.point < SNAPSHOT_DISTANCE) return;
    const snapshot = { point, image: image.fork() };
    if (this.#history) {
      this.#snapshots.push(snapshot);
      return;
    }
    this.#snapshots = [snapshot];
    this.#entries = [];
    this.#first = point;
  }

  #snapshotBefore(point: number): Snapshot {
    let found: Snapshot | undefined;
    let low = 0;
    let high = this.#snapshots.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const snapshot = this.#snapshots[middle];
      if (snapshot !== undefined && snapshot.point <= point) {
        found = snapshot;
        low = middle + 1;
      } else high = middle;
    }
    if (found === undefined || point > this.point) {
      throw new RangeError(`Invalid point ${point}: the log holds ${this.#first} to ${this.point}`);
    }
    return found;
  }

  /** Writes and growths between the snapshot and `point`, as issued. */
  #windowBefore(point: number): LosableEntry[] {
    const from = this.#snapshotBefore(point).point;
    const window: LosableEntry[] = [];
    for (const entry of this.#entries.slice(from - this.#first, point - this.#first)) {
      if (entry.kind === 'write' || entry.kind === 'grow') window.push(entry);
    }
    return window;
  }

  /** The window in the order in which it reaches the medium. */
  #landing(point: number, choice: CrashChoice): LosableEntry[] {
    const window = this.#windowBefore(point);
    const complete = window.filter((entry) => entry.ended < point);
    const underWay = window.filter((entry) => entry.ended >= point);
    if (choice.reversed === true) underWay.reverse();
    return [...complete.sort((a, b) => a.ended - b.ended), ...underWay];
  }

  #apply(image: MemoryImage, entry: LosableEntry, sectors?: number | ReadonlySet<number>): void {
    const size = this.sectorSize;
    if (entry.kind === 'grow') {
      const grown = typeof sectors === 'number' ? entry.from + sectors * size : entry.size;
      image.resize(Math.max(image.size, Math.min(grown, entry.size)));
    } else if (sectors === undefined) {
      image.write(entry.offset, entry.bytes);
    } else if (typeof sectors === 'number') {
      image.write(entry.offset, entry.bytes.subarray(0, sectors * size));
    } else {
      for (const sector of sectors) {
        const at = sector * size;
        image.write(entry.offset + at, entry.bytes.subarray(at, at + size));
      }
    }
  }

  *#tornChoicesAt(entries: readonly LosableEntry[]): Generator<CrashChoice> {
    for (const [i, entry] of entries.entries()) {
      const later = new Set(entries.slice(i + 1).map((one) => one.index));
      const others = new Set(entries.filter((one) => one !== entry).map((one) => one.index));
      for (const sectors of tornSectors(this.sectorCount(entry))) {
        const tears = [{ entry: entry.index, sectors }];
        yield { drop: later, tears };
        if (i > 0) yield { drop: others, tears };
      }
    }
  }

  #randomSectors(entry: LosableEntry, prng: Prng): number | ReadonlySet<number> {
    const count = this.sectorCount(entry);
    if (entry.kind === 'grow' || prng.chance(0.5)) return prng.below(count + 1);
    const sectors = new Set<number>();
    for (let sector = 0; sector < count; sector++) if (prng.chance(0.5)) sectors.add(sector);
    return sectors;
  }
}

/** The issue of something that can be lost, or an end that guarantees something. */
function changesOutcome(entry: LogEntry): boolean {
  if (entry.kind === 'end') {
    return !entry.failed && (entry.of.kind !== 'write' || entry.of.durable);
  }
  return entry.kind !== 'flush';
}

/** Where an entry of `count` sectors is torn: so many of its first sectors are there. */
function tornSectors(count: number): Iterable<number> {
  if (count <= TORN_SECTORS_MAX) return Array.from({ length: count - 1 }, (_, i) => i + 1);
  return [1, 2, count >> 1, count - 2, count - 1];
}

/** Sets of entries to lose; prefixes are not among them on purpose. */
function* subsetsOf(indices: readonly number[]): Generator<ReadonlySet<number>> {
  const count = indices.length;
  if (count <= SUBSETS_MAX) {
    for (let bits = 0; bits < 2 ** count; bits++) {
      yield new Set(indices.filter((_, i) => (bits >> i) & 1));
    }
    return;
  }
  for (const few of fewOf(indices, count <= FEW_OF_MAX ? FEW : 1)) {
    yield new Set(few);
    yield new Set(indices.filter((index) => !few.includes(index)));
  }
}

/** Every subset of 1 to `most` of `indices`. */
function* fewOf(indices: readonly number[], most: number): Generator<number[]> {
  for (const [i, index] of indices.entries()) {
    yield [index];
    if (most > 1) for (const rest of fewOf(indices.slice(i + 1), most - 1)) yield [index, ...rest];
  }
}

/** True when two writes were under way at `point` that have bytes in common. */
function overlapUnderWay(entries: readonly LosableEntry[], point: number): boolean {
  const writes = entries.flatMap((one) =>
    one.kind === 'write' && one.ended >= point ? [one] : [],
  );
  return writes.some((one, i) =>
    writes
      .slice(i + 1)
      .some(
        (other) =>
          one.offset < other.offset + other.bytes.length &&
          other.offset < one.offset + one.bytes.length,
      ),
  );
}
