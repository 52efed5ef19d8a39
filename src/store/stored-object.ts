/**
 * Reading one object: its figures, bytes, attributes and map stream.
 *
 * - A handle names an object; it holds nothing open. What it looked up is kept until the store
 *   changes, so that many reads through one handle cost one look-up.
 * - Every read throws E_NOT_FOUND when the collection or the object is missing, E_CORRUPT when a
 *   byte on the way does not match its checksum. Results are the caller's.
 */

import { type BlockRun, endOf } from '../alloc/block-run.js';
import type { Io } from '../blockdev/io.js';
import type { Tree } from '../btree/tree.js';
import { checkIterable, type DamagePlace, invalidArgument, StoreError } from '../errors.js';
import { textOf, unsetBytes } from '../format/bytes.js';
import { type PlacedEntry, soleEntry } from '../onode/blob-stream.js';
import type { CollectionKind } from '../onode/cnode.js';
import { ENTRY_KIND } from '../onode/extent-entry.js';
import { objectKey } from '../onode/object-key.js';
import { findBlob, foundBlob, Onode } from '../onode/onode.js';
import { type Bytes, type ObjectName, toBytes, toOwnBytes, toOwnName } from '../txn/argument.js';
import { attributeKey, HEADER_KEY } from '../txn/attribute-key.js';
import { readEntriesInto, readEntrySync } from '../txn/data-reader.js';
import type { OpenCollection } from '../txn/open-collection.js';
import { printable } from '../txn/store-state.js';
import type { MapFormat } from '../txn/transaction.js';
import {
  attributePage,
  type DamageOption,
  EntryPage,
  type MapEntry,
  type MapRange,
  namedEntries,
} from './entry-page.js';
import { type FoundValue, findValue, readValue } from './found-value.js';
import type { Place, View } from './view.js';

/** Figures of an object. */
export interface ObjectStat {
  /**
   * Identity and generation in one: counted up over the whole store and never given to a new object
   * again, one of the same name neither. The objects of a cloned collection keep theirs.
   */
  readonly id: number;
  /**
   * 1 after the transaction that made it, raised by each that changes it; by more than one where
   * an operation on the whole collection stands between two changes.
   */
  readonly version: number;
  /** Bytes. */
  readonly size: number;
  /** Runs of blocks that its bytes lie in. */
  readonly extents: number;
  /** Bytes of the blocks that its bytes lie in, each block once, those shared with others too. */
  readonly allocatedBytes: number;
}

/** A range of an object's bytes and what is there. */
export interface ObjectExtent {
  readonly offset: number; // bytes
  readonly length: number; // bytes
  readonly kind: 'data' | 'inline' | 'hole';
  /** Byte offset on the device of its first byte; -1 for inline data and holes. */
  readonly deviceOffset: number;
}

/** Bytes [offset, offset + length) of an object. */
export type ByteRange = readonly [offset: number, length: number];

/** A read whose look-up is done. */
interface PlannedRead {
  readonly entries: readonly PlacedEntry[];
  readonly from: number; // bytes
  readonly to: number; // bytes
}

/** An object by its name, in the present state or that of a snapshot. */
export class StoredObject {
  readonly #view: View;
  readonly #collection: string;
  readonly #name: ObjectName;
  /** For errors. */
  readonly #place: Place;
  #seen = -1;
  #onode: Onode | undefined;

  constructor(view: View, collection: string, name: ObjectName) {
    this.#view = view;
    this.#collection = collection;
    this.#name = toOwnName(name);
    this.#place = () => placeOf(collection, this.#name);
  }

  // Figures

  /** True when there is such an object. E_NOT_FOUND without the collection. */
  existsSync(): boolean {
    return this.#view.sync(() => this.#find() !== undefined, this.#place);
  }

  /** As `existsSync`. */
  exists(): Promise<boolean> {
    return this.#view.run(() => this.#find() !== undefined, this.#place);
  }

