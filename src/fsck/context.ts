/**
 * What all parts of one check share: where to read, what to count, where findings go.
 *
 * - A check makes one pass over all trees for each window of the device. The first reports and
 *   does everything; the others only count references to the blocks of their window.
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import type { ComparatorRegistry } from '../btree/comparator.js';
import type { Node } from '../btree/node.js';
import { encodedEmptyRoot } from '../btree/root-record.js';
import { hasOwnChecksum } from '../format/block.js';
import type { Superblock } from '../format/superblock.js';
import type { ExtentEntry } from '../onode/extent-entry.js';
import { BlockCounts } from './block-counts.js';
import { type BadPlace, copyFault, knownBy, lostPlace, type Places } from './copies.js';
import { DataCheck } from './data-check.js';
import type { DeviceMap, MisplacedCode } from './device-map.js';
import { type FindingCode, Findings, type Place, type Where } from './finding.js';
import { NumberSet } from './number-set.js';
import { AHEAD_BYTES } from './read-ahead.js';
import type { StoredPointer } from './stored-node.js';
import type { Trail } from './trail.js';

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
  /** Copies of nodes and bitmaps that were bad, and were written anew. */
  copiesHealed: number;
}

/** How far a check has come. */
export interface FsckProgress extends Readonly<CheckCounts> {
  readonly phase: 'superblock' | 'journal' | 'trees' | 'space';
  /** From 1 to `passes`. */
  readonly pass: number;
  readonly passes: number;
}

/** Nodes between two reports of progress, at which the event loop has its turn too. */
const NODES_A_TURN = 16;

/** A pass that is not the first. */
const QUIET_PASS = 2;

/** What is said of a block whose header has not the checksum of its pointer. */
export const OTHER_CHECKSUM = "Checksum in the block's header is another one";

/** Messages that are remembered so as not to be said twice. */
const SAID_MAX = 1000;

export interface ContextOptions {
  readonly device: BlockDevice;
  /** The journal's, where it has one of its own. */
  readonly journalDevice?: BlockDevice | undefined;
  readonly superblock: Superblock;
  readonly map: DeviceMap;
  readonly findings: Findings;
  readonly comparators: ComparatorRegistry;
  readonly deep: boolean;
  /** Called now and then with how far the check has come. */
  readonly progress: (counts: Readonly<CheckCounts>, pass: number) => void;
  /** Where the walk is, for one that may stop and go on. */
  readonly trail?: Trail;
  /** What was walked before and is not walked again. */
  readonly visited?: Visited;
  /** Bytes of children that are read before they are asked for; AHEAD_BYTES unless given. */
  readonly aheadBytes?: number;
  /** Writes what belongs at a block there again; false when it may not or can't. */
  readonly heal?: ((address: number, page: Uint8Array) => Io<boolean>) | undefined;
}

/** A node or a chunk of data on the device. */
export interface StoredRun {
  readonly address: number; // block index
  readonly birth: number; // epoch
}

/** What a walk remembers so as to do it once, however many clones share it. */
export interface Visited {
  /** False when a node was visited before: what is below it is not walked again. */
  isNew(node: StoredRun): boolean;
  /** All that is below a node was walked. */
  walked?(node: StoredRun): void;
  /** False when a chunk, by its first block and the epoch of its entry, need not be read again. */
  isNewChunk?(address: number, birth: number): boolean;
}

/** True when the tree of this root says of some block that it is shared. */
function holdsReferences(root: Uint8Array): boolean {
  return root.length > 0 && !encodedEmptyRoot(root);
}

/** Nothing was looked at yet. */
export function newCounts(): CheckCounts {
  return { nodes: 0, collections: 0, objects: 0, extents: 0, bytesVerified: 0, copiesHealed: 0 };
}

/** Every node once; every extent as often as it is met. */
class VisitedNodes implements Visited {
  readonly #nodes = new NumberSet();

  isNew({ address }: StoredRun): boolean {
    return this.#nodes.add(address);
  }
}

