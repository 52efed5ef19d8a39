/**
 * The cleaner's way through all trees of a store, leaf by leaf: nodes that lie in the stripes to be
 * cleaned are made dirty, so that the next checkpoint packs them elsewhere, and extents there are
 * named to the caller.
 *
 * - A step is one leaf, in one savepoint; it remembers keys, so that anything may happen between
 *   two steps. Behind the last leaf the walk begins again.
 * - What is shared stays where it is: below a node with several references nothing is looked at.
 * - Values of attributes and maps that have extents of their own stay too.
 * - Who wants extents only, whole ones of some length, gets these named by the same walk.
 */

import { type LeafStep, leafAt } from '../btree/leaf-walk.js';
import type { Node } from '../btree/node.js';
import { NODE_STATE } from '../btree/node.js';
import { copyKey, entry, readEntry } from '../btree/node-view.js';
import type { ReferenceSink } from '../btree/record-schema.js';
import type { Tree } from '../btree/tree.js';
import { getU64BigEndian, textOf } from '../format/bytes.js';
import { isPlain, isProvisional, pointerAddress, pointerLength } from '../format/pointer.js';
import { ROLE } from '../format/role.js';
import { decodeEntry, ENTRY_KIND, type ExtentEntry } from '../onode/extent-entry.js';
import { Onode } from '../onode/onode.js';
import { SCHEMAS } from '../onode/schemas.js';
import { editObject } from './edit-object.js';
import type { OpenCollection } from './open-collection.js';
import type { StoreState } from './store-state.js';

/** An extent of which a part is to be moved, and where its entry was found. */
export interface FoundExtent {
  readonly collection: string;
  /** Key of its object. */
  readonly object: Uint8Array;
  /** Byte offset of the entry in the object. */
  readonly offset: number;
  readonly entry: ExtentEntry;
  /** Bytes [from, to) of the entry, whole chunks but for its ends. */
  readonly from: number;
  readonly to: number;
}

/** Trees of an object, in the order of the walk. */
const STREAMS = ['attributes', 'blobTree', 'map'] as const;

/** Trees without objects, in the order of the walk. */
const SERVICE = ['collections', 'references', 'groups', 'drops', 'reservations'] as const;

/** Where the walk is: a service tree, or a collection and perhaps one of its objects. */
interface Position {
  readonly service: number; // index, SERVICE.length where the collections are walked
  readonly collection: Uint8Array | undefined; // key
  readonly key: Uint8Array | undefined; // in the tree of the collection's objects
  readonly object: Uint8Array | undefined; // key; then `stream` and `streamKey` count
  readonly stream: number;
  readonly streamKey: Uint8Array | undefined;
}

const START: Position = {
  service: 0,
  collection: undefined,
  key: undefined,
  object: undefined,
  stream: 0,
  streamKey: undefined,
};

export class CleanWalk {
  readonly #state: StoreState;
  /** True when any block of the run lies in a stripe that is to be cleaned. */
  readonly #isWanted: (address: number, length: number) => boolean;
  #position = START;
  /** Objects of the leaf behind it that have something to look at, in order. */
  #objects: Uint8Array[] = [];

  constructor(state: StoreState, isWanted: (address: number, length: number) => boolean) {
    this.#state = state;
    this.#isWanted = isWanted;
  }

  /**
   * Looks at one leaf, within a savepoint of the caller; `found` is set to its extents. Moves on
   * only when it returns.
   * @returns true when that was the last one
   */
  step(found: FoundExtent[]): boolean {
    const next = this.#step(found);
    this.#position = next;
    return next === START;
  }

  /** Leaves out what can't be read where the walk is. */
  skip(): void {
    const at = this.#position;
    if (at.service < SERVICE.length) this.#position = { ...START, service: at.service + 1 };
    else if (at.object !== undefined) {
      this.#position = { ...at, stream: at.stream + 1, streamKey: undefined };
    } else this.#position = this.#behindCollection(at);
  }

