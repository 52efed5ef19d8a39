/**
 * Delta leaves: a leaf that some records were put into, kept as these records beside the leaf on
 * the device that they change (its base), until a checkpoint writes both as one. Random puts into
 * a large tree change nearly as many leaves as there are puts; what they keep in memory is then the
 * records and not the leaves, so a generation lasts longer, and a leaf is copied, sealed and
 * written for several of them. The idea is that of the Bw-tree (Levandoski, Lomet, Sengupta: The
 * Bw-Tree, ICDE 2013), with one short list of deltas instead of a chain.
 *
 * - A delta leaf is dirty in every respect: number, references, place on the device, savepoints.
 *   Only its page is missing. Who needs the page gets it by `fillPage`, which changes nothing.
 * - The base was given up when the delta leaf was made. It stays readable until the checkpoint that
 *   writes the delta leaf is durable: its blocks are in limbo until then.
 * - Base and deltas together fit into a page of the base's length: whoever adds one sees to that.
 *   A base may be a delta leaf itself, one that a checkpoint is writing just now.
 * - A delta is never changed, and deltas only put: they lie in arenas, as in the memtables of
 *   LevelDB, which go when the last delta in them has gone.
 */

import { copyBytes, EMPTY, setU16 } from '../format/bytes.js';
import type { Comparator } from './comparator.js';
import { isBehind } from './insert-run.js';
import { type Node, setPage } from './node.js';
import { encodedSize } from './node-editor.js';
import { BODY_START, NODE_BODY, SLOT_SIZE, setLength, VALUE_SIZE_VARIABLE } from './node-format.js';
import { search } from './node-search.js';
import { entry, entrySize, entryStart, readEntry, usedBytes } from './node-view.js';
import { takePage } from './page-pool.js';

/** A record that was put: its key is `bytes[start, keyEnd)`, its value `bytes[keyEnd, end)`. */
export interface Delta {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly keyEnd: number;
  readonly end: number;
}

/** More deltas than this are no saving any more: the leaf gets its page. */
const DELTAS_MAX = 16;

/** Searches after which a delta leaf that nothing is put into gets a page. */
const SEARCHES_MAX = 4;

/** Bytes of memory that a delta leaf takes without its deltas, and a delta without its bytes. */
const LEAF_OVERHEAD = 600;
const DELTA_OVERHEAD = 64;

/** Part of a body below which a leaf is to be merged, so that it has to have its page. */
const FILL_MIN = 1 / 3;

/** What stands in for the page of a delta leaf. */
export class Deltas {
  readonly base: Node;
  readonly order: Comparator;
  /** In the order of their keys. */
  readonly records: Delta[];
  /** Bytes of the body, slots included, that are left for sure. */
  room: number;
  /** Bytes of the body. */
  readonly #bodyLength: number;
  /** Bytes of memory; an estimate. */
  bytes: number;
  #searches = 0;

  /** None yet, over `base`, which is resident or a delta leaf; or those that `from` has. */
  constructor(base: Node, order: Comparator, from: Deltas | null = base.deltas) {
    this.base = base;
    this.order = order;
    this.#bodyLength = from === null ? base.bodyLength : from.#bodyLength;
    this.room = from === null ? base.bodyLength - usedBytes(base) : from.room;
    this.records = from?.base === base ? from.records.slice() : [];
    this.bytes = from?.base === base ? from.bytes : LEAF_OVERHEAD;
  }

  /** The same, to be changed apart from this one. */
  copy(): Deltas {
    return new Deltas(this.base, this.order, this);
  }

  /** The index of the delta of `key`, or ~index of the first one behind it. */
  search(key: Uint8Array): number {
    let low = 0;
    let high = this.records.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { bytes, start, keyEnd } = this.records[middle] as Delta;
      const side = this.order.compare(bytes, start, keyEnd, key, 0, key.length);
      if (side === 0) return middle;
      if (side < 0) low = middle + 1;
      else high = middle;
    }
    return ~low;
  }

  /** To be asked with each search: true when page and heads would be made good use of. */
  isSearchedOften(): boolean {
    return ++this.#searches > SEARCHES_MAX;
  }

  /** The delta of `key`, if there is one. */
  find(key: Uint8Array): Delta | undefined {
    const index = this.search(key);
    return index < 0 ? undefined : this.records[index];
  }

  /**
   * Bytes by which the body grows if a record is put at `index`, as `search` gave it; undefined where
   * that takes the page.
   */
  growthBy(leaf: Node, index: number, key: Uint8Array, valueLength: number): number | undefined {
    if (index < 0 && this.records.length >= DELTAS_MAX) return undefined;
    if (this.bytes > this.#bodyLength) return undefined; // what was put again and again
    const size = SLOT_SIZE + encodedSize(leaf, key.length, valueLength);
    const growth = size - this.#replacedBytes(leaf, index, key);
    if (growth > this.room) return undefined;
    const used = this.#bodyLength - this.room + growth;
    return growth < 0 && used < FILL_MIN * this.#bodyLength ? undefined : growth;
  }

  /** Bytes in the body of what a record with `key` replaces; 0 where that isn't known. */
  #replacedBytes(leaf: Node, index: number, key: Uint8Array): number {
    const known = this.records[index];
    if (known !== undefined) {
      return SLOT_SIZE + encodedSize(leaf, known.keyEnd - known.start, known.end - known.keyEnd);
    }
    const { base } = this;
    if (!base.resident) return 0;
    const found = search(base, this.order, key, 0, key.length);
    return found < 0 ? 0 : SLOT_SIZE + entrySize(base, found);
  }

  /** Puts a delta that makes the body grow by `growth` bytes; gives the memory that it takes. */
  put(delta: Delta, index: number, growth: number): number {
    if (index >= 0) this.records[index] = delta;
    else this.records.splice(~index, 0, delta);
    this.#searches = 0;
    const taken = DELTA_OVERHEAD + delta.end - delta.start;
    this.room -= growth;
    this.bytes += taken;
    return taken;
  }
}

