/**
 * How far a trace has been replayed, kept in the store and changed in the same transactions.
 *
 * - A collection of its own holds one object with one attribute: the last line that was replayed,
 *   and the CRC-32 of all lines up to it, so that another trace is not taken for this one.
 * - Each transaction demands the version that its predecessor gave the object. When one is
 *   refused, all that were submitted behind it are too: what is durable is a prefix of the trace.
 */

import { type Store, StoreError, Transaction } from '../../index.js';

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

/** Where a store stands in a trace. */
export interface CursorState {
  readonly position: Position;
  /** Of the object that says so. */
  readonly version: number;
}

/**
 * Where `store` stands; its cursor is made if it is empty.
 *
 * @throws StoreError E_NOT_EMPTY when the store holds something that no replay made
 */
export async function openCursor(store: Store): Promise<CursorState> {
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
  return { position: decodePosition(value), version };
}

/** Moves on from a state, a transaction at a time. */
export class Cursor {
  /** Where the store stood when it was opened. */
  readonly start: Position;
  #version: number;

  constructor(state: CursorState) {
    this.start = state.position;
    this.#version = state.version;
  }

  /** Begins a transaction that follows those begun before. */
  begin(): Transaction {
    return new Transaction().ifVersion(CURSOR_COLLECTION, OBJECT, this.#version);
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
