/**
 * Texts of the names that transactions carry, made once for many of them: those of collections, which
 * are few, and are looked up by text.
 *
 * - A text is kept until another one takes its slot: memory is bounded, whatever names there are.
 */

import { type ByteReader, textOf } from '../format/bytes.js';

/** Texts kept at most; a power of two. */
const SLOTS = 256;

/** Longest text that is kept. */
const LENGTH_MAX = 64;

const slots: string[] = new Array<string>(SLOTS).fill('');

/** Text with one character for each byte, behind its length: most often without making it. */
export function readKnownText(reader: ByteReader): string {
  const { bytes } = reader;
  const length = reader.varint();
  const start = reader.skip(length);
  if (start < 0) return '';
  const end = start + length;
  if (length > LENGTH_MAX) return textOf(bytes.subarray(start, end));
  const slot = slotOf(bytes, start, end);
  const known = slots[slot];
  if (known !== undefined && isTextOf(known, bytes, start, end)) return known;
  const text = textOf(bytes.subarray(start, end));
  slots[slot] = text;
  return text;
}

function slotOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x0100_0193);
  return (hash ^ (hash >>> 15)) & (SLOTS - 1);
}

function isTextOf(text: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let i = start; i < end; i++) if (text.charCodeAt(i - start) !== bytes[i]) return false;
  return true;
}
