/**
 * Comparing what the trees refer to with what the store says about its space: reference counts,
 * bitmaps and group summaries of one window of the device.
 *
 * - First the reference counts: a block whose count is explained counts as used once afterwards,
 *   so what then still has more references has them without a count.
 * - Then each group: a used block must be marked, a marked one used.
 * - Where part of the trees could not be walked, whatever has too few references may be all right:
 *   leaks are not reported then.
 */

import { GroupBitmap, hasZeroTail } from '../alloc/group-bitmap.js';
import type { Io } from '../blockdev/io.js';
import { BLOCK_HEADER, BLOCK_TYPE, blockFault } from '../format/block.js';
import type { GroupSummary } from '../format/group-summary.js';
import type { CheckContext } from './context.js';
import { type FoundPage, type NoPage, readKept } from './copies.js';
import type { DeviceMap } from './device-map.js';
import type { FindingCode } from './finding.js';
import type { PendingClaims } from './journal-check.js';
import { type ReferenceRun, ReferencesVisitor } from './service-trees.js';
import { walked, walkRoot } from './tree-walk.js';

/** Findings that may only mean that something could not be walked. */
const LEAKS: ReadonlySet<FindingCode> = new Set([
  'leaked-blocks',
  'reference-high',
  'reference-unused',
]);

const MESSAGES = {
  'reference-low': 'have more references than their count',
  'reference-high': 'have fewer references than their count',
  'reference-unused': 'have a reference count, and no reference',
  'doubly-used': 'have several references, and no reference count',
  'used-but-free': 'are in use and marked as free',
  'leaked-blocks': 'are marked as used, and have no reference',
  'claim-in-use': 'are claimed by a pending transaction, and marked as used',
} as const satisfies Partial<Record<FindingCode, string>>;

type BlockFinding = keyof typeof MESSAGES;

/** Gathers what is found block by block, in order, into findings about runs. */
class RunFindings {
  readonly #context: CheckContext;
  #code: BlockFinding | undefined;
  #start = 0;

  constructor(context: CheckContext) {
    this.#context = context;
  }

