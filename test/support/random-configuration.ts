/** Random kinds of stores: geometry, copies, journals, sizes, and how they are opened. */

import { hasCode, type MkfsOptions, mkfsOn, type OpenOptions } from '../../src/index.js';
import type { MemoryImage } from './memory-image.js';
import type { Prng } from './prng.js';
import { SimulatedDevice } from './simulated-device.js';
import { SimulatedEnvironment } from './simulated-environment.js';
import { mkfsPart } from './split-options.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** A store's device and, where it has one of its own, its journal's: both without power or with. */
export class Rig {
  readonly data: SimulatedDevice;
  readonly journal: SimulatedDevice | undefined;

  constructor(data: SimulatedDevice, journal: SimulatedDevice | undefined) {
    this.data = data;
    this.journal = journal;
  }

  get point(): number {
    return this.data.point + (this.journal?.point ?? 0);
  }

  get underWayCount(): number {
    return this.data.underWayCount + (this.journal?.underWayCount ?? 0);
  }

  powerOff(): void {
    this.data.powerOff();
    this.journal?.powerOff();
  }

  /** The same devices with what reads see now. */
  again(prng: Prng): Rig {
    return this.#with(prng, (device) => device.image());
  }

  /** What a crash now may leave. */
  crashed(prng: Prng): Rig {
    return this.#with(prng, (device) => {
      const { point, choice } = device.randomCrash(prng, device.point);
      return device.imageAt(point, choice);
    });
  }

  #with(prng: Prng, imageOf: (device: SimulatedDevice) => MemoryImage): Rig {
    const { sizeMax } = this.data;
    const next = (device: SimulatedDevice) => ({
      image: imageOf(device),
      history: false,
      scheduler: prng.fork(),
    });
    const data = new SimulatedDevice({ ...next(this.data), sizeMax });
    const { journal } = this;
    return new Rig(data, journal === undefined ? undefined : new SimulatedDevice(next(journal)));
  }

  /** How a store on it is opened, beside what the caller chooses. */
  get options(): OpenOptions {
    return {
      environment: new SimulatedEnvironment(),
      ...(this.journal !== undefined && { journalDevice: this.journal }),
    };
  }
}

/** How a random store was made, for messages. */
export interface Configuration extends MkfsOptions {
  readonly bytes: number;
  readonly initialBytes: number;
  readonly journalDeviceBytes: number;
}

/** A random configuration; what no store can have is not excluded. */
export function randomConfiguration(prng: Prng): Configuration {
  const blockSize = prng.pick([1024, 1024, 2048, 4096]);
  const nodeSize = blockSize * prng.pick([1, 1, 2, 4]);
  const bytes = prng.pick([5, 8, 16, 32]) * MIB + prng.pick([0, 512, 4096 * 5]);
  const unit = prng.pick([4, 8, 16]) * KIB;
  const width = unit * prng.pick([1, 2, 3, 5]);
  return {
    bytes,
    initialBytes: prng.chance(0.5) ? bytes : 0,
    blockSize,
    nodeSize,
    metadataCopies: prng.pick([1, 1, 2]),
    eraseFreed: prng.chance(0.3),
    geometry: prng.chance(0.35) ? { unit, width } : { unit: 0, width: 0 },
    journalBytes: prng.pick([128, 256, 1024, 2048]) * KIB,
    journalDeviceBytes: prng.chance(0.3) ? prng.pick([512, 2048]) * KIB : 0,
  };
}

/** An empty store of a random configuration. */
export function randomStore(prng: Prng): { rig: Rig; configuration: Configuration } {
  for (;;) {
    const configuration = randomConfiguration(prng);
    const { bytes, initialBytes, journalDeviceBytes, ...options } = configuration;
    const common = { history: false, scheduler: prng.fork() };
    const data = new SimulatedDevice({ ...common, size: initialBytes, sizeMax: bytes });
    const journal =
      journalDeviceBytes > 0
        ? new SimulatedDevice({ ...common, size: journalDeviceBytes })
        : undefined;
    const rig = new Rig(data, journal);
    try {
      mkfsOn(data, { ...options, ...mkfsPart(rig.options) });
      return { rig, configuration };
    } catch (error) {
      const isImpossible = hasCode(error, 'E_TOO_SMALL') || error instanceof RangeError;
      if (!isImpossible) throw error;
    }
  }
}

/** How much memory a store may use when it is opened next. */
export function randomMemory(prng: Prng): OpenOptions {
  return {
    cacheBytes: prng.pick([0, 16 * KIB, 256 * KIB, 4 * MIB]),
    dirtyBytes: prng.pick([32 * KIB, 128 * KIB, MIB]),
  };
}
