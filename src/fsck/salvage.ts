/**
 * Bringing back what damage has cut off: leaves that nothing leads to any more, found by their
 * block headers (orphan-scan.ts).
 *
 * 1. Collections come back under their names.
 * 2. Objects go to the collection `lost+found`, under the name of their collection, a slash and
 *    their own; `#` and its id where the collection is not known.
 * 3. Leaves of streams whose object is not there become an object `#` and its id in the same
 *    place, with what is missing between them damaged.
 *
 * - Of two records that claim one name the one that was written last gets it, the other one a
 *   tilde and a number behind it.
 */

import type { Io } from '../blockdev/io.js';
import { emptyRoot } from '../btree/root-record.js';
import { Tree } from '../btree/tree.js';
import { EMPTY, equalBytes } from '../format/bytes.js';
import { ROLE } from '../format/role.js';
import type { Superblock } from '../format/superblock.js';
import { COLLECTION_KIND, decodeCnode, encodeCnode } from '../onode/cnode.js';
import { embedMax, NAME_SIZE_MAX, OBJECT_SIZE_MAX } from '../onode/limits.js';
import { nameOf } from '../onode/object-key.js';
import { encodeOnode, ONODE_FLAG, type OnodeRecord } from '../onode/onode.js';
import { SCHEMAS } from '../onode/schemas.js';
import {
  ATTRIBUTES_SPEC,
  BLOB_SPEC,
  COLLECTIONS_SPEC,
  MAP_SPEC,
  OBJECTS_SPEC,
} from '../onode/tree-specs.js';
import { SUPERBLOCK_EMBED_MAX } from '../txn/checkpoint.js';
import { mendBlob } from './blob-repair.js';
import { decoded } from './finding.js';
import { type CollectionsMender, mendValues, ObjectsMender } from './object-repair.js';
import { type FoundLeaf, findOrphans, type Orphan, readOrphan } from './orphan-scan.js';
import type { RepairContext } from './repair-context.js';
import { putNew, recordsOf, type StoredRecord, whole } from './tree-repair.js';

/** The collection for what has lost its own. */
export const LOST_AND_FOUND = 'lost+found';

/** `draft` with what can be brought back; all nodes are on the device. */
export function* salvage(
  repair: RepairContext,
  draft: Superblock,
  mender: CollectionsMender,
): Io<Superblock> {
  const salvager = new Salvager(repair, draft, mender);
  yield* salvager.collections();
  yield* salvager.objects();
  yield* salvager.streams();
  return salvager.draft;
}

const STREAMS = [
  [ROLE.blob, BLOB_SPEC],
  [ROLE.attributes, ATTRIBUTES_SPEC],
  [ROLE.map, MAP_SPEC],
] as const;

class Salvager {
  draft: Superblock;
  readonly #repair: RepairContext;
  readonly #mender: CollectionsMender;
  /** Of a lost+found that is made now. */
  readonly #boxId: number;

  constructor(repair: RepairContext, draft: Superblock, mender: CollectionsMender) {
    this.#repair = repair;
    this.draft = draft;
    this.#mender = mender;
    this.#boxId = mender.collectionIds.give();
  }

