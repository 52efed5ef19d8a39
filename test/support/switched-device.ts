/**
 * A real device with a switch: switched off, it is to its store what a SIGKILL is to a process.
 *
 * - No call that begins later reaches the device; those under way end on it, as a system call that
 *   has begun does, and fail with E_IO for whoever waits for them.
 * - The device is given back when the last call under way has ended: `idle` waits for that.
 */

import type { BlockDevice, StripeGeometry, WriteOptions } from '../../src/blockdev/block-device.js';
import { StoreError } from '../../src/errors.js';

/** A device that can be taken away from its store at any instant. */
export interface KillableDevice extends BlockDevice {
  /** From now on every call fails with E_IO, those under way too. */
  powerOff(): void;
}

type CallKind = 'read' | 'write' | 'flush' | 'grow';

export class SwitchedDevice implements KillableDevice {
  readonly #device: BlockDevice;
  readonly #underWay = new Set<Promise<void>>();
  #isOff = false;

  /** Over `device`, which from now on is this one's to close. */
  constructor(device: BlockDevice) {
    this.#device = device;
  }

  get path(): string {
    return this.#device.path;
  }

  get sectorSize(): number {
    return this.#device.sectorSize;
  }

  get geometry(): StripeGeometry {
    return this.#device.geometry;
  }

  get readOnly(): boolean {
    return this.#device.readOnly;
  }

  get size(): number {
    return this.#device.size;
  }

  get sizeMax(): number {
    return this.#device.sizeMax;
  }

  limitTo(bytes: number): void {
    this.#device.limitTo(bytes);
  }

  readSync(offset: number, target: Uint8Array): void {
    this.#checkPower('read');
    this.#device.readSync(offset, target);
  }

  read(offset: number, target: Uint8Array): Promise<void> {
    return this.#forward('read', () => this.#device.read(offset, target));
  }

  writeSync(offset: number, sources: readonly Uint8Array[], options?: WriteOptions): void {
    this.#checkPower('write');
    this.#device.writeSync(offset, sources, options);
  }

  write(offset: number, sources: readonly Uint8Array[], options?: WriteOptions): Promise<void> {
    return this.#forward('write', () => this.#device.write(offset, sources, options));
  }

  flushSync(): void {
    this.#checkPower('flush');
    this.#device.flushSync();
  }

  flush(): Promise<void> {
    return this.#forward('flush', () => this.#device.flush());
  }

  growSync(size: number): void {
    this.#checkPower('grow');
    this.#device.growSync(size);
  }

  grow(size: number): Promise<void> {
    return this.#forward('grow', () => this.#device.grow(size));
  }

  closeSync(): void {
    this.#device.closeSync();
  }

  powerOff(): void {
    this.#isOff = true;
    this.#device.closeSync();
  }

  /** Resolves when every call that had begun has ended: then a closed device is given back. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }

  async #forward(kind: CallKind, begin: () => Promise<void>): Promise<void> {
    this.#checkPower(kind);
    const call = begin();
    this.#underWay.add(call);
    try {
      await call;
    } finally {
      this.#underWay.delete(call);
    }
    this.#checkPower(kind);
  }

  #checkPower(kind: CallKind): void {
    if (this.#isOff) throw new StoreError('E_IO', `Cannot ${kind} ${this.path}: it has no power`);
  }
}