/** Bytes of a piece of memory for deltas. */
const ARENA_BYTES = 64 * 1024;

/** Memory for deltas: each is copied behind the one before. */
export class DeltaArena {
  #bytes: Uint8Array = EMPTY;
  #at = 0;

  copy(key: Uint8Array, value: Uint8Array): Delta {
    const size = key.length + value.length;
    if (this.#at + size > this.#bytes.length) {
      if (size > ARENA_BYTES / 8) return copyInto(new Uint8Array(size), 0, key, value);
      this.#bytes = new Uint8Array(ARENA_BYTES);
      this.#at = 0;
    }
    const delta = copyInto(this.#bytes, this.#at, key, value);
    this.#at = delta.end;
    return delta;
  }
}

function copyInto(bytes: Uint8Array, start: number, key: Uint8Array, value: Uint8Array): Delta {
  const keyEnd = start + key.length;
  const end = keyEnd + value.length;
  copyBytes(key, 0, key.length, bytes, start);
  copyBytes(value, 0, value.length, bytes, keyEnd);
  return { bytes, start, keyEnd, end };
}

/**
 * Gives a delta leaf the page that its deltas make of `base`, which is resident. The body is
 * canonical, as a checkpoint writes it.
 */
export function fillPage(leaf: Node, deltas: Deltas, base: Node): void {
  const { records, order } = deltas;
  const page = takePage(base.page.length);
  const start = BODY_START;
  const length = page.length - start;
  const places = records.map(({ bytes, start: from, keyEnd }) =>
    search(base, order, bytes, from, keyEnd),
  );
  const used = usedBytes(base) + grownBy(leaf, base, records, places);
  const count = base.count + places.filter((place) => place < 0).length;
  const heapStart = length - (used - NODE_BODY.size - SLOT_SIZE * count);
  setU16(page, start + NODE_BODY.count, count);
  setU16(page, start + NODE_BODY.heapStart, heapStart);
  setU16(page, start + NODE_BODY.keySize, leaf.keySize);
  const { valueSize } = leaf;
  setU16(page, start + NODE_BODY.valueSize, valueSize < 0 ? VALUE_SIZE_VARIABLE : valueSize);
  writeEntries(leaf, base, records, places, page, start + heapStart);
  const slotsEnd = start + NODE_BODY.size + SLOT_SIZE * count;
  page.fill(0, slotsEnd, start + heapStart);
  setPage(leaf, page);
  leaf.resident = true;
  leaf.bodyStart = start;
  leaf.bodyLength = length;
  leaf.count = count;
  leaf.heapStart = heapStart;
  leaf.garbage = 0;
  noteRuns(leaf, base, places);
}

/** Bytes by which `records`, at `places` in `base`, make its body grow. */
function grownBy(
  leaf: Node,
  base: Node,
  records: readonly Delta[],
  places: readonly number[],
): number {
  let bytes = 0;
  for (const [i, { start, keyEnd, end }] of records.entries()) {
    const place = places[i] as number;
    bytes += SLOT_SIZE + encodedSize(leaf, keyEnd - start, end - keyEnd);
    if (place >= 0) bytes -= SLOT_SIZE + entrySize(base, place);
  }
  return bytes;
}

/** Writes slots and heap, which begins at `heap`: entries of the base, and deltas in their places. */
function writeEntries(
  leaf: Node,
  base: Node,
  records: readonly Delta[],
  places: readonly number[],
  page: Uint8Array,
  heap: number,
): void {
  let slot = BODY_START + NODE_BODY.size;
  let at = heap;
  let next = 0;
  for (let i = 0; i <= base.count; i++) {
    let isReplaced = false;
    for (; next < records.length; next++) {
      const place = places[next] as number;
      if ((place >= 0 ? place : ~place) !== i) break;
      setU16(page, slot, at - BODY_START);
      slot += SLOT_SIZE;
      at = writeDelta(leaf, records[next] as Delta, page, at);
      if (place >= 0) isReplaced = true;
    }
    if (isReplaced || i === base.count) continue;
    readEntry(base, i);
    const from = entryStart(base, i);
    setU16(page, slot, at - BODY_START);
    slot += SLOT_SIZE;
    copyBytes(base.page, from, entry.valueEnd, page, at);
    at += entry.valueEnd - from;
  }
}

/** Writes a delta as an entry at `page[at]`; gives where it ends. */
function writeDelta(leaf: Node, delta: Delta, page: Uint8Array, at: number): number {
  const { bytes, start, keyEnd, end } = delta;
  let to = at;
  if (leaf.keySize === 0) to = setLength(page, to, keyEnd - start);
  if (leaf.payloadSize < 0) to = setLength(page, to, end - keyEnd);
  copyBytes(bytes, start, end, page, to);
  return to + end - start;
}

/** Deltas that are all new and at one place are a run of inserts, which may go on from the base's. */
function noteRuns(leaf: Node, base: Node, places: readonly number[]): void {
  const first = places[0] ?? 0;
  const isRun = first < 0 && places.every((place) => place === first);
  const goesOn = ~first === base.count || isBehind(base, ~first);
  leaf.run = isRun ? places.length + (goesOn ? Math.max(base.run, 0) : 0) : 0;
  leaf.runAt = isRun ? ~first + places.length - 1 : -2;
}
