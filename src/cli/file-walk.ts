/**
 * Walks a directory tree: every entry below it, a directory before what is in it.
 *
 * - Names are bytes: nothing is lost of a name that is not UTF-8.
 * - Symlinks are not followed. Memory is bounded by the depth and the largest directory.
 * - What can't be read is told and passed over.
 */

import { type Dirent, readdirSync } from 'node:fs';
import type { FileType } from './file-attributes.js';

const SLASH = Buffer.from('/');

/** One entry of the tree. */
export interface WalkedEntry {
  /** Where it is. */
  readonly path: Buffer;
  /** Relative to the top. */
  readonly name: Buffer;
  readonly type: FileType;
}

export function* walk(
  top: Buffer,
  onProblem: (path: Buffer, error: unknown) => void,
): Generator<WalkedEntry> {
  yield* walkBelow(top, undefined, onProblem);
}

function* walkBelow(
  directory: Buffer,
  prefix: Buffer | undefined,
  onProblem: (path: Buffer, error: unknown) => void,
): Generator<WalkedEntry> {
  let entries: Dirent<Buffer>[];
  try {
    entries = readdirSync(directory, { withFileTypes: true, encoding: 'buffer' });
  } catch (error) {
    onProblem(directory, error);
    return;
  }
  entries.sort((a, b) => Buffer.compare(a.name, b.name));
  for (const entry of entries) {
    const path = Buffer.concat([directory, SLASH, entry.name]);
    const name = prefix === undefined ? entry.name : Buffer.concat([prefix, SLASH, entry.name]);
    const type = direntType(entry);
    yield { path, name, type };
    if (type === 'directory') yield* walkBelow(path, name, onProblem);
  }
}

function direntType(entry: Dirent<Buffer>): FileType {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'directory';
  return entry.isSymbolicLink() ? 'symlink' : 'other';
}
