/**
 * Places what is appended: behind the object's data as long as that is free, in a window that
 * others keep out of; else in a new window, as large as there is.
 *
 * - What a window has left is used up before the next is opened, so that an object has one run
 *   for each of its windows.
 * - A window that was used up goes on behind itself if that is free and nobody's window.
 */

import type { AppendWindow, AppendWindows } from './append-windows.js';
import { type BlockRun, endOf } from './block-run.js';
import type { GroupCache } from './group-cache.js';
import type { GroupTable } from './group-table.js';
import type { Placement } from './placement.js';

export interface AppendRequest {
  /** Block behind the object's data. */
  readonly hint: number;
  /** Blocks of a new window, where so much is free in a row. */
  readonly window: number;
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
      const window = this.#windows.of(tail) ?? this.#openFor(tail, rest, request);
      if (window === undefined) return;
      const run = this.#partOf(window, tail, rest, request);
      if (run === undefined) {
        if (!this.#extend(window, request)) this.#windows.close(window);
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
    const isInside = tail > window.start && tail <= window.end;
    const start = isInside ? Math.ceil(tail / align) * align : window.start;
    const length = this.#roomAt(start, Math.min(rest, window.end - start), align);
    return length > 0 ? { start, length } : undefined;
  }

  /** Makes a window longer that was used up; false when something else begins behind it. */
  #extend(window: AppendWindow, request: AppendRequest): boolean {
    if (!this.#isTaken(window.end - 1)) return false;
    const room = this.#clearRoomAt(window.end, request.window, request.align);
    window.end += room;
    return room > 0;
  }

  #openFor(tail: number, rest: number, request: AppendRequest): AppendWindow | undefined {
    const { window: wanted, align } = request;
    const { geometry, longest } = this.#table;
    const behind = Math.ceil(tail / align) * align;
    const room = this.#clearRoomAt(behind, Math.max(wanted, rest), align);
    const least = Math.min(rest, wanted);
    const most = Math.min(Math.max(wanted, rest), longest.max, geometry.groupBlocks);
    const whole = (blocks: number): number => blocks - (blocks % align);
    for (let length = whole(most); length > 2 * room && length >= least; ) {
      const start = this.#placement.findClear(length, this.#cursor, align);
      if (start >= 0 && start % align === 0) {
        this.#cursor = start + length;
        return this.#windows.open({ start, length }, tail);
      }
      length = whole(length >>> 1);
      if (length === 0) break;
    }
    return room >= least ? this.#windows.open({ start: behind, length: room }, tail) : undefined;
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
