/**
 * How far a trace has been replayed, kept in the store and changed in the same transactions.
 *
 * - A collection of its own holds one object with one attribute: the last line that was replayed,
 *   and the CRC-32 of all lines up to it, so that another trace is not taken for this one.
 * - Each transaction demands the version that its predecessor gave the object. When one is
 *   refused, all that were submitted behind it are too: what is durable is a prefix of the trace.
 */

import { type Store, StoreError, type Transaction } from '../../index.js';

/** No collection of Ceph begins with a full stop. */
export const CURSOR_COLLECTION = '.replay';

const OBJECT = 'cursor';
const ATTRIBUTE = 'position';

/** A place in a trace, behind a line. */
export interface Position {
  /** 0 before the first. */
  readonly line: number;
  /** Of the lines up to it, without their line feeds. */
  readonly crc32: number;
}

export class Cursor {
  /** Where the store stood when it was opened. */
  readonly start: Position;
  #version: number;

  private constructor(start: Position, version: number) {
    this.start = start;
    this.#version = version;
  }

  /**
   * The cursor of a store; it is made if the store is empty.
   *
   * @throws StoreError E_NOT_EMPTY when the store holds something that no replay made
   */
  static async open(store: Store): Promise<Cursor> {
    const object = store.collection(CURSOR_COLLECTION).object(OBJECT);
    const names = await store.listCollections({ limit: 1 });
    if (names.length === 0) {
      const made = store.transaction().createCollection(CURSOR_COLLECTION);
      await store.commit(setPosition(made.create(CURSOR_COLLECTION, OBJECT), NOWHERE));
    } else if (!(await store.collection(CURSOR_COLLECTION).exists())) {
      throw new StoreError(
        'E_NOT_EMPTY',
        'Cannot replay onto this store: it holds other collections; make a new one with mkfs',
      );
    }
    const value = await object.getAttribute(ATTRIBUTE);
    const { version } = await object.stat();
    return new Cursor(decodePosition(value), version);
  }

  /** Begins a transaction that follows those begun before. */
  begin(store: Store): Transaction {
    return store.transaction().ifVersion(CURSOR_COLLECTION, OBJECT, this.#version);
  }

  /** Ends one: with it the replay stands at `position`. */
  end(transaction: Transaction, position: Position): void {
    setPosition(transaction, position);
    this.#version++;
  }
}

const NOWHERE: Position = { line: 0, crc32: 0 };

function setPosition(transaction: Transaction, { line, crc32 }: Position): Transaction {
  const text = `${line} ${crc32.toString(16).padStart(8, '0')}`;
  return transaction.setAttribute(CURSOR_COLLECTION, OBJECT, ATTRIBUTE, text);
}

function decodePosition(value: Uint8Array | undefined): Position {
  const match = /^(\d+) ([0-9a-f]{8})$/.exec(Buffer.from(value ?? []).toString());
  if (match !== null) return { line: Number(match[1]), crc32: Number.parseInt(match[2] ?? '', 16) };
  throw new StoreError(
    'E_NOT_EMPTY',
    `Cannot replay onto this store: its collection ${CURSOR_COLLECTION} is not that of a replay`,
  );
}
