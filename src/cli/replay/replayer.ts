/**
 * Replays a trace onto a store: one line, one transaction, several in flight.
 *
 * - What is durable is always a prefix of the trace, and the cursor says which: a replay that
 *   ended in whatever way goes on there.
 * - Memory: the lines and data of what is in flight, bounded by number and by bytes.
 */

import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { crc32 } from 'node:zlib';
import { CorruptError, hasCode, StoreError } from '../../errors.js';
import type { Store, Transaction } from '../../index.js';
import { Cursor, type Position } from './cursor.js';
import { decodeText } from './escaped-text.js';
import { badLine, LineError } from './line-error.js';
import { type Line, readLines } from './line-reader.js';
import { type LineContext, PlaceCache } from './trace-call.js';
import { applyLine } from './trace-operations.js';

/** Longest line of a trace; the longest that an OSD made had 100 KB. */
const LINE_BYTES_MAX = 16 * 1024 * 1024;

/** Bytes of data in flight beyond which nothing is submitted. */
const IN_FLIGHT_BYTES_MAX = 64 * 1024 * 1024;

export interface ReplayOptions {
  readonly store: Store;
  /** Of the trace, plain or gzipped. */
  readonly path: string;
  /** Lines in one transaction. */
  readonly batch: number;
  /** Transactions that are submitted and not durable yet. */
  readonly inFlight: number;
  /** Called for each line, also for those that had been replayed before. */
  readonly onLine?: () => void;
}

/** What a replay did. */
export interface ReplayFigures {
  /** The trace's lines that had been replayed before. */
  readonly resumedAt: number;
  readonly lines: number;
  readonly transactions: number;
  /** Bytes of data, attributes, keys and values that the lines write. */
  readonly userBytes: number;
  readonly seconds: number;
  /** Of this process, its helper threads included. */
  readonly cpuSeconds: number;
  /** From submission until it is durable. */
  readonly commitMs: { readonly p50: number; readonly p99: number };
}

/**
 * Replays the trace, or what is left of it; resolves when all of it is durable.
 *
 * @throws LineError with the line and the code of what was wrong; StoreError
 */
export async function replay(options: ReplayOptions): Promise<ReplayFigures> {
  const cursor = await Cursor.open(options.store);
  const replayer = new Replayer(options, cursor);
  try {
    for await (const line of readLines(options.path, LINE_BYTES_MAX)) {
      await replayer.take(line);
      options.onLine?.();
    }
    await replayer.finish();
  } catch (error) {
    await replayer.settle();
    throw replayer.failure ?? error;
  }
  return replayer.figures();
}

/** A transaction that is being filled. */
interface Batch {
  readonly transaction: Transaction;
  readonly first: number;
  lines: number;
  userBytes: number;
}

class Replayer {
  readonly #options: ReplayOptions;
  readonly #cursor: Cursor;
  readonly #places = new PlaceCache();
  readonly #latencies: RecordableHistogram = createHistogram();
  readonly #startMs = performance.now();
  readonly #startCpu = process.cpuUsage();
  readonly #inFlight: Promise<void>[] = [];
  #inFlightBytes = 0;
  #position: Position = { line: 0, crc32: 0 };
  #batch: Batch | undefined;
  #lines = 0;
  #transactions = 0;
  #userBytes = 0;
  /** The first refusal; those behind it follow from it. */
  failure: Error | undefined;

  constructor(options: ReplayOptions, cursor: Cursor) {
    this.#options = options;
    this.#cursor = cursor;
  }

  async take({ number, bytes }: Line): Promise<void> {
    this.#position = { line: number, crc32: crc32(bytes, this.#position.crc32) };
    const { start } = this.#cursor;
    if (number <= start.line) {
      if (number === start.line) this.#checkStart();
      return;
    }
    this.#batch ??= {
      transaction: this.#cursor.begin(this.#options.store),
      first: number,
      lines: 0,
      userBytes: 0,
    };
    this.#fill(this.#batch, number, bytes);
    if (this.#batch.lines === this.#options.batch) await this.#submit(this.#batch);
  }

  /** Submits what is left, and waits until everything is durable. */
  async finish(): Promise<void> {
    const { start } = this.#cursor;
    if (this.#position.line < start.line) {
      throw badLine(
        this.#options.path,
        this.#position.line,
        `the trace ends here, but ${start.line} lines of it have been replayed`,
      );
    }
    if (this.#batch !== undefined) await this.#submit(this.#batch);
    await this.settle();
    this.#checkFailure();
  }

  /** Waits until nothing is in flight any more, durable or refused. */
  async settle(): Promise<void> {
    await Promise.all(this.#inFlight);
  }

  figures(): ReplayFigures {
    const { user, system } = process.cpuUsage(this.#startCpu);
    const ms = (percent: number): number =>
      this.#transactions === 0 ? 0 : this.#latencies.percentile(percent) / 1e6;
    return {
      resumedAt: this.#cursor.start.line,
      lines: this.#lines,
      transactions: this.#transactions,
      userBytes: this.#userBytes,
      seconds: (performance.now() - this.#startMs) / 1000,
      cpuSeconds: (user + system) / 1e6,
      commitMs: { p50: ms(50), p99: ms(99) },
    };
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
      throw lineError(error, line, line);
    }
    batch.lines++;
    batch.userBytes += context.userBytes;
  }

  async #submit({ transaction, first, lines, userBytes }: Batch): Promise<void> {
    this.#batch = undefined;
    const last = this.#position.line;
    this.#cursor.end(transaction, this.#position);
    const submittedMs = performance.now();
    const ended = this.#committed(transaction).then(
      () =>
        this.#latencies.record(Math.max(1, Math.round((performance.now() - submittedMs) * 1e6))),
      (error: unknown) => {
        this.failure ??= lineError(error, first, last);
      },
    );
    this.#inFlightBytes += userBytes;
    this.#inFlight.push(
      ended.then(() => {
        this.#inFlightBytes -= userBytes;
      }),
    );
    this.#lines += lines;
    this.#transactions++;
    this.#userBytes += userBytes;
    while (this.#isFull()) await this.#inFlight.shift();
    this.#checkFailure();
  }

  /** Also what is refused before it is submitted comes as a rejection. */
  async #committed(transaction: Transaction): Promise<void> {
    await this.#options.store.submit(transaction).committed;
  }

  #isFull(): boolean {
    if (this.#inFlight.length >= this.#options.inFlight) return true;
    return this.#inFlight.length > 0 && this.#inFlightBytes > IN_FLIGHT_BYTES_MAX;
  }

  #checkFailure(): void {
    if (this.failure !== undefined) throw this.failure;
  }
}

/** What the store said about a transaction, with the lines that it was made of. */
function lineError(error: unknown, first: number, last: number): Error {
  const lines = first === last ? `line ${first}` : `lines ${first} to ${last}`;
  if (error instanceof LineError || hasCode(error, 'E_IO')) return error;
  if (error instanceof CorruptError) return error;
  if (error instanceof StoreError) {
    const message = `Cannot replay ${lines}: ${error.message}`;
    return new LineError(error.code, first, message, { cause: error });
  }
  return error instanceof Error ? error : new Error(String(error));
}
