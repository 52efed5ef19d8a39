/**
 * Stores that have been filled and thinned out again, so that what is left lies all over their
 * devices: clones, cut extents, deep trees, large values; for tests that change their size.
 */

import { type Io, runSync } from '../../src/blockdev/io.js';
import type { StoreError } from '../../src/errors.js';
import { type MkfsOptions, mkfsOn, Store } from '../../src/index.js';
import { type ResizeReport, resizeOn } from '../../src/resize/resize.js';
import { BY_LENGTH, check, linesOf } from '../fsck/fixture.js';
import { Prng } from '../support/prng.js';
import { SimulatedDevice } from '../support/simulated-device.js';
import { mkfsPart } from '../support/split-options.js';

const KIB = 1024;

export interface AgedOptions extends MkfsOptions {
  /** Bytes of the device. */
  readonly bytes: number;
  /** Bytes that are there at first; all of them unless given. */
  readonly initialBytes?: number;
  readonly seed?: number;
  /** Rounds of writing. */
  readonly rounds?: number;
}

/** An aged store; what is left takes about a quarter of its device. */
export function agedStore(options: AgedOptions): SimulatedDevice {
  const { bytes, initialBytes = bytes, seed = 1, rounds = 40 } = options;
  const device = new SimulatedDevice({ size: initialBytes, sizeMax: bytes, history: false });
  mkfsOn(device, mkfsPart(options));
  const store = Store.openOnSync(device, { comparators: [BY_LENGTH], cacheBytes: 256 * KIB });
  new Ager(store, new Prng(seed), Math.floor((bytes * 0.55) / rounds)).run(rounds);
  store.closeSync();
  return new SimulatedDevice({ image: device.image(), sizeMax: bytes });
}

class Ager {
  readonly #store: Store;
  readonly #prng: Prng;
  readonly #fillBytes: number;

  constructor(store: Store, prng: Prng, fillBytes: number) {
    this.#store = store;
    this.#prng = prng;
    this.#fillBytes = fillBytes;
  }

  run(rounds: number): void {
    const tx = this.#store.transaction();
    tx.createCollection('c').createCollection('filler').touch('c', 'ordered');
    tx.formatMap('c', 'ordered', {
      comparator: BY_LENGTH.name,
      comparatorVersion: BY_LENGTH.version,
    });
    this.#store.commitSync(tx);
    for (let round = 0; round < rounds; round++) this.#round(round);
    const last = this.#store.transaction();
    for (let round = 0; round < rounds; round++) {
      if (round % 8 !== 5) last.remove('filler', `f${round}`);
    }
    last.cloneCollection('c', 'copy of all').write('copy of all', 'o1', 100, this.#prng.bytes(50));
    this.#store.commitSync(last);
  }

  #round(round: number): void {
    const prng = this.#prng;
    const tx = this.#store.transaction();
    const name = `o${round}`;
    tx.write('c', name, 0, prng.bytes(prng.between(10 * KIB, 60 * KIB)));
    tx.write('filler', `f${round}`, 0, prng.bytes(this.#fillBytes));
    tx.setAttribute('c', name, 'a', prng.bytes(prng.between(1, 5 * KIB)));
    tx.mapSet('c', 'ordered', [[prng.bytes(1 + (round % 7)), prng.bytes(60)]]);
    const keys = Array.from({ length: 20 }, (_, i) => `k${round}-${i}`);
    tx.mapSet(
      'c',
      name,
      keys.map((key) => [key, prng.bytes(prng.between(0, 300))]),
    );
    if (round % 3 === 1) tx.clone('c', name, `${name}-clone`);
    if (round > 4) tx.write('c', `o${round - 3}`, prng.between(0, 20 * KIB), prng.bytes(3000));
    if (round % 6 === 4) tx.cloneRange('c', name, `o${round - 1}`, 500, 9 * KIB, 0);
    if (round % 10 === 9) tx.remove('c', `o${round - 2}`);
    this.#store.commitSync(tx);
  }
}

export interface CrumbledOptions extends MkfsOptions {
  /** Bytes of the device. */
  readonly bytes: number;
  /** Objects of 96 KiB in front, of which every other one was removed. */
  readonly small: number;
  /** Bytes of the large object. */
  readonly large: number;
}

/**
 * A store whose object `large` lies behind byte `large`, with nothing free before that but runs of
 * 96 KiB. A range of it is shared with another object, another was written over.
 */
export function crumbledStore(options: CrumbledOptions): {
  device: SimulatedDevice;
  large: number;
} {
  const prng = new Prng(7);
  const device = new SimulatedDevice({ size: options.bytes, history: false });
  mkfsOn(device, mkfsPart(options));
  const store = Store.openOnSync(device);
  store.commitSync(store.transaction().createCollection('c').createCollection('filler'));
  const write = (collection: string, name: string, length: number): void => {
    store.commitSync(store.transaction().write(collection, name, 0, prng.bytes(length)));
  };
  for (let i = 0; i < options.small; i++) {
    write(i % 2 === 0 ? 'c' : 'filler', `s${i}`, 96 * KIB);
  }
  write('c', 'large', options.large);
  const quarter = options.large / 4;
  const tx = store.transaction().cloneRange('c', 'large', 'part', 100 * KIB, 2 * quarter, 0);
  store.commitSync(tx.write('c', 'large', quarter - 68 * KIB, prng.bytes(50 * KIB)));
  store.commitSync(store.transaction().dropCollection('filler'));
  store.checkpointSync();
  const [extent] = store.collection('c').object('large').extentsSync();
  store.closeSync();
  return { device: again(device), large: extent?.deviceOffset ?? 0 };
}

/** A device with the same bytes. */
export function again(device: SimulatedDevice): SimulatedDevice {
  return new SimulatedDevice({ image: device.image(), sizeMax: device.sizeMax });
}

/** Changes the size of the store on `device`, which nobody has open. */
export function resize(device: SimulatedDevice, size: number): ResizeReport {
  return runSync(resizing(device, size));
}

/** As `resize`, as a generator of steps. */
export function resizing(device: SimulatedDevice, size: number): Io<ResizeReport> {
  return resizeOn(device, size, { comparators: [BY_LENGTH] });
}

/** The least size that a store can have, as a refusal says it. */
export function leastSize(error: StoreError | undefined): number {
  return Number(/needs (\d+)$/.exec(error?.message ?? '')?.[1]);
}

/** What a deep check finds. */
export function faultsOf(device: SimulatedDevice): readonly string[] {
  return linesOf(check(again(device), { deep: true }));
}
