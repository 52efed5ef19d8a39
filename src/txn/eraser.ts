/**
 * Overwrites what was removed, in a store that was made for it.
 *
 * - Blocks are zeroed while they are free or in the pool, a piece in one synchronous step: nothing
 *   can be put there meanwhile. What is used again before its turn comes is overwritten by that.
 * - The zeros are durable with the next checkpoint, whose summaries then say that a group is
 *   erased; until then a crash leaves it to be done again.
 * - In the background at a bounded rate; `erase` does all that was removed before it was called, and
 *   the journal too.
 */

import type { BlockRun } from '../alloc/block-run.js';
import type { BlockDevice } from '../blockdev/block-device.js';
import { type Io, runAsync } from '../blockdev/io.js';
import { checkOptions, hasCode, invalidArgument, type OptionNames, StoreError } from '../errors.js';
import type { DropWorker } from './drop-worker.js';
import type { Environment } from './environment.js';
import type { Journal } from './journal.js';
import type { StoreState } from './store-state.js';

/** Bytes that are zeroed in one step. */
const PIECE_BYTES = 256 * 1024;

/** Time between two pieces in the background: at most 50 MiB a second. */
const PIECE_MS = 5;

/** Time between two looks whether there is something to do. */
const IDLE_MS = 500;

/** Time after which it is looked again whether readers have ended. */
const READERS_MS = 20;

/** Checkpoints after which neither superblock, nor the journal behind it, names what was removed. */
const CHECKPOINTS_LEAST = 3;

const ZEROS = new Uint8Array(PIECE_BYTES);

/** How what was removed is overwritten. */
export interface EraseOptions {
  /** Bytes to overwrite in a second at most. */
  readonly rate?: number;
  /** Everything that is free, whether something was ever there or not: takes long. */
  readonly all?: boolean;
  /** Ends the wait; what was overwritten by then stays so. */
  readonly signal?: AbortSignal;
}

const ERASE_OPTIONS: OptionNames<EraseOptions> = { rate: true, all: true, signal: true };

/** What an erase has done. */
export interface EraseReport {
  /** Bytes of blocks that were overwritten; what was used again meanwhile is not among them. */
  readonly erasedBytes: number;
  /** False when the signal ended it. */
  readonly isComplete: boolean;
}

/** What an eraser asks of the engine. */
export interface ErasingEngine {
  readonly device: BlockDevice;
  readonly state: StoreState;
  readonly readOnly: boolean;
  readonly readers: { readonly count: number };
  /** Aborts when nothing can be done any more. */
  readonly ended: AbortSignal;
  checkpointIo(): Io<void>;
  /** @throws StoreError when nothing may be written any more */
  check(): void;
  poison(error: unknown): void;
}

export interface EraserOptions {
  readonly engine: ErasingEngine;
  readonly environment: Environment;
  readonly journal: Journal;
  readonly drops: DropWorker;
  /** False when nothing may be written any more. */
  readonly isOpen: () => boolean;
}

export class Eraser {
  readonly #options: EraserOptions;
  #at = 0;

  constructor(options: EraserOptions) {
    this.#options = options;
  }

  /** Goes on in the background from now on, if the store erases and is open for writing. */
  start(): void {
    const { engine, environment, isOpen } = this.#options;
    if (engine.readOnly || !engine.state.erases) return;
    const turn = (): void => {
      if (!isOpen()) return;
      let blocks: number;
      try {
        blocks = this.#step();
      } catch {
        return; // the engine is poisoned: whoever uses it next is told
      }
      environment.after(blocks > 0 ? PIECE_MS : IDLE_MS, turn);
    };
    environment.after(IDLE_MS, turn);
  }

