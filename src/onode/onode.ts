/**
 * Onodes: one object's metadata, a record in its collection's tree.
 *
 * - Record: flags, id, version, size, birth as varints; then, each if its flag is set, the
 *   allocation hint (two varints) and the root records of attributes, blob and map stream.
 * - `id` is given once and never again: a handle to a deleted object can't reach another one.
 * - No onode knows its collection: splitting and renaming move records as they are.
 */

import type { ComparatorRegistry } from '../btree/comparator.js';
import type { Forest } from '../btree/forest.js';
import { rootRecordSize, rootSpec } from '../btree/root-record.js';
import { startSoleRoot } from '../btree/small-leaf.js';
import { Tree } from '../btree/tree.js';
import type { TreeSpec } from '../btree/tree-spec.js';
import { CorruptError } from '../errors.js';
import { ByteReader, copyBytes, EMPTY, newBytes, setVarint, varintSize } from '../format/bytes.js';
import { COUNTER_LIMIT } from '../format/journal-record.js';
import { ROLE, type Role } from '../format/role.js';
import { BlobStream } from './blob-stream.js';
import { ANYWHERE, type ObjectContext } from './context.js';
import {
  type BlobEntry,
  blobKey,
  ENTRY_KIND,
  entryLength,
  extentOf,
  writeEntry,
} from './extent-entry.js';
import { embedMax, inlineMax } from './limits.js';
import { ATTRIBUTES_SPEC, BLOB_SPEC, MAP_SPEC } from './tree-specs.js';
import type { NewValue } from './value-record.js';

export const ONODE_FLAG = {
  hint: 1, // an allocation hint follows
  attributes: 2, // a root record of attributes follows
  blob: 4, // a root record of a blob stream follows
  map: 8, // a root record of a map stream follows
  largeValues: 16, // some value of attributes or map may be large
} as const;

const FLAGS_KNOWN = 31;

/** An onode record as numbers and views. An absent root is empty bytes. */
export interface OnodeRecord {
  readonly flags: number;
  readonly id: number;
  readonly version: number; // 1 at creation, raised by each transaction that changes the object
  readonly size: number; // bytes
  readonly birth: number; // epoch of the last change
  readonly objectSizeHint: number; // bytes, 0 if none
  readonly writeSizeHint: number; // bytes, 0 if none
  readonly attributes: Uint8Array;
  readonly blob: Uint8Array;
  readonly map: Uint8Array;
}

/**
 * Where the root records of an onode record stand, for walkers that patch in place. A tree is
 * plain when no record of its leaves refers to anything.
 */
export function forEachRoot(
  bytes: Uint8Array,
  start: number,
  end: number,
  visit: (role: Role, at: number, rootEnd: number, isPlain?: boolean) => void,
): void {
  head.seek(bytes, start, end);
  const flags = readHead(head);
  let { at } = head;
  for (const { flag, role } of ROOTS) {
    if ((flags & flag) === 0) continue;
    const rootEnd = at + rootRecordSize(bytes, at, end);
    const isPlain = role !== ROLE.blob && (flags & ONODE_FLAG.largeValues) === 0;
    visit(role, at, rootEnd, isPlain);
    at = rootEnd;
  }
}

/** Reads the heads of records: every one of a leaf, whenever that is packed. */
const head = new ByteReader(EMPTY);

const ROOTS: readonly { readonly flag: number; readonly role: Role }[] = [
  { flag: ONODE_FLAG.attributes, role: ROLE.attributes },
  { flag: ONODE_FLAG.blob, role: ROLE.blob },
  { flag: ONODE_FLAG.map, role: ROLE.map },
];

/** Reads up to the first root record; returns the flags. */
function readHead(reader: ByteReader): number {
  const flags = reader.varint();
  for (let i = 0; i < 4; i++) reader.varint();
  if ((flags & ONODE_FLAG.hint) !== 0) {
    reader.varint();
    reader.varint();
  }
  if (reader.failed || flags > FLAGS_KNOWN) {
    throw new CorruptError('Cannot decode onode: head makes no sense');
  }
  return flags;
}

