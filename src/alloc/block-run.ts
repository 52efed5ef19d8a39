/**
 * Runs of blocks: what the allocator hands out and takes back.
 *
 * - `start` is a block index, `length` a count of blocks, at least 1.
 * - A run may reach over the border of an allocation group.
 */

/** The blocks [start, start + length). */
export interface BlockRun {
  readonly start: number;
  readonly length: number;
}

/** Index of the block behind the run. */
export function endOf(run: BlockRun): number {
  return run.start + run.length;
}

/** True when both have a block in common. */
export function intersects(a: BlockRun, b: BlockRun): boolean {
  return a.start < endOf(b) && b.start < endOf(a);
}

/** True when every block of `inner` is one of `outer`. */
export function contains(outer: BlockRun, inner: BlockRun): boolean {
  return outer.start <= inner.start && endOf(inner) <= endOf(outer);
}

/** True when one ends where the other begins. */
export function touches(a: BlockRun, b: BlockRun): boolean {
  return endOf(a) === b.start || endOf(b) === a.start;
}

/** The blocks that both have, or undefined when there are none. */
export function intersection(a: BlockRun, b: BlockRun): BlockRun | undefined {
  const start = Math.max(a.start, b.start);
  const end = Math.min(endOf(a), endOf(b));
  return start < end ? { start, length: end - start } : undefined;
}

/** The blocks of `from` that are not in `what`: no, one or two runs, in order. */
export function subtract(from: BlockRun, what: BlockRun): BlockRun[] {
  if (!intersects(from, what)) return [from];
  const rest: BlockRun[] = [];
  if (from.start < what.start) rest.push({ start: from.start, length: what.start - from.start });
  const end = endOf(what);
  if (end < endOf(from)) rest.push({ start: end, length: endOf(from) - end });
  return rest;
}

/** The same blocks in order, as few runs as possible; overlaps count once. */
export function mergeRuns(runs: readonly BlockRun[]): BlockRun[] {
  const merged: BlockRun[] = [];
  for (const run of [...runs].sort((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last === undefined || run.start > endOf(last)) merged.push(run);
    else if (endOf(run) > endOf(last)) {
      merged[merged.length - 1] = { start: last.start, length: endOf(run) - last.start };
    }
  }
  return merged;
}

/** Blocks of all runs together. */
export function totalLength(runs: readonly BlockRun[]): number {
  let total = 0;
  for (const run of runs) total += run.length;
  return total;
}
