/**
 * Reads and writes on a file descriptor that do all that was asked or fail.
 *
 * - Short reads and writes are continued; one that makes no progress is E_IO.
 * - The asynchronous forms wrap the callback functions of node:fs by hand: per call that costs
 *   one promise and no FileHandle.
 */

import {
  fdatasync,
  fdatasyncSync,
  ftruncateSync,
  read,
  readSync,
  writev,
  writevSync,
} from 'node:fs';
import { StoreError } from '../errors.js';

/** Linux refuses more vectors in one call (IOV_MAX). */
const VECTORS_MAX = 1024;

/** What to call the descriptor in messages. */
export interface Descriptor {
  readonly fd: number;
  readonly path: string;
}

/**
 * Fills `target`, or its first `least` bytes and what comes with them.
 * @throws StoreError E_IO
 */
export function readFullySync(
  from: Descriptor,
  offset: number,
  target: Uint8Array,
  least = target.length,
): void {
  let done = 0;
  while (done < least) {
    let count: number;
    try {
      count = readSync(from.fd, target, done, target.length - done, offset + done);
    } catch (error) {
      throw readFailed(from, offset, target.length, error);
    }
    if (count === 0) throw readFailed(from, offset, target.length, endedAt(offset + done));
    done += count;
  }
}

/** As `readFullySync`. */
export async function readFully(
  from: Descriptor,
  offset: number,
  target: Uint8Array,
  least = target.length,
): Promise<void> {
  let done = 0;
  while (done < least) {
    let count: number;
    try {
      count = await readSome(from.fd, target, done, offset + done);
    } catch (error) {
      throw readFailed(from, offset, target.length, error);
    }
    if (count === 0) throw readFailed(from, offset, target.length, endedAt(offset + done));
    done += count;
  }
}

/** @throws StoreError E_IO */
export function writeFullySync(
  to: Descriptor,
  offset: number,
  sources: readonly Uint8Array[],
): void {
  let at = offset;
  let rest = withoutFirst(sources, 0);
  while (rest.length > 0) {
    let count: number;
    try {
      count = writevSync(to.fd, rest.slice(0, VECTORS_MAX), at);
    } catch (error) {
      throw writeFailed(to, at, error);
    }
    if (count === 0) throw writeFailed(to, at, new Error('no byte was taken'));
    at += count;
    rest = withoutFirst(rest, count);
  }
}

/** @throws StoreError E_IO */
export async function writeFully(
  to: Descriptor,
  offset: number,
  sources: readonly Uint8Array[],
): Promise<void> {
  let at = offset;
  let rest = withoutFirst(sources, 0);
  while (rest.length > 0) {
    let count: number;
    try {
      count = await writeSome(to.fd, rest.slice(0, VECTORS_MAX), at);
    } catch (error) {
      throw writeFailed(to, at, error);
    }
    if (count === 0) throw writeFailed(to, at, new Error('no byte was taken'));
    at += count;
    rest = withoutFirst(rest, count);
  }
}

/** @throws StoreError E_IO */
export function syncDataSync(of: Descriptor): void {
  try {
    fdatasyncSync(of.fd);
  } catch (error) {
    throw syncFailed(of, error);
  }
}

/** @throws StoreError E_IO */
export function syncData(of: Descriptor): Promise<void> {
  return new Promise((resolve, reject) => {
    fdatasync(of.fd, (error) => {
      if (error === null) resolve();
      else reject(syncFailed(of, error));
    });
  });
}

/** Cuts a file to `size` bytes, durably. @throws StoreError E_IO */
export function truncateSync(of: Descriptor, size: number): void {
  try {
    ftruncateSync(of.fd, size);
  } catch (cause) {
    throw new StoreError('E_IO', `Cannot cut ${of.path} to ${size} bytes: ${reasonOf(cause)}`, {
      cause,
    });
  }
  syncDataSync(of);
}

/** The operating system's error code, such as `ENOENT`; of a StoreError, that of its cause. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof StoreError) return systemCode(error.cause);
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** A short reason for a message: the system's code where there is one. */
export function reasonOf(error: unknown): string {
  return systemCode(error) ?? (error instanceof Error ? error.message : String(error));
}

function readSome(fd: number, target: Uint8Array, at: number, offset: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, target, at, target.length - at, offset, (error, count) => {
      if (error === null) resolve(count);
      else reject(error);
    });
  });
}

function writeSome(fd: number, sources: readonly Uint8Array[], offset: number): Promise<number> {
  return new Promise((resolve, reject) => {
    writev(fd, sources, offset, (error, count) => {
      if (error === null) resolve(count);
      else reject(error);
    });
  });
}

/** `sources` behind their first `count` bytes, without leading empty ones. */
function withoutFirst(sources: readonly Uint8Array[], count: number): Uint8Array[] {
  let skip = count;
  let index = 0;
  for (const source of sources) {
    if (skip < source.length) break;
    skip -= source.length;
    index++;
  }
  const rest = sources.slice(index);
  const first = rest[0];
  if (first !== undefined && skip > 0) rest[0] = first.subarray(skip);
  return rest;
}

function endedAt(offset: number): Error {
  return new Error(`the device ended at ${offset}`);
}

function readFailed(from: Descriptor, offset: number, length: number, cause: unknown): StoreError {
  const what = `Cannot read ${length} bytes at offset ${offset} of ${from.path}`;
  return new StoreError('E_IO', `${what}: ${reasonOf(cause)}`, { cause });
}

function writeFailed(to: Descriptor, offset: number, cause: unknown): StoreError {
  const what = `Cannot write at offset ${offset} of ${to.path}`;
  return new StoreError('E_IO', `${what}: ${reasonOf(cause)}`, { cause });
}

function syncFailed(of: Descriptor, cause: unknown): StoreError {
  return new StoreError('E_IO', `Cannot flush ${of.path}: ${reasonOf(cause)}`, { cause });
}
