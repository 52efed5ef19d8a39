/**
 * Limbo: runs that were freed and may not be handed out yet, by the generation that freed them.
 *
 * - A list is append-only, in typed arrays; the newest entry may be popped (a rewind).
 * - The runs of one group are chained from the newest back, so that loading a group's bitmap
 *   finds its runs without a walk over all of them.
 * - A run lies in one group. The current list is never in a stored bitmap; frozen ones always are.
 */

import { assert } from '../assert.js';

const CAPACITY_MIN = 64;

/** What one generation freed. */
export class LimboList {
  readonly generation: number;
  /** Runs. */
  count = 0;
  /** Blocks of all runs together. */
  blocks = 0;
  /** Blocks of runs with contents. */
  contentBlocks = 0;
  #starts = new Float64Array(CAPACITY_MIN);
  #lengths = new Uint32Array(CAPACITY_MIN);
  #previous = new Int32Array(CAPACITY_MIN);
  #contents = new Uint8Array(CAPACITY_MIN);
  readonly #newest = new Map<number, number>();

  constructor(generation: number) {
    this.generation = generation;
  }

  /** Adds a run of `group`; `hasContent` says that it holds something that programs have put in. */
  push(group: number, start: number, length: number, hasContent: boolean): void {
    if (this.count === this.#starts.length) this.#grow();
    this.#starts[this.count] = start;
    this.#lengths[this.count] = length;
    this.#previous[this.count] = this.newestOf(group);
    this.#contents[this.count] = hasContent ? 1 : 0;
    this.#newest.set(group, this.count);
    this.count++;
    this.blocks += length;
    if (hasContent) this.contentBlocks += length;
  }

  /** Takes back the newest push, which was of this run. */
  pop(group: number, start: number, length: number): void {
    const index = this.count - 1;
    assert(this.newestOf(group) === index, 'the newest run in limbo is popped first');
    assert(this.startAt(index) === start, 'a popped run starts where it was pushed');
    assert(this.lengthAt(index) === length, 'a popped run is as long as it was pushed');
    const previous = this.previousOf(index);
    if (previous < 0) this.#newest.delete(group);
    else this.#newest.set(group, previous);
    this.count = index;
    this.blocks -= length;
    if (this.hasContent(index)) this.contentBlocks -= length;
  }

  /** Groups that have runs with contents. */
  *contentGroups(): Generator<number> {
    for (const [group, newest] of this.#newest) {
      for (let i = newest; i >= 0; i = this.previousOf(i)) {
        if (!this.hasContent(i)) continue;
        yield group;
        break;
      }
    }
  }

  /** True when the run at `index` holds what programs have put in. */
  hasContent(index: number): boolean {
    return this.#contents[index] === 1;
  }

  /** Index of the newest run of `group`, -1 when it has none. */
  newestOf(group: number): number {
    return this.#newest.get(group) ?? -1;
  }

  /** Index of the next older run of the same group, -1 behind the oldest. */
  previousOf(index: number): number {
    return this.#previous[index] as number;
  }

  /** First block of the run at `index`, in [0, count). */
  startAt(index: number): number {
    return this.#starts[index] as number;
  }

  /** Blocks of the run at `index`, in [0, count). */
  lengthAt(index: number): number {
    return this.#lengths[index] as number;
  }

  #grow(): void {
    const capacity = this.#starts.length * 2;
    const starts = new Float64Array(capacity);
    const lengths = new Uint32Array(capacity);
    const previous = new Int32Array(capacity);
    const contents = new Uint8Array(capacity);
    contents.set(this.#contents);
    this.#contents = contents;
    starts.set(this.#starts);
    lengths.set(this.#lengths);
    previous.set(this.#previous);
    this.#starts = starts;
    this.#lengths = lengths;
    this.#previous = previous;
  }
}

/** All generations that have something in limbo, and the current one. */
export class Limbo {
  /** Blocks in limbo, of all generations. */
  blocks = 0;
  #current: LimboList;
  readonly #frozen: LimboList[] = [];

  constructor(generation: number) {
    this.#current = new LimboList(generation);
  }

  /** What the running generation has freed so far. */
  get current(): LimboList {
    return this.#current;
  }

  /** Ended generations, oldest first. */
  get frozen(): readonly LimboList[] {
    return this.#frozen;
  }

  push(group: number, start: number, length: number, hasContent: boolean): void {
    this.#current.push(group, start, length, hasContent);
    this.blocks += length;
  }

  pop(group: number, start: number, length: number): void {
    this.#current.pop(group, start, length);
    this.blocks -= length;
  }

  /** All lists. */
  *lists(): Generator<LimboList> {
    yield* this.#frozen;
    yield this.#current;
  }

  /** Ends the current generation; the next one has the next number. */
  freeze(): void {
    if (this.#current.count > 0) this.#frozen.push(this.#current);
    this.#current = new LimboList(this.#current.generation + 1);
  }

  /** Takes out the oldest list when it is of `generation` or an earlier one. */
  shift(generation: number): LimboList | undefined {
    const oldest = this.#frozen[0];
    if (oldest === undefined || oldest.generation > generation) return undefined;
    this.#frozen.shift();
    this.blocks -= oldest.blocks;
    return oldest;
  }
}
