/**
 * Blocks whose bytes are of nobody any more, but may still be there: what a store that erases has
 * to overwrite.
 *
 * - A block in the set may be free, in the pool, or in use again; it leaves the set when it was
 *   zeroed, or when a checkpoint is durable that refers to it: then new bytes cover all of it.
 * - What is in limbo is not in the set yet: something may still read it.
 */

import type { BlockRun } from './block-run.js';
import { RunSet } from './run-set.js';

export class Unerased {
  readonly #runs = new RunSet();
  /** What the checkpoints under way overwrite, by the generation that they end. */
  readonly #covered = new Map<number, readonly BlockRun[]>();

  /** Blocks in the set. */
  get blocks(): number {
    return this.#runs.blocks;
  }

  /** The run at or behind `block`, cut there and to `most` blocks; undefined when there is none. */
  next(block: number, most: number): BlockRun | undefined {
    for (const run of this.#runs.within(block, Number.MAX_SAFE_INTEGER - block)) {
      return { start: run.start, length: Math.min(run.length, most) };
    }
    return undefined;
  }

  /** All runs, as they are now. */
  all(): BlockRun[] {
    return Array.from({ length: this.#runs.count }, (_, index) => this.#runs.at(index));
  }

  /** Adds a run, of which a part may be there already. */
  add({ start, length }: BlockRun): void {
    this.remove({ start, length });
    this.#runs.add(start, length);
  }

  /** Takes out what is there of a run. */
  remove({ start, length }: BlockRun): void {
    for (const part of [...this.#runs.within(start, length)]) {
      this.#runs.remove(part.start, part.length);
    }
  }

  /** The checkpoint that ends `generation` refers to these runs. */
  cover(generation: number, runs: readonly BlockRun[]): void {
    if (runs.length > 0) this.#covered.set(generation, runs);
  }

  /** That checkpoint is durable. */
  settle(generation: number): void {
    for (const run of this.#covered.get(generation) ?? []) this.remove(run);
    this.#covered.delete(generation);
  }
}
