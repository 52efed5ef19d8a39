/**
 * Checking a blob stream: the bytes of an object, or of a large value.
 *
 * - Entries tile [0, size): each begins where its predecessor ended. A subtree that clones share
 *   is walked once; where it is met again, its first and last leaf tell what it covers.
 * - Behind a subtree or record that can't be read, tiling begins anew with the next entry.
 * - A deep check hands every extent on, to be read and compared (data-check.ts).
 */

import type { Io } from '../blockdev/io.js';
import type { Node } from '../btree/node.js';
import { entry, readEntry } from '../btree/node-view.js';
import { getU64BigEndian } from '../format/bytes.js';
import { ROLE } from '../format/role.js';
import {
  type BlobEntry,
  decodeEntry,
  ENTRY_KIND,
  type ExtentEntry,
  extentFault,
} from '../onode/extent-entry.js';
import { BLOB_SPEC } from '../onode/tree-specs.js';
import type { CheckContext } from './context.js';
import { decoded, type FindingCode, type Place, placeIn, type Where } from './finding.js';
import { edgeLeaf, type TreeVisitor, walkRoot } from './tree-walk.js';

/** An entry, or why it can't be decoded, at its byte offset in the object. */
interface ReadEntry {
  readonly offset: number;
  readonly entry: { readonly value: BlobEntry } | { readonly fault: string };
}

/**
 * Checks the stream of a root record, which is to hold `size` bytes. Gives what could not be done at
 * once.
 */
export function checkBlob(
  context: CheckContext,
  place: Place,
  root: Uint8Array,
  size: number,
  birth: number,
): Io<void> | undefined {
  const blob = new BlobVisitor(context, place, 'whole');
  const more = root.length > 0 ? walkRoot(context, blob, root, birth) : undefined;
  if (more !== undefined) return finishBehind(more, blob, size);
  blob.finish(size);
  return undefined;
}

function* finishBehind(walk: Io<void>, blob: BlobVisitor, size: number): Io<void> {
  yield* walk;
  blob.finish(size);
}

export class BlobVisitor implements TreeVisitor {
  readonly role = ROLE.blob;
  readonly spec = BLOB_SPEC;
  readonly place: Place;
  readonly #context: CheckContext;
  readonly #extent: 'whole' | 'part';
  /** Where the next entry has to begin; undefined when that is not known. */
  #next: number | undefined;

  /** A `part` of a stream, out of the drop list, need not begin at 0. */
  constructor(context: CheckContext, place: Place, extent: 'whole' | 'part') {
    this.#context = context;
    this.place = place;
    this.#extent = extent;
    this.#next = extent === 'whole' && !context.isResuming ? 0 : undefined;
  }

  leaf(node: Node, first: number): undefined {
    for (let i = first; i < node.count; i++) {
      this.#context.at(node, i);
      const read = readBlobEntry(node, i);
      if ('fault' in read.entry) {
        this.#add('record-damaged', `Entry at ${read.offset}: ${read.entry.fault}`);
        this.#context.isIncomplete = true;
        this.#next = undefined;
        continue;
      }
      const { value } = read.entry;
      this.#follow(read.offset, read.offset + value.length);
      if (value.birth > node.birth) {
        const what = `Entry at ${read.offset} of epoch ${value.birth}`;
        this.#add('birth-order', `${what} is in a leaf of ${node.birth}`);
      }
      if (value.kind === ENTRY_KIND.extent) this.#checkExtent(read.offset, value);
    }
  }

  *again(node: Node): Io<void> {
    if (this.#extent === 'part' || !this.#context.isReporting) return;
    const first = yield* edgeLeaf(this.#context, node, 'first');
    const last = yield* edgeLeaf(this.#context, node, 'last');
    const from = first === undefined ? undefined : readBlobEntry(first, 0).offset;
    const end = last === undefined ? undefined : readBlobEntry(last, last.count - 1);
    if (from === undefined || end === undefined || 'fault' in end.entry) this.lost();
    else this.#follow(from, end.offset + end.entry.value.length);
  }

  lost(): void {
    this.#next = undefined;
  }

  /** The walk has ended: the stream must end at `size`. */
  finish(size: number): void {
    if (this.#next === undefined || this.#next === size) return;
    this.#add('blob-size', `Entries end at ${this.#next}, the size is ${size}`);
  }

  /** What covers [from, to) comes next. */
  #follow(from: number, to: number): void {
    if (to === from) this.#add('blob-tiling', `Entry at ${from} is empty`);
    if (this.#next !== undefined && this.#next !== from) {
      this.#add('blob-tiling', `Entry begins at ${from}, its predecessor ends at ${this.#next}`);
    }
    if (this.#extent === 'whole') this.#next = to;
  }

  #checkExtent(offset: number, extent: ExtentEntry): void {
    const context = this.#context;
    const { blockSize } = context.map;
    context.count('extents');
    const { address, blocks } = extent;
    const misplaced = context.refer(address, blocks);
    const fault = misplaced ?? extentFault(extent, blockSize);
    if (fault === undefined) {
      if (context.isVerifying) context.verify(extent, offset, this.place);
      return;
    }
    const what = `Extent for [${offset}, ${offset + extent.length})`;
    if (misplaced === undefined) {
      this.#add('extent-shape', `${what}: ${fault}`, context.map.run(address, blocks));
      return;
    }
    context.addMisplaced(misplaced, address, blocks, what, placeIn(this.role, this.place));
    context.isIncomplete = true;
  }

  #add(code: FindingCode, message: string, run: Where = {}): void {
    this.#context.findings.add(code, message, { ...placeIn(this.role, this.place), ...run });
  }
}

/** The entry at `index` of a leaf. */
export function readBlobEntry(node: Node, index: number): ReadEntry {
  readEntry(node, index);
  const { keyStart, valueStart, valueEnd } = entry;
  return {
    offset: getU64BigEndian(node.page, keyStart),
    entry: decoded(() => decodeEntry(node.page, valueStart, valueEnd)),
  };
}

/** How many blocks the chunks of an extent can have. */
export function shapeOf(
  extent: ExtentEntry,
  blockSize: number,
): { readonly least: number; readonly most: number } {
  const chunkBlocks = 2 ** extent.shift / blockSize;
  const chunks = extent.checksums.length / 8;
  const needed = Math.ceil((extent.skip + extent.length) / blockSize);
  return { least: Math.max(needed, (chunks - 1) * chunkBlocks + 1), most: chunks * chunkBlocks };
}