  /** Its figures; reads all entries of its data, not the data. */
  statSync(): ObjectStat {
    return this.#view.sync(() => this.#stat(), this.#place);
  }

  /** As `statSync`. */
  stat(): Promise<ObjectStat> {
    return this.#view.run(() => this.#stat(), this.#place);
  }

  // Bytes

  /** The bytes [offset, offset + length), as far as the object goes; all of them by default. */
  readSync(offset = 0, length = Number.POSITIVE_INFINITY): Uint8Array {
    return this.tryReadSync(offset, length) ?? this.#refuse();
  }

  /** As `readSync`. */
  async read(offset = 0, length = Number.POSITIVE_INFINITY): Promise<Uint8Array> {
    return (await this.tryRead(offset, length)) ?? this.#refuse();
  }

  /** As `readSync`; undefined when the collection has no such object. */
  tryReadSync(offset = 0, length = Number.POSITIVE_INFINITY): Uint8Array | undefined {
    checkRange(offset, length);
    const quick = this.#view.sync(() => this.#readQuickly(offset, length), this.#place);
    if (quick !== undefined) return quick;
    return this.#view.readSync(
      () => this.#planRead(offset, length),
      (plan) => this.#readData(plan),
      this.#place,
    );
  }

  /** As `tryReadSync`. */
  async tryRead(offset = 0, length = Number.POSITIVE_INFINITY): Promise<Uint8Array | undefined> {
    checkRange(offset, length);
    return await this.#view.read(
      () => this.#planRead(offset, length),
      (plan) => this.#readData(plan),
      this.#place,
    );
  }

  /**
   * Reads the bytes from `offset` on into `target`, as far as both go; gives how many these were.
   * What follows them in `target` stays. After an error its bytes are of no use.
   */
  readIntoSync(target: Uint8Array, offset = 0): number {
    const { length } = checkTarget(target);
    checkRange(offset, length);
    const quick = this.#view.sync(() => this.#readQuickly(offset, length, target), this.#place);
    if (quick !== undefined) return quick.length;
    return this.#view.readSync(
      () => this.#planRead(offset, length),
      (plan) => this.#readDataInto(plan, target),
      this.#place,
    );
  }

  /** As `readIntoSync`; `target` belongs to the store until the promise settles. */
  async readInto(target: Uint8Array, offset = 0): Promise<number> {
    const { length } = checkTarget(target);
    checkRange(offset, length);
    return await this.#view.read(
      () => this.#planRead(offset, length),
      (plan) => this.#readDataInto(plan, target),
      this.#place,
    );
  }

  /** The bytes of each range, as far as the object goes; all of one state of the object. */
  readRangesSync(ranges: readonly ByteRange[]): Uint8Array[] {
    const wanted = checkedRanges(ranges);
    return this.#view.readSync(
      () => wanted.map(([offset, length]) => this.#planRead(offset, length) ?? this.#refuse()),
      (plans) => this.#readEach(plans),
      this.#place,
    );
  }

  /** As `readRangesSync`. */
  async readRanges(ranges: readonly ByteRange[]): Promise<Uint8Array[]> {
    const wanted = checkedRanges(ranges);
    return await this.#view.read(
      () => wanted.map(([offset, length]) => this.#planRead(offset, length) ?? this.#refuse()),
      (plans) => this.#readEach(plans),
      this.#place,
    );
  }

  /** What lies where in [offset, offset + length), in order of offset; cut to the range. */
  extentsSync(offset = 0, length = Number.POSITIVE_INFINITY): ObjectExtent[] {
    checkRange(offset, length);
    return this.#view.sync(() => this.#extents(offset, length), this.#place);
  }

  /** As `extentsSync`. */
  async extents(offset = 0, length = Number.POSITIVE_INFINITY): Promise<ObjectExtent[]> {
    checkRange(offset, length);
    return await this.#view.run(() => this.#extents(offset, length), this.#place);
  }

  // Attributes

  /** Undefined when there is no such attribute. */
  getAttributeSync(name: Bytes): Uint8Array | undefined {
    const key = attributeKey(toBytes(name));
    return this.#valueSync(() => this.#found(this.#existing().attributes, key));
  }

  /** As `getAttributeSync`. */
  async getAttribute(name: Bytes): Promise<Uint8Array | undefined> {
    const key = attributeKey(toBytes(name));
    return await this.#value(() => this.#found(this.#existing().attributes, key));
  }

  /** All attributes in order of their names. */
  attributesSync(options: DamageOption = {}): MapEntry[] {
    const page = attributePage(this.#view.engine, this.#place(), options);
    while (!page.isDone) this.#fillSync(page, () => this.#existing().attributes);
    return namedEntries(page);
  }

  /** As `attributesSync`. */
  async attributes(options: DamageOption = {}): Promise<MapEntry[]> {
    const page = attributePage(this.#view.engine, this.#place(), options);
    while (!page.isDone) await this.#fill(page, () => this.#existing().attributes);
    return namedEntries(page);
  }

  // Map stream

  /** Undefined when there is no such key. */
  mapGetSync(key: Bytes): Uint8Array | undefined {
    const bytes = toBytes(key);
    return this.#valueSync(() => this.#found(this.#existing().map, bytes));
  }

  /** As `mapGetSync`. */
  async mapGet(key: Bytes): Promise<Uint8Array | undefined> {
    const bytes = toOwnBytes(key);
    return await this.#value(() => this.#found(this.#existing().map, bytes));
  }

  /** A page of entries. */
  mapEntriesSync(range: MapRange = {}): MapEntry[] {
    const page = new EntryPage(this.#view.engine, { ...this.#place(), tree: 'map' }, range);
    do this.#fillSync(page, () => this.#existing().map);
    while (!page.isDone);
    return page.entries;
  }

  /** As `mapEntriesSync`. */
  async mapEntries(range: MapRange = {}): Promise<MapEntry[]> {
    const page = new EntryPage(this.#view.engine, { ...this.#place(), tree: 'map' }, range);
    do await this.#fill(page, () => this.#existing().map);
    while (!page.isDone);
    return page.entries;
  }

  /** Undefined when none was set. */
  mapHeaderSync(): Uint8Array | undefined {
    return this.#valueSync(() => this.#found(this.#existing().attributes, HEADER_KEY));
  }

  /** As `mapHeaderSync`. */
  mapHeader(): Promise<Uint8Array | undefined> {
    return this.#value(() => this.#found(this.#existing().attributes, HEADER_KEY));
  }

  /** Keys in the map stream. */
  mapCountSync(): number {
    return this.#view.sync(() => this.#existing().map.count(), this.#place);
  }

  /** As `mapCountSync`. */
  mapCount(): Promise<number> {
    return this.#view.run(() => this.#existing().map.count(), this.#place);
  }

  /** How the map stream is keyed. @throws StoreError E_COMPARATOR naming one not registered */
  mapFormatSync(): Required<MapFormat> {
    return this.#view.sync(() => this.#mapFormat(), this.#place);
  }

  /** As `mapFormatSync`. */
  mapFormat(): Promise<Required<MapFormat>> {
    return this.#view.run(() => this.#mapFormat(), this.#place);
  }

  // Looking up, as repeatable tree work

  #open(): OpenCollection {
    const collection = this.#view.openCollection(this.#collection);
    if (collection !== undefined) return collection;
    const name = printable(this.#collection);
    throw new StoreError('E_NOT_FOUND', `Cannot find collection ${name}`);
  }

  #find(): Onode | undefined {
    const { version } = this.#view;
    if (this.#seen === version) return this.#onode;
    const { objects, kind } = this.#open();
    const record = objects.get(nameKey(kind, this.#name));
    this.#onode = record === undefined ? undefined : Onode.decode(this.#view.engine.state, record);
    this.#seen = version;
    return this.#onode;
  }

  #existing(): Onode {
    return this.#find() ?? this.#refuse();
  }

  #refuse(): never {
    const name = this.#name;
    const plain = typeof name === 'string' || name instanceof Uint8Array ? name : name.name;
    throw new StoreError(
      'E_NOT_FOUND',
      `Cannot find object ${printable(textOf(toBytes(plain)))} in collection ${printable(this.#collection)}`,
    );
  }

  #stat(): ObjectStat {
    const { id, version, size, blob } = this.#existing();
    const { blockSize } = this.#view.engine.state;
    const runs: BlockRun[] = [];
    for (const { entry } of blob.entries(0, size)) {
      if (entry.kind !== ENTRY_KIND.extent) continue;
      runs.push({ start: entry.address, length: entry.blocks });
    }
    const allocatedBytes = distinctBlocks(runs) * blockSize;
    const extents = runs.filter(({ start }, i) => {
      const before = runs[i - 1];
      return before === undefined || endOf(before) !== start;
    }).length;
    return { id, version, size, extents, allocatedBytes };
  }

  #extents(from: number, length: number): ObjectExtent[] {
    const { size, blob } = this.#existing();
    const { blockSize } = this.#view.engine.state;
    return [...blob.entries(from, Math.min(size, from + length))].map(({ offset, entry }) => ({
      offset,
      length: entry.length,
      kind:
        entry.kind === ENTRY_KIND.extent
          ? 'data'
          : entry.kind === ENTRY_KIND.inline
            ? 'inline'
            : 'hole',
      deviceOffset: entry.kind === ENTRY_KIND.extent ? entry.address * blockSize + entry.skip : -1,
    }));
  }

  /**
   * Reads an object that was not looked up before and has all its bytes in one entry: in one go,
   * out of the record where it stands. Undefined when it isn't like that.
   */
  #readQuickly(offset: number, length: number, target?: Uint8Array): Uint8Array | undefined {
    const { version, engine } = this.#view;
    if (this.#seen === version) return undefined;
    const { objects, kind } = this.#open();
    if (!objects.find(nameKey(kind, this.#name))) return undefined;
    const { state, device } = engine;
    const record = objects.hitBytes;
    findBlob(record, objects.hitStart, objects.hitEnd);
    const { size, start, end } = foundBlob;
    const entry = soleEntry(record, start, end, size, state.blockSize);
    if (entry === undefined || offset >= size || length === 0) return undefined;
    const to = Math.min(size, offset + length);
    const bytes = readEntrySync(state, device, entry, offset, to, target);
    return bytes.length === to - offset ? bytes : bytes.subarray(0, to - offset);
  }

  #planRead(offset: number, length: number): PlannedRead | undefined {
    const onode = this.#find();
    if (onode === undefined) return undefined;
    const { size, blob } = onode;
    const from = Math.min(offset, size);
    const to = Math.min(size, offset + length);
    return { entries: [...blob.entries(from, to)], from, to };
  }

  *#readData(plan: PlannedRead | undefined): Io<Uint8Array | undefined> {
    if (plan === undefined) return undefined;
    const target = unsetBytes(plan.to - plan.from);
    yield* this.#readDataInto(plan, target);
    return target;
  }

  *#readDataInto(plan: PlannedRead | undefined, target: Uint8Array): Io<number> {
    if (plan === undefined) return this.#refuse();
    const { state, device } = this.#view.engine;
    yield* readEntriesInto(state, device, { ...plan, target });
    return plan.to - plan.from;
  }

  /** One after the other: whole chunks of all of them at once would be too much memory. */
  *#readEach(plans: readonly PlannedRead[]): Io<Uint8Array[]> {
    const pieces: Uint8Array[] = [];
    for (const plan of plans) pieces.push((yield* this.#readData(plan)) ?? this.#refuse());
    return pieces;
  }

  #found(tree: Tree, key: Uint8Array): FoundValue | undefined {
    if (!tree.find(key)) return undefined;
    return this.#decode(tree.hitBytes, tree.hitStart, tree.hitEnd);
  }

  #decode(bytes: Uint8Array, start: number, end: number): FoundValue {
    return findValue(this.#view.engine.state, bytes, start, end);
  }

  #valueSync(plan: () => FoundValue | undefined): Uint8Array | undefined {
    const found = this.#view.sync(plan, this.#place);
    if (found === undefined || found instanceof Uint8Array) return found;
    return this.#view.readSync(plan, (value) => this.#readValue(value), this.#place);
  }

  #value(plan: () => FoundValue | undefined): Promise<Uint8Array | undefined> {
    return this.#view.read(plan, (value) => this.#readValue(value), this.#place);
  }

  *#readValue(found: FoundValue | undefined): Io<Uint8Array | undefined> {
    return found === undefined ? undefined : yield* readValue(this.#view.engine, found);
  }

  #mapFormat(): Required<MapFormat> {
    const { comparator, keySize } = this.#existing().map.spec;
    return { comparator: comparator.name, comparatorVersion: comparator.version, keySize };
  }

  /** One round of a page. */
  #fillSync(page: EntryPage, tree: () => Tree): void {
    const plan = () => page.plan(tree());
    this.#view.readSync(plan, (planned) => page.read(planned), this.#place);
  }

  #fill(page: EntryPage, tree: () => Tree): Promise<void> {
    const plan = () => page.plan(tree());
    return this.#view.read(plan, (planned) => page.read(planned), this.#place);
  }
}

