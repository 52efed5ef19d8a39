/**
 * The byte data of one object, as a tree of entries keyed by byte offset.
 *
 * - Entries tile [0, size) exactly; `size` itself is the owner's to keep.
 * - Nothing is read to write: new bytes become entries of their own, what they cover is cut away,
 *   and the rest keeps pointing to its chunks with their old checksums. Damage in a chunk is
 *   therefore never laundered by a write beside it.
 * - Small pieces live in the leaves; neighbours that are small together become one.
 */

import type { Cursor } from '../btree/cursor.js';
import { entry as record } from '../btree/node-view.js';
import { findSole } from '../btree/root-record.js';
import type { Tree } from '../btree/tree.js';
import { CorruptError } from '../errors.js';
import { copyOut, getU64BigEndian } from '../format/bytes.js';
import { matchesHash } from '../format/checksum.js';
import { ROLE } from '../format/role.js';
import { ANYWHERE, type DataGoal, type ObjectContext, type PlacedExtent } from './context.js';
import {
  type BlobEntry,
  blobKey,
  decodeEntry,
  ENTRY_KIND,
  type ExtentEntry,
  encodeEntry,
  extentFault,
  extentOf,
  sliceEntry,
} from './extent-entry.js';
import { chunksMax, inlineMax } from './limits.js';
import { BLOB_SPEC } from './tree-specs.js';

/** An entry and where it lies in the object. */
export interface PlacedEntry {
  readonly offset: number; // bytes
  readonly entry: BlobEntry;
}

/** Bytes that are copied out of a chunk that is given up. */
interface Copy {
  readonly offset: number; // in the object
  readonly data: Uint8Array;
  /** They matched their checksum. */
  readonly isSound: boolean;
  /** Block that they lay near. */
  readonly hint: number;
}

/** Above this many entries a cut hands its middle to the drop list instead of walking it. */
const CUT_WALK_MAX = 64;

/** Entries in front of appended data that are looked at for a place to go on from. */
const GOAL_ENTRIES_MAX = 4;

export class BlobStream {
  readonly #context: ObjectContext;
  readonly #tree: Tree;

  constructor(context: ObjectContext, tree: Tree) {
    this.#context = context;
    this.#tree = tree;
  }

