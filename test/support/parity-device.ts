/**
 * A RAID-5 or RAID-6 array in memory that counts what writes cost its disks.
 *
 * - Rows are laid out left-symmetric, as md does: parity moves by one disk from row to row.
 * - One write call is what the array sees at once, as md sees what one request brings into its
 *   stripe cache. A row that it covers is a *full-stripe write*: nothing is read. Any other row is
 *   a *read-modify-write* (reads what is overwritten, and parity) or a *reconstruct-write* (reads
 *   what is not overwritten), whichever reads from fewer disks. Nothing is merged across calls.
 * - A disk operation is one contiguous run of one disk that a call reads or writes; parity counts.
 * - Parity is real: kept by every write, checked by `badRow`, and used once disks are lost.
 */

import {
  checkGrowth,
  checkOpen,
  checkRun,
  checkWritable,
  totalLength,
} from '../../src/blockdev/access.js';
import type { BlockDevice, StripeGeometry, WriteOptions } from '../../src/blockdev/block-device.js';
import { divideByPower, solveTwo, sumOf, weightedSumOf } from './parity-math.js';

/** What writes have cost. */
export interface WriteCosts {
  calls: number;
  bytes: number;
  /** Rows, by the way they were written. */
  fullStripes: number;
  readModifyWrites: number;
  reconstructWrites: number;
  /** Disk operations, parity included. */
  diskReads: number;
  diskWrites: number;
}

export interface ParityDeviceOptions {
  readonly dataDisks: number;
  /** Disks' worth of parity: 1 (RAID-5) or 2 (RAID-6). */
  readonly parityDisks: 1 | 2;
  /** Bytes of one disk's part of a row, a multiple of 512. */
  readonly unit: number;
  /** Bytes of the array; rounded down to whole rows. */
  readonly size: number;
  /** What the device says of itself; false for an array that hides its stripes. */
  readonly tellsGeometry?: boolean;
  /** The region that a write at this byte offset counts for; one for all by default. */
  readonly regionOf?: (offset: number, isDurable: boolean) => string;
}

/** The part of one row that a call covers. */
interface RowPart {
  readonly row: number;
  readonly from: number; // bytes in the row
  readonly to: number;
}

/** A run of one disk. */
interface DiskRun {
  readonly disk: number;
  readonly from: number;
  to: number;
}

export function noCosts(): WriteCosts {
  return {
    calls: 0,
    bytes: 0,
    fullStripes: 0,
    readModifyWrites: 0,
    reconstructWrites: 0,
    diskReads: 0,
    diskWrites: 0,
  };
}

export class ParityDevice implements BlockDevice {
  readonly path = 'parity array';
  readonly sectorSize = 512;
  readonly geometry: StripeGeometry;
  readonly readOnly = false;
  readonly size: number;
  readonly unit: number;
  readonly width: number;
  readonly dataDisks: number;
  readonly parityDisks: number;
  /** Reads of bytes that stood on a lost disk. */
  reconstructedReads = 0;
  readonly #costs = new Map<string, WriteCosts>();
  readonly #regionOf: (offset: number, isDurable: boolean) => string;
  readonly #disks: Uint8Array[] = [];
  readonly #lost = new Set<number>();
  readonly #rows: number;
  #closed = false;

  constructor(options: ParityDeviceOptions) {
    this.dataDisks = options.dataDisks;
    this.parityDisks = options.parityDisks;
    this.unit = options.unit;
    this.width = options.unit * options.dataDisks;
    this.#rows = Math.floor(options.size / this.width);
    this.size = this.#rows * this.width;
    const tells = options.tellsGeometry ?? true;
    this.geometry = tells ? { unit: this.unit, width: this.width } : { unit: 0, width: 0 };
    this.#regionOf = options.regionOf ?? (() => 'all');
    for (let i = 0; i < this.diskCount; i++) {
      this.#disks.push(new Uint8Array(this.#rows * this.unit));
    }
  }

  get diskCount(): number {
    return this.dataDisks + this.parityDisks;
  }

  get sizeMax(): number {
    return this.size;
  }

  limitTo(): void {
    // As large as its disks are.
  }

  // Counting

  /** What writes to `region` have cost since the last `resetCosts`. */
  costsOf(region: string): WriteCosts {
    let costs = this.#costs.get(region);
    if (costs === undefined) {
      costs = noCosts();
      this.#costs.set(region, costs);
    }
    return costs;
  }

  resetCosts(): void {
    this.#costs.clear();
  }

  // Losing disks

