/**
 * Stores in memory for the tests of fsck, and checking them.
 */

import type { BlockDevice } from '../../src/blockdev/block-device.js';
import { runSync } from '../../src/blockdev/io.js';
import { MemoryDevice } from '../../src/blockdev/memory-device.js';
import { BYTES, type Comparator, ComparatorRegistry } from '../../src/btree/comparator.js';
import type { Finding } from '../../src/fsck/finding.js';
import { type FsckOptions, type FsckReport, fsck } from '../../src/fsck/fsck.js';
import type { Engine } from '../../src/txn/engine.js';
import { makeStore, planStore } from '../../src/txn/make-store.js';
import { openEngine } from '../../src/txn/recovery.js';
import { Transaction } from '../../src/txn/transaction.js';

/** An order of keys that a program registers. */
export const BY_LENGTH: Comparator = {
  name: 'by-length',
  version: 3,
  compare(a, aStart, aEnd, b, bStart, bEnd) {
    const difference = aEnd - aStart - (bEnd - bStart);
    return difference === 0 ? BYTES.compare(a, aStart, aEnd, b, bStart, bEnd) : difference;
  },
};

/** All orders that the tests' stores use. */
export const ORDERS: readonly Comparator[] = [
  BY_LENGTH,
  { ...BY_LENGTH, name: 'by-size' },
  { ...BY_LENGTH, name: 'by-count' },
];

export function registry(): ComparatorRegistry {
  const comparators = new ComparatorRegistry();
  for (const order of ORDERS) comparators.register(order);
  return comparators;
}

export interface StoreSizes {
  readonly blockSize: number;
  readonly nodeSize: number;
  /** Bytes. */
  readonly size: number;
  /** Bytes that the device may grow to. */
  readonly sizeMax?: number;
  /** 1 unless given. */
  readonly metadataCopies?: number;
  /** Bytes of the journal's ring; as the size says unless given. */
  readonly journalBytes?: number;
}

/** Small nodes, so that trees are deep; groups of 7808 blocks. */
export const SMALL: StoreSizes = { blockSize: 1024, nodeSize: 1024, size: 24 * 1024 * 1024 };

/** An empty store in memory. */
export function newStore(sizes: StoreSizes = SMALL): MemoryDevice {
  const { blockSize, nodeSize, size, sizeMax = size, metadataCopies = 1, journalBytes } = sizes;
  const device = new MemoryDevice({ size, sizeMax });
  const ring = journalBytes === undefined ? {} : { journalBytes };
  const options = { blockSize, nodeSize, metadataCopies, ...ring };
  const plan = planStore(sizeMax, size === sizeMax, device.geometry, options);
  runSync(makeStore(device, plan, {}));
  return device;
}

export function open(device: BlockDevice): Engine {
  const options = { device, readOnly: false, comparators: registry() };
  const memory = { cacheBytes: 1024 * 1024, dirtyBytesMax: 1024 * 1024 };
  return runSync(openEngine({ ...options, ...memory })).engine;
}

/** Applies one transaction, durably. */
export function commit(engine: Engine, build: (transaction: Transaction) => void): void {
  const transaction = new Transaction();
  build(transaction);
  engine.commitSync(transaction.seal());
}

export function checkpoint(engine: Engine): void {
  runSync(engine.checkpointIo());
}

export function close(engine: Engine): void {
  runSync(engine.closeIo());
  engine.markClosed();
}

const pad = (index: number): string => String(index).padStart(3, '0');

/** A store with trees of two levels for objects, a blob stream and a map stream. */
export function deepStore(metadataCopies = 1): MemoryDevice {
  const device = newStore({ ...SMALL, metadataCopies });
  const engine = open(device);
  const entries = Array.from(
    { length: 200 },
    (_, i) => [`k${pad(i)}`, new Uint8Array(50)] as const,
  );
  commit(engine, (tx) => {
    tx.createCollection('c');
    for (let i = 0; i < 40; i++) tx.write('c', `object-${pad(i)}`, 0, new Uint8Array(1500).fill(i));
    tx.touch('c', 'map').mapSet('c', 'map', entries);
    for (let i = 0; i < 60; i++) tx.write('c', 'large', i * 3000, new Uint8Array(3000).fill(i + 1));
    tx.touch('c', 'value').setAttribute('c', 'value', 'big', new Uint8Array(20_000));
  });
  close(engine);
  return device;
}

export interface Checked {
  readonly report: FsckReport;
  readonly findings: readonly Finding[];
  /** The codes of the findings, each once, sorted. */
  readonly codes: readonly string[];
}

/** Runs fsck, synchronously. */
export function check(device: BlockDevice, options: Partial<FsckOptions> = {}): Checked {
  const findings: Finding[] = [];
  const report = runSync(
    fsck(device, {
      comparators: registry(),
      onFinding: (finding) => findings.push(finding),
      ...options,
    }),
  );
  return { report, findings, codes: [...new Set(findings.map(({ code }) => code))].sort() };
}

/** Findings as lines, for messages of a failed test. */
export function linesOf({ findings }: Checked): string[] {
  return findings.map(({ code, message, tree = '', collection = '', object = '' }) =>
    [code, tree, collection, object, message].join(' | '),
  );
}
