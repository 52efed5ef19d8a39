/**
 * What an object keeps of the file that it was imported from.
 *
 * | attribute     | value                                                        |
 * | ------------- | ------------------------------------------------------------ |
 * | `file.mode`   | st_mode in octal, type included: `100644`, `40755`, `120777` |
 * | `file.mtime`  | seconds since 1970 with nine decimals: `1700000000.123456789` |
 * | `file.target` | of symlinks: where it points to                              |
 *
 * - Attributes are text, so that `attr get` shows them and `attr set` changes them.
 * - An object without them is a file of mode 644.
 */

import { type BigIntStats, constants } from 'node:fs';

export const FILE_MODE = 'file.mode';
export const FILE_MTIME = 'file.mtime';
export const FILE_TARGET = 'file.target';

const NS_PER_SECOND = 1_000_000_000n;
const MODE_DEFAULT = constants.S_IFREG | 0o644;

export type FileType = 'file' | 'directory' | 'symlink' | 'other';

/** Mode and mtime as they are stored. */
export interface FileFacts {
  readonly mode: string;
  readonly mtime: string;
}

/** The facts of a file as `stat` gives them. */
export function factsOf(stats: BigIntStats): FileFacts {
  const { mtimeNs } = stats;
  const second = mtimeNs / NS_PER_SECOND;
  const rest = mtimeNs % NS_PER_SECOND;
  // Before 1970 the fraction still counts forwards.
  const [seconds, nanoseconds] = rest < 0n ? [second - 1n, rest + NS_PER_SECOND] : [second, rest];
  return {
    mode: Number(stats.mode).toString(8),
    mtime: `${seconds}.${String(nanoseconds).padStart(9, '0')}`,
  };
}

/** Stored attributes, decoded. */
export interface StoredFile {
  readonly mode: number;
  /** Seconds since 1970; undefined when none is stored. */
  readonly mtime: number | undefined;
  readonly target: Uint8Array | undefined;
}

/** Reads the attributes of an object; what can't be read counts as missing. */
export function storedFile(attributes: Iterable<readonly [Uint8Array, Uint8Array]>): StoredFile {
  let mode = MODE_DEFAULT;
  let mtime: number | undefined;
  let target: Uint8Array | undefined;
  for (const [name, value] of attributes) {
    const text = Buffer.from(name).toString('latin1');
    if (text === FILE_MODE) mode = parsedMode(textOf(value));
    else if (text === FILE_MTIME) mtime = parsedMtime(textOf(value));
    else if (text === FILE_TARGET) target = value;
  }
  return { mode, mtime, target };
}

function textOf(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.length).toString('latin1');
}

function parsedMode(text: string): number {
  return /^[0-7]{1,6}$/.test(text) ? Number.parseInt(text, 8) : MODE_DEFAULT;
}

/**
 * A float has 0.24 microseconds between two numbers in this century, and what it is set from is cut
 * to whole microseconds: so much more keeps it from falling to the one before.
 */
const ROUNDING_SECONDS = 2e-7;

function parsedMtime(text: string): number | undefined {
  const match = /^(-?\d{1,12})(\.\d{1,9})?$/.exec(text);
  if (match === null) return undefined;
  // The fraction counts forwards, before 1970 too: see factsOf.
  return Number(match[1]) + Number(`0${match[2] ?? ''}`) + ROUNDING_SECONDS;
}

/** What kind of file a mode says. */
export function typeOf(mode: number): FileType {
  switch (mode & constants.S_IFMT) {
    case constants.S_IFDIR:
      return 'directory';
    case constants.S_IFLNK:
      return 'symlink';
    case constants.S_IFREG:
    case 0:
      return 'file';
    default:
      return 'other';
  }
}
