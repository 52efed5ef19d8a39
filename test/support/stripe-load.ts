/**
 * A mixed workload on a store over a parity array, kept at one fill: what the stripe tests and
 * the table of docs/stripes.md are made with.
 *
 * - Objects of 4 KiB to `objectMax`, sizes spread evenly over their logarithm; then overwrites of
 *   parts, whole rewrites, deletes and map updates, each a transaction that is waited for.
 * - What was written is known here, so that it can be compared with what the store returns.
 */

import { setImmediate as turn } from 'node:timers/promises';
import type { BlockDevice } from '../../src/blockdev/block-device.js';
import { runSync } from '../../src/blockdev/io.js';
import { MemoryDevice } from '../../src/blockdev/memory-device.js';
import { ComparatorRegistry } from '../../src/btree/comparator.js';
import { fsck } from '../../src/fsck/fsck.js';
import { mkfsOn, Store } from '../../src/index.js';
import { planStore } from '../../src/txn/make-store.js';
import { noCosts, ParityDevice, type WriteCosts } from './parity-device.js';
import { Prng } from './prng.js';
import { SimulatedEnvironment } from './simulated-environment.js';

export interface StripeLoadOptions {
  readonly dataDisks: number;
  readonly parityDisks: 1 | 2;
  /** Bytes. */
  readonly unit: number;
  readonly size: number;
  /** False for a store that knows nothing of the stripes below it. */
  readonly aware: boolean;
  /** Part of what a program may use that is to be in use, in (0, 1). */
  readonly fill: number;
  readonly seed: number;
  /** Bytes of the largest object; 4 MiB unless given. */
  readonly objectMax?: number;
  readonly metadataCopies?: number;
  /** The journal has a device of its own, whose writes are not counted. */
  readonly separateJournal?: boolean;
  /** Does what that load has done, transaction by transaction, however full its own store is. */
  readonly follows?: StripeLoad;
}

/**
 * What the writes of a store are for: records in the journal's ring, slots of superblocks, large data
 * ahead of its record, and what checkpoints write.
 */
export const LOAD_REGIONS = ['ring', 'slots', 'ahead', 'checkpoints'] as const;

type LoadRegion = (typeof LOAD_REGIONS)[number];

const NO_STRIPES = { unit: 0, width: 0 };
const COLLECTION = 'load';
const OBJECT_MIN = 4096;
const JOURNAL_BYTES = 8 * 1024 * 1024;

/** Is still there when its store was closed. */
class LastingDevice extends MemoryDevice {
  override closeSync(): void {
    // The next store opens it.
  }
}

export class StripeLoad {
  readonly device: ParityDevice;
  readonly environment: SimulatedEnvironment;
  /** Bytes of data, keys and values of the transactions so far. */
  givenBytes = 0;
  #store: Store;
  readonly #journalDevice: LastingDevice | undefined;
  readonly #options: StripeLoadOptions;
  readonly #random: Prng;
  readonly #objects = new Map<string, Uint8Array>();
  readonly #maps = new Map<string, Map<string, string>>();
  #names: string[] = [];
  #count = 0;
  /** Whether the store was too full, each time that it was asked. */
  readonly #answers: boolean[] = [];

  constructor(options: StripeLoadOptions) {
    this.#options = options;
    const { aware, seed } = options;
    this.environment = new SimulatedEnvironment(seed);
    this.#random = new Prng(seed);
    const ring = { start: 0, end: 0, far: 0 };
    this.device = new ParityDevice({
      ...options,
      tellsGeometry: aware,
      regionOf: (offset, isDurable): LoadRegion => {
        if (offset >= ring.start && offset < ring.end) return 'ring';
        if (offset < ring.start || offset >= ring.far) return 'slots';
        return isDurable ? 'checkpoints' : 'ahead';
      },
    });
    const { size, geometry } = this.device;
    if (options.separateJournal) this.#journalDevice = new LastingDevice({ size: JOURNAL_BYTES });
    const journalDevice = this.#journal();
    const make = { ...journalDevice, metadataCopies: options.metadataCopies ?? 1 };
    const plan = planStore(size, true, aware ? geometry : NO_STRIPES, make);
    ring.start = plan.homeRing.offset;
    ring.end = plan.homeRing.offset + plan.homeRing.bytes;
    ring.far = plan.farOffset;
    mkfsOn(this.device, { ...make, environment: this.environment });
    this.#store = this.#open();
    this.#store.commitSync(this.#store.transaction().createCollection(COLLECTION));
  }

  get store(): Store {
    return this.#store;
  }

  /** What writes outside journal and superblocks have cost. */
  get outside(): WriteCosts {
    return this.#sumOf(['ahead', 'checkpoints']);
  }

  /** What all writes have cost. */
  get total(): WriteCosts {
    return this.#sumOf(LOAD_REGIONS);
  }