  /** Puts `data` at `offset` over what is there, in an object of `size` bytes. */
  write(offset: number, data: Uint8Array, size: number): void {
    if (data.length <= inlineMax(this.#context.nodeSize)) {
      this.#open(offset, data.length, size);
      this.#putInline(offset, data);
      return;
    }
    const goal = this.goal(offset, data.length, size);
    const placed = this.#context.placeData(data, goal);
    const goesOn = placed[0]?.address === goal.hint;
    this.#putPlaced(offset, placed, size, goesOn);
  }

  /** Puts data that has its place already at `offset`, in an object of `size` bytes. */
  writePlaced(offset: number, placed: readonly PlacedExtent[], size: number): void {
    this.#putPlaced(offset, placed, size, true);
  }

  /** `goesOn`: the first extent may continue the one in front of it. */
  #putPlaced(offset: number, placed: readonly PlacedExtent[], size: number, goesOn: boolean): void {
    const length = placed.reduce((sum, extent) => sum + extent.length, 0);
    this.#open(offset, length, size);
    let at = offset;
    for (const extent of placed) {
      const entry = extentOf(extent, this.#context.generation);
      if (goesOn || at > offset) this.#putExtent(at, entry);
      else this.#put(at, entry);
      at += extent.length;
    }
  }

  /** Makes [offset, offset + length) zeros that take no space, in an object of `size` bytes. */
  zero(offset: number, length: number, size: number): void {
    this.#open(offset, length, size);
    this.#putHole(offset, length);
  }

  /** Shrinks or grows an object of `size` bytes to `target` bytes. */
  truncate(target: number, size: number): void {
    if (target < size) this.#cut(target, size);
    if (target > size) this.#putHole(size, target - size);
  }

  /**
   * Makes [offset, offset + length) share what `source` holds at `from`, in an object of `size`
   * bytes. The source may be this stream itself, and the ranges may overlap.
   */
  cloneRange(source: BlobStream, from: number, length: number, offset: number, size: number): void {
    const parts = [...source.entries(from, from + length)];
    const copies: Copy[] = [];
    const shared = this.#context.erases
      ? parts.flatMap((part) => this.#wholeChunks(part, copies))
      : parts;
    for (const { entry } of shared) {
      if (entry.kind === ENTRY_KIND.extent) {
        this.#context.retainData(entry.address, entry.blocks);
      }
    }
    this.#open(offset, length, size);
    const birth = this.#context.generation;
    for (const { offset: at, entry } of shared) {
      this.#put(offset + at - from, { ...entry, birth });
    }
    for (const copy of copies) this.#putCopy({ ...copy, offset: offset + copy.offset - from });
  }

  /** The entries of [from, to), cut to the range, as copies that outlive the tree's next change. */
  *entries(from: number, to: number): Generator<PlacedEntry> {
    if (from >= to) return;
    const cursor = this.#tree.cursor();
    const isInside = cursor.seek(blobKey(from));
    if (!isInside) cursor.seekLast();
    else if (keyOf(cursor) > from) cursor.previous();
    while (cursor.valid) {
      const { valueBytes, valueStart, valueEnd } = cursor;
      const offset = keyOf(cursor);
      const entry = this.#decode(offset, valueBytes, valueStart, valueEnd);
      if (offset >= to) return;
      const start = Math.max(from, offset);
      const end = Math.min(to, offset + entry.length);
      if (start < end) {
        const part = sliceEntry(entry, start - offset, end - offset, this.#context.blockSize);
        yield { offset: start, entry: copyOf(part) };
      }
      cursor.next();
    }
  }

  /**
   * The entry that covers `offset`, or the last one when the stream ends before it; a view that
   * holds until the tree's next use. @throws CorruptError
   */
  #covering(offset: number): PlacedEntry | undefined {
    const tree = this.#tree;
    if (!tree.findAtOrBefore(blobKey(offset))) return undefined;
    const start = getU64BigEndian(tree.hitBytes, tree.hitKeyStart);
    return { offset: start, entry: this.#decode(start, tree.hitBytes, tree.hitStart, tree.hitEnd) };
  }

  /** The entry at `offset` that stands at `bytes[start, end)`. @throws CorruptError */
  #decode(offset: number, bytes: Uint8Array, start: number, end: number): BlobEntry {
    const entry = decodeEntry(bytes, start, end);
    if (!Number.isSafeInteger(offset + entry.length)) {
      throw new CorruptError('Cannot read blob stream: an entry ends behind any object');
    }
    if (entry.kind === ENTRY_KIND.extent) {
      const fault = extentFault(entry, this.#context.blockSize);
      if (fault !== undefined) throw new CorruptError(`Cannot read extent at ${offset}: ${fault}`);
    }
    return entry;
  }

  /** Puts an extent, as one with the extent that it continues. */
  #putExtent(offset: number, extent: ExtentEntry): void {
    const before = this.#before(offset);
    const joined = before && joinedExtent(before.entry, extent, this.#context);
    if (before === undefined || joined === undefined) {
      this.#put(offset, extent);
      return;
    }
    this.#tree.own(blobKey(before.offset)); // what a shared leaf refers to is counted first
    this.#put(before.offset, joined);
  }

  /** Makes room: the range is cut out, and a gap between `size` and `offset` becomes a hole. */
  #open(offset: number, length: number, size: number): void {
    if (offset > size) this.#putHole(size, offset - size);
    if (offset < size) this.#cut(offset, Math.min(size, offset + length));
  }

  #put(offset: number, entry: BlobEntry): void {
    this.#tree.put(blobKey(offset), encodeEntry(entry));
  }

  /** A hole, as one with a hole in front of it. */
  #putHole(offset: number, length: number): void {
    const birth = this.#context.generation;
    const before = this.#before(offset);
    if (before?.entry.kind === ENTRY_KIND.hole) {
      const joined = before.entry.length + length;
      this.#put(before.offset, { kind: ENTRY_KIND.hole, birth, length: joined });
    } else {
      this.#put(offset, { kind: ENTRY_KIND.hole, birth, length });
    }
  }

