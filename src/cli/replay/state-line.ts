/**
 * Lines of a state file: a collection with its bits, or an object with all that it holds.
 */

import { decodeText } from './escaped-text.js';
import { badLine } from './line-error.js';

/** Length of a value, or length and the first hexadecimal digits of its SHA-256. */
export type StatedLength = number | readonly [length: number, sha256: string];

export interface StatedCollection {
  readonly coll: string;
  readonly bits: number;
}

/** The names are those of the file. */
export interface StatedObject {
  readonly c: string;
  readonly o: string;
  readonly size: number;
  readonly attrs: Readonly<Record<string, StatedLength>>;
  readonly omap: Readonly<Record<string, StatedLength>>;
  readonly omap_header: number;
  readonly sha256?: string;
}

/** @throws StoreError E_TRACE when the line makes no sense */
export function statedLine(
  file: string,
  line: number,
  bytes: Uint8Array,
): StatedCollection | StatedObject {
  let value: unknown;
  try {
    value = JSON.parse(decodeText(bytes));
  } catch (error) {
    throw badLine(file, line, 'it is no JSON; the file is damaged or cut short', error);
  }
  if (isCollection(value) || isObject(value)) return value;
  throw badLine(file, line, 'it is neither a collection nor an object');
}

function isCollection(value: unknown): value is StatedCollection {
  return isRecord(value) && typeof value['coll'] === 'string' && isWhole(value['bits']);
}

function isObject(value: unknown): value is StatedObject {
  if (!isRecord(value)) return false;
  const { c, o, size, attrs, omap, omap_header: header, sha256 } = value;
  return (
    [c, o].every((text) => typeof text === 'string') &&
    [size, header].every(isWhole) &&
    [attrs, omap].every(areLengths) &&
    (sha256 === undefined || typeof sha256 === 'string')
  );
}

function areLengths(value: unknown): boolean {
  return isRecord(value) && Object.values(value).every(isLength);
}

function isLength(value: unknown): boolean {
  if (!Array.isArray(value)) return isWhole(value);
  return value.length === 2 && isWhole(value[0]) && typeof value[1] === 'string';
}

function isWhole(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
