/**
 * A collection while it is in use: its record, decoded, and the tree of its objects.
 */

import { emptyRoot } from '../btree/root-record.js';
import type { Tree } from '../btree/tree.js';
import { equalBytes } from '../format/bytes.js';
import { type CollectionKind, decodeCnode, encodeCnode } from '../onode/cnode.js';
import type { ObjectContext } from '../onode/context.js';
import { openRoot } from '../onode/onode.js';
import { ATTRIBUTES_SPEC, OBJECTS_SPEC } from '../onode/tree-specs.js';
import { type Totals, totalsOf } from './collection-totals.js';

const NOTHING: Totals = { objects: 0, storedBytes: 0 };

export class OpenCollection {
  readonly #context: ObjectContext;
  readonly name: Uint8Array;
  readonly id: number;
  readonly kind: CollectionKind;
  bits: number;
  objects: Tree;
  readonly attributes: Tree;
  /** What `objects` holds, undefined where nobody has counted. */
  known: Totals | undefined;
  /** The record as last encoded. */
  record: Uint8Array;
  #encoded:
    | { readonly objects: Tree['root']; readonly attributes: Tree['root']; readonly bits: number }
    | undefined;

  private constructor(
    context: ObjectContext,
    name: Uint8Array,
    record: Uint8Array,
    id: number | undefined,
  ) {
    const cnode = decodeCnode(record, 0, record.length);
    this.#context = context;
    this.name = name;
    this.id = id ?? cnode.id;
    this.kind = cnode.kind;
    this.bits = cnode.bits;
    this.record = id === undefined ? record : new Uint8Array(0);
    this.objects = this.#open(OBJECTS_SPEC, cnode.objects);
    this.attributes = this.#open(ATTRIBUTES_SPEC, cnode.attributes);
  }

  /** The collection of a record's bytes, which it keeps. */
  static decode(context: ObjectContext, name: Uint8Array, record: Uint8Array): OpenCollection {
    return new OpenCollection(context, name, record, undefined);
  }

  /** A collection under another name and id with the trees of `record`. */
  static copy(
    context: ObjectContext,
    name: Uint8Array,
    record: Uint8Array,
    id: number,
  ): OpenCollection {
    return new OpenCollection(context, name, record, id);
  }

  /** A new, empty collection. */
  static create(
    context: ObjectContext,
    name: Uint8Array,
    id: number,
    kind: CollectionKind,
    bits: number,
  ): OpenCollection {
    const record = encodeCnode({
      id,
      kind,
      bits,
      birth: context.generation,
      attributes: emptyRoot(ATTRIBUTES_SPEC),
      objects: emptyRoot(OBJECTS_SPEC),
    });
    const collection = new OpenCollection(context, name, record, id);
    collection.known = NOTHING;
    return collection;
  }

  /** What it holds; walks dirty nodes only after objects were moved between collections. */
  get totals(): Totals {
    this.known ??= totalsOf(this.objects);
    return this.known;
  }

  /** Notes that objects came or went, and bytes of objects. */
  count(objects: number, storedBytes: number): void {
    const { known } = this;
    if (known === undefined) return;
    this.known = {
      objects: known.objects + objects,
      storedBytes: known.storedBytes + storedBytes,
    };
  }

  /**
   * Brings `record` up to date; true when it changed. Roots up to `limit` bytes stay embedded. A
   * root node that was changed stays a node, so that the record still holds when the next
   * transaction changes it too, until `settle`.
   */
  encode(limit: number): boolean {
    return this.#encode(limit, 0);
  }

  /** As `encode`, before a checkpoint: every root that may be embedded is. */
  settle(limit: number): boolean {
    if (!this.objects.hasOwnRoot) return false;
    this.#encoded = undefined;
    return this.#encode(limit, limit);
  }

  #encode(limit: number, changedMax: number): boolean {
    if (this.#isEncoded()) return false;
    const attributes = this.attributes.encodeRoot(limit);
    const objects = this.objects.encodeRoot(limit, changedMax);
    const { id, kind, bits } = this;
    const birth = this.#context.generation;
    const record = encodeCnode({ id, kind, bits, birth, attributes, objects });
    this.#encoded = { objects: this.objects.root, attributes: this.attributes.root, bits };
    if (equalBytes(record, this.record)) return false;
    this.record = record;
    return true;
  }

  /** True when the roots are the nodes that `record` names: a node is changed in place. */
  #isEncoded(): boolean {
    const encoded = this.#encoded;
    return (
      encoded !== undefined &&
      encoded.objects === this.objects.root &&
      encoded.attributes === this.attributes.root &&
      encoded.bits === this.bits
    );
  }

  #open(spec: Tree['spec'], root: Uint8Array): Tree {
    return openRoot(this.#context.forest, this.#context.comparators, spec, this.id, root);
  }
}