  /** What is found at `block`, the one behind the block of the call before. */
  at(block: number, code: BlockFinding | undefined): void {
    if (code === this.#code) return;
    this.end(block);
    this.#code = code;
    this.#start = block;
  }

  /** The block behind the last one. */
  end(block: number): void {
    const code = this.#code;
    this.#code = undefined;
    const { findings, map, isIncomplete } = this.#context;
    if (code === undefined || (isIncomplete && LEAKS.has(code))) return;
    const run = map.run(this.#start, block - this.#start);
    const what = `Blocks ${this.#start}+${block - this.#start}`;
    findings.add(code, `${what} ${MESSAGES[code]}`, run);
  }
}

/** Checks the window of a pass that has walked all trees. */
export function* checkSpace(
  context: CheckContext,
  summaries: ReadonlyMap<number, GroupSummary>,
  claims: PendingClaims,
): Io<void> {
  yield* settleReferences(context);
  const { groups } = context.map;
  const { start, end } = context.blocks;
  for (let group = groups.groupOf(start); groups.startOf(group) < end; group++) {
    yield* checkGroup(context, group, summaries.get(group), claims);
    context.report();
    yield { kind: 'pause' };
  }
}

/** Compares the counted references with the tree of reference counts. */
function* settleReferences(context: CheckContext): Io<void> {
  const quiet = context.quiet();
  const visitor = new ReferencesVisitor(quiet, (run) => settleRun(context, run));
  const { roots, epoch } = context.superblock;
  yield* walked(walkRoot(quiet, visitor, roots.references, epoch));
}

function settleRun(context: CheckContext, run: ReferenceRun): void {
  const { blocks } = context;
  const found = new RunFindings(context);
  const start = Math.max(blocks.start, run.start);
  const end = Math.min(blocks.end, run.start + run.length);
  for (let block = start; block < end; block++) {
    found.at(block, referenceFinding(blocks.get(block), run.count));
    blocks.settle(block);
  }
  if (start < end) found.end(end);
}

function referenceFinding(found: number, stated: number): BlockFinding | undefined {
  if (found === stated) return undefined;
  if (found > stated) return 'reference-low';
  return found === 0 ? 'reference-unused' : 'reference-high';
}

/** Reads the bitmap of a group and compares it with its summary. */
export function* checkBitmap(
  context: CheckContext,
  group: number,
  summary: GroupSummary,
): Io<void> {
  const bits = yield* readBitmap(context, group, summary);
  if (bits !== undefined) checkSummary(context, group, summary, bits);
}

function* checkGroup(
  context: CheckContext,
  group: number,
  summary: GroupSummary | undefined,
  claims: PendingClaims,
): Io<void> {
  const { groups, blocks } = context.map;
  const start = groups.startOf(group);
  const size = Math.min(groups.sizeOf(group), blocks - start);
  const bits = summary === undefined ? undefined : yield* readBitmap(context, group, summary);
  const found = new RunFindings(context);
  for (let i = 0; i < size; i++) {
    found.at(start + i, context.blocks.get(start + i) > 1 ? 'doubly-used' : undefined);
  }
  found.end(start + size);
  if (bits === undefined && summary !== undefined) return;
  const marked = bits ?? fixedBits(context, start, size);
  for (let i = 0; i < size; i++) {
    const isMarked = ((marked[i >>> 3] as number) & (1 << (i & 7))) !== 0;
    const isUsed = context.blocks.get(start + i) > 0;
    if (isMarked === isUsed) found.at(start + i, undefined);
    else if (isUsed) found.at(start + i, 'used-but-free');
    else found.at(start + i, claims.has(start + i) ? undefined : 'leaked-blocks');
  }
  found.end(start + size);
  checkClaims(context, claims, start, size, marked);
  if (summary !== undefined) checkSummary(context, group, summary, marked);
}

/** The block of a written bitmap, from either of its places. Looks at both copies. */
export function* findBitmap(map: DeviceMap, summary: GroupSummary): Io<FoundPage | NoPage> {
  const { address, birth, low, high } = summary;
  const identity = { type: BLOCK_TYPE.bitmap, level: 0, role: 0, address, birth } as const;
  const fault = (page: Uint8Array) => blockFault(page, identity, low, high);
  return yield* readKept(map, { ...summary, blocks: 1, fault }, true);
}

/** The bits of a written bitmap; undefined when they can't be trusted. */
export function* readBitmap(
  context: CheckContext,
  group: number,
  summary: GroupSummary,
): Io<Uint8Array | undefined> {
  const { map, findings } = context;
  const { address, low, high } = summary;
  const where = { tree: 'groups', ...map.run(address, 1) };
  const found = yield* findBitmap(map, summary);
  if ('reason' in found) {
    const { isUnreadable, reason } = found;
    if (isUnreadable)
      findings.add('unreadable', `Cannot read bitmap of group ${group}: ${reason}`, where);
    else findings.add('bitmap-damaged', `Bitmap of group ${group}: ${reason}`, where);
    return undefined;
  }
  const { page, bad } = found;
  if (bad !== undefined) {
    yield* context.badCopy(bad, page, `bitmap of group ${group}`, { tree: 'groups' });
  }
  context.checkCopy(page, low, high, where);
  const bits = page.subarray(BLOCK_HEADER.size);
  const size = map.groups.sizeOf(group);
  if (!hasZeroTail(bits, size)) {
    const message = `Bitmap of group ${group}: bits behind its ${size} blocks are set`;
    findings.add('bitmap-damaged', message, where);
  }
  return bits;
}

/** The bits of a group without a bitmap: all free but the fixed places. */
export function fixedBits(context: CheckContext, start: number, size: number): Uint8Array {
  const bits = new Uint8Array(Math.ceil(size / 8));
  for (const run of context.map.fixed.within(start, size)) {
    for (let i = run.start - start; i < run.start - start + run.length; i++) {
      bits[i >>> 3] = (bits[i >>> 3] as number) | (1 << (i & 7));
    }
  }
  return bits;
}

/** What pending transactions claim must be free in the state before them. */
function checkClaims(
  context: CheckContext,
  claims: PendingClaims,
  start: number,
  size: number,
  marked: Uint8Array,
): void {
  for (const run of claims.within(start, size)) {
    const found = new RunFindings(context);
    for (let block = run.start; block < run.start + run.length; block++) {
      const i = block - start;
      const isMarked = ((marked[i >>> 3] as number) & (1 << (i & 7))) !== 0;
      found.at(block, isMarked ? 'claim-in-use' : undefined);
    }
    found.end(run.start + run.length);
  }
}

function checkSummary(
  context: CheckContext,
  group: number,
  summary: GroupSummary,
  marked: Uint8Array,
): void {
  const { map, findings } = context;
  const bitmap = GroupBitmap.fromBytes(marked, map.groups.sizeOf(group));
  const where = { tree: 'groups', ...map.run(summary.address, 1) };
  if (summary.free !== bitmap.free) {
    const message = `Group ${group} has ${bitmap.free} free blocks, its summary says ${summary.free}`;
    findings.add('group-free', message, where);
  }
  const longest = bitmap.longestFree();
  if (summary.longest !== longest) {
    const message = `Group ${group} has ${longest} free blocks in a row, its summary says ${summary.longest}`;
    findings.add('group-longest', message, where);
  }
}
