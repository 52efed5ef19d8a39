/**
 * A store on any medium that is closed, killed and opened again there, and checked in between.
 */

import { deepStrictEqual } from 'node:assert/strict';
import { runSync } from '../../src/blockdev/io.js';
import { ComparatorRegistry } from '../../src/btree/comparator.js';
import type { Finding } from '../../src/fsck/finding.js';
import { fsck } from '../../src/fsck/fsck.js';
import { type MkfsOptions, mkfsOn } from '../../src/store/mkfs.js';
import { type OpenOptions, Store } from '../../src/store/store.js';
import type { Transaction } from '../../src/txn/transaction.js';
import type { Medium } from './medium.js';
import { SimulatedDevice } from './simulated-device.js';
import { mkfsPart, openPart } from './split-options.js';
import { auditStore } from './store-fixture-audit.js';
import type { KillableDevice } from './switched-device.js';

export interface MediumBedOptions extends MkfsOptions, OpenOptions {}

export class MediumBed<D extends KillableDevice = KillableDevice> {
  readonly medium: Medium<D>;
  readonly options: MediumBedOptions;
  device: D;
  store: Store;

  /** Makes the store and opens it. */
  constructor(medium: Medium<D>, options: MediumBedOptions = {}) {
    this.medium = medium;
    this.options = options;
    this.device = medium.create();
    mkfsOn(this.device, mkfsPart(options));
    this.store = Store.openOnSync(this.device, openPart(options));
  }

  /** Commits what `build` puts into a transaction. */
  commit(build: (transaction: Transaction) => unknown): number {
    const transaction = this.store.transaction();
    build(transaction);
    return this.store.commitSync(transaction);
  }

  /** Closes the store; the medium then is nobody's. */
  async close(): Promise<void> {
    this.store.closeSync();
    await this.medium.released();
  }

  /** Ends the store as SIGKILL would, at once; resolves when the medium is nobody's. */
  async cut(): Promise<void> {
    this.device.powerOff();
    await this.medium.released();
  }

  /** Opens the store again that was closed or cut. */
  open(options: OpenOptions = {}): Store {
    this.device = this.medium.open();
    this.store = Store.openOnSync(this.device, { ...openPart(this.options), ...options });
    return this.store;
  }

  /** A device in memory with what is on the medium. */
  copy(): SimulatedDevice {
    return new SimulatedDevice({ image: this.medium.image(), sizeMax: this.device.sizeMax });
  }

  /** What fsck --deep finds on the medium. */
  findings(): Finding[] {
    const comparators = new ComparatorRegistry();
    for (const comparator of this.options.comparators ?? []) comparators.register(comparator);
    const found: Finding[] = [];
    const onFinding = (finding: Finding): void => void found.push(finding);
    const device = this.medium.openReadOnly();
    try {
      runSync(fsck(device, { deep: true, comparators, onFinding }));
    } finally {
      device.closeSync();
    }
    return found;
  }

  /**
   * @throws when the store on the medium is not sound: by fsck --deep there, and by the audit,
   *   which changes what it audits, on a copy
   */
  audit(): void {
    const errors = this.findings().filter(({ severity }) => severity === 'error');
    const texts = errors.slice(0, 10).map(({ code, message }) => `${code}: ${message}`);
    deepStrictEqual(texts, [], 'fsck finds no error');
    auditStore(this.copy(), this.options.comparators);
  }
}
