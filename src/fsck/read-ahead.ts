/**
 * Reads runs of blocks before they are asked for: those that lie near each other in one go.
 *
 * - One call's runs are read while the walk goes on with those of the call before.
 * - A run that could not be read ahead is read when it is asked for, and fails there.
 * - What was read ahead is handed out once, so that only what a walk is about to ask for is here.
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import { Drive, waitFor } from '../blockdev/drive.js';
import type { Io, IoStep } from '../blockdev/io.js';
import { hasCode } from '../errors.js';

/** Bytes that are read ahead and not asked for yet, about. */
export const AHEAD_BYTES = 1024 * 1024;

/** Reads under way at a time. */
const READS_TOGETHER = 8;

/** Bytes between two runs that are rather read over than left out. */
const GAP_BYTES = 32 * 1024;

/** A run of blocks. */
export interface BlockRange {
  readonly address: number; // block index
  readonly blocks: number;
}

export class ReadAhead {
  readonly #device: BlockDevice;
  readonly #blockSize: number;
  readonly #pages = new Map<number, Uint8Array>();
  #reading: Drive<void> | undefined;

  constructor(device: BlockDevice, blockSize: number) {
    this.#device = device;
    this.#blockSize = blockSize;
  }

  /** Begins to read `runs`, all of them inside the device, when what was begun before has ended. */
  *begin(runs: readonly BlockRange[]): Io<void> {
    yield* this.end();
    if (runs.length > 0) this.#reading = new Drive(this.#read(runs));
  }

  /** Waits for what was begun. */
  *end(): Io<void> {
    const reading = this.#reading;
    this.#reading = undefined;
    if (reading !== undefined) yield waitFor(reading);
  }

  *#read(runs: readonly BlockRange[]): Io<void> {
    const sorted = runs
      .filter(({ address }) => !this.#pages.has(address))
      .sort((one, other) => one.address - other.address);
    const groups = groupsOf(sorted, GAP_BYTES / this.#blockSize);
    for (let at = 0; at < groups.length; at += READS_TOGETHER) {
      yield* this.#readTogether(groups.slice(at, at + READS_TOGETHER));
    }
  }

  /** The bytes of a run, if they were read ahead; the caller's from now on. */
  take(address: number, blocks: number): Uint8Array | undefined {
    if (this.#pages.size === 0) return undefined;
    const page = this.#pages.get(address);
    this.#pages.delete(address);
    return page?.length === blocks * this.#blockSize ? page : undefined;
  }

  *#readTogether(groups: readonly (readonly BlockRange[])[]): Io<void> {
    const device = this.#device;
    const targets = groups.map((runs) => new Uint8Array(this.#bytesFrom(runs, endOf(runs))));
    const steps = groups.map((runs, i): IoStep => {
      const offset = startOf(runs) * this.#blockSize;
      return { kind: 'read', device, offset, target: targets[i] as Uint8Array };
    });
    try {
      yield { kind: 'together', steps };
    } catch (error) {
      if (hasCode(error, 'E_IO')) return;
      throw error;
    }
    for (const [i, runs] of groups.entries()) {
      for (const { address, blocks } of runs) {
        const from = this.#bytesFrom(runs, address);
        const page = targets[i]?.subarray(from, from + blocks * this.#blockSize);
        if (page !== undefined) this.#pages.set(address, page);
      }
    }
  }

  /** Bytes from the first run of a group to block `to`. */
  #bytesFrom(runs: readonly BlockRange[], to: number): number {
    return (to - startOf(runs)) * this.#blockSize;
  }
}

function startOf(runs: readonly BlockRange[]): number {
  return runs[0]?.address ?? 0;
}

function endOf(runs: readonly BlockRange[]): number {
  let end = 0;
  for (const { address, blocks } of runs) end = Math.max(end, address + blocks);
  return end;
}

/** Cuts sorted runs where the next one lies more than `gap` blocks further on. */
function groupsOf(runs: readonly BlockRange[], gap: number): BlockRange[][] {
  const groups: BlockRange[][] = [];
  let end = 0;
  for (const run of runs) {
    const last = groups.at(-1);
    if (last !== undefined && run.address - end <= gap) last.push(run);
    else groups.push([run]);
    end = Math.max(last === undefined ? 0 : end, run.address + run.blocks);
  }
  return groups;
}
