/**
 * Scrub: verifies everything that an open store has on the medium, while it is in use.
 *
 * A pass:
 * 1. A checkpoint, so that all that was committed before is where it can be verified; then the
 *    superblock slots and the journal.
 * 2. All trees of the newest checkpoint and all data that they speak of, by the walk of fsck, in
 *    parts. Between two parts nothing is held: the next one goes on, at the entry where the one
 *    before stopped, in what is the newest checkpoint by then.
 * 3. The same again for what moved while the pass went on: nothing that was seen is read again.
 *
 * - A checkpoint is never written over while a part of the pass reads it: no write can look like
 *   damage. Where its blocks are needed the part gives way; what it found is forgotten and it is
 *   done again.
 * - Where one of two copies of a node or bitmap is bad it is written anew from the other one, in
 *   its place, while the checkpoint is held.
 * - Memory: what one part holds (RUNS_MAX runs of data, eight pieces, a node for each level), a bit
 *   for each block that was seen (at most 64 MiB, and as much for a part), the places of up to
 *   FINDINGS_MAX findings.
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import { type Io, runAsync } from '../blockdev/io.js';
import { mediaOf } from '../blockdev/media-device.js';
import { checkOptions, hasCode, invalidArgument, type OptionNames } from '../errors.js';
import { CheckContext, type CheckCounts, newCounts } from '../fsck/context.js';
import { DeviceMap } from '../fsck/device-map.js';
import { type Finding, Findings } from '../fsck/finding.js';
import { storeVisitors, walkTrees } from '../fsck/fsck.js';
import { AHEAD_BYTES } from '../fsck/read-ahead.js';
import { checkBitmap } from '../fsck/space-check.js';
import { type Position, Trail, WalkPaused } from '../fsck/trail.js';
import type { Engine } from '../txn/engine.js';
import { type Bookmark, decodeBookmark, encodeBookmark } from './bookmark.js';
import { checkFixedPlaces } from './fixed-places.js';
import { SEEN_BLOCKS_MAX, SeenBlocks } from './seen-blocks.js';
import { type Clock, SYSTEM_CLOCK, Throttle } from './throttle.js';

/** Bytes of a part: data that lies together but is met far apart is read once if both are in it. */
const PART_BYTES = 1024 ** 3;

/** Least bytes of a part, unless one entry has less: a rate is kept by waiting between parts. */
const PART_BYTES_MIN = 256 * 1024;

/** Parts in a second where a rate is given. */
const PARTS_A_SECOND = 4;

/** Time after which a part stops: what it holds is not free meanwhile. */
const PART_MS = 2000;

/** Findings whose places are remembered so as to be reported once; as many are in the report. */
const FINDINGS_MAX = 10_000;

/** Rounds over what moved: the last one, being short, sees one checkpoint and misses nothing. */
const ROUNDS_MAX = 4;

/** How a store in use is verified. */
export interface ScrubOptions {
  /** Ends the scrub at the end of what is being read; the report then says where to go on. */
  readonly signal?: AbortSignal;
  /** Bytes to read in a second at most. */
  readonly rate?: number;
  /** Where an earlier scrub has ended, as its report or its progress said. */
  readonly from?: string;
  /** Called for each finding, in no order. */
  readonly onFinding?: (finding: Finding) => void;
  /** Called several times a second. */
  readonly onProgress?: (progress: ScrubProgress) => void;
  /** Time that the rate goes by; the system's unless given. */
  readonly clock?: Clock;
  /** Bytes after which a scrub lets go of what it holds; 1 GiB unless given. */
  readonly partBytes?: number;
}

const SCRUB_OPTIONS: OptionNames<ScrubOptions> = {
  signal: true,
  rate: true,
  from: true,
  onFinding: true,
  onProgress: true,
  clock: true,
  partBytes: true,
};

/** How far a scrub has come. */
export interface ScrubProgress extends Readonly<CheckCounts> {
  /** Bytes that this pass has read, metadata included; with those of the scrubs it goes on from. */
  readonly bytesRead: number;
  /** Bytes that it has to read, about. */
  readonly bytesTotal: number;
  /** Bytes that were read in a second. */
  readonly rate: number;
  /** About; Infinity before anything was read. */
  readonly secondsLeft: number;
  /** Where a later scrub can go on. */
  readonly position: string | undefined;
}

/** What a scrub has found, and how far it has come. */
export interface ScrubReport extends ScrubProgress {
  /** False when its signal ended it before it had been everywhere. */
  readonly isComplete: boolean;
  readonly errors: number;
  readonly warnings: number;
  /** The first FINDINGS_MAX of them. */
  readonly findings: readonly Finding[];
}

