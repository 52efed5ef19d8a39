/**
 * Blocks that a repair may write: nothing refers to them in the state that is repaired, no sound
 * bitmap marks them, no pending journal record names them.
 *
 * - So a repair that is killed leaves all that it found; and what a damaged tree has lost but
 *   a bitmap still marks is there for whoever looks for it.
 * - Only when nothing else is left, marked blocks without a reference are taken too: none that
 *   something needs which was found there.
 * - Groups are looked at one by one, as blocks are asked for; each window of the device costs a
 *   walk over all trees.
 */

import { RunSet } from '../alloc/run-set.js';
import type { Io } from '../blockdev/io.js';
import { StoreError } from '../errors.js';
import type { GroupSummary } from '../format/group-summary.js';
import type { CheckContext } from './context.js';
import { walkAll } from './fsck.js';
import type { PendingClaims } from './journal-check.js';
import { NumberSet } from './number-set.js';
import { fixedBits, readBitmap } from './space-check.js';

export class FreeBlocks {
  /** Groups of all blocks that were taken. */
  readonly touched = new Set<number>();
  readonly #context: CheckContext;
  readonly #claims: PendingClaims;
  readonly #windowBlocks: number;
  readonly #runs = new RunSet();
  readonly #known: ReadonlyMap<number, GroupSummary> | undefined;
  #summaries: ReadonlyMap<number, GroupSummary> = new Map();
  /** Called before marked blocks are taken: the time to `hold` those that something needs. */
  beforeMarked: (() => Io<void>) | undefined;
  readonly #held = new NumberSet();
  #looked: { readonly group: number; readonly marked: Uint8Array | undefined } | undefined;
  #next = 0;
  #trustsMarks = true;

  /**
   * `context` reports nothing and walks the state that is repaired. `known` summaries stand for
   * those of a state that has lost its own: a group without one may be in use.
   */
  constructor(
    context: CheckContext,
    claims: PendingClaims,
    windowBlocks: number,
    known?: ReadonlyMap<number, GroupSummary>,
  ) {
    this.#known = known;
    this.#context = context;
    this.#claims = claims;
    this.#windowBlocks = windowBlocks;
  }

  /** Takes a run of `length` blocks. @throws StoreError E_NO_SPACE */
  *take(length: number): Io<number> {
    for (;;) {
      const run = this.#runs.bestFit(length, 1);
      if (run?.length === length) {
        this.#runs.remove(run.start, length);
        this.#touch(run.start, length);
        return run.start;
      }
      if (!(yield* this.#more())) {
        const missing = `no ${length} blocks in a row are free for what has to be written anew`;
        const remedy = 'make the device larger and repair it again';
        throw new StoreError('E_NO_SPACE', `Cannot repair: ${missing}; ${remedy}`);
      }
    }
  }

  /**
   * True when no block of a run is referred to or claimed, and, unless any such will do, a sound bitmap
   * says that they are free; whether they were taken or not.
   */
  *isFree(start: number, length: number, which: 'unmarked' | 'any'): Io<boolean> {
    const { groups } = this.#context.map;
    for (let block = start; block < start + length; block++) {
      const group = groups.groupOf(block);
      const first = groups.startOf(group);
      if (!this.#isCounted(block)) yield* this.#count(group);
      if (this.#looked?.group !== group) {
        this.#looked = { group, marked: yield* this.#marksOf(group, first) };
      }
      if (this.#context.blocks.get(block) > 0 || this.#claims.has(block)) return false;
      if (which === 'any') continue;
      const byte = this.#looked.marked?.[(block - first) >>> 3] ?? 255;
      if ((byte & (1 << ((block - first) & 7))) !== 0) return false;
    }
    return true;
  }

  /** Something that was found needs these blocks, whatever the state that is repaired says. */
  hold(start: number, length: number): void {
    for (let block = start; block < start + length; block++) this.#held.add(block);
  }

  /** Gives back what was taken and not written. */
  giveBack(start: number, length: number): void {
    this.#runs.add(start, length);
  }

  #touch(start: number, length: number): void {
    const { groups } = this.#context.map;
    const last = groups.groupOf(start + length - 1);
    for (let group = groups.groupOf(start); group <= last; group++) this.touched.add(group);
  }

  /** Looks at one more group; false when all were looked at in both ways. */
  *#more(): Io<boolean> {
    const { groups } = this.#context.map;
    if (this.#next >= groups.groupCount) {
      if (!this.#trustsMarks) return false;
      this.#trustsMarks = false;
      this.#next = 0;
      if (this.beforeMarked !== undefined) yield* this.beforeMarked();
    }
    const group = this.#next++;
    const start = groups.startOf(group);
    if (!this.#isCounted(start)) yield* this.#count(group);
    this.#addFree(start, groups.sizeOf(group), yield* this.#marksOf(group, start));
    return true;
  }

  /** The bits of a group; undefined when they are not known. */
  *#marksOf(group: number, start: number): Io<Uint8Array | undefined> {
    const summaries = this.#known ?? this.#summaries;
    const summary = summaries.get(group);
    if (summary !== undefined) return yield* readBitmap(this.#context, group, summary);
    if (this.#known !== undefined) return undefined;
    return fixedBits(this.#context, start, this.#context.map.groups.sizeOf(group));
  }

  #isCounted(block: number): boolean {
    const { blocks } = this.#context;
    return block >= blocks.start && block < blocks.end;
  }

  /** Counts the references to the window that a group is in. */
  *#count(group: number): Io<void> {
    const context = this.#context;
    const { groups, blocks } = context.map;
    const windowGroups = Math.ceil(this.#windowBlocks / groups.groupBlocks);
    const first = group - (group % windowGroups);
    const end = groups.startOf(first + windowGroups);
    context.beginPass(groups.startOf(first), Math.min(blocks, end));
    this.#summaries = (yield* walkAll(context)).groups.summaries;
  }

  /** Adds the free runs of a group; of one with an unreadable bitmap only in the second round. */
  #addFree(start: number, size: number, marked: Uint8Array | undefined): void {
    if (marked === undefined && this.#trustsMarks) return;
    let from = start;
    for (let block = start; block <= start + size; block++) {
      if (block < start + size && this.#isFree(block, block - start, marked)) continue;
      if (block > from) this.#runs.add(from, block - from);
      from = block + 1;
    }
  }

  #isFree(block: number, offset: number, marked: Uint8Array | undefined): boolean {
    if (this.#context.blocks.get(block) > 0 || this.#claims.has(block)) return false;
    if (this.#held.has(block)) return false;
    if (marked === undefined) return true;
    const isMarked = ((marked[offset >>> 3] as number) & (1 << (offset & 7))) !== 0;
    // What the first round gave, taken or not, the second one does not give again.
    return isMarked !== this.#trustsMarks;
  }
}
