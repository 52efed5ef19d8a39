/**
 * What all parts of one check share: where to read, what to count, where findings go.
 *
 * - A check makes one pass over all trees for each window of the device. The first reports and
 *   does everything; the others only count references to the blocks of their window.
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import type { ComparatorRegistry } from '../btree/comparator.js';
import { BLOCK_HEADER } from '../format/block.js';
import { getU32 } from '../format/bytes.js';
import type { Superblock } from '../format/superblock.js';
import { BlockCounts } from './block-counts.js';
import type { DeviceMap } from './device-map.js';
import { Findings, type Where } from './finding.js';
import { NumberSet } from './number-set.js';

/** What was looked at. */
export interface CheckCounts {
  /** Nodes with blocks of their own; a shared one counts once. */
  nodes: number;
  collections: number;
  /** Onodes that were checked: one that clones of a collection share counts once. */
  objects: number;
  /** Extent entries. */
  extents: number;
  /** Bytes of data whose checksums were verified. */
  bytesVerified: number;
}

/** How far a check has come. */
export interface FsckProgress extends Readonly<CheckCounts> {
  readonly phase: 'superblock' | 'journal' | 'trees' | 'space';
  /** From 1 to `passes`. */
  readonly pass: number;
  readonly passes: number;
}

/** Nodes between two reports of progress, at which the event loop has its turn too. */
const NODES_A_TURN = 256;

/** A pass that is not the first. */
const QUIET_PASS = 2;

/** Messages that are remembered so as not to be said twice. */
const SAID_MAX = 1000;

export interface ContextOptions {
  readonly device: BlockDevice;
  readonly superblock: Superblock;
  readonly map: DeviceMap;
  readonly findings: Findings;
  readonly comparators: ComparatorRegistry;
  readonly deep: boolean;
  /** Called now and then with how far the check has come. */
  readonly progress: (counts: Readonly<CheckCounts>, pass: number) => void;
}

export class CheckContext {
  readonly device: BlockDevice;
  readonly superblock: Superblock;
  readonly map: DeviceMap;
  readonly findings: Findings;
  readonly comparators: ComparatorRegistry;
  readonly counted: CheckCounts = {
    nodes: 0,
    collections: 0,
    objects: 0,
    extents: 0,
    bytesVerified: 0,
  };
  /** References to the blocks of the window of this pass. */
  blocks = new BlockCounts(0, 0);
  /** Some tree could not be walked to its end: what is below it is not counted. */
  isIncomplete = false;
  /** From 1; 0 before the first. */
  pass = 0;
  readonly #deep: boolean;
  readonly #progress: ContextOptions['progress'];
  readonly #said = new Set<string>();
  #visited = new NumberSet();
  #nodesThisTurn = 0;

  constructor(options: ContextOptions) {
    this.device = options.device;
    this.superblock = options.superblock;
    this.map = options.map;
    this.findings = options.findings;
    this.comparators = options.comparators;
    this.#deep = options.deep;
    this.#progress = options.progress;
  }

  /** False in a pass that only counts references. */
  get isReporting(): boolean {
    return this.pass <= 1;
  }

  /** Data is to be read and verified. */
  get isVerifying(): boolean {
    return this.#deep && this.isReporting;
  }

  /** Begins a pass over all trees that counts references to the blocks in [start, end). */
  beginPass(start: number, end: number): void {
    this.pass++;
    this.findings.muted = !this.isReporting;
    this.blocks = new BlockCounts(start, end);
    this.#visited = new NumberSet();
    for (const run of this.map.fixed.within(0, this.map.blocks)) {
      this.blocks.add(run.start, run.length);
    }
  }

  /** Ends the walk of a pass: what comes next reports in every pass. */
  endWalk(): void {
    this.findings.muted = false;
  }

  /** A context to walk a tree again without counting or reporting anything. */
  quiet(): CheckContext {
    const findings = new Findings(() => undefined);
    const { device, superblock, map, comparators } = this;
    const progress = (): void => undefined;
    const quiet = new CheckContext({
      device,
      superblock,
      map,
      findings,
      comparators,
      deep: false,
      progress,
    });
    quiet.pass = QUIET_PASS;
    return quiet;
  }

  /** Counts something of a kind, once, however many passes there are. */
  count(what: keyof CheckCounts, amount = 1): void {
    if (this.isReporting) this.counted[what] += amount;
  }

  /**
   * One more reference to a run. False when it can't be there: that is reported.
   * `what` names it in the message.
   */
  refer(start: number, length: number, what: string, where: Where): boolean {
    const fault = this.map.placeFault(start, length);
    if (fault === undefined) {
      this.blocks.add(start, length);
      return true;
    }
    const at = `${what} at blocks ${start}+${length}`;
    const message =
      fault === 'outside-device'
        ? `${at} is outside of the ${this.map.blocks} blocks of the store`
        : `${at} lies in a superblock slot or the journal`;
    this.findings.add(fault, message, { ...where, ...this.map.run(start, length) });
    return false;
  }

  /** Compares the copy of its checksum in a sound block's header with the one that counts. */
  checkCopy(page: Uint8Array, low: number, high: number, where: Where): void {
    const own = BLOCK_HEADER.checksum;
    if (getU32(page, own) === low && getU32(page, own + 4) === high) return;
    this.findings.add('block-copy', "Checksum in the block's header is another one", where);
  }

  /** Notes a visit to the node at this block; false when it was visited before. */
  visit(address: number): boolean {
    return this.#visited.add(address);
  }

  /** True when `message` was not said before: what thousands of trees share is said once. */
  isNews(message: string): boolean {
    if (this.#said.has(message)) return false;
    if (this.#said.size < SAID_MAX) this.#said.add(message);
    return true;
  }

  /** A node was visited for the first time. */
  *turn(): Io<void> {
    this.count('nodes');
    if (++this.#nodesThisTurn < NODES_A_TURN) return;
    this.#nodesThisTurn = 0;
    this.report();
    yield { kind: 'pause' };
  }

  report(): void {
    this.#progress(this.counted, this.pass);
  }
}
