/**
 * Places what is appended: behind the object's data as long as that is free, in a window that
 * others keep out of; else in a new window, as large as there is.
 *
 * - What a window has left is used up before the next is opened, so that an object has one run
 *   for each of its windows.
 * - A window that was used up goes on behind itself if that is free and nobody's window.
 * - A first window may have a lead: room in front of it, as long as what the object has elsewhere.
 */

import type { AppendWindow, AppendWindows, WindowWish } from './append-windows.js';
import { type BlockRun, endOf } from './block-run.js';
import type { GroupCache } from './group-cache.js';
import type { GroupTable } from './group-table.js';
import type { Placement } from './placement.js';

export interface AppendRequest {
  /** Block behind the object's data. */
  readonly hint: number;
  /** What a new window is to be like. */
  readonly window: WindowWish;
  /** Runs start at multiples of it and are as long. */
  readonly align: number;
}

export class Appender {
  readonly #table: GroupTable;
  readonly #cache: GroupCache;
  readonly #placement: Placement;
  readonly #windows: AppendWindows;
  /** Behind the window that was opened last away from its object. */
  #cursor: number;

  constructor(table: GroupTable, cache: GroupCache, placement: Placement, windows: AppendWindows) {
    this.#table = table;
    this.#cache = cache;
    this.#placement = placement;
    this.#windows = windows;
    this.#cursor = table.geometry.dataStart;
  }

  /**
   * Takes the whole multiples of `align` in `length` blocks, or as many as there are windows for,
   * and appends their runs to `taken`.
   * @throws what the source throws; `taken` then says what is to be given back
   */
  take(length: number, request: AppendRequest, taken: BlockRun[]): void {
    let tail = request.hint;
    for (let rest = length; rest >= request.align; ) {
      const wish = tail === request.hint ? request.window : furtherOf(request.window);
      const window = this.#windows.of(tail) ?? this.#openFor(tail, rest, wish, request.align);
      if (window === undefined) return;
      const run = this.#partOf(window, tail, rest, request);
      if (run === undefined) {
        if (!this.#extend(window, wish, request.align)) this.#windows.close(window);
        continue;
      }
      this.#placement.takeRun(run.start, run.length);
      taken.push(run);
      tail = endOf(run);
      rest -= run.length;
    }
  }

  /** What is free in the window behind `tail`, up to `rest` blocks. */
  #partOf(
    window: AppendWindow,
    tail: number,
    rest: number,
    { align }: AppendRequest,
  ): BlockRun | undefined {
    // By chance it may lie around the object's end: until data is in it, that says nothing.
    const isFresh = tail === window.origin;
    const start = isFresh ? window.first : Math.ceil(tail / align) * align;
    const length = this.#roomAt(start, Math.min(rest, window.end - start), align);
    return length > 0 ? { start, length } : undefined;
  }

  /** Makes a window longer that was used up; false when something else begins behind it. */
  #extend(window: AppendWindow, wish: WindowWish, align: number): boolean {
    if (!this.#isTaken(window.end - 1)) return false;
    const room = this.#clearRoomAt(window.end, wish.blocks, align);
    window.end += room;
    return room > 0;
  }

  #openFor(tail: number, rest: number, wish: WindowWish, align: number): AppendWindow | undefined {
    const { blocks: wanted } = wish;
    const { geometry, longest } = this.#table;
    const behind = Math.ceil(tail / align) * align;
    const room = this.#clearRoomAt(behind, Math.max(wanted, rest), align);
    // What is not right behind the object's data must be worth it like every other place.
    const enough = behind === tail ? 2 * room : room;
    const least = Math.min(rest, wanted);
    const most = Math.min(Math.max(wanted, rest), longest.max, geometry.groupBlocks);
    const whole = (blocks: number): number => blocks - (blocks % align);
    const lead = Math.ceil(wish.lead / align) * align;
    for (let length = whole(most); length > enough && length >= least; ) {
      const window =
        (length === whole(most) ? this.#openAway(tail, length, lead, align) : undefined) ??
        this.#openAway(tail, length, 0, align);
      if (window !== undefined) return window;
      length = whole(length >>> 1);
      if (length === 0) break;
    }
    return room >= least ? this.#windows.open({ start: behind, length: room }, tail) : undefined;
  }

  /** A window of `length` blocks behind `lead` more, anywhere. */
  #openAway(tail: number, length: number, lead: number, align: number): AppendWindow | undefined {
    const run = { start: 0, length: lead + length };
    run.start = this.#placement.findClear(run.length, this.#cursor, align);
    if (run.start < 0 || run.start % align !== 0) return undefined;
    this.#cursor = endOf(run);
    return this.#windows.open(run, tail, lead);
  }

  /** `#roomAt` of blocks that are in no window. */
  #clearRoomAt(block: number, most: number, align: number): number {
    if (this.#windows.endOver(block, 1) !== 0) return 0;
    const limit = this.#windows.nextStart(block, block + most);
    return this.#roomAt(block, limit - block, align);
  }

  /** Blocks that are free in a row from `block` on, up to `most`, whole multiples of `align`. */
  #roomAt(block: number, most: number, align: number): number {
    const { geometry } = this.#table;
    if (most <= 0 || block >= geometry.blockCount) return 0;
    const { start, size, busy } = this.#cache.get(geometry.groupOf(block));
    const offset = block - start;
    const room = busy.nextUsed(offset, Math.min(size, offset + most)) - offset;
    return room - (room % align);
  }

  #isTaken(block: number): boolean {
    const group = this.#cache.get(this.#table.geometry.groupOf(block));
    return !group.busy.isFree(block - group.start, 1);
  }
}

/** What the windows behind the first one are to be like. */
function furtherOf({ further }: WindowWish): WindowWish {
  return { blocks: further, lead: 0, further };
}
