/**
 * A device with a volatile write cache, a full write log and faults on demand.
 *
 * - Reads see the newest bytes; what a crash would leave of them is asked of the log, at any
 *   point of it and afterwards: `crashAt`, `randomCrash`, `crashes`.
 * - Asynchronous calls take effect when they end, one by one from a queue: in the order of their
 *   issue, or in a random one with a `scheduler`, or when the test says so (`hold`, `endNext`).
 * - Growing is durable when it has ended.
 * - What no real device forgives is found out: a buffer that changes while its write is under way,
 *   two writes under way that put different bytes in one place, two growths at a time.
 */

import { assert } from '../../src/assert.js';
import {
  checkGrowth,
  checkOpen,
  checkRun,
  checkWritable,
  totalLength,
} from '../../src/blockdev/access.js';
import {
  type BlockDevice,
  NO_STRIPES,
  type StripeGeometry,
  type WriteOptions,
} from '../../src/blockdev/block-device.js';
import { StoreError } from '../../src/errors.js';
import { MemoryImage } from './memory-image.js';
import type { Prng } from './prng.js';
import { type CallKind, type Fault, FaultPlan } from './simulated-faults.js';
import {
  type CallEntry,
  type CrashChoice,
  type LogEntry,
  type LosableEntry,
  SimulatedLog,
  type WriteEntry,
} from './simulated-log.js';
import { CallQueue } from './simulated-queue.js';

export interface SimulatedDeviceOptions {
  /** Bytes that are there from the start; the image's size unless given. */
  readonly size?: number;
  /** Bytes that it may grow to; `size` unless given. */
  readonly sizeMax?: number;
  /** Unit of tearing; 512 unless given. */
  readonly sectorSize?: number;
  readonly geometry?: StripeGeometry;
  readonly readOnly?: boolean;
  readonly path?: string;
  /** What is on the device at the start; it is not changed. Zeros unless given. */
  readonly image?: MemoryImage;
  /** False keeps the log only back to the last moment when all was flushed: for long runs. */
  readonly history?: boolean;
  /** Ends asynchronous calls in a random order. */
  readonly scheduler?: Prng;
  /** Called when a call that can change the device has begun, and when it has ended. */
  readonly moved?: () => void;
}

/** A crash and the device that it left. */
export interface Crash {
  readonly point: number;
  readonly choice: CrashChoice;
  readonly device: SimulatedDevice;
}

export class SimulatedDevice implements BlockDevice {
  readonly path: string;
  readonly sectorSize: number;
  readonly geometry: StripeGeometry;
  readonly readOnly: boolean;
  /** Calls so far, by kind; a vectored write is one. */
  readonly calls: Readonly<Record<CallKind, number>>;
  /** Faults to come; see `Fault`. */
  readonly faults: FaultPlan;
  /** Bytes of all writes so far. */
  bytesWritten = 0;
  /** Stripes that writes have covered as a whole and in part; with a geometry only. */
  readonly stripes = { whole: 0, partial: 0 };
  readonly #underWay = new Set<WriteEntry>();
  readonly #image: MemoryImage;
  readonly #log: SimulatedLog;
  readonly #queue: CallQueue;
  readonly #moved: () => void;
  #sizeMax: number;
  #closed = false;
  #isOff = false;
  #isGrowing = false;

  constructor(options: SimulatedDeviceOptions) {
    this.path = options.path ?? 'simulated';
    this.sectorSize = options.sectorSize ?? 512;
    this.geometry = options.geometry ?? NO_STRIPES;
    this.readOnly = options.readOnly ?? false;
    this.#image = options.image?.fork() ?? new MemoryImage(0);
    if (options.size !== undefined) this.#image.resize(options.size);
    this.#sizeMax = Math.max(this.#image.size, options.sizeMax ?? 0);
    checkGrowth(this, this.#image.size);
    this.#log = new SimulatedLog(this.#image, this.sectorSize, options.history ?? true);
    this.#queue = new CallQueue(options.scheduler);
    this.#moved = options.moved ?? (() => undefined);
    this.faults = new FaultPlan();
    this.calls = this.faults.calls;
  }

  get size(): number {
    return this.#image.size;
  }

  get sizeMax(): number {
    return this.#sizeMax;
  }

  limitTo(bytes: number): void {
    this.#sizeMax = Math.max(this.size, bytes - (bytes % this.sectorSize));
  }

  readSync(offset: number, target: Uint8Array): void {
    this.#beginRead(offset, target)();
  }

  read(offset: number, target: Uint8Array): Promise<void> {
    return this.#queue.add(() => this.#beginRead(offset, target));
  }

  writeSync(offset: number, sources: readonly Uint8Array[], options?: WriteOptions): void {
    this.#beginWrite(offset, sources, options)();
  }

  write(offset: number, sources: readonly Uint8Array[], options?: WriteOptions): Promise<void> {
    return this.#queue.add(() => this.#beginWrite(offset, sources, options));
  }

  flushSync(): void {
    this.#beginFlush()();
  }

  flush(): Promise<void> {
    return this.#queue.add(() => this.#beginFlush());
  }

  growSync(size: number): void {
    this.#beginGrow(size)();
  }

  grow(size: number): Promise<void> {
    return this.#queue.add(() => {
      assert(!this.#isGrowing, 'one growth of a device at a time');
      const end = this.#beginGrow(size);
      this.#isGrowing = true;
      return () => {
        this.#isGrowing = false;
        end();
      };
    });
  }

