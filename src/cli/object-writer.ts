/**
 * Writes objects of any size piece by piece, in bounded memory, each all or nothing.
 *
 * - What fits one piece is one transaction. Anything larger is gathered in an object of a
 *   collection beside, and appears under its name, whole, in the transaction of the last piece.
 * - That collection lives as long as one object is being written. The store has one writer, so
 *   whatever is there when a writer begins was left by one that was killed: `sweep` removes it.
 * - Replacing an object's bytes keeps its attributes and its map stream.
 */

import { type Bytes, type ObjectName, type Store, StoreError, Transaction } from '../index.js';
import type { Pipeline } from './pipeline.js';

/** Bytes of one piece, and so of one transaction. */
export const PIECE_BYTES = 1024 * 1024;

/** Collection of the object that is being gathered; no name that anybody would choose. */
const PARTIAL_COLLECTION = '\0holdfast.partial';
const PARTIAL_OBJECT = 'object';

/** An object to be written. */
export interface WrittenObject {
  readonly collection: Uint8Array;
  readonly object: ObjectName;
  /** Makes the collection too, which does not exist, in the transaction in which it appears. */
  readonly makesCollection?: boolean;
  /** Its bytes: pieces of PIECE_BYTES, of which only the last may be shorter. */
  readonly pieces: AsyncIterable<Uint8Array>;
  /** Attributes that it gets with its last byte. */
  readonly attributes?: () => Iterable<readonly [Bytes, Bytes]>;
}

export class ObjectWriter {
  readonly #store: Store;
  readonly #pipeline: Pipeline;

  constructor(store: Store, pipeline: Pipeline) {
    this.#store = store;
    this.#pipeline = pipeline;
  }

  /** Removes what a killed writer left. */
  async sweep(): Promise<void> {
    if (!(await this.#store.collection(PARTIAL_COLLECTION).exists())) return;
    await this.#store.commit(dropPartial());
  }

  /** Gives up after a failure: removes what was gathered, if that is still possible. */
  async abandon(): Promise<void> {
    await this.#pipeline.settle();
    await this.sweep().catch(() => undefined); // else the next writer does it
  }

  /** Submits an object; gives its size. Durable when drained. */
  async write(written: WrittenObject): Promise<number> {
    let size = 0;
    let last: Uint8Array = new Uint8Array(0);
    try {
      for await (const piece of written.pieces) {
        if (last.length > 0) {
          await this.#gather(size, last);
          size += last.length;
        }
        last = piece;
      }
    } catch (error) {
      // The source failed: what was gathered of it goes, what stood under the name stays.
      if (size > 0) await this.#pipeline.submit(dropPartial(), 0);
      throw error;
    }
    const transaction = new Transaction();
    const { collection, object } = written;
    if (written.makesCollection === true) transaction.createCollection(collection);
    if (size === 0) this.#replace(transaction, written, last);
    else await this.#finish(transaction, written, size, last);
    for (const [name, value] of written.attributes?.() ?? []) {
      transaction.setAttribute(collection, object, name, value);
    }
    await this.#pipeline.submit(transaction, last.length);
    return size + last.length;
  }

  async #gather(offset: number, piece: Uint8Array): Promise<void> {
    const transaction = new Transaction();
    if (offset === 0) transaction.createCollection(PARTIAL_COLLECTION);
    transaction.write(PARTIAL_COLLECTION, PARTIAL_OBJECT, offset, piece);
    await this.#pipeline.submit(transaction, piece.length);
  }

  #replace(transaction: Transaction, written: WrittenObject, bytes: Uint8Array): void {
    const { collection, object } = written;
    transaction.truncate(collection, object, 0).touch(collection, object);
    transaction.write(collection, object, 0, bytes);
  }

  async #finish(
    transaction: Transaction,
    { collection, object, makesCollection = false }: WrittenObject,
    size: number,
    last: Uint8Array,
  ): Promise<void> {
    transaction.write(PARTIAL_COLLECTION, PARTIAL_OBJECT, size, last);
    const isThere =
      !makesCollection && (await this.#store.collection(collection).object(object).exists());
    if (isThere) {
      const length = size + last.length;
      transaction.truncate(collection, object, 0);
      transaction.cloneRange(PARTIAL_COLLECTION, PARTIAL_OBJECT, object, 0, length, 0, collection);
      transaction.remove(PARTIAL_COLLECTION, PARTIAL_OBJECT);
    } else transaction.moveRename(PARTIAL_COLLECTION, PARTIAL_OBJECT, collection, object);
    transaction.removeCollection(PARTIAL_COLLECTION);
  }
}

function dropPartial(): Transaction {
  return new Transaction().dropCollection(PARTIAL_COLLECTION);
}

/** @throws StoreError E_USAGE for the collection in which objects are gathered */
export function checkCollectionName(collection: Uint8Array): void {
  if (Buffer.from(collection).toString('latin1') !== PARTIAL_COLLECTION) return;
  throw new StoreError(
    'E_USAGE',
    'Cannot use COLLECTION: objects are gathered under this name; choose another',
  );
}
