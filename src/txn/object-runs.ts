/**
 * The runs of blocks that a part of an object lies in, and groups of those that are short.
 */

import type { PlacedEntry } from '../onode/blob-stream.js';
import { ENTRY_KIND } from '../onode/extent-entry.js';

/** Bytes [from, to) of an object in one run; small pieces that lie in leaves may be among them. */
export interface ObjectRun {
  readonly from: number;
  to: number;
  readonly address: number; // block index
  blocks: number;
  /** There is no hole between it and the run in front of it. */
  readonly follows: boolean;
}

/** Short runs in a row. */
export interface RunGroup {
  readonly runs: readonly ObjectRun[];
  /** The long run behind them; undefined where they come to the end of a span, or of the object. */
  readonly next: ObjectRun | undefined;
  /** Nothing is known of what comes behind them. */
  readonly isLast: boolean;
}

/** The runs of entries that follow each other. */
export function objectRuns(entries: Iterable<PlacedEntry>): ObjectRun[] {
  const runs: ObjectRun[] = [];
  let follows = false;
  for (const { offset, entry } of entries) {
    const last = runs.at(-1);
    if (entry.kind === ENTRY_KIND.hole) follows = false;
    else if (entry.kind === ENTRY_KIND.inline) {
      if (follows && last !== undefined) last.to += entry.length;
    } else {
      const { address, blocks, length } = entry;
      if (follows && last !== undefined && last.address + last.blocks === address) {
        last.to = offset + length;
        last.blocks += blocks;
      } else runs.push({ from: offset, to: offset + length, address, blocks, follows });
      follows = true;
    }
  }
  return runs;
}

/** Groups of runs shorter than `long` bytes, each ended where a span of the object is. */
export function* shortGroups(
  runs: readonly ObjectRun[],
  span: number,
  long: number,
): Generator<RunGroup> {
  let group: ObjectRun[] = [];
  for (const run of runs) {
    if (!run.follows) group = [];
    if (run.to - run.from >= long) {
      if (group.length > 0) yield { runs: group, next: run, isLast: false };
      group = [];
      continue;
    }
    group.push(run);
    const [first = run] = group;
    if (Math.floor(first.from / span) === Math.floor(run.to / span)) continue;
    yield { runs: group, next: undefined, isLast: false };
    group = [];
  }
  if (group.length > 0) yield { runs: group, next: undefined, isLast: true };
}
