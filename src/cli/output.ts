/**
 * Writing to stdout: text, JSON and bytes, no faster than the reader takes them.
 */

/** Writes, and waits while the reader is behind. */
export async function write(data: string | Uint8Array): Promise<void> {
  if (data.length === 0) return;
  await new Promise<void>((resolve, reject) => {
    process.stdout.write(data, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

/** Writes one JSON document. */
export async function writeJson(value: unknown): Promise<void> {
  await write(`${JSON.stringify(value, undefined, 2)}\n`);
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
