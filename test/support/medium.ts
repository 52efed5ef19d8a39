/**
 * What a test's store lies on: memory, a file or a loop device, so that one test runs on all.
 *
 * - One device at a time is open for writing; `open` and `openReadOnly` come after `released`.
 * - What a killed store has written is there: the page cache outlives its process.
 */

import type { BlockDevice } from '../../src/blockdev/block-device.js';
import { openDeviceSync } from '../../src/blockdev/open-device.js';
import { MemoryImage } from './memory-image.js';
import { SimulatedDevice, type SimulatedDeviceOptions } from './simulated-device.js';
import { type KillableDevice, SwitchedDevice } from './switched-device.js';

export type MediumKind = 'memory' | 'file' | 'loop device';

export const MEDIUM_KINDS: readonly MediumKind[] = ['memory', 'file', 'loop device'];

export interface Medium<D extends KillableDevice = KillableDevice> {
  readonly kind: MediumKind;
  /** A device on the medium as it was given, empty. */
  create(): D;
  /** A device with what the last one has left. */
  open(): D;
  /** As `open`, for looking only; the caller closes it. */
  openReadOnly(): BlockDevice;
  /** What the last device has left, as bytes in memory. */
  image(): MemoryImage;
  /** Resolves when no call of a device that was closed or switched off is under way any more. */
  released(): Promise<void>;
}

/** Memory: a device that is opened again is a new one with a copy of the old one's bytes. */
export class SimulatedMedium implements Medium<SimulatedDevice> {
  readonly kind = 'memory';
  readonly #options: SimulatedDeviceOptions;
  #device: SimulatedDevice;

  constructor(options: SimulatedDeviceOptions) {
    this.#options = options;
    this.#device = this.create();
  }

  create(): SimulatedDevice {
    this.#device = new SimulatedDevice(this.#options);
    return this.#device;
  }

  open(): SimulatedDevice {
    const { size, ...options } = this.#options;
    const { sizeMax } = this.#device;
    this.#device = new SimulatedDevice({ ...options, image: this.image(), sizeMax });
    return this.#device;
  }

  openReadOnly(): SimulatedDevice {
    return new SimulatedDevice({ image: this.image(), readOnly: true });
  }

  image(): MemoryImage {
    return this.#device.image();
  }

  /** At once: what a device does later is not seen by the next one, which has a copy. */
  async released(): Promise<void> {}
}

/** Bytes that are read at a time to copy a medium. */
const COPY_SIZE = 2 ** 20;

/** A file, or a block device. */
export class PathMedium implements Medium<SwitchedDevice> {
  readonly kind: MediumKind;
  readonly #path: string;
  readonly #sizeMax: number;
  #device: SwitchedDevice | undefined;

  /** At `path`, where is nothing yet or a block device; a file grows from nothing to `sizeMax`. */
  constructor(kind: MediumKind, path: string, sizeMax: number) {
    this.kind = kind;
    this.#path = path;
    this.#sizeMax = sizeMax;
  }

  create(): SwitchedDevice {
    const create = { size: 0, sizeMax: this.#sizeMax };
    this.#device = new SwitchedDevice(openDeviceSync(this.#path, { create }));
    return this.#device;
  }

  open(): SwitchedDevice {
    this.#device = new SwitchedDevice(openDeviceSync(this.#path));
    return this.#device;
  }

  openReadOnly(): BlockDevice {
    return openDeviceSync(this.#path, { readOnly: true });
  }

  image(): MemoryImage {
    const device = this.openReadOnly();
    try {
      const image = new MemoryImage(device.size);
      for (let at = 0; at < device.size; at += COPY_SIZE) {
        const piece = new Uint8Array(Math.min(COPY_SIZE, device.size - at));
        device.readSync(at, piece);
        image.write(at, piece);
      }
      return image;
    } finally {
      device.closeSync();
    }
  }

  async released(): Promise<void> {
    await this.#device?.idle();
  }
}
