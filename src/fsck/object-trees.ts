/**
 * Checking what a store holds: collections, their objects, and the values of both.
 *
 * - Ids: those of collections are unique. Objects keep theirs when their collection is cloned, so
 *   an id that a collection holds twice is only noted, and only among records that are met for
 *   the first time.
 */

import type { Io } from '../blockdev/io.js';
import type { Node } from '../btree/node.js';
import { entry, readEntry } from '../btree/node-view.js';
import type { TreeSpec } from '../btree/tree-spec.js';
import { textOf } from '../format/bytes.js';
import { ROLE } from '../format/role.js';
import {
  type CnodeRecord,
  COLLECTION_KIND,
  type CollectionKind,
  decodeCnode,
} from '../onode/cnode.js';
import { OBJECT_SIZE_MAX } from '../onode/limits.js';
import { HASH_SIZE } from '../onode/object-key.js';
import { decodeOnode, ONODE_FLAG, type OnodeRecord } from '../onode/onode.js';
import { ATTRIBUTES_SPEC, COLLECTIONS_SPEC, OBJECTS_SPEC } from '../onode/tree-specs.js';
import { decodeValue, VALUE_KIND } from '../onode/value-record.js';
import { printable } from '../txn/store-state.js';
import { checkBlob } from './blob-tree.js';
import type { CheckContext } from './context.js';
import { decoded, type FindingCode, type Place, placeIn } from './finding.js';
import { NumberSet } from './number-set.js';
import type { Figures } from './stored-node.js';
import { type TreeVisitor, walked, walkRoot } from './tree-walk.js';

/** Ids of one collection's objects that are remembered: 16 MiB if they are dense. */
const IDS_MAX = 128 * 1024 * 1024;

/** The tree of collections; adds up what its collections hold. */
export class CollectionsVisitor implements TreeVisitor {
  readonly role = ROLE.collections;
  readonly spec = COLLECTIONS_SPEC;
  readonly place: Place = {};
  /** Objects of all collections. */
  objects = 0;
  /** Bytes that they account for. */
  bytes = 0;
  /** Some collection could not be counted. */
  isIncomplete = false;
  readonly #context: CheckContext;
  readonly #ids = new NumberSet();

  constructor(context: CheckContext) {
    this.#context = context;
  }

  *leaf(node: Node, first: number): Io<void> {
    for (let i = first; i < node.count; i++) {
      this.#context.at(node, i);
      readEntry(node, i);
      const { keyStart, keyEnd, valueStart, valueEnd } = entry;
      const collection = printable(textOf(node.page.subarray(keyStart, keyEnd)));
      const cnode = decoded(() => decodeCnode(node.page, valueStart, valueEnd));
      if ('value' in cnode) yield* this.#collection(cnode.value, { collection }, node.birth);
      else {
        this.#add('record-damaged', cnode.fault, { collection });
        this.#context.isIncomplete = true;
        this.lost();
      }
    }
  }

  lost(): void {
    this.isIncomplete = true;
  }

  *#collection(cnode: CnodeRecord, place: Place, birth: number): Io<void> {
    const context = this.#context;
    context.count('collections');
    const { nextCollection } = context.superblock;
    if (!(cnode.id < nextCollection)) {
      this.#add('collection-id', `Id ${cnode.id} is not below ${nextCollection}`, place);
    } else if (!this.#ids.add(cnode.id)) {
      this.#add('collection-id', `Id ${cnode.id} is that of another collection too`, place);
    }
    if (cnode.birth > birth) {
      this.#add('birth-order', `Cnode of epoch ${cnode.birth} is in a leaf of ${birth}`, place);
    }
    const attributes = new ValuesVisitor(context, ROLE.attributes, ATTRIBUTES_SPEC, place);
    yield* walked(walkRoot(context, attributes, cnode.attributes, birth));
    const objects = new ObjectsVisitor(context, place, cnode.kind);
    yield* walked(walkRoot(context, objects, cnode.objects, birth));
    const { figures } = objects;
    if (figures === undefined) this.lost();
    else {
      this.objects += figures.records;
      this.bytes += figures.bytes;
    }
  }

  #add(code: FindingCode, message: string, place: Place): void {
    this.#context.findings.add(code, message, placeIn(this.role, place));
  }
}

/** Of thousands of objects none is named in a finding: a name is made printable when it is. */
class ObjectPlace implements Place {
  readonly collection: string | undefined;
  readonly #name: string;

  /** `name` is latin1 text. */
  constructor(collection: string | undefined, name: string) {
    this.collection = collection;
    this.#name = name;
  }

  get object(): string {
    return printable(this.#name);
  }
}

/** The tree of one collection's objects. */
export class ObjectsVisitor implements TreeVisitor {
  readonly role = ROLE.objects;
  readonly spec = OBJECTS_SPEC;
  readonly place: Place;
  /** What the root of the tree states; undefined where there is no telling. */
  figures: Figures | undefined;
  readonly #context: CheckContext;
  readonly #kind: CollectionKind | undefined;
  readonly #ids = new NumberSet(IDS_MAX);

  /** A dropped tree has no `kind`: its objects are named by their keys. */
  constructor(context: CheckContext, place: Place, kind: CollectionKind | undefined) {
    this.#context = context;
    this.place = place;
    this.#kind = kind;
  }

  counted(figures: Figures): void {
    this.figures = figures;
  }