  /** Takes a disk out: its bytes are gone. As many may go as there is parity. */
  loseDisk(disk: number): void {
    this.#lost.add(disk);
    if (this.#lost.size > this.parityDisks) throw new Error('more disks are lost than parity');
    (this.#disks[disk] as Uint8Array).fill(0xee);
  }

  /** The first row whose parity is not that of its data; -1 when all are sound. */
  badRow(): number {
    for (let row = 0; row < this.#rows; row++) {
      const units = this.#dataUnits(row, 0, this.unit);
      const parity = new Uint8Array(this.unit);
      for (let i = 0; i < this.parityDisks; i++) {
        (i === 0 ? sumOf : weightedSumOf)(units, parity);
        const stored = this.#unitAt(this.#parityDisk(row, i), row, 0, this.unit);
        if (Buffer.compare(stored, parity) !== 0) return row;
      }
    }
    return -1;
  }

  // BlockDevice

  readSync(offset: number, target: Uint8Array): void {
    checkOpen(this, this.#closed);
    checkRun(this, offset, target.length);
    for (let at = 0; at < target.length; ) {
      const place = offset + at;
      const row = Math.floor(place / this.width);
      const index = Math.floor((place % this.width) / this.unit);
      const from = place % this.unit;
      const length = Math.min(this.unit - from, target.length - at);
      target.set(this.#dataUnit(row, index, from, from + length), at);
      at += length;
    }
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    this.readSync(offset, target);
  }

  writeSync(
    offset: number,
    sources: readonly Uint8Array[],
    { durable = false }: WriteOptions = {},
  ): void {
    checkOpen(this, this.#closed);
    checkWritable(this);
    const length = totalLength(sources);
    checkRun(this, offset, length);
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const source of sources) {
      bytes.set(source, at);
      at += source.length;
    }
    const parts = this.#partsOf(offset, length);
    this.#count(this.costsOf(this.#regionOf(offset, durable)), length, parts);
    for (const part of parts) {
      const start = part.row * this.width + part.from - offset;
      this.#store(part, bytes.subarray(start, start + part.to - part.from));
    }
  }

  async write(
    offset: number,
    sources: readonly Uint8Array[],
    options?: WriteOptions,
  ): Promise<void> {
    this.writeSync(offset, sources, options);
  }

  flushSync(): void {
    checkOpen(this, this.#closed);
  }

  async flush(): Promise<void> {
    this.flushSync();
  }

  growSync(size: number): void {
    checkOpen(this, this.#closed);
    checkGrowth(this, size);
  }

  async grow(size: number): Promise<void> {
    this.growSync(size);
  }

  /** The bytes stay: `reopen` gives them to the next user. */
  closeSync(): void {
    this.#closed = true;
  }

  reopen(): void {
    this.#closed = false;
  }

  // Rows

  #parityDisk(row: number, index: number): number {
    const first = this.diskCount - 1 - (row % this.diskCount);
    return (first + index) % this.diskCount;
  }

  #dataDisk(row: number, index: number): number {
    return (this.#parityDisk(row, 0) + this.parityDisks + index) % this.diskCount;
  }

  #unitAt(disk: number, row: number, from: number, to: number): Uint8Array {
    return (this.#disks[disk] as Uint8Array).subarray(row * this.unit + from, row * this.unit + to);
  }

  /** Bytes [from, to) of every data unit of a row, those of lost disks reconstructed. */
  #dataUnits(row: number, from: number, to: number): Uint8Array[] {
    const units: Uint8Array[] = [];
    for (let i = 0; i < this.dataDisks; i++) units.push(this.#dataUnit(row, i, from, to));
    return units;
  }

  #dataUnit(row: number, index: number, from: number, to: number): Uint8Array {
    const disk = this.#dataDisk(row, index);
    if (!this.#lost.has(disk)) return this.#unitAt(disk, row, from, to);
    this.reconstructedReads++;
    return this.#reconstruct(row, index, from, to);
  }

  #reconstruct(row: number, index: number, from: number, to: number): Uint8Array {
    // Words are wider than sectors are fine: the columns are widened to whole ones.
    const start = from - (from % 4);
    const end = Math.ceil(to / 4) * 4;
    const wide = this.#reconstructWords(row, index, start, end);
    return wide.subarray(from - start, to - start);
  }

  #reconstructWords(row: number, index: number, from: number, to: number): Uint8Array {
    const known: Uint8Array[] = [];
    let other = -1;
    for (let i = 0; i < this.dataDisks; i++) {
      const disk = this.#dataDisk(row, i);
      const isLost = this.#lost.has(disk);
      if (isLost && i !== index) other = i;
      known.push(isLost ? new Uint8Array(to - from) : this.#unitAt(disk, row, from, to));
    }
    const [pDisk, qDisk] = [this.#parityDisk(row, 0), this.#parityDisk(row, 1)];
    const sum = new Uint8Array(to - from);
    if (other < 0 && !this.#lost.has(pDisk)) {
      sumOf([...known, this.#unitAt(pDisk, row, from, to)], sum);
      return sum;
    }
    const weighted = new Uint8Array(to - from);
    weightedSumOf(known, weighted);
    const q = this.#unitAt(qDisk, row, from, to);
    if (other < 0) {
      sumOf([weighted, q], sum);
      divideByPower(sum, index);
      return sum;
    }
    sumOf(known, sum);
    const unitY = this.#unitAt(pDisk, row, from, to).slice();
    const unitX = q.slice();
    solveTwo(index, other, unitY, unitX, sum, weighted);
    return unitX;
  }

  #partsOf(offset: number, length: number): RowPart[] {
    const parts: RowPart[] = [];
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const row = Math.floor(at / this.width);
      const from = at % this.width;
      const to = Math.min(this.width, from + end - at);
      parts.push({ row, from, to });
      at += to - from;
    }
    return parts;
  }

  /** Puts the bytes of one row's part in place and makes its parity that of the new data. */
  #store(part: RowPart, bytes: Uint8Array): void {
    const { row } = part;
    const [from, to] = this.#columnsOf(part);
    const units = this.#dataUnits(row, from, to).map((unit, index) => {
      const start = index * this.unit + from - part.from;
      const low = Math.max(0, start);
      const high = Math.min(bytes.length, start + to - from);
      if (low >= high) return unit;
      const changed = unit.slice();
      changed.set(bytes.subarray(low, high), low - start);
      const disk = this.#dataDisk(row, index);
      if (!this.#lost.has(disk)) this.#unitAt(disk, row, from, to).set(changed);
      return changed;
    });
    for (let i = 0; i < this.parityDisks; i++) {
      const disk = this.#parityDisk(row, i);
      if (this.#lost.has(disk)) continue;
      (i === 0 ? sumOf : weightedSumOf)(units, this.#unitAt(disk, row, from, to));
    }
  }

  /** The bytes within a unit, [from, to), that a part of a row touches in any unit. */
  #columnsOf({ from, to }: RowPart): [number, number] {
    const first = Math.floor(from / this.unit);
    const last = Math.floor((to - 1) / this.unit);
    if (last > first) return [0, this.unit];
    return [from - first * this.unit, to - first * this.unit];
  }

  // Costs

  #count(costs: WriteCosts, length: number, parts: readonly RowPart[]): void {
    const reads: DiskRun[] = [];
    const writes: DiskRun[] = [];
    costs.calls++;
    costs.bytes += length;
    for (const part of parts) this.#countPart(part, costs, reads, writes);
    costs.diskReads += runsIn(reads);
    costs.diskWrites += runsIn(writes);
  }

  #countPart(part: RowPart, costs: WriteCosts, reads: DiskRun[], writes: DiskRun[]): void {
    const { row } = part;
    const parity: DiskRun[] = [];
    const [low, high] = this.#columnsOf(part);
    for (let i = 0; i < this.parityDisks; i++) {
      parity.push(this.#runOf(this.#parityDisk(row, i), row, low, high));
    }
    const touched: DiskRun[] = [];
    const incomplete: DiskRun[] = [];
    for (let i = 0; i < this.dataDisks; i++) {
      const disk = this.#dataDisk(row, i);
      const from = Math.max(part.from - i * this.unit, 0);
      const to = Math.min(part.to - i * this.unit, this.unit);
      if (from < to) touched.push(this.#runOf(disk, row, from, to));
      const isCovered = from <= low && to >= high;
      if (!isCovered) incomplete.push(this.#runOf(disk, row, low, high));
    }
    writes.push(...touched, ...parity);
    if (incomplete.length === 0) costs.fullStripes++;
    else if (incomplete.length <= touched.length + parity.length) {
      costs.reconstructWrites++;
      reads.push(...incomplete);
    } else {
      costs.readModifyWrites++;
      reads.push(...touched, ...parity);
    }
  }

  #runOf(disk: number, row: number, from: number, to: number): DiskRun {
    return { disk, from: row * this.unit + from, to: row * this.unit + to };
  }
}

/** Contiguous runs of single disks. */
function runsIn(runs: DiskRun[]): number {
  runs.sort((a, b) => a.disk - b.disk || a.from - b.from);
  let count = 0;
  let last: DiskRun | undefined;
  for (const run of runs) {
    if (last?.disk === run.disk && run.from <= last.to) last.to = Math.max(last.to, run.to);
    else {
      last = run;
      count++;
    }
  }
  return count;
}