/** Size in bytes of the object of a record. */
export function onodeSize(bytes: Uint8Array, start: number, end: number): number {
  head.seek(bytes, start, end);
  for (let i = 0; i < 3; i++) head.varint(); // flags, id, version
  const size = head.varint();
  if (head.failed) throw new CorruptError('Cannot decode onode: cut short');
  return size;
}

/** What the last `findBlob` found: bytes of the object, and its blob stream's root record. */
export const foundBlob = { size: 0, start: 0, end: 0 };

/**
 * Finds the root record of the blob stream in the record `bytes[start, end)`, of no bytes where there
 * is none; the result is in `foundBlob`. As `decodeOnode` without the rest, and without an object.
 *
 * @throws CorruptError when the record makes no sense.
 */
export function findBlob(bytes: Uint8Array, start: number, end: number): void {
  head.seek(bytes, start, end);
  const flags = head.varint();
  head.varint(); // id
  const version = head.varint();
  const size = head.varint();
  head.varint(); // birth
  if ((flags & ONODE_FLAG.hint) !== 0) {
    head.varint();
    head.varint();
  }
  if (head.failed || flags > FLAGS_KNOWN || version >= COUNTER_LIMIT) {
    throw new CorruptError('Cannot decode onode: head makes no sense');
  }
  const attributesEnd = endOfRoot(flags & ONODE_FLAG.attributes, bytes, head.at, end);
  const blobEnd = endOfRoot(flags & ONODE_FLAG.blob, bytes, attributesEnd, end);
  if (endOfRoot(flags & ONODE_FLAG.map, bytes, blobEnd, end) !== end) {
    throw new CorruptError('Cannot decode onode: length differs');
  }
  foundBlob.size = size;
  foundBlob.start = attributesEnd;
  foundBlob.end = blobEnd;
}

/** The offset behind the root record at `bytes[at]`, if the flag says that there is one. */
function endOfRoot(flag: number, bytes: Uint8Array, at: number, end: number): number {
  return flag === 0 ? at : at + rootRecordSize(bytes, at, end);
}

/**
 * Decodes the record `bytes[start, end)`; roots are views into it.
 *
 * @throws CorruptError when the record makes no sense.
 */
export function decodeOnode(bytes: Uint8Array, start: number, end: number): OnodeRecord {
  const reader = new ByteReader(bytes, start, end);
  const flags = reader.varint();
  if (flags > FLAGS_KNOWN) throw new CorruptError('Cannot decode onode: unknown flags');
  const id = reader.varint();
  const version = reader.varint();
  const size = reader.varint();
  if (version >= COUNTER_LIMIT) throw new CorruptError('Cannot decode onode: version is too high');
  const birth = reader.varint();
  const hinted = (flags & ONODE_FLAG.hint) !== 0;
  const objectSizeHint = hinted ? reader.varint() : 0;
  const writeSizeHint = hinted ? reader.varint() : 0;
  if (reader.failed) throw new CorruptError('Cannot decode onode: cut short');
  const root = (flag: number) =>
    (flags & flag) === 0 ? EMPTY : reader.take(rootRecordSize(bytes, reader.at, end));
  const attributes = root(ONODE_FLAG.attributes);
  const blob = root(ONODE_FLAG.blob);
  const map = root(ONODE_FLAG.map);
  if (reader.failed || reader.at !== end) {
    throw new CorruptError('Cannot decode onode: length differs');
  }
  return {
    flags,
    id,
    version,
    size,
    birth,
    objectSizeHint,
    writeSizeHint,
    attributes,
    blob,
    map,
  };
}