  /** Small data, as one with small data in front of it. */
  #putInline(offset: number, data: Uint8Array): void {
    const birth = this.#context.generation;
    const before = this.#before(offset);
    const joined = (before?.entry.length ?? 0) + data.length;
    if (before?.entry.kind === ENTRY_KIND.inline && joined <= inlineMax(this.#context.nodeSize)) {
      const whole = new Uint8Array(joined);
      whole.set(before.entry.data);
      whole.set(data, before.entry.length);
      this.#put(before.offset, { kind: ENTRY_KIND.inline, birth, length: joined, data: whole });
    } else {
      this.#put(offset, { kind: ENTRY_KIND.inline, birth, length: data.length, data });
    }
  }

  /** The entry that ends at `offset`, if any. */
  #before(offset: number): PlacedEntry | undefined {
    return offset === 0 ? undefined : this.#covering(offset - 1);
  }

  /**
   * Where `length` bytes for `offset` would best lie, in an object of `size` bytes: behind the
   * extent in front of them. With stripes that is the last one that ends with a stripe: what was
   * appended in front of it may have been packed with other things.
   */
  goal(offset: number, length: number, size: number, stripeBlocks = 1): DataGoal {
    const isGrowing = offset > 0 && offset >= size;
    const grown = { grownTo: isGrowing ? offset + length : 0, grownFrom: isGrowing ? offset : 0 };
    let at = offset;
    for (let i = 0; i < GOAL_ENTRIES_MAX; i++) {
      const before = this.#before(at);
      if (before?.entry.kind !== ENTRY_KIND.extent) break;
      const hint = before.entry.address + before.entry.blocks;
      if (hint % stripeBlocks === 0) return { hint, ...grown };
      at = before.offset;
    }
    return { hint: -1, ...grown };
  }

  /** Removes [from, to), all of which is tiled, and gives back what only it referred to. */
  #cut(from: number, to: number): void {
    if (from >= to) return;
    if (!this.#cutEdge(from, from, to)) return;
    this.#cutEdge(to, from, to);
    this.#cutMiddle(from, to);
  }

  /**
   * Trims the entry that lies across `edge`, if any: what is in [from, to) goes.
   * False when that entry covered the whole range, so that nothing more is left to cut.
   */
  #cutEdge(edge: number, from: number, to: number): boolean {
    const seen = this.#covering(edge);
    if (seen === undefined) return true;
    const { offset } = seen;
    const end = offset + seen.entry.length;
    if (offset >= edge || end <= edge) return true;
    const entry = copyOf(seen.entry);
    const { blockSize } = this.#context;
    const copies: Copy[] = [];
    const kept = { left: Math.max(0, from - offset), right: Math.min(entry.length, to - offset) };
    if (this.#context.erases && entry.kind === ENTRY_KIND.extent) {
      kept.left = this.#copyTail({ offset, entry }, kept.left, copies);
      kept.right = this.#copyHead({ offset, entry }, kept.right, copies);
    }
    const left = kept.left > 0 ? sliceEntry(entry, 0, kept.left, blockSize) : undefined;
    const right =
      kept.right < entry.length
        ? sliceEntry(entry, kept.right, entry.length, blockSize)
        : undefined;
    if (entry.kind === ENTRY_KIND.extent) {
      this.#tree.own(blobKey(offset));
      this.#settle(entry, left, right);
    }
    if (left === undefined) this.#tree.delete(blobKey(offset));
    else this.#put(offset, left);
    if (right !== undefined) this.#put(offset + kept.right, right);
    for (const copy of copies) this.#putCopy(copy);
    return end < to || offset >= from;
  }

  // In a store that erases: no chunk is kept for a part of itself.

  /**
   * Copies what stands in [0, end) of an extent but not in chunks that are kept whole; gives the
   * end of these.
   */
  #copyTail(
    placed: PlacedEntry & { readonly entry: ExtentEntry },
    end: number,
    copies: Copy[],
  ): number {
    const chunk = 2 ** placed.entry.shift;
    const whole = Math.max(0, end - ((placed.entry.skip + end) % chunk));
    return this.#copyPart(placed, whole, end, copies) ? whole : end;
  }

  /** The same for what stands from `start` on; gives the start of the whole chunks. */
  #copyHead(
    placed: PlacedEntry & { readonly entry: ExtentEntry },
    start: number,
    copies: Copy[],
  ): number {
    const { skip, shift, length } = placed.entry;
    const chunk = 2 ** shift;
    const whole = Math.min(length, Math.ceil((skip + start) / chunk) * chunk - skip);
    return this.#copyPart(placed, start, whole, copies) ? whole : start;
  }

  /** A part of an extent as the chunks that it holds whole; the rest is copied. */
  #wholeChunks(placed: PlacedEntry, copies: Copy[]): PlacedEntry[] {
    const { offset, entry } = placed;
    if (entry.kind !== ENTRY_KIND.extent) return [placed];
    const start = entry.skip === 0 ? 0 : this.#copyHead({ offset, entry }, 0, copies);
    if (start === entry.length) return [];
    const end = Math.max(start, this.#copyTail({ offset, entry }, entry.length, copies));
    if (start === end) return [];
    const whole = sliceEntry(entry, start, end, this.#context.blockSize);
    return [{ offset: offset + start, entry: whole }];
  }

  /**
   * Copies [from, to) of an extent, which lies in one chunk. A few bytes of a damaged chunk are not
   * copied: they stay where they are.
   */
  #copyPart(
    { offset, entry }: PlacedEntry & { readonly entry: ExtentEntry },
    from: number,
    to: number,
    copies: Copy[],
  ): boolean {
    if (from >= to) return true;
    const { blockSize, nodeSize } = this.#context;
    const part = sliceEntry(entry, from, to, blockSize);
    if (part.kind !== ENTRY_KIND.extent) return false;
    const page = this.#context.readData(part.address, part.blocks);
    const isSound = matchesHash(part.checksums, 0, page, 0, page.length);
    if (!isSound && to - from <= inlineMax(nodeSize)) return false;
    const data = page.subarray(part.skip, part.skip + part.length);
    copies.push({ offset: offset + from, data, isSound, hint: entry.address });
    return true;
  }

  /** Puts a copy where nothing stands. That of damaged bytes stays damaged. */
  #putCopy({ offset, data, isSound, hint }: Copy): void {
    const birth = this.#context.generation;
    if (data.length <= inlineMax(this.#context.nodeSize)) {
      this.#put(offset, { kind: ENTRY_KIND.inline, birth, length: data.length, data });
      return;
    }
    let at = offset;
    const placed = this.#context.placeData(data, { ...ANYWHERE, hint });
    for (const { address, blocks, length, shift, checksums } of placed) {
      if (!isSound) for (const [i, byte] of checksums.entries()) checksums[i] = ~byte;
      const kind = ENTRY_KIND.extent;
      this.#put(at, { kind, birth, length, shift, skip: 0, blocks, address, checksums });
      at += length;
    }
  }

  /** An extent becomes one or two parts of itself: gives back the blocks that neither holds. */
  #settle(whole: ExtentEntry, left: BlobEntry | undefined, right: BlobEntry | undefined): void {
    const end = whole.address + whole.blocks;
    const leftEnd = left?.kind === ENTRY_KIND.extent ? left.address + left.blocks : whole.address;
    const rightStart = right?.kind === ENTRY_KIND.extent ? right.address : end;
    if (leftEnd < rightStart) this.#context.releaseData(leftEnd, rightStart - leftEnd);
    if (leftEnd > rightStart) this.#context.retainData(rightStart, leftEnd - rightStart);
  }

  /** Removes the entries that lie wholly inside [from, to). */
  #cutMiddle(from: number, to: number): void {
    const inside: PlacedEntry[] = [];
    for (let end = to; end > from; ) {
      if (inside.length === CUT_WALK_MAX) {
        this.#tree.deleteRange(blobKey(from), blobKey(to), (_role, root) =>
          this.#context.dropTree(ROLE.blob, root),
        );
        return;
      }
      const last = this.#covering(end - 1);
      if (last === undefined || last.offset < from) break;
      inside.push(last);
      end = last.offset;
    }
    for (const { offset, entry } of inside) {
      this.#tree.delete(blobKey(offset)); // first, so that a shared leaf has been counted
      if (entry.kind === ENTRY_KIND.extent) {
        this.#context.releaseData(entry.address, entry.blocks);
      }
    }
  }
}

