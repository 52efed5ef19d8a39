/**
 * What `holdfast bench` measures, each case for a given time.
 *
 * - Objects go round: each case overwrites a fixed number of them, so that a store needs room for
 *   a few of their sizes and no more, however fast it is.
 * - Data differs from one write to the next and does not compress.
 */

import { randomBytes } from 'node:crypto';
import type { Store } from '../../index.js';
import type { RawFile } from './raw-file.js';

/** Bytes that objects of one case take, and the raw file. */
export const ROUND_TRIP_BYTES = 32 * 1024 ** 2;

const POOL_BYTES = 4 * 1024 ** 2;

/** Writes under way together. */
const IN_FLIGHT = 64;

/** Entries of a transaction of the map's case. */
const ENTRIES = 1000;
const ENTRY_BYTES = 100;

/** Time of synchronous work without a look at the event loop. */
const TURN_SECONDS = 0.1;

/** Operations between two looks at the clock, where they are shorter than the look. */
const STRIDE = 16;

export interface Case {
  readonly name: string;
  /** Operations within `seconds`; fewer seconds when `isStopped` says so. */
  run(bench: StoreBench, seconds: number): Promise<number>;
  /** The same on the plain file, where it has anything to compare with. */
  raw?(file: RawFile, bench: StoreBench, seconds: number): Promise<number>;
}

/** A store, the collection that the cases may do what they like with, and data. */
export class StoreBench {
  readonly store: Store;
  readonly collection: string;
  readonly pool = randomBytes(POOL_BYTES);
  /** True once somebody wants it to end. */
  isStopped = false;
  #count = 0;

  constructor(store: Store, collection: string) {
    this.store = store;
    this.collection = collection;
  }

  /** A number that was not given before. */
  next(): number {
    return this.#count++;
  }

  /** Bytes that differ from those of the number before. */
  data(number: number, size: number): Uint8Array {
    const from = (number * 4099) % (POOL_BYTES - size);
    return this.pool.subarray(from, from + size);
  }

  /** True until `seconds` are over. */
  clock(seconds: number): () => boolean {
    const endMs = performance.now() + seconds * 1000;
    return () => !this.isStopped && performance.now() < endMs;
  }

  /**
   * Calls `work`, which gives how many operations it has done, until the time is up; gives their
   * sum. Returns to the event loop now and then: that is where an interrupt comes in.
   */
  async repeat(seconds: number, work: () => number): Promise<number> {
    const goesOn = this.clock(seconds);
    let count = 0;
    while (goesOn()) {
      const turn = this.clock(TURN_SECONDS);
      do count += work();
      while (turn() && goesOn());
      await new Promise(setImmediate);
    }
    return count;
  }
}

function nameOf(number: number, size: number): string {
  return `${size}/${number % (ROUND_TRIP_BYTES / size)}`;
}

function put(bench: StoreBench, size: number) {
  const number = bench.next();
  const { store, collection } = bench;
  return store.transaction().write(collection, nameOf(number, size), 0, bench.data(number, size));
}

function putOne(title: string, size: number): Case {
  return {
    name: `put ${title}, one at a time`,
    run: (bench, seconds) =>
      bench.repeat(seconds, () => {
        bench.store.commitSync(put(bench, size));
        return 1;
      }),
    raw: (file, bench, seconds) =>
      bench.repeat(seconds, () => {
        const number = bench.next();
        file.write(number, bench.data(number, size));
        return 1;
      }),
  };
}

function putMany(title: string, size: number): Case {
  return {
    name: `put ${title}, ${IN_FLIGHT} in flight`,
    run: async (bench, seconds) => {
      const goesOn = bench.clock(seconds);
      let count = 0;
      const one = async (): Promise<void> => {
        for (; goesOn(); count++) await bench.store.commit(put(bench, size));
      };
      await Promise.all(Array.from({ length: IN_FLIGHT }, one));
      return count;
    },
  };
}

/** Reads what `putOne` of the same size has written. */
function getOne(title: string, size: number): Case {
  return {
    name: `get ${title}, verified`,
    run: (bench, seconds) => {
      const objects = writtenObjects(bench, size);
      let next = 0;
      return bench.repeat(seconds, () => {
        for (let i = 0; i < STRIDE; i++) objects[next++ % objects.length]?.readSync();
        return STRIDE;
      });
    },
    raw: (file, bench, seconds) => {
      let next = 0;
      return bench.repeat(seconds, () => {
        for (let i = 0; i < STRIDE; i++) file.read(next++, size);
        return STRIDE;
      });
    },
  };
}

/** Handles of the objects of one size. */
function writtenObjects(bench: StoreBench, size: number) {
  const collection = bench.store.collection(bench.collection);
  return collection
    .listSync({ from: `${size}/`, limit: ROUND_TRIP_BYTES / size })
    .filter(({ name }) => Buffer.from(name).toString().startsWith(`${size}/`))
    .map(({ name }) => collection.object(name));
}

const MAP_SET: Case = {
  name: `set ${ENTRY_BYTES}B map entries, ${ENTRIES} a commit`,
  run: (bench, seconds) => {
    const { store, collection } = bench;
    store.commitSync(store.transaction().touch(collection, 'map'));
    return bench.repeat(seconds, () => {
      const entries = Array.from({ length: ENTRIES }, () => entryOf(bench));
      store.commitSync(store.transaction().mapSet(collection, 'map', entries));
      return ENTRIES;
    });
  },
};

/** An entry whose key says nothing about the one before; there are at most 2^18. */
function entryOf(bench: StoreBench): [string, Uint8Array] {
  const number = bench.next();
  return [String(Math.imul(number, 0x9e3779b1) >>> 14), bench.data(number, ENTRY_BYTES)];
}

/** In this order: a get finds what the put before it wrote. */
export const CASES: readonly Case[] = [
  putOne('4KiB', 4096),
  getOne('4KiB', 4096),
  putMany('4KiB', 4096),
  putOne('1MiB', 1024 ** 2),
  getOne('1MiB', 1024 ** 2),
  MAP_SET,
];