  *collections(): Io<void> {
    const orphans = yield* findOrphans(this.#repair, this.draft, ROLE.collections);
    if (orphans.length === 0) return;
    const tree = this.#openCollections();
    for (const leaf of newestFirst(orphans)) {
      const orphan = yield* this.#read(leaf, ROLE.collections);
      for (const record of orphan === undefined ? [] : recordsOf(orphan.node)) {
        const mended = yield* this.#mender.mend(record, orphan?.node.birth ?? 0);
        if (mended !== 'drop') {
          putNew(this.#repair, tree, mended === 'keep' ? record : mended);
        }
      }
    }
    yield* this.#close(tree);
  }

  *objects(): Io<void> {
    const orphans = yield* findOrphans(this.#repair, this.draft, ROLE.objects);
    if (orphans.length === 0) return;
    const box = this.#openBox();
    for (const leaf of newestFirst(orphans)) {
      const orphan = yield* this.#read(leaf, ROLE.objects);
      if (orphan !== undefined) yield* this.#adopt(box, orphan);
      yield* this.#repair.settle();
    }
    yield* this.#closeBox(box);
  }

  /** Takes the objects of a leaf into the box. */
  *#adopt(box: Tree, { node, owner }: Orphan): Io<void> {
    const known = this.#mender.known.get(owner);
    const kind = known?.kind ?? COLLECTION_KIND.name;
    const front = frontOf(known?.name, owner);
    const mender = new ObjectsMender(this.#repair, { id: owner, kind }, this.#mender.objectIds);
    for (const record of recordsOf(node)) {
      const mended = yield* whole(mender.mend(record, node.birth));
      if (mended === 'drop') continue;
      const value = mended === 'keep' ? record.value : mended.value;
      this.#put(box, Buffer.concat([front, nameOf(kind, record.key)]), value);
    }
  }

  /** Puts a record under a name that is free. */
  #put(box: Tree, name: Uint8Array, value: Uint8Array): void {
    this.#repair.edit(() => {
      let key = name.subarray(0, NAME_SIZE_MAX);
      for (let i = 2; box.has(key); i++) {
        const tail = Buffer.from(`~${i}`);
        key = Buffer.concat([name.subarray(0, NAME_SIZE_MAX - tail.length), tail]);
      }
      box.put(key, value);
    });
  }

  *streams(): Io<void> {
    const byOwner = new Map<number, Map<number, FoundLeaf[]>>();
    for (const [role] of STREAMS) {
      for (const leaf of yield* findOrphans(this.#repair, this.draft, role)) {
        if (leaf.owner === 0) continue;
        const roles = byOwner.get(leaf.owner) ?? new Map<number, FoundLeaf[]>();
        const leaves = roles.get(role) ?? [];
        leaves.push(leaf);
        byOwner.set(leaf.owner, roles.set(role, leaves));
      }
    }
    if (byOwner.size === 0) return;
    const box = this.#openBox();
    for (const [owner, roles] of byOwner) {
      const onode = yield* this.#gather(owner, roles);
      if (onode !== undefined) this.#put(box, Buffer.from(`#${owner}`), encodeOnode(onode));
      yield* this.#repair.settle();
    }
    yield* this.#closeBox(box);
  }

  /** An object of what was found of one; undefined when nothing of it can be read. */
  *#gather(owner: number, roles: ReadonlyMap<number, FoundLeaf[]>): Io<OnodeRecord | undefined> {
    const repair = this.#repair;
    const trees = new Map<number, Uint8Array>();
    for (const [role, spec] of STREAMS) {
      const tree = new Tree(repair.forest, { ...spec, owner });
      for (const place of newestFirst(roles.get(role) ?? [])) {
        const { node } = (yield* this.#read(place, role)) ?? {};
        const fits = node?.keySize === spec.keySize && node?.valueSize === spec.valueSize;
        const records = node !== undefined && fits ? recordsOf(node).filter(canDecode(role)) : [];
        for (const record of records) putNew(repair, tree, record);
      }
      if (tree.isEmpty()) continue;
      const root = repair.edit(() => tree.encodeRoot(0));
      trees.set(role, root);
    }
    if (trees.size === 0) return undefined;
    return yield* this.#mended(owner, trees);
  }

  *#mended(owner: number, trees: ReadonlyMap<number, Uint8Array>): Io<OnodeRecord> {
    const repair = this.#repair;
    const { generation } = repair;
    // Menders read what is on the device.
    yield* repair.flush();
    for (const [role, root] of trees) {
      repair.forest.resolveReferences(root, 0, root.length, role);
    }
    const limits = { sizeMax: OBJECT_SIZE_MAX, embedMax: embedMax(repair.superblock.nodeSize) };
    const blobRoot = trees.get(ROLE.blob) ?? EMPTY;
    const blob = yield* mendBlob(repair, blobRoot, 0, generation, limits);
    const [attributes, map] = [trees.get(ROLE.attributes) ?? EMPTY, trees.get(ROLE.map) ?? EMPTY];
    const ofAttributes = yield* mendValues(repair, attributes, generation, ATTRIBUTES_SPEC, owner);
    const ofMap = yield* mendValues(repair, map, generation, MAP_SPEC, owner);
    return {
      flags: ONODE_FLAG.largeValues,
      id: this.#mender.objectIds.give(),
      version: 1,
      size: blob?.size ?? 0,
      birth: generation,
      objectSizeHint: 0,
      writeSizeHint: 0,
      attributes: ofAttributes.root ?? attributes,
      blob: blob?.root ?? blobRoot,
      map: ofMap.root ?? map,
    };
  }