/** Two extents as one, where the second continues the first on the device, chunk by chunk. */
function joinedExtent(
  first: BlobEntry,
  second: ExtentEntry,
  { blockSize, nodeSize }: ObjectContext,
): ExtentEntry | undefined {
  if (first.kind !== ENTRY_KIND.extent || first.shift !== second.shift) return undefined;
  if (first.address + first.blocks !== second.address || second.skip !== 0) return undefined;
  const chunk = 2 ** first.shift;
  const size = first.checksums.length + second.checksums.length;
  const isFull =
    (first.skip + first.length) % chunk === 0 && (first.blocks * blockSize) % chunk === 0;
  if (!isFull || size > chunksMax(nodeSize) * 8) return undefined;
  const checksums = new Uint8Array(size);
  checksums.set(first.checksums);
  checksums.set(second.checksums, first.checksums.length);
  return {
    ...second,
    length: first.length + second.length,
    skip: first.skip,
    blocks: first.blocks + second.blocks,
    address: first.address,
    checksums,
  };
}

/**
 * The entry that is all of an object of `size` bytes, if its blob stream with the root record
 * `bytes[start, end)` has but one and holds it in place: a view into it. Opens no tree.
 * @throws CorruptError
 */
export function soleEntry(
  bytes: Uint8Array,
  start: number,
  end: number,
  size: number,
  blockSize: number,
): BlobEntry | undefined {
  if (start === end || !findSole(bytes, start, end, BLOB_SPEC)) return undefined;
  const offset = getU64BigEndian(bytes, record.keyStart);
  const entry = decodeEntry(bytes, record.valueStart, record.valueEnd);
  if (offset !== 0 || entry.length !== size) return undefined;
  checkExtent(entry, offset, blockSize);
  return entry;
}

/** @throws CorruptError for an extent whose blocks are not those of its chunks */
function checkExtent(entry: BlobEntry, offset: number, blockSize: number): void {
  if (entry.kind !== ENTRY_KIND.extent) return;
  const fault = extentFault(entry, blockSize);
  if (fault !== undefined) throw new CorruptError(`Cannot read extent at ${offset}: ${fault}`);
}

function keyOf(cursor: Cursor): number {
  return getU64BigEndian(cursor.keyBytes, cursor.keyStart);
}

/** An entry that no longer looks into a node's page. */
function copyOf(entry: BlobEntry): BlobEntry {
  const { kind, birth, length } = entry;
  if (kind === ENTRY_KIND.hole) return entry;
  if (kind === ENTRY_KIND.inline) {
    return { kind, birth, length, data: copyOut(entry.data, 0, length) };
  }
  const { shift, skip, blocks, address } = entry;
  const checksums = copyOut(entry.checksums, 0, entry.checksums.length);
  return { kind, birth, length, shift, skip, blocks, address, checksums };
}
