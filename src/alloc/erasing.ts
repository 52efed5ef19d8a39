/**
 * Erasing, as the allocator sees it: which blocks hold what was removed, where they can be zeroed
 * now, and which groups a checkpoint says are not erased.
 *
 * - What comes out of limbo with contents, and claims that are given back, become unerased; in a
 *   store that doesn't erase nothing ever does.
 * - A block leaves when it was zeroed, or when a checkpoint is durable that refers to it.
 * - The mark of a group covers its unerased blocks and those that it has in limbo: so a crash
 *   between freeing and erasing leaves no group unmarked that has to be erased.
 */

import { type BlockRun, endOf } from './block-run.js';
import type { BlockStates } from './block-states.js';
import type { GroupTable } from './group-table.js';
import type { Limbo } from './limbo.js';
import { Unerased } from './unerased.js';

export class Erasing {
  readonly #table: GroupTable;
  readonly #states: BlockStates;
  readonly #limbo: Limbo;
  readonly #isOn: boolean;
  readonly #unerased = new Unerased();
  /** Groups that the checkpoint being frozen says are not erased. */
  #marked: ReadonlySet<number>;

  /** `isOn`: the store erases. */
  constructor(table: GroupTable, states: BlockStates, limbo: Limbo, isOn: boolean) {
    this.#table = table;
    this.#states = states;
    this.#limbo = limbo;
    this.#isOn = isOn;
    this.#marked = table.unerased;
  }

  /** Blocks that hold what was removed, or may do so: free ones, and ones in limbo. */
  get blocks(): number {
    if (!this.#isOn) return 0;
    let blocks = this.#unerased.blocks;
    for (const list of this.#limbo.lists()) blocks += list.contentBlocks;
    return blocks;
  }

  /** Groups that the newest frozen checkpoint says are not erased. */
  get groups(): ReadonlySet<number> {
    return this.#table.unerased;
  }

  /** True while something is in limbo that was freed in a generation up to this one. */
  hasContentUpTo(generation: number): boolean {
    for (const list of this.#limbo.lists()) {
      if (list.generation <= generation && list.contentBlocks > 0) return true;
    }
    return false;
  }

  /**
   * Decides which groups the checkpoint that is being frozen says are not erased.
   * @returns those of which the one before said something else: their summaries change
   */
  mark(): number[] {
    const marked = new Set<number>();
    if (this.#isOn) {
      for (const list of this.#limbo.lists()) for (const g of list.contentGroups()) marked.add(g);
      const mark = (group: number): unknown => marked.add(group);
      for (const run of this.#unerased.all()) this.#states.each(run, mark);
    }
    const before = this.#table.unerased;
    this.#marked = marked;
    return [...new Set([...before, ...marked])].filter((g) => before.has(g) !== marked.has(g));
  }

  /** What the checkpoint that is being frozen says of `group`. */
  isMarked(group: number): boolean {
    return this.#marked.has(group);
  }

  /** Blocks became free that hold what a program has put in. */
  add(run: BlockRun): void {
    if (this.#isOn) this.#unerased.add(run);
  }

  /** Takes blocks for not erased that are free, whether the store erases or not. */
  suspect(runs: Iterable<BlockRun>): void {
    for (const run of runs) this.#unerased.add(run);
  }

  /**
   * The next run at or behind `block`, of up to `most` blocks, that can be zeroed now: free, or in
   * the pool. @throws what the source throws
   */
  next(block: number, most: number): BlockRun | undefined {
    let at = block;
    for (;;) {
      const run = this.#unerased.next(at, most);
      if (run === undefined) return undefined;
      const idle = this.#states.idlePart(run);
      if (idle !== undefined) return idle;
      at = endOf(run);
    }
  }

  /** The run was zeroed. */
  note(run: BlockRun): void {
    this.#unerased.remove(run);
  }

  /** `generation` ends: its marks hold, and its checkpoint covers what it refers to. */
  freeze(generation: number): void {
    const covered = this.#unerased.all().flatMap((run) => this.#states.usedParts(run));
    this.#unerased.cover(generation, covered);
    this.#table.unerased = this.#marked;
  }

  /** The checkpoint that ended `generation` is durable. */
  settle(generation: number): void {
    this.#unerased.settle(generation);
  }
}