/** The bytes of a record; of `flags` only `largeValues` counts, the others follow from the rest. */
export function encodeOnode(record: OnodeRecord): Uint8Array {
  const { id, version, size, birth, objectSizeHint, writeSizeHint } = record;
  const { attributes, blob, map } = record;
  const hinted = objectSizeHint + writeSizeHint > 0;
  const flags =
    (hinted ? ONODE_FLAG.hint : 0) |
    (attributes.length > 0 ? ONODE_FLAG.attributes : 0) |
    (blob.length > 0 ? ONODE_FLAG.blob : 0) |
    (map.length > 0 ? ONODE_FLAG.map : 0) |
    (record.flags & ONODE_FLAG.largeValues);
  let head = 1 + varintSize(id) + varintSize(version) + varintSize(size) + varintSize(birth);
  if (hinted) head += varintSize(objectSizeHint) + varintSize(writeSizeHint);
  const bytes = newBytes(head + attributes.length + blob.length + map.length);
  bytes[0] = flags;
  let at = setVarint(bytes, setVarint(bytes, 1, id), version);
  at = setVarint(bytes, setVarint(bytes, at, size), birth);
  if (hinted) at = setVarint(bytes, setVarint(bytes, at, objectSizeHint), writeSizeHint);
  for (const root of [attributes, blob, map]) {
    copyBytes(root, 0, root.length, bytes, at);
    at += root.length;
  }
  return bytes;
}

/**
 * The tree of a record's root, which must stay unchanged as long as the tree is in use.
 * No root: an empty tree of `spec`.
 *
 * @throws StoreError E_COMPARATOR when the root names one that is not registered.
 */
export function openRoot(
  forest: Forest,
  comparators: ComparatorRegistry,
  spec: TreeSpec,
  owner: number,
  root: Uint8Array,
): Tree {
  if (root.length === 0) return new Tree(forest, { ...spec, owner });
  const stated = rootSpec(root, 0, root.length, spec.role, owner, comparators);
  return new Tree(forest, stated, { bytes: root, at: 0, end: root.length });
}

const FIRST_KEY = blobKey(0);

const NEW_OBJECT: OnodeRecord = {
  flags: 0,
  id: 0,
  version: 0,
  size: 0,
  birth: 0,
  objectSizeHint: 0,
  writeSizeHint: 0,
  attributes: EMPTY,
  blob: EMPTY,
  map: EMPTY,
};

/** An object while a transaction changes it; `encode` gives the record to write back. */
export class Onode {
  readonly #context: ObjectContext;
  #roots: { attributes: Uint8Array; blob: Uint8Array; map: Uint8Array };
  #attributes: Tree | undefined;
  #blob: Tree | undefined;
  #map: Tree | undefined;
  readonly id: number;
  version: number;
  size: number;
  objectSizeHint: number;
  writeSizeHint: number;
  largeValues: boolean;

  private constructor(context: ObjectContext, record: OnodeRecord, id: number, version: number) {
    this.#context = context;
    this.#roots = { attributes: record.attributes, blob: record.blob, map: record.map };
    this.id = id;
    this.version = version;
    this.size = record.size;
    this.objectSizeHint = record.objectSizeHint;
    this.writeSizeHint = record.writeSizeHint;
    this.largeValues = (record.flags & ONODE_FLAG.largeValues) !== 0;
  }

  /** A new, empty object. */
  static create(context: ObjectContext, id: number): Onode {
    return new Onode(context, NEW_OBJECT, id, 0);
  }

  /** A copy of the object of a record's bytes under a new id; references are the caller's. */
  static clone(context: ObjectContext, bytes: Uint8Array, id: number): Onode {
    return new Onode(context, decodeOnode(bytes, 0, bytes.length), id, 0);
  }

  /** The object of a record's bytes, which the onode keeps and nobody may change. */
  static decode(context: ObjectContext, bytes: Uint8Array): Onode {
    const record = decodeOnode(bytes, 0, bytes.length);
    return new Onode(context, record, record.id, record.version);
  }

  /** The tree of attributes; a write to it counts once `encode` is called. */
  get attributes(): Tree {
    this.#attributes ??= this.#open(ATTRIBUTES_SPEC, this.#roots.attributes);
    return this.#attributes;
  }

