/**
 * Mending what a store holds: collections, their objects, and the values of both.
 *
 * - A record that can't be decoded is lost; of one that can, everything that can be told stays.
 * - Ids that were given twice or never are given anew where a store could not live with them.
 */

import type { Io } from '../blockdev/io.js';
import type { Node } from '../btree/node.js';
import { encodedEmptyRoot } from '../btree/root-record.js';
import type { TreeSpec } from '../btree/tree-spec.js';
import { ByteWriter, EMPTY } from '../format/bytes.js';
import { ROLE } from '../format/role.js';
import {
  type CnodeRecord,
  COLLECTION_KIND,
  type CollectionKind,
  decodeCnode,
  encodeCnode,
} from '../onode/cnode.js';
import { embedMax, OBJECT_SIZE_MAX, VALUE_SIZE_MAX } from '../onode/limits.js';
import { HASH_SIZE } from '../onode/object-key.js';
import { decodeOnode, encodeOnode, ONODE_FLAG, type OnodeRecord } from '../onode/onode.js';
import { ATTRIBUTES_SPEC, COLLECTIONS_SPEC, MAP_SPEC, OBJECTS_SPEC } from '../onode/tree-specs.js';
import { decodeValue, VALUE_KIND } from '../onode/value-record.js';
import { decodeReservation } from '../txn/reservation.js';
import { STORE_SPECS } from '../txn/store-state.js';
import { mendBlob } from './blob-repair.js';
import { decoded } from './finding.js';
import { NumberSet } from './number-set.js';
import { isAttributeKey } from './object-trees.js';
import type { RepairContext } from './repair-context.js';
import { figuresOf } from './stored-node.js';
import { type Mended, type Mender, mendTree, type StoredRecord } from './tree-repair.js';

/** Ids are kept where they are below; a varint could hold more than counters may. */
const ID_END = 2 ** 51;

/** Ids that are given anew begin so far behind the next one of the store. */
const SPARE_IDS = 2 ** 32;

/** Collections whose names are remembered. */
const KNOWN_MAX = 65_536;

/** Gives ids where those that are there can't stay; finds out what the next one is. */
export class IdGiver {
  /** Above all ids that were seen or given. */
  next: number;
  #spare: number;

  constructor(next: number) {
    this.next = next;
    this.#spare = next + SPARE_IDS;
  }

  /** `id`, or a new one in its place. */
  keep(id: number): number {
    if (id === 0 || id >= ID_END) return this.give();
    this.next = Math.max(this.next, id + 1);
    return id;
  }

  give(): number {
    const id = this.#spare++;
    this.next = Math.max(this.next, id + 1);
    return id;
  }
}

/** The tree of collections. */
export class CollectionsMender implements Mender {
  readonly spec = COLLECTIONS_SPEC;
  readonly isGiven = true;
  readonly movesStrays = true;
  readonly collectionIds: IdGiver;
  readonly objectIds: IdGiver;
  readonly #repair: RepairContext;
  readonly #seen = new NumberSet();
  /** Names and kinds of collections by id, for what is found without its collection. */
  readonly known = new Map<number, { readonly name: Uint8Array; readonly kind: CollectionKind }>();

  constructor(repair: RepairContext) {
    this.#repair = repair;
    this.collectionIds = new IdGiver(repair.superblock.nextCollection);
    this.objectIds = new IdGiver(repair.superblock.nextObject);
  }

  *mend({ key, value }: StoredRecord, birth: number): Io<Mended> {
    const found = decoded(() => decodeCnode(value, 0, value.length));
    if ('fault' in found) return 'drop';
    const cnode = found.value;
    const id = this.#idOf(cnode.id);
    if (this.known.size < KNOWN_MAX) this.known.set(id, { name: key, kind: cnode.kind });
    const { root } = yield* mendValues(this.#repair, cnode.attributes, birth, ATTRIBUTES_SPEC, id);
    const objects = yield* this.#objects({ ...cnode, id }, birth);
    const isSame = id === cnode.id && cnode.birth <= birth;
    if (isSame && root === undefined && objects === undefined) return 'keep';
    const roots = { attributes: root ?? cnode.attributes, objects: objects ?? cnode.objects };
    const { generation } = this.#repair;
    return { key, value: encodeCnode({ ...cnode, ...roots, id, birth: generation }) };
  }

  *#objects(cnode: CnodeRecord, birth: number): Io<Uint8Array | undefined> {
    const repair = this.#repair;
    const mender = new ObjectsMender(repair, cnode, this.objectIds);
    const outcome = yield* mendTree(repair, mender, cnode.objects, birth);
    if (outcome === 'keep') return undefined;
    return repair.edit(() => outcome.encodeRoot(embedMax(repair.superblock.nodeSize)));
  }

  #idOf(id: number): number {
    const kept = this.collectionIds.keep(id);
    return this.#seen.add(kept) ? kept : this.collectionIds.give();
  }
}

/** The tree of one collection's objects. */
export class ObjectsMender implements Mender {
  readonly spec: TreeSpec;
  readonly isGiven = true;
  readonly movesStrays = true;
  readonly #repair: RepairContext;
  readonly #keySizeMin: number;
  readonly #ids: IdGiver;