  *leaf(node: Node, first: number): Io<void> {
    const { page } = node;
    const text = Buffer.from(page.buffer, page.byteOffset, page.length);
    for (let i = first; i < node.count; i++) {
      this.#context.at(node, i);
      readEntry(node, i);
      const { keyStart, keyEnd, valueStart, valueEnd } = entry;
      const place = this.#placeOf(text, keyStart, keyEnd);
      const onode = decoded(() => decodeOnode(page, valueStart, valueEnd));
      if ('value' in onode) {
        const more = this.#object(onode.value, place, node.birth);
        if (more !== undefined) yield* more;
      } else {
        this.#add('record-damaged', onode.fault, place);
        this.#context.isIncomplete = true;
      }
    }
  }

  /** An object's place by its key, which may be too short for its collection's kind. */
  #placeOf(page: Buffer, keyStart: number, keyEnd: number): Place {
    const skip = this.#kind === COLLECTION_KIND.hash ? HASH_SIZE : 0;
    const name = page.toString('latin1', Math.min(keyStart + skip, keyEnd), keyEnd);
    const place = new ObjectPlace(this.place.collection, name);
    if (keyEnd - keyStart < skip) {
      this.#add('record-damaged', `Key of ${keyEnd - keyStart} bytes has no hash`, place);
    }
    return place;
  }

  /** Checks an object; gives what could not be done at once. */
  #object(onode: OnodeRecord, place: Place, birth: number): Io<void> | undefined {
    const context = this.#context;
    const { nextObject } = context.superblock;
    context.count('objects');
    if (!(onode.id < nextObject)) {
      this.#add('object-id', `Id ${onode.id} is not below ${nextObject}`, place);
    } else if (context.isReporting && !this.#ids.add(onode.id)) {
      this.#add('object-id-twice', `Id ${onode.id} is that of another object too`, place);
    }
    if (onode.birth > birth) {
      this.#add('birth-order', `Onode of epoch ${onode.birth} is in a leaf of ${birth}`, place);
    }
    if (onode.size > OBJECT_SIZE_MAX) {
      this.#add('record-damaged', `Size ${onode.size} is over ${OBJECT_SIZE_MAX}`, place);
    }
    if (onode.attributes.length + onode.map.length > 0) return this.#streams(onode, place, birth);
    return checkBlob(context, place, onode.blob, onode.size, birth);
  }

  /** All that an object has. */
  *#streams(onode: OnodeRecord, place: Place, birth: number): Io<void> {
    const context = this.#context;
    const largeValues = (onode.flags & ONODE_FLAG.largeValues) !== 0;
    if (onode.attributes.length > 0) {
      const visitor = new ValuesVisitor(context, ROLE.attributes, ATTRIBUTES_SPEC, place);
      visitor.largeValues = largeValues;
      yield* walked(walkRoot(context, visitor, onode.attributes, birth));
    }
    if (onode.map.length > 0) {
      const visitor = new ValuesVisitor(context, ROLE.map, undefined, place);
      visitor.largeValues = largeValues;
      yield* walked(walkRoot(context, visitor, onode.map, birth));
    }
    yield* walked(checkBlob(context, place, onode.blob, onode.size, birth));
  }

  #add(code: FindingCode, message: string, place: Place): void {
    this.#context.findings.add(code, message, placeIn(this.role, place));
  }
}

/** A tree of attributes or a map stream. */
export class ValuesVisitor implements TreeVisitor {
  readonly role: typeof ROLE.attributes | typeof ROLE.map;
  readonly spec: TreeSpec | undefined;
  readonly place: Place;
  /** The owner's record says that there may be large values. */
  largeValues = true;
  readonly #context: CheckContext;

  constructor(
    context: CheckContext,
    role: typeof ROLE.attributes | typeof ROLE.map,
    spec: TreeSpec | undefined,
    place: Place,
  ) {
    this.#context = context;
    this.role = role;
    this.spec = spec;
    this.place = place;
  }

  *leaf(node: Node, first: number): Io<void> {
    for (let i = first; i < node.count; i++) {
      this.#context.at(node, i);
      readEntry(node, i);
      const { keyStart, keyEnd, valueStart, valueEnd } = entry;
      if (this.role === ROLE.attributes && !isAttributeKey(node.page, keyStart, keyEnd)) {
        this.#add('record-damaged', `Key ${i} of a leaf is not one of an attribute`);
      }
      const value = decoded(() => decodeValue(node.page, valueStart, valueEnd));
      if ('fault' in value) {
        this.#add('record-damaged', value.fault);
        this.#context.isIncomplete = true;
      } else if (value.value.kind === VALUE_KIND.large) {
        const key = printable(textOf(node.page.subarray(keyStart + this.#keySkip, keyEnd)));
        yield* this.#large(key, value.value.root, value.value.length, node.birth);
      }
    }
  }

  /** Bytes in front of the name in a key: an attribute's says its kind. */
  get #keySkip(): number {
    return this.role === ROLE.attributes ? 1 : 0;
  }

  *#large(value: string, root: Uint8Array, length: number, birth: number): Io<void> {
    if (!this.largeValues) {
      const message = `A value has ${length} bytes, the onode speaks of none`;
      this.#add('large-value-flag', message, { value });
    }
    const context = this.#context;
    if (root.length > 0) {
      const { collection, object } = this.place;
      yield* walked(checkBlob(context, { collection, object, value }, root, length, birth));
    } else {
      this.#add('record-damaged', 'A large value has no root record');
      context.isIncomplete = true;
    }
  }

  #add(code: FindingCode, message: string, more: Place = {}): void {
    this.#context.findings.add(code, message, {
      ...placeIn(this.role, this.place),
      ...more,
    });
  }
}

/** Kinds of attribute keys: the header of a map stands alone under 0, attributes under 1. */
export function isAttributeKey(page: Uint8Array, start: number, end: number): boolean {
  return page[start] === 1 ? end > start : page[start] === 0 && end === start + 1;
}
