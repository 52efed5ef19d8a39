/**
 * Where data that is written ahead would best lie: before its transaction is applied, and while
 * others of the same object are under way, which the trees don't know of.
 *
 * - What was placed last of an object is remembered, by name and by the offset that it reaches to:
 *   so what no longer fits, after a refusal or a rename, is not taken for the object's end.
 * - Everything else is looked up in the trees. A goal is a wish: a wrong one costs a run, no more.
 */

import type { Io } from '../blockdev/io.js';
import { StoreError } from '../errors.js';
import { ANYWHERE, type DataGoal } from '../onode/context.js';
import { objectKey } from '../onode/object-key.js';
import { Onode } from '../onode/onode.js';
import type { NamedObject } from './object-table.js';
import type { Readers } from './readers.js';
import type { AheadPart, SealedTransaction } from './sealed-transaction.js';
import type { StoreState } from './store-state.js';

/** Objects whose last placement is remembered: as many as there are windows. */
const REMEMBERED_MAX = 1024;

/** How far an object's data reaches that was placed last, and the block behind it. */
interface Reach {
  readonly offset: number; // bytes
  readonly block: number;
}

export class AppendGoals {
  readonly #state: StoreState;
  readonly #readers: () => Readers;
  /** By object, the one placed last at the end. */
  readonly #reaches = new Map<string, Reach>();

  constructor(state: StoreState, readers: () => Readers) {
    this.#state = state;
    this.#readers = readers;
  }

  /** Where a part of a transaction would best lie. */
  *goalOf(sealed: SealedTransaction, { bytes, object: index, offset }: AheadPart): Io<DataGoal> {
    if (offset <= 0) return ANYWHERE;
    const object = sealed.objectAt(index);
    const reach = this.#reaches.get(keyOf(object));
    if (reach?.offset === offset) {
      return { hint: reach.block, grownTo: offset + bytes.length, grownFrom: offset };
    }
    return yield* this.#lookUp(object, offset, bytes.length);
  }

  /** The part has got its place, up to `block`. */
  note(sealed: SealedTransaction, part: AheadPart, block: number): void {
    if (part.offset < 0) return;
    const key = keyOf(sealed.objectAt(part.object));
    this.#reaches.delete(key);
    this.#reaches.set(key, { offset: part.offset + part.bytes.length, block });
    const [oldest] = this.#reaches.keys();
    if (this.#reaches.size > REMEMBERED_MAX && oldest !== undefined) this.#reaches.delete(oldest);
  }

  /** `#find`, which may have to read nodes; what can't be read is the transaction's to report. */
  *#lookUp(object: NamedObject, offset: number, length: number): Io<DataGoal> {
    const { forest, allocator } = this.#state;
    let goal = ANYWHERE;
    const find = (): void => {
      goal = this.#find(object, offset, length);
    };
    if (forest.attempt(find, undefined)) return goal;
    const readers = this.#readers();
    const reader = readers.begin(allocator.generation, -1);
    try {
      yield { kind: 'until', start: () => forest.run(find), force: () => forest.sync(find) };
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    } finally {
      readers.end(reader);
    }
    return goal;
  }

  /** The goal for `length` bytes behind the end of an object; anywhere for other data. */
  #find(
    { collection: name, name: key, hash }: NamedObject,
    offset: number,
    length: number,
  ): DataGoal {
    const state = this.#state;
    const collection = state.collection(name);
    const record = collection?.objects.get(objectKey(collection.kind, key, hash));
    if (record === undefined) return ANYWHERE;
    const onode = Onode.decode(state, record);
    if (offset < onode.size) return ANYWHERE;
    const { stripeBlocks } = state.allocator.geometry;
    return onode.blob.goal(onode.size, offset + length - onode.size, onode.size, stripeBlocks);
  }
}

function keyOf({ collection, name, hash }: NamedObject): string {
  return `${collection.length} ${hash ?? ''} ${collection} ${Buffer.from(name).toString('latin1')}`;
}