  #sumOf(regions: readonly LoadRegion[]): WriteCosts {
    const sum = noCosts();
    for (const region of regions) {
      const costs = this.device.costsOf(region);
      for (const key of Object.keys(sum) as (keyof WriteCosts)[]) sum[key] += costs[key];
    }
    return sum;
  }

  /** Part of what a program may use that is in use. */
  get fill(): number {
    const { allocated, pending, available } = this.#store.statfsSync();
    return allocated / (allocated + pending + available);
  }

  /** Makes objects until the device is as full as it shall be. */
  async fillUp(): Promise<void> {
    while (!this.#isFull()) {
      await this.#create();
      await turn();
    }
  }

  /** Does `count` transactions at that fill. */
  async run(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const choice = this.#random.below(100);
      if (this.#isFull()) await this.#remove();
      else if (choice < 35) await this.#overwrite();
      else if (choice < 60) await this.#updateMap();
      else if (choice < 80) await this.#rewrite();
      else if (choice < 85) await this.#remove();
      else await this.#create();
      await turn(); // a device in memory never lets the event loop go round
    }
  }

  /** Forgets what was counted so far. */
  reset(): void {
    this.device.resetCosts();
    this.givenBytes = 0;
  }

  /** What is read is what was written. @throws Error naming an object that differs */
  verify(): void {
    const collection = this.#store.collection(COLLECTION);
    for (const [name, bytes] of this.#objects) {
      const read = collection.object(name).readSync(0, bytes.length);
      if (Buffer.compare(read, bytes) !== 0) throw new Error(`object ${name} differs`);
      for (const [key, value] of this.#maps.get(name) ?? []) {
        const found = collection.object(name).mapGetSync(key);
        if (Buffer.from(found ?? []).toString() !== value)
          throw new Error(`map of ${name} differs`);
      }
    }
  }

  /** Ends the store and opens it again. */
  reopen(): void {
    this.#store.closeSync();
    this.device.reopen();
    this.#store = this.#open();
  }

  close(): void {
    this.#store.closeSync();
    this.device.reopen();
  }

  /** What a deep check says is wrong; the store is closed. */
  errors(): string[] {
    const errors: string[] = [];
    runSync(
      fsck(this.device, {
        deep: true,
        comparators: new ComparatorRegistry(),
        ...this.#journal(),
        onFinding: ({ severity, code, message }) => {
          if (severity === 'error') errors.push(`${code}: ${message}`);
        },
      }),
    );
    return errors;
  }

  #open(): Store {
    const { environment } = this;
    const dirtyBytes = 2 * 1024 * 1024;
    return Store.openOnSync(this.device, { ...this.#journal(), environment, dirtyBytes });
  }

  #journal(): { journalDevice?: BlockDevice } {
    return this.#journalDevice === undefined ? {} : { journalDevice: this.#journalDevice };
  }

  async #create(): Promise<void> {
    const name = `object ${this.#count++}`;
    const bytes = this.#random.bytes(this.#size());
    const transaction = this.#store.transaction();
    this.#given(bytes.length + name.length);
    await this.#store.commit(transaction.write(COLLECTION, name, 0, bytes.slice()));
    this.#objects.set(name, bytes);
    this.#names.push(name);
  }

  async #rewrite(): Promise<void> {
    const name = this.#anyName();
    if (name === undefined) return await this.#create();
    const bytes = this.#random.bytes(this.#size());
    const transaction = this.#store.transaction().truncate(COLLECTION, name, 0);
    this.#given(bytes.length + name.length);
    await this.#store.commit(transaction.write(COLLECTION, name, 0, bytes.slice()));
    this.#objects.set(name, bytes);
  }

  async #overwrite(): Promise<void> {
    const name = this.#anyName();
    if (name === undefined) return await this.#create();
    const old = this.#objects.get(name) as Uint8Array;
    const offset = OBJECT_MIN * this.#random.below(Math.ceil(old.length / OBJECT_MIN));
    const bytes = this.#random.bytes(OBJECT_MIN * (1 + this.#random.below(16)));
    this.#given(bytes.length + name.length);
    await this.#store.commit(
      this.#store.transaction().write(COLLECTION, name, offset, bytes.slice()),
    );
    const changed = new Uint8Array(Math.max(old.length, offset + bytes.length));
    changed.set(old);
    changed.set(bytes, offset);
    this.#objects.set(name, changed);
  }

  async #updateMap(): Promise<void> {
    const name = this.#anyName();
    if (name === undefined) return await this.#create();
    const map = this.#maps.get(name) ?? new Map<string, string>();
    const transaction = this.#store.transaction();
    for (let i = 1 + this.#random.below(8); i > 0; i--) {
      const key = `key ${this.#random.below(200)}`;
      const value = `value ${this.#count++} ${'x'.repeat(this.#random.below(100))}`;
      transaction.mapSet(COLLECTION, name, [[key, value]]);
      this.#given(key.length + value.length);
      map.set(key, value);
    }
    await this.#store.commit(transaction);
    this.#maps.set(name, map);
  }

  async #remove(): Promise<void> {
    const name = this.#anyName();
    if (name === undefined) return;
    await this.#store.commit(this.#store.transaction().remove(COLLECTION, name));
    this.#names = this.#names.filter((one) => one !== name);
    this.#objects.delete(name);
    this.#maps.delete(name);
  }

  #isFull(): boolean {
    const { follows, fill } = this.#options;
    const answer =
      follows === undefined
        ? this.fill > fill
        : (follows.#answers[this.#answers.length] as boolean);
    this.#answers.push(answer);
    return answer;
  }

  #given(bytes: number): void {
    this.givenBytes += bytes;
  }

  #anyName(): string | undefined {
    return this.#names[this.#random.below(Math.max(1, this.#names.length))];
  }

  #size(): number {
    const { objectMax = 4 * 1024 * 1024 } = this.#options;
    const steps = Math.log2(objectMax / OBJECT_MIN);
    return Math.floor(OBJECT_MIN * 2 ** ((this.#random.below(10_000) / 10_000) * steps));
  }
}
