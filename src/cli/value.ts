/** Values of attributes and map keys, from arguments or stdin and to stdout. */

import { StoreError } from '../errors.js';
import type { Call } from './command.js';
import { write, writeJson } from './output.js';
import { bytesOf, jsonBytes } from './text.js';

/** Longest value, as the store has it. */
const VALUE_SIZE_MAX = 64 * 1024 * 1024;

/** The bytes that an argument stands for; all of stdin for `-`. */
export async function argumentValue(argument: string): Promise<Uint8Array> {
  if (argument !== '-') return bytesOf(argument, 'VALUE');
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > VALUE_SIZE_MAX) {
      throw new StoreError(
        'E_TOO_BIG',
        `Cannot use value: it exceeds ${VALUE_SIZE_MAX} bytes; put it as an object`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Writes a value: its bytes, with a line end behind them for people, or as JSON. */
export async function writeValue(
  call: Call,
  what: 'key' | 'name',
  name: Uint8Array,
  value: Uint8Array,
): Promise<void> {
  if (call.json) {
    await writeJson({ ...jsonBytes(what, name), ...jsonBytes('value', value) });
    return;
  }
  await write(value);
  if (process.stdout.isTTY === true) await write('\n');
}
