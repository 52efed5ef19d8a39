/**
 * The files and devices of the store that a command works on: what it reads or writes beside the
 * store is none of them, by whatever name.
 */

import { type BigIntStats, statSync } from 'node:fs';
import { StoreError } from '../index.js';
import type { Call } from './command.js';

/** Tells whether a path leads to the store of a call, or to its journal. */
export function ownFiles(call: Call): (path: string | Buffer) => boolean {
  const own = [call.store, call.text('journal')].flatMap((path) =>
    path === undefined ? [] : (statsOf(path) ?? []),
  );
  return (path) => {
    const stats = statsOf(path);
    return stats !== undefined && own.some((one) => isSame(one, stats));
  };
}

/** @throws StoreError E_INVALID when `path` leads to the store of a call, or to its journal */
export function checkNotOwn(call: Call, what: string, path: string): void {
  if (!ownFiles(call)(path)) return;
  throw new StoreError('E_INVALID', `Cannot ${what} ${path}: it is the store itself`);
}

/** Undefined where nothing is known; who opens it is told why. */
function statsOf(path: string | Buffer): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return undefined;
  }
}

/** A block device is the same one by any of its nodes. */
function isSame(a: BigIntStats, b: BigIntStats): boolean {
  if (a.isBlockDevice() && b.isBlockDevice()) return a.rdev === b.rdev;
  return a.ino === b.ino && a.dev === b.dev;
}