  *#read({ address }: FoundLeaf, role: number): Io<Orphan | undefined> {
    return yield* readOrphan(this.#repair.map, address, role, this.#repair.storeTag);
  }

  #openCollections(): Tree {
    const bytes = this.draft.roots.collections;
    const record = { bytes, at: 0, end: bytes.length };
    return this.#repair.edit(() => new Tree(this.#repair.forest, COLLECTIONS_SPEC, record));
  }

  /** Ends a change of the tree of collections: all of it is on the device then. */
  *#close(tree: Tree): Io<void> {
    const repair = this.#repair;
    const collections = repair.edit(() => tree.encodeRoot(SUPERBLOCK_EMBED_MAX));
    yield* repair.flush();
    repair.forest.resolveReferences(collections, 0, collections.length, ROLE.collections);
    const { collectionIds, objectIds } = this.#mender;
    const next = { nextCollection: collectionIds.next, nextObject: objectIds.next };
    this.draft = { ...this.draft, ...next, roots: { ...this.draft.roots, collections } };
  }

  /** The objects of lost+found. */
  #openBox(): Tree {
    const { forest } = this.#repair;
    const record = this.#repair.edit(() => this.#openCollections().get(BOX_KEY));
    if (record === undefined) return new Tree(forest, { ...OBJECTS_SPEC, owner: this.#boxId });
    const { id, objects: bytes } = decodeCnode(record, 0, record.length);
    const spec = { ...OBJECTS_SPEC, owner: id };
    return this.#repair.edit(() => new Tree(forest, spec, { bytes, at: 0, end: bytes.length }));
  }

  /** Writes the record of lost+found, with these objects. */
  *#closeBox(box: Tree): Io<void> {
    const repair = this.#repair;
    const tree = this.#openCollections();
    const record = repair.edit(() => tree.get(BOX_KEY));
    const cnode =
      record === undefined
        ? {
            id: this.#boxId,
            kind: COLLECTION_KIND.name,
            bits: 0,
            attributes: emptyRoot(ATTRIBUTES_SPEC),
          }
        : decodeCnode(record, 0, record.length);
    const objects = repair.edit(() => box.encodeRoot(embedMax(repair.superblock.nodeSize)));
    const value = encodeCnode({ ...cnode, objects, birth: repair.generation });
    repair.edit(() => tree.put(BOX_KEY, value));
    yield* this.#close(tree);
  }
}

function newestFirst(leaves: readonly FoundLeaf[]): FoundLeaf[] {
  return [...leaves].sort((one, other) => other.birth - one.birth);
}

/** Tells the records of a tree of `role` that can be put into one. */
function canDecode(role: number): (record: StoredRecord) => boolean {
  const ignore = { node: () => undefined, data: () => undefined };
  return ({ value }) =>
    'value' in decoded(() => SCHEMAS[role]?.references(value, 0, value.length, ignore));
}

/** What stands before an object's name: what was in lost+found goes back under its own. */
function frontOf(collection: Uint8Array | undefined, id: number): Uint8Array {
  if (collection === undefined) return Buffer.from(`#${id}/`);
  return equalBytes(collection, BOX_KEY) ? EMPTY : Buffer.concat([collection, Buffer.from('/')]);
}

const BOX_KEY = new Uint8Array(Buffer.from(LOST_AND_FOUND));
