/**
 * What the engine does on its own behind the transactions: works the drop list off, then cleans
 * stripes and gathers what lies about. One piece of work at a time, begun when a transaction has been
 * applied.
 */

import { Drive } from '../blockdev/drive.js';
import type { Io } from '../blockdev/io.js';
import type { Overtaken } from '../blockdev/overtaken.js';
import type { Cleaner } from './cleaner.js';
import type { DropWorker } from './drop-worker.js';
import type { Gatherer } from './gatherer.js';
import type { Readers } from './readers.js';

export interface HousekeepingOptions {
  readonly drops: DropWorker;
  readonly cleaner: Cleaner;
  readonly gatherer: Gatherer;
  readonly readers: Readers;
  readonly overtaken: Overtaken;
  /** Checkpoints that have ended. */
  readonly checkpointCount: () => number;
}

export class Housekeeping {
  readonly #options: HousekeepingOptions;
  #work: Drive<void> | undefined;
  /** Checkpoints that had ended when the cleaner was last asked. */
  #askedAt = -1;
  #stopped = false;

  constructor(options: HousekeepingOptions) {
    this.#options = options;
  }

  /** False once the store is being closed: the cleaner ends where it is. */
  get mayClean(): boolean {
    return !this.#stopped;
  }

  /** The work under way. */
  get running(): Drive<void> | undefined {
    return this.#work;
  }

  startIfDue(): void {
    if (this.#work !== undefined) return;
    const { drops, cleaner, gatherer } = this.#options;
    if (!drops.isEmpty) this.#start(drops.dropAll());
    else if (this.#isCleaningDue) this.#start(cleaner.pass());
    else if (this.#isGatheringDue) this.#start(gatherer.pass());
  }

  /** Begins no cleaning any more. */
  stop(): void {
    this.#stopped = true;
  }

  #start(work: Io<void>): void {
    const drive = new Drive(work, this.#options.overtaken);
    this.#work = drive;
    const ended = (): void => {
      this.#work = undefined;
    };
    drive.promise.then(ended, ended);
  }

  get #isGatheringDue(): boolean {
    const { gatherer, readers } = this.#options;
    return !this.#stopped && !readers.hasSnapshot && gatherer.isDue;
  }

  /** True at most once for each checkpoint; what snapshots hold can't be made free by moving. */
  get #isCleaningDue(): boolean {
    const { cleaner, readers, checkpointCount } = this.#options;
    const count = checkpointCount();
    if (count === this.#askedAt || this.#stopped || readers.hasSnapshot) return false;
    this.#askedAt = count;
    return cleaner.isDue;
  }
}
