/**
 * What a workload is: how its systems are opened, what they hold before, and what a round does.
 *
 * - A round runs in the process of one system while those of the others rest.
 * - Time ends with the last answer. Processor time goes on until the process is quiet, so that
 *   work that a system leaves for later is counted all the same.
 */

import type { Bench } from './bench.js';
import type { Collection, SystemName, SystemOptions } from './system.js';

/** How much is done; chosen by --quick and --full; `smoke` is for tests. */
export interface Scale {
  readonly name: 'smoke' | 'quick' | 'normal' | 'full';
  /** Length of a round where time limits it. */
  readonly seconds: number;
  /** Length of a round under sustained load. */
  readonly sustainedSeconds: number;
  readonly rounds: number;
  /** Entries of loads, scans and gets. */
  readonly records: number;
  /** Objects of a collection that is dropped or cloned. */
  readonly collectionRecords: number;
  /** Pieces of 1 MiB of a large object. */
  readonly largePieces: number;
  /** Bytes of objects that are read out of the page cache. */
  readonly residentBytes: number;
  /** Memory that a process and its page cache may take where the data is larger. */
  readonly memoryBytes: number;
  /** The data, in units of this memory. */
  readonly memoryRatio: number;
  /** Bytes of a store that is overwritten again and again, and how often. */
  readonly agingBytes: number;
  readonly agingPasses: number;
  /** Sizes of stores, in objects, at which growth is measured. */
  readonly growth: readonly number[];
}

export const SCALES: Readonly<Record<Scale['name'], Scale>> = {
  smoke: {
    name: 'smoke',
    seconds: 0.02,
    sustainedSeconds: 0.02,
    rounds: 2,
    records: 2000,
    collectionRecords: 500,
    largePieces: 4,
    residentBytes: 4 * 1024 ** 2,
    memoryBytes: 128 * 1024 ** 2,
    memoryRatio: 1,
    agingBytes: 48 * 1024 ** 2,
    agingPasses: 1,
    growth: [1000],
  },
  quick: {
    name: 'quick',
    seconds: 0.1,
    sustainedSeconds: 0.4,
    rounds: 3,
    records: 20_000,
    collectionRecords: 10_000,
    largePieces: 32,
    residentBytes: 16 * 1024 ** 2,
    memoryBytes: 64 * 1024 ** 2,
    memoryRatio: 1.5,
    agingBytes: 48 * 1024 ** 2,
    agingPasses: 3,
    growth: [1000, 10_000],
  },
  normal: {
    name: 'normal',
    seconds: 0.6,
    sustainedSeconds: 8,
    rounds: 7,
    records: 1_000_000,
    collectionRecords: 1_000_000,
    largePieces: 1024,
    residentBytes: 256 * 1024 ** 2,
    memoryBytes: 96 * 1024 ** 2,
    memoryRatio: 10,
    agingBytes: 256 * 1024 ** 2,
    agingPasses: 10,
    growth: [10_000, 100_000, 1_000_000, 10_000_000],
  },
  full: {
    name: 'full',
    seconds: 2,
    sustainedSeconds: 30,
    rounds: 11,
    records: 1_000_000,
    collectionRecords: 1_000_000,
    largePieces: 1024,
    residentBytes: 256 * 1024 ** 2,
    memoryBytes: 256 * 1024 ** 2,
    memoryRatio: 10,
    agingBytes: 1024 ** 3,
    agingPasses: 10,
    growth: [10_000, 100_000, 1_000_000, 10_000_000],
  },
};

export const GROUPS = {
  put: 'Durable put, one at a time',
  flight: 'Durable put, 64 in flight',
  load: 'Bulk load',
  get: 'Point get of 100 B, resident',
  scan: 'Ordered scan',
  read: 'Get of a whole value out of the page cache',
  cold: 'Random get, data larger than memory',
  collection: 'Whole collections and large objects',
  mixed: 'Mixed load and latency',
  growth: 'Growth',
  age: 'Age',
} as const;

export type Group = keyof typeof GROUPS;

/** What is asked of Holdfast. */
export interface Goal {
  /** Times the speed of the fastest peer. */
  readonly peer?: number;
  /** Times the speed of the plain file. */
  readonly raw?: number;
  /** Milliseconds that it may take. */
  readonly msMax?: number;
  /** Share of the first round's speed that the last one has to have. */
  readonly lastToFirst?: number;
  /** Most that further figures may be; in the last round where rounds are passes. */
  readonly extraMax?: Readonly<Record<string, number>>;
}

/** What one round gave. */
export interface Sample {
  /** In the workload's unit. */
  readonly value: number;
  /** Processor time of an operation, in microseconds, all threads together. */
  readonly cpuMicros?: number;
  /** Further figures, named with their units. */
  readonly extra?: Readonly<Record<string, number>>;
}

export interface Workload {
  readonly name: string;
  readonly group: Group;
  readonly title: string;
  /** Of operations per second more is better, of times less. */
  readonly unit: 'op/s' | 'ms' | 'us';
  readonly goal?: Goal;
  readonly systems: readonly SystemName[];
  readonly options: Partial<Omit<SystemOptions, 'directory'>>;
  /** Bytes of memory that its process and the page cache that it fills may take in rounds. */
  readonly memoryBytes?: number;
  /** Rounds run in a process that was started after the setup; so they do under a limit. */
  readonly freshProcess?: boolean;
  /** Where it is not the scale's. */
  readonly rounds?: number;
  /** A round that nobody counts comes first: compilers of the running kind need one. */
  readonly warmUp?: boolean;
  /** Name of what `fill` makes: a workload that follows with the same one finds it there. */
  readonly dataset?: string;
  /** Fills the store. Rounds of a workload with a dataset change nothing. */
  fill?(bench: Bench): Promise<void>;
  /** Makes ready what is filled, in every process. */
  setup?(bench: Bench): Promise<void>;
  round(bench: Bench, round: number): Promise<Sample>;
}

/**
 * Options of V8 for every system under a limit of memory: Node reserves three times 16 MiB for
 * young objects otherwise, which is half of such a limit.
 */
export const SMALL_HEAP: readonly string[] = ['--max-semi-space-size=2'];

export const ALL: readonly SystemName[] = ['holdfast', 'lmdb', 'leveldb', 'sqlite', 'raw'];

export const WITHOUT_RAW: readonly SystemName[] = ['holdfast', 'lmdb', 'leveldb', 'sqlite'];

/** Entries of one transaction in loads. */
export const BATCH = 1000;

/** A collection, the number of its records and the size of their values. */
export interface Loaded {
  readonly collection: Collection;
  readonly records: number;
  readonly valueBytes: number;
}
