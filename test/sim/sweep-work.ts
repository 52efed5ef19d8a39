/**
 * One worker's part of a sweep: every n-th sequence, all of one length before those of the next.
 * Within a length the order is shuffled by the seed, so that a budget that ends early has seen
 * some of everything.
 */

import { Prng } from '../support/prng.js';
import type { CrashCounts } from './crash-checker.js';
import { allSequences, type Sequence, SequenceSweep } from './sequence-sweep.js';

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
  readonly failures: readonly string[];
  /** Nothing is left to do. */
  readonly isDone: boolean;
}

/** Every sequence of up to `depth` steps, in the order of `seed`. */
export function* sequencesOf(seed: number, depth: number): Generator<Sequence> {
  for (let length = 1; length <= depth; length++) {
    yield* new Prng(seed).shuffle([...allSequences(length)]);
  }
}

/** Runs a part; calls `report` now and then. Gives the digests of all images. */
export async function sweepPart(
  part: SweepPart,
  report: (progress: SweepProgress) => void,
): Promise<Float64Array> {
  const sweep = new SequenceSweep();
  const failures: string[] = [];
  const tell = (isDone: boolean): void => {
    const { sequences, checker } = sweep;
    report({ counts: { ...checker.counts }, sequences, failures: failures.splice(0), isDone });
  };
  let at = 0;
  let isDone = true;
  for (const sequence of sequencesOf(part.seed, part.depth)) {
    if (at++ % part.parts !== part.index) continue;
    if (Date.now() >= part.endsMs) {
      isDone = false;
      break;
    }
    try {
      await sweep.run(sequence);
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
    if (sweep.sequences % 64 === 0 || failures.length > 0) tell(false);
  }
  tell(isDone);
  return Float64Array.from(sweep.checker.seen);
}
