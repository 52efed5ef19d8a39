/**
 * Mending a blob stream: the entries that can be told stay, what is lost between them becomes a
 * damaged range.
 *
 * - A damaged range is made of extents whose blocks are there and whose checksum no data has: it
 *   reads as E_CORRUPT like any other damage, clones inherit it, writing over it heals it. Zeros
 *   would be a lie.
 * - Entries that overlap: what comes first in the stream stays, the rest of the other one too.
 * - Of an extent that leads over the end of the device the chunks before it stay.
 * - An extent with another number of blocks than its chunks need gets the right one: its
 *   checksums say whether these are its blocks.
 * - Where the end of the stream is known, the size follows it; where it is lost, the size stays.
 */

import type { Io } from '../blockdev/io.js';
import type { Node } from '../btree/node.js';
import { emptyRoot } from '../btree/root-record.js';
import { Tree } from '../btree/tree.js';
import { getU64BigEndian } from '../format/bytes.js';
import {
  type BlobEntry,
  blobKey,
  decodeEntry,
  ENTRY_KIND,
  type ExtentEntry,
  encodeEntry,
  extentFault,
  sliceEntry,
} from '../onode/extent-entry.js';
import { BLOB_SPEC } from '../onode/tree-specs.js';
import { readBlobEntry, shapeOf } from './blob-tree.js';
import { decoded } from './finding.js';
import type { RepairContext } from './repair-context.js';
import { type Mended, type Mender, mendTree, type StoredRecord } from './tree-repair.js';
import { edgeLeaf } from './tree-walk.js';

/** Bits of a damaged entry's one chunk: 1 MiB. */
const DAMAGE_SHIFT = 20;

/** Longest gap that is filled; a stream with a longer one ends there. */
const GAP_MAX = 2 ** 36;

/** The checksum of a damaged chunk: that of no data that anybody will meet. */
const NO_CHECKSUM = new Uint8Array(8).fill(0xff);

/** What a stream is after mending: its root record and where it ends. */
export interface MendedBlob {
  readonly root: Uint8Array;
  readonly size: number;
}

/**
 * Mends the stream of a root record (none: no entry) that should have `size` bytes, of which
 * `sizeMax` may be. Gives undefined when it may stay as it is.
 */
export function* mendBlob(
  repair: RepairContext,
  root: Uint8Array,
  size: number,
  birth: number,
  limits: { readonly sizeMax: number; readonly embedMax: number },
): Io<MendedBlob | undefined> {
  const mender = new BlobMender(repair, limits.sizeMax);
  const bytes = root.length > 0 ? root : emptyRoot(BLOB_SPEC);
  const outcome = yield* mendTree(repair, mender, bytes, birth);
  const end = mender.end(Math.min(size, limits.sizeMax));
  if (outcome === 'keep' && mender.gaps.length === 0 && end === size) return undefined;
  const tree =
    outcome === 'keep'
      ? repair.edit(() => new Tree(repair.forest, BLOB_SPEC, { bytes, at: 0, end: bytes.length }))
      : outcome;
  for (const gap of mender.gaps) yield* fillGap(repair, tree, gap);
  if (mender.isCut) {
    repair.edit(() => tree.deleteRange(blobKey(end), undefined, () => undefined));
  }
  return { root: repair.edit(() => tree.encodeRoot(limits.embedMax)), size: end };
}

interface Gap {
  readonly from: number;
  readonly to: number;
}

class BlobMender implements Mender {
  readonly spec = BLOB_SPEC;
  readonly isGiven = true;
  readonly movesStrays = false;
  readonly gaps: Gap[] = [];
  /** The stream ends at a gap that is too long to be filled. */
  isCut = false;
  readonly #repair: RepairContext;
  readonly #sizeMax: number;
  #next = 0;
  #isLost = false;

  constructor(repair: RepairContext, sizeMax: number) {
    this.#repair = repair;
    this.#sizeMax = sizeMax;
  }