  #step(found: FoundExtent[]): Position {
    found.length = 0;
    const at = this.#position;
    if (at.service < SERVICE.length) return this.#serviceStep(at);
    if (at.collection === undefined) return this.#behindCollection(at);
    const name = textOf(at.collection);
    const collection = this.#state.collection(name);
    if (collection === undefined) return this.#behindCollection(at);
    if (at.object !== undefined) return this.#objectStep(at, name, at.object, found);
    return this.#collectionStep(at, name, collection);
  }

  #serviceStep(at: Position): Position {
    const tree = this.#state.trees[SERVICE[at.service] as (typeof SERVICE)[number]];
    const step = leafAt(tree, at.key, this.#skipsPlain);
    if (step !== undefined) this.#own(tree, step);
    if (step?.next !== undefined) return { ...at, key: step.next };
    return { ...START, service: at.service + 1 };
  }

  /** The first collection behind the position's; the start when there is none. */
  #behindCollection(at: Position): Position {
    const cursor = this.#state.trees.collections.cursor();
    if (at.collection === undefined) cursor.seekFirst();
    else if (cursor.seek(at.collection) && textOf(cursor.key()) === textOf(at.collection)) {
      cursor.next();
    }
    this.#objects = [];
    return cursor.valid ? { ...START, service: at.service, collection: cursor.key() } : START;
  }

  #collectionStep(at: Position, name: string, collection: OpenCollection): Position {
    const step = leafAt(collection.objects, at.key, () => false);
    if (step === undefined) return this.#behindCollection(at);
    const isShared = this.#isShared(step);
    this.#objects = isShared ? [] : this.#objectsIn(step);
    if (!isShared && this.#isWantedPath(step)) {
      const changed = this.#state.changing(name);
      this.#own(changed.objects, step);
      this.#state.writeBack(changed);
    }
    const next = { ...at, key: step.next };
    const object = this.#objects.shift();
    if (object !== undefined) return { ...next, object, stream: 0, streamKey: undefined };
    return step.next === undefined ? this.#behindCollection(at) : next;
  }

  /** Keys of the objects in a leaf that have nodes of their own, or wanted extents. */
  #objectsIn({ leaf }: LeafStep): Uint8Array[] {
    const keys: Uint8Array[] = [];
    if (leaf === undefined) return keys;
    const sink = new Finder(this.#isWanted);
    for (let i = 0; i < leaf.count; i++) {
      readEntry(leaf, i);
      sink.found = false;
      SCHEMAS[ROLE.objects]?.references(leaf.page, entry.valueStart, entry.valueEnd, sink);
      if (sink.found) keys.push(copyKey(leaf, i));
    }
    return keys;
  }

  #objectStep(at: Position, name: string, object: Uint8Array, found: FoundExtent[]): Position {
    const collection = this.#state.collection(name) as OpenCollection;
    const record = collection.objects.get(object);
    const stream = STREAMS[at.stream];
    if (record === undefined || stream === undefined) return this.#behindObject(at);
    const tree = Onode.decode(this.#state, record)[stream];
    const skips = stream === 'blobTree' ? () => false : this.#skipsPlain;
    const step = leafAt(tree, at.streamKey, skips);
    if (step !== undefined && !this.#isShared(step)) {
      if (stream === 'blobTree') this.#findExtents(step, name, object, found);
      if (this.#isWantedPath(step)) this.#ownInObject(name, object, stream, step);
    }
    if (step?.next !== undefined) return { ...at, streamKey: step.next };
    return { ...at, stream: at.stream + 1, streamKey: undefined };
  }

  #behindObject(at: Position): Position {
    const object = this.#objects.shift();
    if (object !== undefined) return { ...at, object, stream: 0, streamKey: undefined };
    if (at.key === undefined) return this.#behindCollection(at);
    return { ...at, object: undefined, stream: 0, streamKey: undefined };
  }

  #findExtents(
    { leaf }: LeafStep,
    collection: string,
    object: Uint8Array,
    found: FoundExtent[],
  ): void {
    if (leaf === undefined) return;
    for (let i = 0; i < leaf.count; i++) {
      readEntry(leaf, i);
      const { keyStart, valueStart, valueEnd } = entry;
      if (leaf.page[valueStart] !== ENTRY_KIND.extent) continue;
      const extent = decodeEntry(leaf.page, valueStart, valueEnd);
      if (extent.kind !== ENTRY_KIND.extent) continue;
      if (!this.#isWanted(extent.address, extent.blocks)) continue;
      const offset = getU64BigEndian(leaf.page, keyStart);
      const own = { ...extent, checksums: extent.checksums.slice() };
      found.push({ collection, object, offset, entry: own, ...this.#partOf(own) });
    }
  }

  /**
   * The bytes of an extent from its first wanted block to the last one behind it in a row; all of
   * one that is wanted only as a whole.
   */
  #partOf({ address, blocks, shift, skip, length }: ExtentEntry): { from: number; to: number } {
    const { blockSize } = this.#state;
    let first = 0;
    while (first < blocks && !this.#isWanted(address + first, 1)) first++;
    if (first === blocks) return { from: 0, to: length };
    let end = first;
    while (end < blocks && this.#isWanted(address + end, 1)) end++;
    const chunk = 2 ** shift;
    const from = Math.floor((first * blockSize) / chunk) * chunk - skip;
    const to = Math.ceil((end * blockSize) / chunk) * chunk - skip;
    return { from: Math.max(0, from), to: Math.min(length, to) };
  }

  #ownInObject(
    name: string,
    object: Uint8Array,
    stream: (typeof STREAMS)[number],
    step: LeafStep,
  ): void {
    editObject(this.#state, name, object, (onode) => this.#own(onode[stream], step));
  }

  /** Makes the nodes of a path dirty if one of them is wanted; true when it did. */
  #own(tree: Tree, step: LeafStep): boolean {
    const last = step.path.at(-1);
    if (last === undefined || last.count === 0) return false;
    if (!this.#isWantedPath(step) || this.#isShared(step)) return false;
    tree.own(copyKey(last, 0));
    return true;
  }

  #isWantedPath({ path }: LeafStep): boolean {
    return path.some((node) => isWritten(node) && this.#isWanted(node.address, node.length));
  }

  #isShared({ path }: LeafStep): boolean {
    const { references } = this.#state;
    return path.some((node) =>
      node.address >= 0 ? references.isShared(node.address) : node.refs > 1,
    );
  }

  /** A leaf that owns nothing and lies where it may stay. */
  readonly #skipsPlain = (bytes: Uint8Array, at: number): boolean => {
    if (isProvisional(bytes, at) || !isPlain(bytes, at)) return false;
    return !this.#isWanted(pointerAddress(bytes, at), pointerLength(bytes, at));
  };
}

/** Tells whether a record refers to a node, or to wanted data. */
class Finder implements ReferenceSink {
  found = false;
  readonly #isWanted: (address: number, length: number) => boolean;

  constructor(isWanted: (address: number, length: number) => boolean) {
    this.#isWanted = isWanted;
  }

  node(): void {
    this.found = true;
  }

  data(address: number, length: number): void {
    if (this.#isWanted(address, length)) this.found = true;
  }
}

/** True for a node that has its place on the device. */
function isWritten({ state, address }: Node): boolean {
  return state === NODE_STATE.clean && address >= 0;
}
