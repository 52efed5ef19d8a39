/**
 * One worker's part of a sweep: every n-th sequence, all of one length before those of the next,
 * and a long random simulation now and then; these alone when there are no sequences left.
 *
 * - Within a length the order is shuffled by the seed, so that a budget that ends early has seen
 *   some of everything.
 */

import { Prng } from '../support/prng.js';
import { type CrashCounts, CrashTally } from './crash-checker.js';
import { planOf } from './script.js';
import { type Sequence, SequenceSweep, shuffledSequences } from './sequence-sweep.js';
import { play } from './simulation.js';

export interface SweepPart {
  readonly seed: number;
  /** Length of the longest sequences. */
  readonly depth: number;
  /** Which part this is, of how many. */
  readonly index: number;
  readonly parts: number;
  /** When to stop, in milliseconds since 1970. */
  readonly endsMs: number;
}

/** What a part has done so far. */
export interface SweepProgress {
  readonly counts: CrashCounts;
  readonly sequences: number;
  readonly simulations: number;
  /** New ones since the last report. */
  readonly failures: readonly string[];
  /** No sequence is left. */
  readonly isDone: boolean;
}

/** After so many sequences comes a simulation. */
const SEQUENCES_A_SIMULATION = 200;

/** Crashes of each life of a simulation that are looked at. */
const SAMPLES = 20;

/** Simulations of sweeps with other seeds are others. */
const SIMULATIONS_A_SEED = 1_000_000;

/** Every sequence of up to `depth` steps, in the order of `seed`. */
export function* sequencesOf(seed: number, depth: number): Generator<Sequence> {
  for (let length = 1; length <= depth; length++) {
    yield* shuffledSequences(length, new Prng(seed));
  }
}

/** Runs a part; calls `report` now and then. Gives the digests of all images. */
export async function sweepPart(
  part: SweepPart,
  report: (progress: SweepProgress) => void,
): Promise<Float64Array> {
  const run = new PartRun(part, report);
  await run.all();
  return run.digests;
}

class PartRun {
  readonly #part: SweepPart;
  readonly #report: (progress: SweepProgress) => void;
  readonly #tally = new CrashTally();
  readonly #sweep = new SequenceSweep(this.#tally);
  #simulations = 0;
  #failures: string[] = [];

  constructor(part: SweepPart, report: (progress: SweepProgress) => void) {
    this.#part = part;
    this.#report = report;
  }

  get digests(): Float64Array {
    return Float64Array.from(this.#tally.seen);
  }

  async all(): Promise<void> {
    const { seed, depth, index, parts, endsMs } = this.#part;
    let at = 0;
    for (const sequence of sequencesOf(seed, depth)) {
      if (at++ % parts !== index) continue;
      if (Date.now() >= endsMs) {
        this.#tell(false);
        return;
      }
      await this.#try(() => this.#sweep.run(sequence));
      if (this.#sweep.sequences % SEQUENCES_A_SIMULATION === 0) await this.#simulate();
    }
    while (Date.now() < endsMs) await this.#simulate();
    this.#tell(true);
  }

  async #simulate(): Promise<void> {
    const { seed: first, index, parts } = this.#part;
    const seed = first * SIMULATIONS_A_SEED + this.#simulations++ * parts + index;
    const { name, shape, script } = planOf(seed);
    const options = { seed, shape, samples: SAMPLES, tally: this.#tally };
    await this.#try(async () => {
      try {
        await play(script, options);
      } catch (error) {
        throw new Error(`simulation ${seed} (${name}): ${String(error)}`, { cause: error });
      }
    });
    this.#tell(false);
  }

  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#failures.push(error instanceof Error ? error.message : String(error));
      this.#tell(false);
    }
  }

  #tell(isDone: boolean): void {
    const counts = { ...this.#tally.counts };
    const { sequences } = this.#sweep;
    const failures = this.#failures.splice(0);
    this.#report({ counts, sequences, simulations: this.#simulations, failures, isDone });
  }
}