  /** Where the stream ends, whose size was to be `size`; may add a last gap. */
  end(size: number): number {
    if (!this.#isLost || this.isCut || size <= this.#next) return this.#next;
    this.#reach(size);
    return this.#next;
  }

  lost(): void {
    this.#isLost = true;
  }

  mend(record: StoredRecord, birth: number): Mended {
    const offset = getU64BigEndian(record.key, 0);
    const found = decoded(() => decodeEntry(record.value, 0, record.value.length));
    const entry = 'value' in found ? this.#usable(found.value) : undefined;
    if (entry === undefined || !(offset + entry.length <= this.#sizeMax)) {
      this.lost();
      return 'drop';
    }
    if (this.isCut || offset + entry.length <= this.#next) return 'drop';
    if (offset > this.#next && !this.#reach(offset)) return 'drop';
    this.#isLost = 'value' in found && entry.length < found.value.length;
    const from = this.#next;
    this.#next = offset + entry.length;
    const isWhole = from === offset && entry.birth <= birth && 'value' in found;
    if (isWhole && entry === found.value) return 'keep';
    const { blockSize } = this.#repair.map;
    const part = sliceEntry(entry, from - offset, entry.length, blockSize);
    const made = { ...part, birth: Math.min(part.birth, this.#repair.generation) };
    return { key: blobKey(from), value: encodeEntry(made) };
  }

  *again(node: Node): Io<boolean> {
    const { check } = this.#repair;
    const first = yield* edgeLeaf(check, node, 'first');
    const last = yield* edgeLeaf(check, node, 'last');
    if (first === undefined || last === undefined) return false;
    const { offset } = readBlobEntry(first, 0);
    const end = readBlobEntry(last, last.count - 1);
    if (offset < this.#next || 'fault' in end.entry) return false;
    if (offset > this.#next && !this.#reach(offset)) return false;
    this.#isLost = false;
    this.#next = end.offset + end.entry.value.length;
    return true;
  }

  /** Notes the gap up to `offset`; false when it is too long. */
  #reach(offset: number): boolean {
    if (offset - this.#next > GAP_MAX) {
      this.isCut = true;
      return false;
    }
    this.gaps.push({ from: this.#next, to: offset });
    this.#next = offset;
    return true;
  }

  /** The entry if its data can be where it says; mended if only its block count is wrong. */
  #usable(entry: BlobEntry): BlobEntry | undefined {
    if (entry.length <= 0) return undefined;
    if (entry.kind !== ENTRY_KIND.extent) return entry;
    const { map } = this.#repair;
    const shaped = this.#shaped(entry, map.blockSize);
    const right = shaped && this.#there(shaped);
    if (right === undefined) return undefined;
    return map.placeFault(right.address, right.blocks) === undefined ? right : undefined;
  }

  /** The part of an extent whose chunks are on the device; undefined when none is. */
  #there(entry: ExtentEntry): ExtentEntry | undefined {
    const { blocks, blockSize } = this.#repair.map;
    const { address, shift, skip, length } = entry;
    const chunkBlocks = 2 ** shift / blockSize;
    const chunks = Math.floor((blocks - address) / chunkBlocks);
    const isWhole = address + entry.blocks <= blocks;
    const end = isWhole ? length : Math.min(length, chunks * 2 ** shift - skip);
    if (end <= 0) return undefined;
    const part = sliceEntry(entry, 0, end, blockSize);
    return part.kind === ENTRY_KIND.extent ? part : undefined;
  }

  #shaped(entry: ExtentEntry, blockSize: number): ExtentEntry | undefined {
    if (2 ** entry.shift < blockSize) return undefined;
    if (extentFault(entry, blockSize) === undefined) return entry;
    return { ...entry, blocks: shapeOf(entry, blockSize).least };
  }
}

/** Fills a gap with entries that can't be read. */
function* fillGap(repair: RepairContext, tree: Tree, { from, to }: Gap): Io<void> {
  const { blockSize } = repair.map;
  const damage = yield* repair.damagedRun();
  for (let at = from; at < to; ) {
    const length = Math.min(to - at, damage.length * blockSize, 2 ** DAMAGE_SHIFT);
    const entry: ExtentEntry = {
      kind: ENTRY_KIND.extent,
      birth: repair.generation,
      length,
      shift: DAMAGE_SHIFT,
      skip: 0,
      blocks: Math.ceil(length / blockSize),
      address: damage.start,
      checksums: NO_CHECKSUM,
    };
    const offset = at;
    repair.edit(() => tree.put(blobKey(offset), encodeEntry(entry)));
    at += length;
    yield* repair.settle();
  }
}