  /**
   * Overwrites everything that was removed before the call: resolves when neither the store nor its
   * journal has a byte of it. Waits for snapshots and reads that still see it.
   *
   * @throws StoreError E_INVALID for a store that was made without it; E_READ_ONLY
   */
  async erase(options: EraseOptions): Promise<EraseReport> {
    const { rate, all = false, signal } = checkOptions(options, ERASE_OPTIONS);
    const { engine, journal, drops, environment } = this.#options;
    const { allocator, blockSize } = engine.state;
    this.#checkPossible();
    if (rate !== undefined && !(rate > 0)) {
      throw invalidArgument(`Cannot erase at ${rate} bytes a second`);
    }
    if (all) this.#suspectAll();
    let erasedBytes = 0;
    const ends = signal === undefined ? engine.ended : AbortSignal.any([signal, engine.ended]);
    const isEnded = (): boolean => signal?.aborted === true;
    await runAsync(drops.dropAll());
    const last = allocator.generation;
    for (let done = 0; done < CHECKPOINTS_LEAST && !isEnded(); ) {
      await runAsync(engine.checkpointIo());
      for (let blocks = this.#step(); blocks > 0 && !isEnded(); blocks = this.#step()) {
        erasedBytes += blocks * blockSize;
        const ms = rate === undefined ? 0 : (1000 * blocks * blockSize) / rate;
        await pause(environment, ms, ends);
        engine.check();
      }
      if (!allocator.erasing.hasContentUpTo(last)) done++;
      else await pause(environment, engine.readers.count > 0 ? READERS_MS : 0, ends);
    }
    await runAsync(engine.checkpointIo());
    if (isEnded()) return { erasedBytes, isComplete: false };
    try {
      await runAsync(journal.clearUnused());
    } catch (error) {
      engine.poison(error); // whose writes a flush that failed has lost is not known
      throw error;
    }
    return { erasedBytes, isComplete: true };
  }

  #checkPossible(): void {
    const { engine } = this.#options;
    engine.check();
    if (!engine.state.erases) {
      throw new StoreError('E_INVALID', 'Cannot erase: the store was not made with eraseFreed');
    }
    if (engine.readOnly)
      throw new StoreError('E_READ_ONLY', 'Cannot erase: the store is read-only');
  }

  #suspectAll(): void {
    const { allocator } = this.#options.engine.state;
    for (let group = 0; group < allocator.geometry.groupCount; group++) suspect(allocator, group);
  }

  /** Overwrites the next piece; gives its blocks, 0 when there is none. */
  #step(): number {
    const { engine } = this.#options;
    const { allocator, blockSize } = engine.state;
    const most = PIECE_BYTES / blockSize;
    engine.check();
    const run = this.#next(most) ?? (this.#at > 0 ? this.#restart(most) : undefined);
    if (run === undefined) return 0;
    try {
      const sources = [ZEROS.subarray(0, run.length * blockSize)];
      engine.device.writeSync(run.start * blockSize, sources);
    } catch (error) {
      engine.poison(error);
      throw error;
    }
    allocator.erasing.note(run);
    this.#at = run.start + run.length;
    return run.length;
  }

  #restart(most: number): BlockRun | undefined {
    this.#at = 0;
    return this.#next(most);
  }

  /** The next run that can be zeroed; none for now where a bitmap can't be read. */
  #next(most: number): BlockRun | undefined {
    try {
      return this.#options.engine.state.allocator.erasing.next(this.#at, most);
    } catch (error) {
      if (hasCode(error, 'E_CORRUPT') || hasCode(error, 'E_IO')) return undefined;
      throw error;
    }
  }
}

/** Takes what is free in a group for not erased, if its bitmap can be read. */
export function suspect(allocator: StoreState['allocator'], group: number): void {
  if (group >= allocator.geometry.groupCount) return;
  try {
    allocator.erasing.suspect([...allocator.runsOf(group, 'free')]);
  } catch (error) {
    if (!hasCode(error, 'E_CORRUPT') && !hasCode(error, 'E_IO')) throw error;
  }
}

/** Lets the event loop run, for `ms` if there is a rate, unless `signal` aborts before. */
function pause(environment: Environment, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (ms === 0 || signal.aborted) {
      setImmediate(resolve);
      return;
    }
    const end = (): void => {
      cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const cancel = environment.after(ms, end, true);
    signal.addEventListener('abort', end);
  });
}
