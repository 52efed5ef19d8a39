/**
 * What every measured system does, behind one small interface.
 *
 * - Durable means: flushed to the device before the call returns or its promise resolves.
 * - A method that can work without the event loop returns no promise: the caller awaits only
 *   what has to be waited for, so that no system pays for another's way of working.
 */

/** Systems in the order of tables and pictures. */
export const SYSTEM_NAMES = ['holdfast', 'lmdb', 'leveldb', 'sqlite', 'raw'] as const;

export type SystemName = (typeof SYSTEM_NAMES)[number];

/** How the systems are called in what people read. */
export const SYSTEM_TITLES: Readonly<Record<SystemName, string>> = {
  holdfast: 'Holdfast',
  lmdb: 'LMDB',
  leveldb: 'LevelDB',
  sqlite: 'SQLite',
  raw: 'raw file',
};

/** True for the native systems that Holdfast is compared with. */
export function isPeer(name: SystemName): boolean {
  return name !== 'holdfast' && name !== 'raw';
}

export type Later<T> = T | Promise<T>;

export type Entry = readonly [key: Buffer, value: Buffer];

export interface SystemOptions {
  /** A directory of its own; what is in it already is opened. */
  readonly directory: string;
  /** Bytes of memory for what is clean; what is dirty may take half of it more. */
  readonly cacheBytes: number;
  /** Values in entries of one ordered map, or in objects of a collection. */
  readonly shape: 'map' | 'objects';
  /** Bytes of a value, or of the largest. */
  readonly valueBytes: number;
  /** Values of one key have always the same size. */
  readonly fixedSize: boolean;
  /** Bytes that the store may grow to. */
  readonly sizeMax: number;
  /** It has them from the start where the system knows how: what growing costs isn't measured. */
  readonly preallocated: boolean;
}

/** An ordered set of keys with their values. */
export interface Collection {
  /** Sets one value, durably, with nothing else under way. */
  put(key: Buffer, value: Buffer): Later<void>;
  /** Sets one value, durably, while others are under way too. */
  putConcurrent(key: Buffer, value: Buffer): Promise<void>;
  /** Removes one key, durably, while others are under way too. */
  removeConcurrent(key: Buffer): Promise<void>;
  /** Sets many values in one durable transaction. */
  putBatch(entries: readonly Entry[]): Later<void>;
  /** The value, valid until the next call. */
  get(key: Buffer): Uint8Array | undefined;
  /** Visits all entries in order and gives the sum of their bytes. */
  scan(direction: 'forward' | 'backward'): Later<number>;
  /** How many of the `limit` keys behind `after` there are. */
  list(after: Buffer, limit: number): Later<number>;
}

export interface Fragmentation {
  /** Runs of blocks per object. */
  readonly extentsPerObject: number;
  /** 0 when free blocks lie in long runs, towards 1 when they are crumbs. */
  readonly freeSpace: number;
}

export interface System {
  /** A collection, made when it is missing. */
  collection(name: string): Collection;
  /** Removes a collection with all that is in it, durably. */
  drop(name: string): Later<void>;
  /** The same while puts are under way. */
  dropConcurrent(name: string): Later<void>;
  /** Waits until the space of what was dropped can be used again. */
  reclaimed(): Later<void>;
  /** Copies a collection, durably; gives the seconds until the copy could be read. */
  cloneCollection(from: string, to: string): Later<number>;
  /** Writes one large object as `pieces` of 1 MiB; durable at its end. */
  writeLarge(name: string, pieces: number): Later<void>;
  /** Copies a large object, durably; gives the seconds until the copy could be read. */
  cloneLarge(from: string, to: string, pieces: number): Later<number>;
  removeLarge(name: string, pieces: number): Later<void>;
  /** Bytes of the file that are a journal's, whatever is stored; none where it isn't told. */
  journalBytes?(): number;
  /** How the objects `keys` lie on the device, where the system tells. */
  fragmentation?(keys: readonly Buffer[]): Fragmentation;
  close(): Later<void>;
}

/** Bytes of a piece of a large object. */
export const PIECE_BYTES = 1024 ** 2;

/** The collection that a workload uses unless it needs more of them. */
export const MAIN = 'main';