  closeSync(): void {
    this.#closed = true;
  }

  // What the test sees.

  get isClosed(): boolean {
    return this.#closed;
  }

  get log(): readonly LogEntry[] {
    return this.#log.entries;
  }

  /** The point behind all that has happened; `crashAt(device.point)` is a crash now. */
  get point(): number {
    return this.#log.point;
  }

  /** A copy of what reads see. */
  bytes(): Uint8Array {
    return this.#image.bytes();
  }

  /** What reads see, as an image of its own. */
  image(): MemoryImage {
    return this.#image.fork();
  }

  unflushedAt(point: number): LosableEntry[] {
    return this.#log.unflushedAt(point);
  }

  imageAt(point: number, choice?: CrashChoice): MemoryImage {
    return this.#log.imageAt(point, choice);
  }

  /** The device after a crash at `point`, with a log of its own; this one is not changed. */
  crashAt(point: number, choice?: CrashChoice): SimulatedDevice {
    return new SimulatedDevice({
      path: this.path,
      sectorSize: this.sectorSize,
      geometry: this.geometry,
      sizeMax: this.#sizeMax,
      image: this.#log.imageAt(point, choice),
    });
  }

  /** Any crash at `point`, or at any point of the log. */
  randomCrash(prng: Prng, point?: number): Crash {
    const first = this.#log.firstPoint;
    const at = point ?? prng.between(first, this.#log.point + 1);
    const choice = this.#log.randomChoice(at, prng);
    return { point: at, choice, device: this.crashAt(at, choice) };
  }

  /** Points in [from, to] at which a crash can leave something new. */
  crashPoints(from?: number, to?: number): Generator<number> {
    return this.#log.crashPoints(from, to);
  }

  /** See `SimulatedLog.choicesAt`. */
  choicesAt(point: number): Generator<CrashChoice> {
    return this.#log.choicesAt(point);
  }

  /** Every crash point in [from, to] with every choice of `SimulatedLog.choicesAt`. */
  *crashes(from?: number, to?: number): Generator<Crash> {
    for (const point of this.#log.crashPoints(from, to)) {
      for (const choice of this.#log.choicesAt(point)) {
        yield { point, choice, device: this.crashAt(point, choice) };
      }
    }
  }

  // What the test does to it.

  /** From now on every call fails with E_IO, those under way too: the process of a crash. */
  powerOff(): void {
    this.#isOff = true;
  }

  /** Keeps asynchronous calls from ending. */
  hold(): void {
    this.#queue.hold();
  }

  /** Ends the oldest held call, or the one at `index` of those under way. */
  endNext(index = 0): void {
    this.#queue.endNext(index);
  }

  /** Lets held calls end again by themselves. */
  release(): void {
    this.#queue.release();
  }

  /** Asynchronous calls that have not ended. */
  get underWayCount(): number {
    return this.#queue.size;
  }

  /**
   * Flips the bits of `mask` in the bytes [offset, offset + length), on the medium too; the
   * sectors that they are in thereby become durable.
   */
  corrupt(offset: number, length = 1, mask = 0x01): void {
    const start = offset - (offset % this.sectorSize);
    const end = Math.ceil((offset + length) / this.sectorSize) * this.sectorSize;
    const bytes = new Uint8Array(end - start);
    this.#image.read(start, bytes);
    for (let at = offset; at < offset + length; at++) {
      bytes[at - start] = (bytes[at - start] as number) ^ mask;
    }
    this.overwrite(start, bytes);
  }

  /** Puts `bytes` on the medium at once, behind the back of the engine; whole sectors. */
  overwrite(offset: number, bytes: Uint8Array): void {
    checkRun(this, offset, bytes.length);
    const entry = this.#log.write(offset, bytes.slice(), true);
    this.#image.write(offset, bytes);
    this.#log.end(entry, this.#image);
  }

  // A call begins (checks, the log, its fault) and gives the function that ends it.

  #beginRead(offset: number, target: Uint8Array): () => void {
    this.#check('read');
    checkRun(this, offset, target.length);
    const fault = this.faults.next('read', offset, target.length);
    return () => {
      this.#checkPower('read');
      if (fault?.kind === 'fail') throw failure(this.path, 'read', fault);
      this.#image.read(offset, target);
      if (fault?.kind === 'flip') flip(target, fault);
    };
  }

