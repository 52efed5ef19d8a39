/**
 * Stores for tests: made on a simulated device, reopened and killed at will, and audited when the
 * test has ended.
 */

import { deepStrictEqual } from 'node:assert/strict';
import type { ExecutionContext } from 'ava';
import { runSync } from '../../src/blockdev/io.js';
import { type Comparator, ComparatorRegistry } from '../../src/btree/comparator.js';
import type { Finding } from '../../src/fsck/finding.js';
import { fsck } from '../../src/fsck/fsck.js';
import { type MkfsOptions, mkfsOn, type OpenOptions, Store } from '../../src/store/store.js';
import type { Transaction } from '../../src/txn/transaction.js';
import type { Prng } from './prng.js';
import { SimulatedDevice } from './simulated-device.js';
import { auditStore } from './store-fixture-audit.js';

export interface BedOptions extends MkfsOptions, OpenOptions {
  /** Bytes of the device; 64 MiB unless given. */
  readonly size?: number;
  /** Bytes that are there from the start; `size` unless given: then the store grows. */
  readonly initialSize?: number;
  /** Keeps the log of the device, for crashes in the past. */
  readonly history?: boolean;
  /** Ends asynchronous calls of the device in a random order. */
  readonly scheduler?: Prng;
}

const SIZE_DEFAULT = 64 * 1024 * 1024;

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

export class StoreBed {
  device: SimulatedDevice;
  store: Store;
  readonly options: BedOptions;

  constructor(options: BedOptions = {}) {
    const { size = SIZE_DEFAULT, initialSize = size, history = false } = options;
    this.options = options;
    this.device = new SimulatedDevice({
      size: initialSize,
      sizeMax: size,
      history,
      ...(options.scheduler !== undefined && { scheduler: options.scheduler }),
    });
    mkfsOn(this.device, options);
    this.store = this.#open();
  }

  #open(options: OpenOptions = {}): Store {
    return Store.openOnSync(this.device, { ...this.options, ...options });
  }

  /** Commits what `build` puts into a transaction. */
  commit(build: (transaction: Transaction) => unknown): number {
    const transaction = this.store.transaction();
    build(transaction);
    return this.store.commitSync(transaction);
  }

  /** A device with what reads of this one see now. */
  copy(): SimulatedDevice {
    const { sizeMax } = this.device;
    const { scheduler, history = false } = this.options;
    return new SimulatedDevice({
      image: this.device.image(),
      sizeMax,
      history,
      ...(scheduler !== undefined && { scheduler }),
    });
  }

  /** Closes and opens again. */
  reopen(options: OpenOptions = {}): Store {
    this.store.closeSync();
    this.device = this.copy();
    this.store = this.#open(options);
    return this.store;
  }

  /** Ends the store as SIGKILL would: what was written is there, nothing else happens. */
  kill(options: OpenOptions = {}): Store {
    this.device.powerOff();
    this.device = this.copy();
    this.store = this.#open(options);
    return this.store;
  }

  /** @throws when the store, as it is now, is not sound: by fsck --deep, and by the audit */
  audit(): void {
    const { comparators = [] } = this.options;
    const registry = new ComparatorRegistry();
    for (const comparator of comparators) registry.register(comparator);
    const errors: string[] = [];
    const onFinding = ({ severity, code, message }: Finding): void => {
      if (severity === 'error') errors.push(`${code}: ${message}`);
    };
    runSync(fsck(this.copy(), { deep: true, comparators: registry, onFinding }));
    deepStrictEqual(errors.slice(0, 10), [], 'fsck finds no error');
    auditStore(this.copy(), comparators);
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
