/**
 * Writing to stdout: text, JSON and bytes, no faster than the reader takes them.
 *
 * - A write that fails ends the process (main.ts): nothing waits for it any more.
 */

/** Writes, and waits while the reader is behind. */
export async function write(data: string | Uint8Array): Promise<void> {
  if (data.length === 0) return;
  await new Promise<void>((resolve) => {
    process.stdout.write(data, (error) => {
      if (!error) resolve();
    });
  });
}

/** Writes one JSON document. */
export async function writeJson(value: unknown): Promise<void> {
  await write(`${JSON.stringify(value, undefined, 2)}\n`);
}

/**
 * One JSON object of which arrays are written item by item, as they come: nothing of them is kept.
 * Files, pipes and terminals take what is written at once (Linux), so a slow reader slows the work
 * down and nothing gathers in memory.
 */
export class JsonStream {
  /** The array that is open. */
  #key: string | undefined;
  readonly #written = new Set<string>();
  #count = 0;

  /** Adds an item to the array `key`; the items of one array come one after the other. */
  item(key: string, value: unknown): void {
    let text = '';
    if (this.#key !== key) text = this.#begin(key);
    text += `${this.#count === 0 ? '' : ','}\n    ${JSON.stringify(value)}`;
    this.#count++;
    process.stdout.write(text);
  }

  #begin(key: string): string {
    const before = this.#key === undefined ? '{' : '\n  ],';
    this.#key = key;
    this.#count = 0;
    this.#written.add(key);
    return `${before}\n  ${JSON.stringify(key)}: [`;
  }

  /** Ends the object with `rest`, of which it leaves out arrays that were written already. */
  async end(rest: Readonly<Record<string, unknown>>): Promise<void> {
    const left = Object.entries(rest).filter(([key]) => !this.#written.has(key));
    const body = JSON.stringify(Object.fromEntries(left), undefined, 2).slice(1);
    await write(`${this.#key === undefined ? '{' : '\n  ],'}${body}\n`);
  }
}

/** `name: value` lines with their values in one column. */
export async function writeFacts(facts: readonly (readonly [string, string])[]): Promise<void> {
  const width = Math.max(...facts.map(([name]) => name.length)) + 2;
  const lines = facts.map(([name, value]) => `${`${name}:`.padEnd(width)}${value}\n`);
  await write(lines.join(''));
}

/** Writes a listing page by page: lines of text, or one JSON array. */
export async function writeList<T>(
  pages: AsyncIterable<readonly T[]>,
  options: {
    readonly json: boolean;
    readonly line: (item: T) => string;
    readonly value: (item: T) => unknown;
  },
): Promise<void> {
  const { json, line, value } = options;
  let count = 0;
  for await (const page of pages) {
    let text = '';
    for (const item of page) {
      if (json) text += `${count === 0 ? '[' : ','}\n  ${JSON.stringify(value(item))}`;
      else text += `${line(item)}\n`;
      count++;
    }
    await write(text);
  }
  if (json) await write(count === 0 ? '[]\n' : '\n]\n');
}
