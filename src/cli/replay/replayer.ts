/**
 * Replays a trace onto a store: one line, one transaction, several in flight.
 *
 * - Another thread reads the trace and builds the transactions; this one submits them.
 * - What is durable is always a prefix of the trace, and the cursor says which: a replay that
 *   ended in whatever way goes on there.
 * - Memory: the lines and data of what is in flight, bounded by number and by bytes.
 */

import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { StoreError } from '../../errors.js';
import { PackedTransaction, type Store } from '../../index.js';
import { openCursor } from './cursor.js';
import { lineError } from './line-error.js';
import type { PackedLines } from './trace-chunk.js';
import { traceChunks } from './trace-source.js';

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
  /** Told how many lines more were taken, those included that had been replayed before. */
  readonly onLines?: (count: number) => void;
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
  const { store, path, batch } = options;
  const cursor = await openCursor(store);
  const replayer = new Replayer(options, cursor.position.line);
  try {
    for await (const chunk of traceChunks({ path, batch, cursor })) {
      const settled: Promise<void>[] = [];
      for (const one of chunk.transactions) {
        settled.push(replayer.submit(one));
        if (replayer.isFull) await replayer.advance();
      }
      void Promise.all(settled).then(() => chunk.giveBack());
      options.onLines?.(chunk.lines);
    }
    await replayer.finish();
  } catch (error) {
    await replayer.settle();
    throw replayer.failure ?? error;
  }
  return replayer.figures();
}

class Replayer {
  readonly #options: ReplayOptions;
  readonly #resumedAt: number;
  readonly #latencies: RecordableHistogram = createHistogram();
  readonly #startMs = performance.now();
  readonly #startCpu = process.cpuUsage();
  readonly #inFlight: Promise<void>[] = [];
  #inFlightBytes = 0;
  #lines = 0;
  #transactions = 0;
  #userBytes = 0;
  /** The first refusal; those behind it follow from it. */
  failure: Error | undefined;

  constructor(options: ReplayOptions, resumedAt: number) {
    this.#options = options;
    this.#resumedAt = resumedAt;
  }

  /** Submits a transaction; the promise resolves when it is durable or refused. */
  submit(one: PackedLines): Promise<void> {
    const { first, last, userBytes } = one;
    const settled = this.#commit(one);
    this.#inFlight.push(settled);
    this.#inFlightBytes += userBytes;
    this.#userBytes += userBytes;
    this.#lines += last - first + 1;
    this.#transactions++;
    return settled;
  }

  /** Submits a transaction and waits until it is durable or refused; it never rejects. */
  async #commit(one: PackedLines): Promise<void> {
    const submittedMs = performance.now();
    try {
      await this.#options.store.commit(new PackedTransaction(one.bytes));
      const ns = Math.round((performance.now() - submittedMs) * 1e6);
      this.#latencies.record(Math.max(1, ns));
    } catch (error) {
      this.failure ??= refusal(error, one);
    }
    this.#inFlightBytes -= one.userBytes;
  }

  get isFull(): boolean {
    if (this.#inFlight.length >= this.#options.inFlight) return true;
    return this.#inFlight.length > 0 && this.#inFlightBytes > IN_FLIGHT_BYTES_MAX;
  }

  /** Waits until another one may be submitted. @throws what a transaction was refused with */
  async advance(): Promise<void> {
    while (this.isFull) await this.#inFlight.shift();
    if (this.failure !== undefined) throw this.failure;
  }

  /** Waits until everything is durable. @throws what a transaction was refused with */
  async finish(): Promise<void> {
    await this.settle();
    if (this.failure !== undefined) throw this.failure;
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
      resumedAt: this.#resumedAt,
      lines: this.#lines,
      transactions: this.#transactions,
      userBytes: this.#userBytes,
      seconds: (performance.now() - this.#startMs) / 1000,
      cpuSeconds: (user + system) / 1e6,
      commitMs: { p50: ms(50), p99: ms(99) },
    };
  }
}

function refusal(error: unknown, lines: PackedLines): Error {
  if (error instanceof StoreError) return lineError(error, lines);
  return error instanceof Error ? error : new Error(String(error));
}