/** Key of a name in a collection of this kind. E_INVALID_ARGUMENT for a hash that is no u32. */
export function nameKey(kind: CollectionKind, name: ObjectName): Uint8Array {
  if (typeof name !== 'object' || name === null || name instanceof Uint8Array) {
    return objectKey(kind, toBytes(name));
  }
  const { hash } = name;
  if (!Number.isInteger(hash) || hash < 0 || hash >= 2 ** 32) {
    throw invalidArgument(
      `Cannot use hash ${String(hash)}: expected a whole number in [0, ${2 ** 32 - 1}]`,
    );
  }
  return objectKey(kind, toBytes(name.name), hash);
}

/** Blocks that lie in any of the runs, which may overlap: pieces of one chunk share its blocks. */
function distinctBlocks(runs: readonly BlockRun[]): number {
  let blocks = 0;
  let counted = 0; // end of the blocks that were counted
  for (const { start, length } of runs.toSorted((a, b) => a.start - b.start)) {
    const end = Math.max(counted, start + length);
    blocks += end - Math.max(counted, start);
    counted = end;
  }
  return blocks;
}

function placeOf(collection: string, given: ObjectName): DamagePlace {
  const name = typeof given === 'object' && 'name' in given ? given.name : given;
  return { collection: Buffer.from(collection, 'latin1'), object: toBytes(name) };
}

function checkTarget(target: Uint8Array): Uint8Array {
  if (target instanceof Uint8Array) return target;
  throw invalidArgument(`Cannot read into ${String(target)}: expected a Uint8Array`);
}

function checkedRanges(ranges: readonly ByteRange[]): ByteRange[] {
  return Array.from(checkIterable(ranges, 'ranges'), (range) => {
    const [offset, length] = checkIterable(range, 'range');
    checkRange(offset, length);
    return [offset, length] as const;
  });
}

function checkRange(offset: number, length: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0) {
    throw invalidArgument(`Cannot read at offset ${String(offset)}: not a whole number from 0 on`);
  }
  if (typeof length !== 'number' || !(length >= 0)) {
    throw invalidArgument(`Cannot read ${String(length)} bytes: expected a number from 0 on`);
  }
}
