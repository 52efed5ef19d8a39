/**
 * The account that is printed: one line or a few for each step, with the time that it took.
 */

import { formatSeconds } from '../size.js';

const NAME_WIDTH = 12;
const TIME_WIDTH = 8;
const LINE_WIDTH = 100;

/** Faults that are told one by one. */
const FAULTS_MAX = 12;

export class Account {
  readonly #startMs = performance.now();
  #parts: string[] = [];
  #notes: string[] = [];
  #faultCount = 0;

  title(text: string): void {
    process.stdout.write(`${text}\n\n`);
  }

  /** Adds to the description of the step that is running. */
  add(text: string): void {
    this.#parts.push(text);
  }

  /** Something worth knowing that is no fault. */
  note(text: string): void {
    this.#notes.push(text);
  }

  /** Something that does not hold. */
  fault(text: string): void {
    if (++this.#faultCount > FAULTS_MAX) return;
    process.stdout.write(`${'FAULT'.padEnd(NAME_WIDTH)}${text}\n`);
  }

  /** Runs a step and prints it; text that it gives is added to its description. */
  async step<T>(name: string, work: (elapsed: () => number) => Promise<T>): Promise<T> {
    const startMs = performance.now();
    const elapsed = (): number => (performance.now() - startMs) / 1000;
    this.#parts = [];
    this.#notes = [];
    const result = await work(elapsed);
    const seconds = elapsed();
    if (typeof result === 'string') this.add(result);
    const [first = '', ...more] = wrapped(this.#parts.join(' '));
    const time = formatSeconds(seconds).padStart(TIME_WIDTH);
    process.stdout.write(`${name.padEnd(NAME_WIDTH)}${time}  ${first}\n`);
    for (const line of [...more, ...this.#notes]) {
      process.stdout.write(`${' '.repeat(NAME_WIDTH + TIME_WIDTH + 2)}${line}\n`);
    }
    return result;
  }

  /** Prints the verdict; true when everything held. */
  end(): boolean {
    const time = formatSeconds((performance.now() - this.#startMs) / 1000);
    const verdict =
      this.#faultCount === 0
        ? 'Everything held.'
        : `${this.#faultCount} faults, the first of them above.`;
    process.stdout.write(`\n${verdict} ${time} in all.\n`);
    return this.#faultCount === 0;
  }
}

/** Text in lines of what is left of LINE_WIDTH. */
function wrapped(text: string): string[] {
  const width = LINE_WIDTH - NAME_WIDTH - TIME_WIDTH - 2;
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = '';
    }
    line += line === '' ? word : ` ${word}`;
  }
  return [...lines, line];
}