  constructor(repair: RepairContext, { id, kind }: Pick<CnodeRecord, 'id' | 'kind'>, ids: IdGiver) {
    this.#repair = repair;
    this.spec = { ...OBJECTS_SPEC, owner: id };
    this.#keySizeMin = kind === COLLECTION_KIND.hash ? HASH_SIZE : 0;
    this.#ids = ids;
  }

  *mend({ key, value }: StoredRecord, birth: number): Io<Mended> {
    const found = decoded(() => decodeOnode(value, 0, value.length));
    if ('fault' in found || key.length < this.#keySizeMin) return 'drop';
    const onode = found.value;
    const id = this.#ids.keep(onode.id);
    const mended = yield* mendParts(this.#repair, onode, birth);
    if (mended === undefined && id === onode.id && onode.birth <= birth) return 'keep';
    const { generation } = this.#repair;
    return { key, value: encodeOnode({ ...(mended ?? onode), id, birth: generation }) };
  }
}

/** The object with whole streams; undefined when they may stay as they are. */
function* mendParts(
  repair: RepairContext,
  onode: OnodeRecord,
  birth: number,
): Io<OnodeRecord | undefined> {
  const { id, flags, size } = onode;
  const attributes = yield* mendValues(repair, onode.attributes, birth, ATTRIBUTES_SPEC, id);
  const map = yield* mendValues(repair, onode.map, birth, MAP_SPEC, id);
  const limits = { sizeMax: OBJECT_SIZE_MAX, embedMax: embedMax(repair.superblock.nodeSize) };
  const blob = yield* mendBlob(repair, onode.blob, size, birth, limits);
  const largeValues = attributes.hasLarge || map.hasLarge ? ONODE_FLAG.largeValues : 0;
  const isSame = attributes.root === undefined && map.root === undefined && blob === undefined;
  if (isSame && (flags & largeValues) === largeValues) return undefined;
  return {
    ...onode,
    flags: flags | largeValues,
    size: blob?.size ?? size,
    attributes: withoutEmpty(attributes.root ?? onode.attributes),
    blob: withoutEmpty(blob?.root ?? onode.blob),
    map: map.root ?? onode.map,
  };
}

/** An onode has no root record for an empty tree. */
function withoutEmpty(root: Uint8Array): Uint8Array {
  return root.length > 0 && encodedEmptyRoot(root) ? EMPTY : root;
}

interface MendedValues {
  /** The new root record; undefined when the tree may stay as it is. */
  readonly root: Uint8Array | undefined;
  readonly hasLarge: boolean;
}

export function* mendValues(
  repair: RepairContext,
  root: Uint8Array,
  birth: number,
  spec: TreeSpec,
  owner: number,
): Io<MendedValues> {
  if (root.length === 0) return { root: undefined, hasLarge: false };
  const mender = new ValuesMender(repair, { ...spec, owner });
  const outcome = yield* mendTree(repair, mender, root, birth);
  const { hasLarge } = mender;
  if (outcome === 'keep') return { root: undefined, hasLarge };
  const limit = embedMax(repair.superblock.nodeSize);
  return { root: repair.edit(() => outcome.encodeRoot(limit)), hasLarge };
}

/** A tree of attributes or a map stream. */
class ValuesMender implements Mender {
  readonly spec: TreeSpec;
  readonly isGiven: boolean;
  readonly movesStrays = true;
  hasLarge = false;
  readonly #repair: RepairContext;

  constructor(repair: RepairContext, spec: TreeSpec) {
    this.#repair = repair;
    this.spec = spec;
    this.isGiven = spec.role === ROLE.attributes;
  }

  *mend({ key, value }: StoredRecord, birth: number): Io<Mended> {
    const { role } = this.spec;
    if (role === ROLE.attributes && !isAttributeKey(key, 0, key.length)) return 'drop';
    const found = decoded(() => decodeValue(value, 0, value.length));
    if ('fault' in found) return 'drop';
    if (found.value.kind === VALUE_KIND.inline) return 'keep';
    const { length, root } = found.value;
    if (root.length === 0 && length > VALUE_SIZE_MAX) return 'drop';
    this.hasLarge = true;
    const repair = this.#repair;
    const limits = { sizeMax: VALUE_SIZE_MAX, embedMax: embedMax(repair.superblock.nodeSize) / 2 };
    const blob = yield* mendBlob(repair, root, length, birth, limits);
    if (blob === undefined) return 'keep';
    return blob.size === 0 ? 'drop' : { key, value: encodeLarge(blob.size, blob.root) };
  }

  again(node: Node): boolean {
    const figures = figuresOf(node, this.#repair.map.blockSize);
    if (figures?.plain === false) this.hasLarge = true;
    return true;
  }
}

/** The record of a value that is a blob stream. */
function encodeLarge(length: number, root: Uint8Array): Uint8Array {
  const writer = new ByteWriter(16 + root.length);
  writer.u8(VALUE_KIND.large);
  writer.varint(length);
  writer.raw(root);
  return writer.copy();
}

/** The tree of reservations. */
export class ReservationsMender implements Mender {
  readonly spec = STORE_SPECS.reservations;
  readonly isGiven = true;
  readonly movesStrays = true;

  mend({ value }: StoredRecord): Mended {
    return 'fault' in decoded(() => decodeReservation(value)) ? 'drop' : 'keep';
  }
}
