/**
 * Builds the transactions of a replay from the lines of its trace.
 */

import { crc32 } from 'node:zlib';
import { StoreError } from '../../errors.js';
import type { Transaction } from '../../index.js';
import { Cursor, type CursorState, type Position } from './cursor.js';
import { decodeText } from './escaped-text.js';
import { badLine, lineError } from './line-error.js';
import type { Line } from './line-reader.js';
import { type LineContext, PlaceCache } from './trace-call.js';
import { applyLine } from './trace-operations.js';

export interface BuilderOptions {
  /** Of the trace, plain or gzipped. */
  readonly path: string;
  /** Lines in one transaction. */
  readonly batch: number;
  /** Where the store stands. */
  readonly cursor: CursorState;
}

/** What a transaction was made of. */
export interface TransactionLines {
  /** Line numbers, from 1. */
  readonly first: number;
  readonly last: number;
  /** Bytes of data, attributes, keys and values that the lines write. */
  readonly userBytes: number;
}

export interface TraceTransaction extends TransactionLines {
  readonly transaction: Transaction;
}

/** A transaction that is being filled. */
interface Batch {
  readonly transaction: Transaction;
  readonly first: number;
  userBytes: number;
}

export class TraceBuilder {
  readonly #options: BuilderOptions;
  readonly #cursor: Cursor;
  readonly #places = new PlaceCache();
  #position: Position = { line: 0, crc32: 0 };
  #batch: Batch | undefined;

  constructor(options: BuilderOptions) {
    this.#options = options;
    this.#cursor = new Cursor(options.cursor);
  }

  /**
   * The transaction that is complete with this line, if there is one.
   *
   * @throws StoreError when the line makes no sense, or is not the one that was replayed before
   */
  take({ number, bytes }: Line): TraceTransaction | undefined {
    this.#position = { line: number, crc32: crc32(bytes, this.#position.crc32) };
    const { start } = this.#cursor;
    if (number <= start.line) {
      if (number === start.line) this.#checkStart();
      return undefined;
    }
    this.#batch ??= { transaction: this.#cursor.begin(), first: number, userBytes: 0 };
    this.#fill(this.#batch, number, bytes);
    const isFull = number - this.#batch.first + 1 === this.#options.batch;
    return isFull ? this.#end(this.#batch) : undefined;
  }

  /** What is left when the trace has ended. E_TRACE: it ends before where the store stands. */
  finish(): TraceTransaction | undefined {
    const { line } = this.#cursor.start;
    if (this.#position.line < line) {
      const reason = `the trace ends here, but ${line} lines of it have been replayed`;
      throw badLine(this.#options.path, this.#position.line, reason);
    }
    return this.#batch === undefined ? undefined : this.#end(this.#batch);
  }

  #checkStart(): void {
    if (this.#position.crc32 === this.#cursor.start.crc32) return;
    throw badLine(
      this.#options.path,
      this.#position.line,
      'up to here this is not the trace that the store has replayed',
    );
  }

  #fill(batch: Batch, line: number, bytes: Uint8Array): void {
    const context: LineContext = {
      file: this.#options.path,
      line,
      transaction: batch.transaction,
      places: this.#places,
      userBytes: 0,
    };
    try {
      applyLine(context, decodeText(bytes));
    } catch (error) {
      throw error instanceof StoreError ? lineError(error, { first: line, last: line }) : error;
    }
    batch.userBytes += context.userBytes;
  }

  #end({ transaction, first, userBytes }: Batch): TraceTransaction {
    this.#batch = undefined;
    this.#cursor.end(transaction, this.#position);
    return { transaction, first, last: this.#position.line, userBytes };
  }
}