  #beginWrite(offset: number, sources: readonly Uint8Array[], options?: WriteOptions): () => void {
    this.#check('write');
    checkWritable(this);
    const bytes = joined(sources);
    checkRun(this, offset, bytes.length);
    const fault = this.faults.next('write', offset, bytes.length);
    const to = fault?.kind === 'misdirect' ? fault.to : offset;
    this.#count(offset, bytes.length);
    if (fault?.kind === 'lose') return () => this.#checkPower('write');
    this.#checkOverlap(to, bytes);
    const entry = this.#log.write(to, bytes, options?.durable ?? false);
    this.#underWay.add(entry);
    this.#moved();
    return () => this.#endWrite(entry, sources, fault);
  }

  #endWrite(entry: WriteEntry, sources: readonly Uint8Array[], fault: Fault | undefined): void {
    this.#underWay.delete(entry);
    this.#checkPower('write');
    if (Buffer.compare(joined(sources), entry.bytes) !== 0) {
      throw new Error('A buffer changed while its write was under way');
    }
    if (fault?.kind === 'fail') {
      const sectors = Math.min(fault.sectors ?? 0, entry.bytes.length / this.sectorSize);
      this.#image.write(entry.offset, entry.bytes.subarray(0, sectors * this.sectorSize));
      this.#log.fail(entry);
      throw failure(this.path, 'write', fault);
    }
    this.#image.write(entry.offset, entry.bytes);
    this.#log.end(entry, this.#image);
    this.#moved();
  }

  #beginFlush(): () => void {
    this.#check('flush');
    const fault = this.faults.next('flush', 0, 0);
    const entry = this.#log.flush();
    this.#moved();
    return () => this.#end('flush', entry, fault);
  }

  #beginGrow(size: number): () => void {
    this.#check('grow');
    checkWritable(this);
    checkGrowth(this, size);
    if (size <= this.size) return () => undefined;
    const from = this.size;
    const fault = this.faults.next('grow', 0, 0);
    const entry = this.#log.grow(from, size);
    this.#moved();
    return () => {
      const isDone = fault === undefined && !this.#isOff;
      // Overtaken: these zeros land on whatever was put there in the meantime.
      const overtaken = Math.min(size, this.size) - from;
      if (isDone && overtaken > 0) this.#image.write(from, new Uint8Array(overtaken));
      if (isDone && this.size < size) this.#image.resize(size);
      this.#end('grow', entry, fault);
    };
  }

  #end(kind: CallKind, entry: CallEntry, fault: Fault | undefined): void {
    this.#checkPower(kind);
    if (fault?.kind === 'fail') {
      this.#log.fail(entry);
      throw failure(this.path, kind, fault);
    }
    this.#log.end(entry, this.#image);
    this.#moved();
  }

  /** The bytes that two writes under way have in common must be the same. */
  #checkOverlap(offset: number, bytes: Uint8Array): void {
    for (const other of this.#underWay) {
      const from = Math.max(offset, other.offset);
      const to = Math.min(offset + bytes.length, other.offset + other.bytes.length);
      if (from >= to) continue;
      const mine = bytes.subarray(from - offset, to - offset);
      const theirs = other.bytes.subarray(from - other.offset, to - other.offset);
      if (Buffer.compare(mine, theirs) === 0) continue;
      throw new Error(`Two writes under way at offset ${from} differ`);
    }
  }

  #count(offset: number, length: number): void {
    this.bytesWritten += length;
    const { width } = this.geometry;
    if (width === 0 || length === 0) return;
    const end = offset + length;
    const touched = Math.ceil(end / width) - Math.floor(offset / width);
    const whole = Math.max(0, Math.floor(end / width) - Math.ceil(offset / width));
    this.stripes.whole += whole;
    this.stripes.partial += touched - whole;
  }

  #check(kind: CallKind): void {
    checkOpen(this, this.#closed);
    this.#checkPower(kind);
  }

  #checkPower(kind: CallKind): void {
    if (this.#isOff) throw new StoreError('E_IO', `Cannot ${kind} ${this.path}: it has no power`);
  }
}

function joined(sources: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(totalLength(sources));
  let at = 0;
  for (const source of sources) {
    bytes.set(source, at);
    at += source.length;
  }
  return bytes;
}

function failure(path: string, kind: CallKind, fault: Fault & { kind: 'fail' }): Error {
  if (fault.error !== undefined) return fault.error;
  const code = kind === 'grow' ? 'E_NO_SPACE' : 'E_IO';
  return new StoreError(code, `Cannot ${kind} ${path}: simulated fault`);
}

function flip(target: Uint8Array, fault: Fault & { kind: 'flip' }): void {
  if (fault.at < target.length) {
    target[fault.at] = (target[fault.at] as number) ^ (fault.mask ?? 0x01);
  }
}
