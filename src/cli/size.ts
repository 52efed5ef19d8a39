/**
 * Sizes as people write them: 4096, 64KiB, 1.5GiB. Binary units only, so that a size is always a
 * whole number of bytes and never off by 2.4 % for each step of the unit.
 */

import { StoreError } from '../errors.js';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** Bytes of a size given as text. @throws StoreError E_USAGE */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([KMGTP]?)i?(B?))$/i.exec(text.trim());
  const [, digits = '', letter = ''] = match ?? [];
  const isDecimal = /[kmgtp]b$/i.test(text.trim());
  const power = letter === '' ? 0 : 'KMGTP'.indexOf(letter.toUpperCase()) + 1;
  const bytes = Number(digits) * 1024 ** power;
  if (match === null || isDecimal || !Number.isSafeInteger(bytes)) {
    throw new StoreError(
      'E_USAGE',
      `Cannot read size ${JSON.stringify(text)}: expected whole bytes from 0 on, as 4096, 64KiB or 1GiB`,
    );
  }
  return bytes;
}

/** A size in the largest unit in which it is at least 1: whole, or with up to two decimals. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const text = Number.isInteger(value) ? `${value}` : value.toFixed(value < 10 ? 2 : 1);
  return `${text}${UNITS[unit]}`;
}

/** A duration for people: `12.3s`, `2m05s`, `1h02m`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)}s`;
  const whole = Math.round(seconds);
  const two = (value: number): string => String(value).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`;
}