/** Verifies what the store of `engine` has on its device. @throws StoreError E_CLOSED, E_IO */
export async function scrub(engine: Engine, options: ScrubOptions = {}): Promise<ScrubReport> {
  return await new Scrub(engine, options).run();
}

/** What came of one part of a pass. */
interface Part {
  /** Where the next part goes on; undefined at the end. */
  readonly position: Position | undefined;
  readonly counted: CheckCounts;
  readonly findings: readonly Finding[];
  readonly bytes: number;
}

class Scrub {
  readonly #engine: Engine;
  readonly #options: ScrubOptions;
  readonly #medium: BlockDevice;
  readonly #clock: Clock;
  readonly #throttle: Throttle;
  /** Aborts when no part follows. */
  readonly #ends: AbortSignal;
  readonly #startMs: number;
  readonly #start: Bookmark | undefined;
  readonly #counted = newCounts();
  readonly #findings: Finding[] = [];
  readonly #known = new Set<string>();
  /** All has been walked once. */
  #isEnded = false;
  #counts = { error: 0, warning: 0, note: 0 };
  #bytes = 0;
  #position: Position = [];
  #partBytes: number;

  constructor(engine: Engine, options: ScrubOptions) {
    checkOptions(options, SCRUB_OPTIONS);
    const { rate = Number.POSITIVE_INFINITY, clock = SYSTEM_CLOCK, from } = options;
    const { partBytes = PART_BYTES, signal } = options;
    if (!(rate > 0)) throw invalidArgument(`Cannot scrub at ${rate} bytes a second`);
    if (!(partBytes > 0)) throw invalidArgument(`Cannot scrub in parts of ${partBytes} bytes`);
    this.#engine = engine;
    this.#options = options;
    this.#medium = mediaOf(engine.device);
    this.#clock = clock;
    this.#throttle = new Throttle(clock, rate);
    this.#ends = signal === undefined ? engine.ended : AbortSignal.any([signal, engine.ended]);
    this.#startMs = clock.now();
    this.#start = from === undefined ? undefined : decodeBookmark(from);
    this.#position = this.#start?.position ?? [];
    this.#partBytes = Math.min(partBytes, Math.max(PART_BYTES_MIN, rate / PARTS_A_SECOND));
  }

  async run(): Promise<ScrubReport> {
    this.#engine.check();
    if (this.#start === undefined && !this.#isAborted) await this.#begin();
    const seen = new SeenBlocks(this.#engine.superblock.epoch);
    const parts = await this.#walk(seen, 'count');
    const { position } = this.#progress();
    // A scrub that goes on from another does not know what that has seen.
    const canRepeat = this.#isEnded && this.#start === undefined && !this.#isTooLarge;
    if (canRepeat && parts > 1) await this.#repeat(seen);
    return {
      ...this.#progress(),
      position,
      isComplete: this.#isEnded,
      errors: this.#counts.error,
      warnings: this.#counts.warning,
      findings: this.#findings,
    };
  }

  /** Looks for what was moved to where the pass had been already. */
  async #repeat(seen: SeenBlocks): Promise<void> {
    let parts = 2;
    for (let round = 1; round < ROUNDS_MAX && parts > 1 && !this.#isAborted; round++) {
      this.#position = [];
      parts = await this.#walk(seen, 'repeat');
    }
  }

  get #isAborted(): boolean {
    return this.#options.signal?.aborted === true;
  }

