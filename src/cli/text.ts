/**
 * Names, keys and values are bytes; terminals, arguments and JSON are text.
 *
 * - Printing: UTF-8 as it is, except `\\`, `\n`, `\r`, `\t`, and `\xNN` for every byte that is
 *   not UTF-8 or belongs to a control or formatting character.
 * - Arguments: the same escapes, so that what is printed can be given back as it stands.
 * - JSON: the text, and beside it base64 where the bytes are not UTF-8.
 */

import { StoreError } from '../errors.js';

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const NAMED: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

/** What a terminal shouldn't get, and the escape itself. */
const UNPRINTABLE = /[\\\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** The text that `bytes` are in UTF-8; undefined when they are not. */
export function utf8Of(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Bytes for a terminal, on one line. */
export function printable(bytes: Uint8Array): string {
  const text = utf8Of(bytes);
  if (text !== undefined) return escapeText(text);
  let shown = '';
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes[at] as number);
    const character = length > 0 ? utf8Of(bytes.subarray(at, at + length)) : undefined;
    if (character === undefined) shown += hexEscape(bytes.subarray(at, at + 1));
    else shown += escapeText(character);
    at += character === undefined ? 1 : length;
  }
  return shown;
}

function escapeText(text: string): string {
  return text.replace(UNPRINTABLE, (one) => NAMED[one] ?? hexEscape(Buffer.from(one, 'utf8')));
}

function hexEscape(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += `\\x${byte.toString(16).padStart(2, '0')}`;
  return text;
}

/** Bytes of the UTF-8 sequence that `lead` begins; 0 when it begins none. */
function sequenceLength(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

const ESCAPES: Readonly<Record<string, number>> = { '\\': 0x5c, n: 0x0a, r: 0x0d, t: 0x09 };

/** The bytes that an argument stands for. @throws StoreError E_USAGE */
export function bytesOf(argument: string, what: string): Uint8Array {
  if (argument.includes('\ufffd')) {
    throw new StoreError(
      'E_USAGE',
      `Cannot use ${what}: it has bytes that are not UTF-8; write each as \\xNN`,
    );
  }
  if (!argument.includes('\\')) return Buffer.from(argument, 'utf8');
  const parts: Uint8Array[] = [];
  const pattern = /\\(x[0-9a-f]{2}|.?)|[^\\]+/gisu;
  for (const [part, escaped] of argument.matchAll(pattern)) {
    if (escaped === undefined) parts.push(Buffer.from(part, 'utf8'));
    else parts.push(Uint8Array.of(escapedByte(escaped, what)));
  }
  return Buffer.concat(parts);
}

function escapedByte(code: string, what: string): number {
  const byte = code.length === 3 ? Number.parseInt(code.slice(1), 16) : ESCAPES[code];
  if (byte !== undefined) return byte;
  throw new StoreError(
    'E_USAGE',
    `Cannot use ${what}: \\${code} is no escape; use \\xNN, \\n, \\r, \\t or \\\\`,
  );
}

/** A name that must not be empty. @throws StoreError E_USAGE */
export function nameOf(argument: string, what: string): Uint8Array {
  const bytes = bytesOf(argument, what);
  if (bytes.length > 0) return bytes;
  throw new StoreError('E_USAGE', `Cannot use ${what}: it is empty; give at least one byte`);
}

/** `bytes` as a property `key` for JSON, with `keyBase64` beside it where they are not UTF-8. */
export function jsonBytes(key: string, bytes: Uint8Array): Record<string, string> {
  const text = utf8Of(bytes);
  if (text !== undefined) return { [key]: text };
  return { [key]: printable(bytes), [`${key}Base64`]: Buffer.from(bytes).toString('base64') };
}
