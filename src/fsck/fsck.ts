/**
 * The offline check: reads a store and reports what is wrong with it. Writes nothing.
 *
 * 1. Superblock slots; then the journal, whose transactions are counted, not applied: what is
 *    checked is the newest superblock's state, the last checkpoint.
 * 2. Every tree from the superblock's roots down; every reference to a block is counted. A node
 *    that clones share is walked once.
 * 3. Reference counts, bitmaps and group summaries against what was counted.
 *
 * - Memory: a byte for each block of a window of WINDOW_BLOCKS (64 MiB for 256 GiB in blocks of
 *   4 KiB), a bit for each block where nodes are (two, where metadata is kept twice), a bit for each
 *   object id of one collection (at most 16 MiB), the summaries of the window's groups, the runs
 *   that pending journal records name, a page for each level of the walk. A larger store is walked
 *   once for each window; only the first walk checks, the others count.
 * - Nothing on the device makes it throw or run for ever: pointers are checked before they are
 *   followed, levels fall, nothing is entered twice. It throws what is not the store's fault
 *   (E_CLOSED, a callback's error).
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import type { ComparatorRegistry } from '../btree/comparator.js';
import { ROLE } from '../format/role.js';
import { CheckContext, type CheckCounts, type FsckProgress } from './context.js';
import { type Finding, Findings, type Severity } from './finding.js';
import { checkJournal, type PendingClaims } from './journal-check.js';
import { CollectionsVisitor } from './object-trees.js';
import {
  DropsVisitor,
  GroupsVisitor,
  ReferencesVisitor,
  ReservationsVisitor,
  UnknownVisitor,
} from './service-trees.js';
import { checkSpace } from './space-check.js';
import { checkSuperblocks } from './superblock-check.js';
import { type TreeVisitor, walked, walkRoot } from './tree-walk.js';

/** Blocks whose references are counted in one walk. */
export const WINDOW_BLOCKS = 64 * 1024 * 1024;

export interface FsckOptions {
  /** Read all data and verify its checksums. */
  readonly deep?: boolean;
  /** The journal's device, where it has one of its own. */
  readonly journalDevice?: BlockDevice | undefined;
  /** Orders of map streams; the keys of trees ordered otherwise are not compared. */
  readonly comparators: ComparatorRegistry;
  /** Called for each finding, as soon as it is made. */
  readonly onFinding: (finding: Finding) => void;
  /** Called now and then. */
  readonly onProgress?: (progress: FsckProgress) => void;
  /** WINDOW_BLOCKS unless given; rounded up to whole allocation groups. */
  readonly windowBlocks?: number;
}

/** What was looked at, and how many findings there were of each severity. */
export interface FsckReport extends Readonly<CheckCounts> {
  readonly findings: Readonly<Record<Severity, number>>;
  /** Bytes that were read: of the journal, nodes and data, in all passes. */
  readonly bytesRead: number;
  /** Transactions that the journal holds beyond the state that was checked. */
  readonly pendingTransactions: number;
  /** Part of the trees could not be walked. */
  readonly isIncomplete: boolean;
}

/** Checks the store on `device`, which nobody may have open for writing. */
export function* fsck(device: BlockDevice, options: FsckOptions): Io<FsckReport> {
  const findings = new Findings(options.onFinding);
  const anchor = yield* checkSuperblocks(device, findings);
  if (anchor === undefined) return { ...NOTHING, findings: findings.counts };
  const { superblock, map } = anchor;
  const { groupBlocks } = map.groups;
  const { windowBlocks = WINDOW_BLOCKS } = options;
  const windowGroups = Math.ceil(windowBlocks / groupBlocks);
  const passes = Math.ceil(map.blocks / (windowGroups * groupBlocks));
  let phase: FsckProgress['phase'] = 'journal';
  const context = new CheckContext({
    device,
    journalDevice: options.journalDevice,
    superblock,
    map,
    findings,
    comparators: options.comparators,
    deep: options.deep ?? false,
    progress: (counts, pass) => options.onProgress?.({ ...counts, phase, pass, passes }),
  });
  const claims = yield* checkJournal(context);
  yield* checkTrees(context, claims, windowBlocks, (part) => {
    phase = part;
  });
  return reportOf(context, claims);
}