  get blobTree(): Tree {
    this.#blob ??= this.#open(BLOB_SPEC, this.#roots.blob);
    return this.#blob;
  }

  get blob(): BlobStream {
    return new BlobStream(this.#context, this.blobTree);
  }

  /** Puts data at `offset` over what is there; `size` is the caller's to raise. */
  write(offset: number, value: NewValue): void {
    const isFirst = this.#blob === undefined && this.#roots.blob.length === 0;
    if (isFirst && offset === 0 && this.size === 0) this.#writeFirst(value);
    else if ('bytes' in value) this.blob.write(offset, value.bytes, this.size);
    else this.blob.writePlaced(offset, value.placed, this.size);
  }

  /** The first data of an object is most often all that it gets: one entry needs no tree. */
  #writeFirst(value: NewValue): void {
    const context = this.#context;
    const birth = context.generation;
    if ('bytes' in value && value.bytes.length <= inlineMax(context.nodeSize)) {
      const { bytes: data } = value;
      const entry = { kind: ENTRY_KIND.inline, birth, length: data.length, data };
      if (!this.#putSole(entry)) this.blob.write(0, data, 0);
      return;
    }
    const placed = 'bytes' in value ? context.placeData(value.bytes, ANYWHERE) : value.placed;
    const only = placed.length === 1 ? placed[0] : undefined;
    const isSole = only !== undefined && this.#putSole(extentOf(only, birth));
    if (!isSole) this.blob.writePlaced(0, placed, 0);
  }

  /** Makes `entry` all of the blob stream; false when its record would be too large. */
  #putSole(entry: BlobEntry): boolean {
    const length = entryLength(entry);
    const record = startSoleRoot(BLOB_SPEC, FIRST_KEY, length);
    if (record.length > embedMax(this.#context.nodeSize)) return false;
    writeEntry(entry, record, record.length - length);
    this.#roots.blob = record;
    return true;
  }

  get map(): Tree {
    this.#map ??= this.#open(MAP_SPEC, this.#roots.map);
    return this.#map;
  }

  /** Replaces the map stream by an empty one with another comparator or fixed sizes. */
  resetMap(spec: TreeSpec): void {
    this.#map = new Tree(this.#context.forest, { ...spec, owner: this.id });
  }

  /** The record, with every tree's root as it is now. */
  encode(): Uint8Array {
    const limit = embedMax(this.#context.nodeSize);
    const isPlain = !this.largeValues;
    const attributes = this.#root(this.#attributes, this.#roots.attributes, limit, isPlain);
    const blob = this.#root(this.#blob, this.#roots.blob, limit, false);
    const map = this.#root(this.#map, this.#roots.map, limit, isPlain);
    this.#roots = { attributes, blob, map };
    return encodeOnode({
      flags: this.largeValues ? ONODE_FLAG.largeValues : 0,
      id: this.id,
      version: this.version,
      size: this.size,
      birth: this.#context.generation,
      objectSizeHint: this.objectSizeHint,
      writeSizeHint: this.writeSizeHint,
      attributes,
      blob,
      map,
    });
  }

  #open(spec: TreeSpec, root: Uint8Array): Tree {
    const { forest, comparators } = this.#context;
    return openRoot(forest, comparators, spec, this.id, root);
  }

  /** Root record of one tree; none for an empty one, unless it is formatted in its own way. */
  #root(tree: Tree | undefined, before: Uint8Array, limit: number, isPlain: boolean): Uint8Array {
    if (tree === undefined) return before;
    if (tree.isEmpty() && !this.#isFormatted(tree)) return EMPTY;
    return tree.encodeRoot(limit, limit, isPlain);
  }

  #isFormatted(tree: Tree): boolean {
    const { comparator, keySize } = tree.spec;
    return tree.spec.role === ROLE.map && (comparator !== MAP_SPEC.comparator || keySize !== 0);
  }
}
