/**
 * A system in its process, ready for a workload: opening, filling, measuring.
 */

import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { openSystem } from './open-system.js';
import { indexesInKeyOrder, keyOf, makeValue } from './records.js';
import {
  type Collection,
  type Entry,
  type Later,
  MAIN,
  type System,
  type SystemName,
  type SystemOptions,
} from './system.js';
import { BATCH, type Loaded, type Scale } from './workload.js';

/** What is said of a piece of work. */
export interface Measured {
  readonly operations: number;
  readonly seconds: number;
  readonly cpuMicros: number;
}

/** A process that used less than this share of a processor is quiet. */
const QUIET_SHARE = 0.1;

const QUIET_POLL_MS = 25;

/** Nobody is waited for longer. */
const QUIET_MS_MAX = 10_000;

export class Bench {
  readonly name: SystemName;
  readonly scale: Scale;
  readonly options: SystemOptions;
  /** Numbers the values, so that no two are the same. */
  written = 0;
  #system: System | undefined;

  constructor(name: SystemName, scale: Scale, options: SystemOptions) {
    this.name = name;
    this.scale = scale;
    this.options = options;
  }

  get system(): System {
    if (this.#system === undefined) throw new Error('Cannot use system: it is not open');
    return this.#system;
  }

  get main(): Collection {
    return this.system.collection(MAIN);
  }

  async open(): Promise<void> {
    this.#system = await openSystem(this.name, this.options);
  }

  async close(): Promise<void> {
    await this.#system?.close();
    this.#system = undefined;
  }

  /**
   * Closes and opens: what was only just written is where it belongs, and nobody reads it out of
   * a log.
   */
  async reopen(): Promise<void> {
    await this.close();
    await this.open();
    await quiet();
  }

  /** Begins anew with nothing. */
  async fresh(): Promise<void> {
    await this.close();
    const { directory } = this.options;
    for (const name of readdirSync(directory)) {
      rmSync(join(directory, name), { recursive: true });
    }
    await this.open();
  }

  /** The next `count` entries, with keys from `first` on. */
  entries(first: number, count: number, valueBytes = this.options.valueBytes): Entry[] {
    return Array.from({ length: count }, (_, i) => [
      keyOf(first + i),
      makeValue(this.written++, valueBytes),
    ]);
  }

  /** Fills a collection in random order; each batch is durable. */
  async load(collection: Collection, records: number): Promise<Loaded> {
    const { valueBytes } = this.options;
    const batch = Math.max(1, Math.min(BATCH, Math.floor(16e6 / valueBytes)));
    for (let at = 0; at < records; at += batch) {
      const done = collection.putBatch(this.entries(at, Math.min(batch, records - at)));
      if (done !== undefined) await done;
    }
    return { collection, records, valueBytes };
  }

  /** The same in the order of the keys: the fastest way in for every system. */
  async loadInOrder(
    collection: Collection,
    records: number,
    valueBytes = this.options.valueBytes,
  ): Promise<void> {
    const indexes = indexesInKeyOrder(records);
    for (let at = 0; at < records; at += BATCH) {
      const entries: Entry[] = [];
      for (const index of indexes.subarray(at, at + BATCH)) {
        entries.push([keyOf(index), makeValue(index, valueBytes)]);
      }
      const done = collection.putBatch(entries);
      if (done !== undefined) await done;
    }
    this.written = records;
  }

  /** Time and processor time of `work`, which gives the number of its operations. */
  async measure(work: () => Later<number>): Promise<Measured> {
    const cpu = process.cpuUsage();
    const begin = performance.now();
    const operations = await work();
    const seconds = (performance.now() - begin) / 1000;
    await quiet();
    const { user, system } = process.cpuUsage(cpu);
    return { operations, seconds, cpuMicros: (user + system) / operations };
  }

  /** Bytes that the files take on the device. */
  fileBytes(): number {
    const { directory } = this.options;
    let bytes = 0;
    for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
      // LevelDB removes files in the background.
      const stat = statSync(join(directory, name), { throwIfNoEntry: false });
      bytes += (stat?.blocks ?? 0) * 512;
    }
    return bytes;
  }
}

/** Waits until the process does nothing any more. */
export async function quiet(): Promise<void> {
  const end = performance.now() + QUIET_MS_MAX;
  while (performance.now() < end) {
    const cpu = process.cpuUsage();
    const begin = performance.now();
    await new Promise((resolve) => setTimeout(resolve, QUIET_POLL_MS));
    const { user, system } = process.cpuUsage(cpu);
    if ((user + system) / 1000 < QUIET_SHARE * (performance.now() - begin)) return;
  }
}

/** Bytes that this process has caused to be written to the device. */
export function writtenBytes(): number {
  return procNumber('/proc/self/io', 'write_bytes');
}

/** Bytes of memory of the process that are not the page cache's. */
export function memoryBytes(): number {
  return procNumber('/proc/self/status', 'RssAnon') * 1024;
}

function procNumber(path: string, name: string): number {
  const line = readFileSync(path, 'utf8').match(new RegExp(`^${name}:\\s+(\\d+)`, 'm'));
  if (line === null) throw new Error(`Cannot find ${name} in ${path}`);
  return Number(line[1]);
}

/** Value at share `share` of sorted numbers. */
export function percentile(sorted: readonly number[], share: number): number {
  const index = Math.min(sorted.length - 1, Math.floor(sorted.length * share));
  return sorted[index] ?? Number.NaN;
}

/**
 * Keeps `depth` operations under way until the time is up; gives the latency of each in
 * milliseconds, sorted.
 */
export async function keepInFlight(
  depth: number,
  seconds: number,
  operation: () => Later<unknown>,
): Promise<number[]> {
  const latencies: number[] = [];
  const end = performance.now() + seconds * 1000;
  const one = async (): Promise<void> => {
    for (let begin = performance.now(); begin < end; ) {
      await operation();
      const now = performance.now();
      latencies.push(now - begin);
      begin = now;
    }
  };
  await Promise.all(Array.from({ length: depth }, one));
  return latencies.sort((a, b) => a - b);
}
