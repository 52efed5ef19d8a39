/**
 * Stores for tests: made on a simulated device, reopened and killed at will, and audited when the
 * test has ended.
 */

import type { ExecutionContext } from 'ava';
import type { Comparator } from '../../src/btree/comparator.js';
import type { OpenOptions, Store } from '../../src/store/store.js';
import { SimulatedMedium } from './medium.js';
import { MediumBed, type MediumBedOptions } from './medium-bed.js';
import type { Prng } from './prng.js';
import type { SimulatedDevice } from './simulated-device.js';

export interface BedOptions extends MediumBedOptions {
  /** Bytes of the device; 64 MiB unless given. */
  readonly size?: number;
  /** Bytes that are there from the start; `size` unless given: then the store grows. */
  readonly initialSize?: number;
  /** Keeps the log of the device, for crashes in the past. */
  readonly history?: boolean;
  /** Ends asynchronous calls of the device in a random order. */
  readonly scheduler?: Prng;
}

export const SIZE_DEFAULT = 64 * 1024 * 1024;

/** Cache so small that nearly every node is read again, and a checkpoint every few transactions. */
export const TINY: BedOptions = { cacheBytes: 0, dirtyBytes: 96 * 1024 };

/** The order by length, then bytewise: what a program might register. */
export const BY_LENGTH: Comparator = {
  name: 'test-by-length',
  version: 1,
  compare(a, aStart, aEnd, b, bStart, bEnd) {
    const difference = aEnd - aStart - (bEnd - bStart);
    if (difference !== 0) return difference;
    return Buffer.compare(a.subarray(aStart, aEnd), b.subarray(bStart, bEnd));
  },
};

/** The memory for a bed with these options. */
export function simulatedMedium(options: BedOptions): SimulatedMedium {
  const { size = SIZE_DEFAULT, initialSize = size, history = false, scheduler } = options;
  const common = { size: initialSize, sizeMax: size, history };
  return new SimulatedMedium(scheduler === undefined ? common : { ...common, scheduler });
}

export class StoreBed extends MediumBed<SimulatedDevice> {
  constructor(options: BedOptions = {}) {
    super(simulatedMedium(options), options);
  }

  /** Closes and opens again. */
  reopen(options: OpenOptions = {}): Store {
    this.store.closeSync();
    return this.open(options);
  }

  /** Ends the store as SIGKILL would: what was written is there, nothing else happens. */
  kill(options: OpenOptions = {}): Store {
    this.device.powerOff();
    return this.open(options);
  }
}

/** A store that is closed and audited when the test has ended. */
export function storeBed(t: ExecutionContext, options: BedOptions = {}): StoreBed {
  const bed = new StoreBed(options);
  t.teardown(() => {
    if (!t.passed) return;
    bed.store.closeSync();
    bed.audit();
  });
  return bed;
}