export class CheckContext {
  readonly device: BlockDevice;
  readonly journalDevice: BlockDevice | undefined;
  readonly superblock: Superblock;
  readonly map: DeviceMap;
  readonly findings: Findings;
  readonly comparators: ComparatorRegistry;
  readonly counted: CheckCounts;
  readonly trail: Trail | undefined;
  /** Bytes of children that are read before they are asked for. */
  readonly aheadBytes: number;
  /** References to the blocks of the window of this pass. */
  blocks = new BlockCounts(0, 0);
  /** Some tree could not be walked to its end: what is below it is not counted. */
  isIncomplete = false;
  /** Why the first subtree that can't be walked can't be, reported or not. */
  loss: { readonly code: FindingCode; readonly message: string } | undefined;
  /** From 1; 0 before the first. */
  pass = 0;
  readonly #deep: boolean;
  readonly #progress: ContextOptions['progress'];
  readonly #said = new Set<string>();
  readonly #data: DataCheck;
  /** Bytes that were read, or are to be read, since the context was made. */
  bytesRead = 0;
  /** What this pass has walked. */
  visited: Visited;
  /** First blocks of what has had its second copy counted in this pass. */
  #doubled = new NumberSet();
  /** Told of every run in its place that something refers to. */
  onRefer: ((start: number, length: number) => void) | undefined;
  /** Nodes of embedded roots that were walked, for those that come next. */
  readonly spareNodes: Node[] = [];
  #nodesThisTurn = 0;
  readonly #heal: ContextOptions['heal'];

  constructor(options: ContextOptions) {
    this.device = options.device;
    this.journalDevice = options.journalDevice;
    this.superblock = options.superblock;
    this.map = options.map;
    this.findings = options.findings;
    this.comparators = options.comparators;
    this.#deep = options.deep;
    this.#progress = options.progress;
    this.counted = newCounts();
    this.trail = options.trail;
    this.#heal = options.heal;
    this.aheadBytes = options.aheadBytes ?? AHEAD_BYTES;
    this.findings.muted = this.isResuming;
    this.visited = options.visited ?? new VisitedNodes();
    const { device, map, findings } = options;
    const verified = (bytes: number): void => this.count('bytesVerified', bytes);
    const { references } = options.superblock.roots;
    const isShared = options.visited === undefined && holdsReferences(references);
    this.#data = new DataCheck({ device, map, findings, isShared, verified });
  }

  /** On the way back to where an earlier walk has stopped: all of this was reported then. */
  get isResuming(): boolean {
    return this.trail?.isResuming ?? false;
  }

  /** What is met from here on is new. */
  leaveTrail(): void {
    if (!this.isResuming) return;
    this.trail?.leave();
    this.findings.muted = false;
  }

  /** The walk comes to a tree; false when all of it was walked before it was stopped. */
  enter(role: number): boolean {
    return this.#followTrail((trail) => trail.enter(role)) ?? true;
  }

  /** The walk comes to an entry of a leaf. @throws WalkPaused where it is to stop */
  at(node: Node, index: number): void {
    this.#followTrail((trail) => trail.at(node, index));
  }

