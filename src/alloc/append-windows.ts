/**
 * Windows: room that is kept behind objects which grow, so that what is appended to one of many
 * still lies in one run.
 *
 * - A window is a wish, in memory only: its free blocks count as free, and serve for everything
 *   when there is no other place. So no promise of space knows of windows.
 * - Windows are disjoint, and each lies in one group unless it was extended in place.
 * - An object is known by the block behind its data: it owns the window that this block is in or
 *   just behind. A window that was opened elsewhere is owned from there until data is in it, so that
 *   a transaction that is repeated finds it again.
 * - There are at most WINDOWS_MAX; the one that was not used for longest is forgotten first.
 */

import { assert } from '../assert.js';
import type { BlockRun } from './block-run.js';

/** Objects that grow at once; a window takes about 100 bytes of memory. */
export const WINDOWS_MAX = 1024;

/** The window that an object which grows is to have, in blocks. */
export interface WindowWish {
  /** For what is appended, where so many are free in a row. */
  readonly blocks: number;
  /** In front of these, kept for what the object has elsewhere: so that it can be moved there. */
  readonly lead: number;
  /** Of the windows behind this one. */
  readonly further: number;
}

export interface AppendWindow {
  /** First block. */
  readonly start: number;
  /** First block for what is appended: what is in front of it is the lead. */
  readonly first: number;
  /** Block behind the last one. */
  end: number;
  /** Where the object ended that it was opened for. */
  readonly origin: number;
}

export class AppendWindows {
  /** In order of their starts. */
  readonly #sorted: AppendWindow[] = [];
  /** By origin, the one used last at the end. */
  readonly #byOrigin = new Map<number, AppendWindow>();

  get count(): number {
    return this.#sorted.length;
  }

  /** The window of the object that ends at `block`. */
  of(block: number): AppendWindow | undefined {
    const before = this.#sorted[this.#indexBefore(block)];
    const window = before !== undefined && block <= before.end ? before : this.#byOrigin.get(block);
    if (window !== undefined) this.#touch(window);
    return window;
  }

  /** Opens one for the object that ends at `origin`; nothing of it is in a window. */
  open({ start, length }: BlockRun, origin: number, lead = 0): AppendWindow {
    const known = this.#byOrigin.get(origin);
    if (known !== undefined) this.close(known);
    const window = { start, first: start + lead, end: start + length, origin };
    const index = this.#indexBefore(start + 1) + 1;
    assert(this.endOver(start, length) === 0, 'windows are disjoint');
    this.#sorted.splice(index, 0, window);
    this.#byOrigin.set(origin, window);
    const [oldest] = this.#byOrigin.values();
    if (this.count > WINDOWS_MAX && oldest !== undefined) this.close(oldest);
    return window;
  }

  /** Forgets one: its blocks are like others. */
  close(window: AppendWindow): void {
    const index = this.#indexBefore(window.start + 1);
    if (this.#sorted[index] !== window) return;
    this.#sorted.splice(index, 1);
    this.#byOrigin.delete(window.origin);
  }

  /** First block at or behind `block` of a window, `limit` when there is none before it. */
  nextStart(block: number, limit: number): number {
    const index = this.#indexBefore(block) + 1;
    return Math.min(limit, this.#sorted[index]?.start ?? limit);
  }

  /** Block behind the windows that [start, start + length) meets, which touch; 0 for none. */
  endOver(start: number, length: number): number {
    let index = this.#indexBefore(start + length);
    const last = this.#sorted[index];
    if (last === undefined || last.end <= start) return 0;
    let { end } = last;
    for (index++; this.#sorted[index]?.start === end; index++) {
      end = this.#sorted[index]?.end ?? end;
    }
    return end;
  }

  /** Gives up the windows that [start, start + length) meets. */
  yieldTo({ start, length }: BlockRun): void {
    for (;;) {
      const window = this.#sorted[this.#indexBefore(start + length)];
      if (window === undefined || window.end <= start) return;
      this.close(window);
    }
  }

  #touch(window: AppendWindow): void {
    this.#byOrigin.delete(window.origin);
    this.#byOrigin.set(window.origin, window);
  }

  /** Index of the last window that starts before `block`, -1 when there is none. */
  #indexBefore(block: number): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sorted[middle] as AppendWindow).start < block) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