  get #isTooLarge(): boolean {
    return this.#engine.superblock.deviceBlocks > SEEN_BLOCKS_MAX;
  }

  async #begin(): Promise<void> {
    const engine = this.#engine;
    if (!engine.readOnly) await this.#checkpoint();
    const { findings, bytes } = await checkFixedPlaces(engine, this.#medium);
    for (const finding of findings) this.#report(finding);
    this.#bytes += bytes;
    await this.#throttle.pay(bytes, this.#ends);
  }

  /** A checkpoint, unless it would need what can't be read: then the walk says what that is. */
  async #checkpoint(): Promise<void> {
    try {
      await runAsync(this.#engine.checkpointIo());
    } catch (error) {
      this.#engine.check();
      if (!hasCode(error, 'E_IO') && !hasCode(error, 'E_CORRUPT')) throw error;
    }
  }

  /** Walks all trees from the position on, part by part; gives how many parts that took. */
  async #walk(seen: SeenBlocks, mode: 'count' | 'repeat'): Promise<number> {
    let budget = this.#partBytes;
    for (let parts = 1; ; ) {
      if (this.#isAborted) return parts;
      const part = await this.#part(seen, budget);
      if (part === undefined) {
        budget = Math.max(1, budget / 2); // somebody needed the space: hold less
        continue;
      }
      const before = this.#place;
      this.#take(part, mode);
      if (part.position === undefined) return parts;
      await this.#throttle.pay(part.bytes, this.#ends);
      // Keys that don't rise can lead back to where it was: then the next part has to be larger.
      budget = this.#place === before ? budget * 2 : Math.min(this.#partBytes, budget * 2);
      parts++;
    }
  }

  /** The position as text. */
  get #place(): string {
    return encodeBookmark({ position: this.#position, bytes: 0 });
  }

  #take(part: Part, mode: 'count' | 'repeat'): void {
    this.#position = part.position ?? [];
    this.#isEnded ||= part.position === undefined;
    for (const finding of part.findings) this.#report(finding);
    this.#bytes += part.bytes;
    const { nodes, bytesVerified, copiesHealed, ...items } = part.counted;
    this.#counted.copiesHealed += copiesHealed;
    this.#counted.nodes += nodes;
    this.#counted.bytesVerified += bytesVerified;
    if (mode === 'count') {
      this.#counted.collections += items.collections;
      this.#counted.objects += items.objects;
      this.#counted.extents += items.extents;
    }
    this.#options.onProgress?.(this.#progress());
  }

  /** Verifies what comes next, up to about `budget` bytes; undefined when it had to give way. */
  async #part(seen: SeenBlocks, budget: number): Promise<Part | undefined> {
    const engine = this.#engine;
    engine.check();
    const reader = engine.beginCheck();
    const { superblock } = engine;
    const findings: Finding[] = [];
    const visited = seen.part();
    const startMs = this.#clock.now();
    const mayPause = (): boolean =>
      context.bytesRead >= budget ||
      reader.expired ||
      this.#isAborted ||
      this.#clock.now() - startMs > PART_MS;
    const context: CheckContext = new CheckContext({
      device: this.#medium,
      superblock,
      map: new DeviceMap(this.#medium, superblock),
      findings: new Findings((finding) => findings.push(finding)),
      comparators: engine.state.comparators,
      deep: true,
      progress: () => undefined,
      trail: new Trail(this.#position, mayPause),
      visited,
      aheadBytes: Math.min(AHEAD_BYTES, budget / 2),
      heal: (address, page) => engine.state.healer.healIo(address, page, () => !reader.expired),
    });
    try {
      const position = await runAsync(walkPart(context));
      if (reader.expired) return undefined;
      visited.keep();
      return { position, counted: context.counted, findings, bytes: context.bytesRead };
    } finally {
      engine.readers.end(reader);
    }
  }

  /** Hands a finding on, unless it is none or is known: one place can be met on several ways. */
  #report(finding: Finding): void {
    const { code, severity, message, offset, tree, collection, object } = finding;
    if (severity === 'note') return;
    const what = offset ?? [message, tree, collection, object].join('/');
    const key = `${code} ${what}`;
    if (this.#known.has(key)) return;
    if (this.#known.size < FINDINGS_MAX) this.#known.add(key);
    this.#counts[severity]++;
    if (this.#findings.length < FINDINGS_MAX) this.#findings.push(finding);
    this.#options.onFinding?.(finding);
  }

  #progress(): ScrubProgress {
    const { blockSize } = this.#engine.superblock;
    const before = this.#start?.bytes ?? 0;
    const bytesRead = before + this.#bytes;
    const seconds = (this.#clock.now() - this.#startMs) / 1000;
    const bytesTotal = Math.max(bytesRead, this.#engine.state.allocator.usedBlocks * blockSize);
    const rate = seconds > 0 ? this.#bytes / seconds : 0;
    const bookmark = { position: this.#position, bytes: bytesRead };
    return {
      ...this.#counted,
      bytesRead,
      bytesTotal,
      rate,
      secondsLeft: (bytesTotal - bytesRead) / rate,
      position: this.#position.length === 0 ? undefined : encodeBookmark(bookmark),
    };
  }
}

/** Walks on until the trail stops it; gives where, undefined at the end. */
function* walkPart(context: CheckContext): Io<Position | undefined> {
  const { all, groups } = storeVisitors(context);
  let position: Position | undefined;
  try {
    yield* walkTrees(context, all);
  } catch (error) {
    if (!(error instanceof WalkPaused)) throw error;
    ({ position } = error);
  }
  yield* context.flush();
  for (const [group, summary] of groups.summaries) yield* checkBitmap(context, group, summary);
  return position;
}