  #followTrail<T>(step: (trail: Trail) => T): T | undefined {
    if (this.trail === undefined) return undefined;
    const { isResuming } = this;
    const result = step(this.trail);
    if (isResuming && !this.isResuming) this.findings.muted = false;
    return result;
  }

  /** False in a pass that only counts references. */
  get isReporting(): boolean {
    return this.pass <= 1 && !this.isResuming;
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
    this.visited = new VisitedNodes();
    this.#doubled = new NumberSet();
    for (const run of this.map.fixed.within(0, this.map.blocks)) {
      this.blocks.add(run.start, run.length);
    }
  }

  /** Ends the walk of a pass: what comes next reports in every pass. */
  endWalk(): void {
    this.findings.muted = false;
  }

  /** A context to walk trees, of `superblock` if given, without counting or reporting anything. */
  quiet(superblock = this.superblock): CheckContext {
    const findings = new Findings(() => undefined);
    const { device, map, comparators } = this;
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

  /** One more reference to a run; says why it can't be there. */
  refer(start: number, length: number): MisplacedCode | undefined {
    const fault = this.map.placeFault(start, length);
    if (fault !== undefined) return fault;
    this.blocks.add(start, length);
    this.onRefer?.(start, length);
    return undefined;
  }

  /** Reports a run that can't be where it is. `what` names it in the message. */
  addMisplaced(
    fault: MisplacedCode,
    start: number,
    length: number,
    what: string,
    where: Where,
  ): void {
    const at = `${what} at blocks ${start}+${length}`;
    const message =
      fault === 'outside-device'
        ? `${at} is outside of the ${this.map.blocks} blocks of the store`
        : `${at} lies in a superblock slot or the journal`;
    this.findings.add(fault, message, { ...where, ...this.map.run(start, length) });
  }

  /**
   * One more reference to a node or bitmap; says why neither of its places can be one. The second copy
   * counts once, however many pointers name the first. Where it can't be is reported; of a first one
   * that can't be, whoever reads it says so.
   */
  referKept(places: Places, what: string, where: Where): MisplacedCode | undefined {
    const { map } = this;
    const lost = lostPlace(map, places);
    if (lost !== undefined) return lost;
    this.refer(places.address, places.blocks);
    const fault = copyFault(map, places);
    if (fault !== undefined) {
      const message = `Second copy of ${what} can't be: ${fault}`;
      this.findings.add('copy-place', message, {
        ...where,
        ...map.run(places.address, places.blocks),
      });
    } else if (places.copy !== 0 && this.#doubled.add(knownBy(map, places))) {
      this.blocks.add(places.copy, places.blocks);
    }
    return undefined;
  }

  /** Reports that one of two copies is bad, and has it healed where that may be. */
  *badCopy(bad: BadPlace, page: Uint8Array, what: string, where: Where): Io<void> {
    const isHealed = this.#heal !== undefined && (yield* this.#heal(bad.address, page));
    if (isHealed) this.count('copiesHealed');
    const outcome = isHealed ? 'it was written anew from the other one' : 'the other one is sound';
    this.findings.add(
      'copy-damaged',
      `The ${bad.which} copy of ${what}: ${bad.reason}; ${outcome}`,
      {
        ...where,
        offset: this.map.offsetOf(bad.address),
        length: page.length,
      },
    );
  }

  /** Whether references to the block are counted in this pass, or in no pass at all. */
  isInWindow(block: number): boolean {
    return this.pass === 0 || (block >= this.blocks.start && block < this.blocks.end);
  }

  /** Has the data of an extent at byte `offset` of an object read and compared, in time. */
  verify(extent: ExtentEntry, offset: number, place: Place): void {
    this.bytesRead += this.#data.add(extent, offset, place, this.visited);
  }

  /** Data is waiting that should be read before there is more of it. */
  get isDataDue(): boolean {
    return this.#data.isDue;
  }

  readData(): Io<void> {
    return this.#data.read();
  }

  /** Ends what is being read ahead; reads and compares the data that is still waiting for it. */
  *flush(): Io<void> {
    yield* this.map.ahead.end();
    yield* this.#data.flush();
  }

  /** Compares the copy of its checksum in a sound block's header with the one that counts. */
  checkCopy(page: Uint8Array, low: number, high: number, where: Where): void {
    if (hasOwnChecksum(page, low, high)) return;
    this.findings.add('block-copy', OTHER_CHECKSUM, where);
  }

  /** True when `message` was not said before: what thousands of trees share is said once. */
  isNews(message: string): boolean {
    if (this.#said.has(message)) return false;
    if (this.#said.size < SAID_MAX) this.#said.add(message);
    return true;
  }

  /** A node was visited for the first time. */
  *turn(node: StoredPointer): Io<void> {
    this.count('nodes');
    this.bytesRead += node.blocks * (node.copy === 0 ? 1 : 2) * this.map.blockSize;
    if (++this.#nodesThisTurn < NODES_A_TURN) return;
    this.#nodesThisTurn = 0;
    this.report();
    yield { kind: 'pause' };
  }

  report(): void {
    this.#progress(this.counted, this.pass);
  }
}