/** Walks all trees and compares space with them, once for each window of the device. */
export function* checkTrees(
  context: CheckContext,
  claims: PendingClaims,
  windowBlocks: number,
  onPhase: (phase: 'trees' | 'space') => void,
): Io<void> {
  const { groups: geometry, blocks } = context.map;
  const windowGroups = Math.ceil(windowBlocks / geometry.groupBlocks);
  for (let group = 0; geometry.startOf(group) < blocks; group += windowGroups) {
    onPhase('trees');
    const end = Math.min(blocks, geometry.startOf(group + windowGroups));
    context.beginPass(geometry.startOf(group), end);
    context.report();
    const { collections, groups } = yield* walkAll(context);
    checkTotals(context, collections);
    if (context.isIncomplete) context.findings.add('space-unknown', UNKNOWN);
    onPhase('space');
    context.endWalk();
    yield* checkSpace(context, groups.summaries, claims);
  }
}

const NOTHING = {
  nodes: 0,
  collections: 0,
  objects: 0,
  extents: 0,
  bytesVerified: 0,
  copiesHealed: 0,
  bytesRead: 0,
  pendingTransactions: 0,
  isIncomplete: true,
} as const;

function reportOf(context: CheckContext, claims: PendingClaims): FsckReport {
  return {
    ...context.counted,
    findings: context.findings.counts,
    bytesRead: context.bytesRead,
    pendingTransactions: claims.transactions,
    isIncomplete: context.isIncomplete,
  };
}

const UNKNOWN = 'Part of the trees cannot be walked: leaks are not known';

/** Visitors of every tree of the superblock. */
export interface StoreVisitors {
  readonly collections: CollectionsVisitor;
  readonly groups: GroupsVisitor;
  /** All of them, in the order of the walk. */
  readonly all: readonly TreeVisitor[];
}

export function storeVisitors(context: CheckContext): StoreVisitors {
  const collections = new CollectionsVisitor(context);
  const groups = new GroupsVisitor(context);
  const all: readonly TreeVisitor[] = [
    collections,
    new DropsVisitor(context),
    new ReservationsVisitor(context),
    new UnknownVisitor(context, ROLE.runs),
    new ReferencesVisitor(context, () => undefined),
    groups,
  ];
  return { collections, groups, all };
}

/** Walks trees of the superblock. Data that is to be verified waits until it is flushed. */
export function* walkTrees(context: CheckContext, visitors: readonly TreeVisitor[]): Io<void> {
  for (const visitor of visitors) yield* walkOne(context, visitor);
}

/**
 * Walks every tree of the superblock; gives what was added up. The drop list comes behind the
 * collections: what a live tree shares with it is checked as part of the live tree.
 */
export function* walkAll(context: CheckContext): Io<StoreVisitors> {
  const visitors = storeVisitors(context);
  yield* walkTrees(context, visitors.all);
  yield* context.flush();
  return visitors;
}

const ROOTS = {
  [ROLE.collections]: 'collections',
  [ROLE.drops]: 'drops',
  [ROLE.reservations]: 'reservations',
  [ROLE.runs]: 'runs',
  [ROLE.references]: 'references',
  [ROLE.groups]: 'groups',
} as const;

function* walkOne(context: CheckContext, visitor: TreeVisitor): Io<void> {
  const { roots, epoch } = context.superblock;
  const name = ROOTS[visitor.role as keyof typeof ROOTS];
  const root = roots[name];
  if (visitor instanceof UnknownVisitor) {
    if (root.length === 0) return;
    context.findings.add('unknown-tree', `The superblock has a tree of ${name}`, { tree: name });
  }
  yield* walked(walkRoot(context, visitor, root, epoch));
}

/** Compares the superblock's totals with those of the collections. */
function checkTotals(context: CheckContext, found: CollectionsVisitor): void {
  if (found.isIncomplete) return;
  const { objects, storedBytes } = context.superblock;
  if (objects !== found.objects) {
    const message = `The superblock counts ${objects} objects, the collections hold ${found.objects}`;
    context.findings.add('superblock-objects', message);
  }
  if (storedBytes !== found.bytes) {
    const message = `The superblock counts ${storedBytes} bytes, the objects have ${found.bytes}`;
    context.findings.add('superblock-bytes', message);
  }
}
