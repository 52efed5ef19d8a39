/**
 * Progress of long work: one line on stderr, rewritten a few times a second, and only when
 * stderr is a terminal.
 */

import { formatSeconds, formatSize } from './size.js';

/** Time between two updates. */
const INTERVAL_MS = 200;

/** Time before the first one: short work stays silent. */
const DELAY_MS = 400;

export interface ProgressOptions {
  /** The line begins with it. */
  readonly what: string;
  /** What there is to do, in the unit of `advance`; undefined while it is not known. */
  readonly total?: number | undefined;
  /** Bytes are shown as sizes, anything else as numbers with this word behind. */
  readonly unit?: string | undefined;
}

export class Progress {
  readonly #options: ProgressOptions;
  readonly #enabled = process.stderr.isTTY === true;
  readonly #startMs = performance.now();
  #nextMs = this.#startMs + DELAY_MS;
  #done = 0;
  #shown = false;

  constructor(options: ProgressOptions) {
    this.#options = options;
  }

  /** True when somebody sees it: only then is it worth to count a total first. */
  static get isSeen(): boolean {
    return process.stderr.isTTY === true;
  }

  /** Tells that `amount` more is done. */
  advance(amount: number): void {
    this.at(this.#done + amount);
  }

  /** Tells that `done` is done by now. */
  at(done: number): void {
    this.#done = done;
    if (!this.#enabled) return;
    const now = performance.now();
    if (now < this.#nextMs) return;
    this.#nextMs = now + INTERVAL_MS;
    this.#shown = true;
    process.stderr.write(`\r${this.#line((now - this.#startMs) / 1000)}\x1b[K`);
  }

  /** Takes the line away. */
  end(): void {
    if (this.#shown) process.stderr.write('\r\x1b[K');
    this.#shown = false;
  }

  #line(seconds: number): string {
    const { what, total } = this.#options;
    const rate = this.#done / Math.max(seconds, 0.001);
    let line = `${what}: ${this.#amount(this.#done)}`;
    if (total !== undefined && total > 0) {
      const share = Math.min(100, Math.floor((100 * this.#done) / total));
      line = `${what}: ${share} % of ${this.#amount(total)}`;
    }
    line += `, ${this.#amount(rate)}/s`;
    if (total !== undefined && rate > 0) {
      line += `, ${formatSeconds(Math.max(0, total - this.#done) / rate)} left`;
    }
    return line;
  }

  #amount(value: number): string {
    const { unit } = this.#options;
    if (unit === undefined) return formatSize(Math.round(value));
    return `${Math.round(value).toLocaleString('en-US')} ${unit}`;
  }
}
