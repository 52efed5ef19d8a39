/**
 * Opens what is at a path, a file or a block device, and locks it.
 *
 * - Every failure is a StoreError with a message that says what to do.
 * - A file is locked before it is changed: nothing is truncated under its owner.
 * - A file that could not be created as a whole is removed again.
 */

import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  realpathSync,
  rmSync,
  type Stats,
  statSync,
} from 'node:fs';
import { type ErrorCode, invalidArgument, StoreError } from '../errors.js';
import type { DescriptorDevice, Releasable } from './descriptor-device.js';
import { reasonOf, systemCode } from './descriptor-io.js';
import { FileDevice, syncDirectoryOf } from './file-device.js';
import { type Io, runAsync, runSync } from './io.js';
import { acquireLock, checkNoWriter } from './owner-lock.js';
import { openRawDevice } from './raw-device.js';

export interface CreateOptions {
  /** Bytes to begin with, a multiple of 512, written with zeros. */
  readonly size: number;
  /** Bytes that it may grow to; `size` unless given. */
  readonly sizeMax?: number;
  /** Empties a file that is there; otherwise one that is not empty is E_EXISTS. */
  readonly overwrite?: boolean;
}

export interface OpenOptions {
  readonly readOnly?: boolean;
  /** Makes the file. Says nothing about a block device, which is there already. */
  readonly create?: CreateOptions;
  /** Takes a file whose owner record can't be judged. */
  readonly force?: boolean;
}

/**
 * Opens the file or block device at `path`.
 * @throws StoreError E_NOT_FOUND, E_EXISTS, E_INVALID, E_PERMISSION, E_READ_ONLY, E_BUSY,
 *   E_NO_SPACE or E_IO
 */
export function openDeviceSync(path: string, options: OpenOptions = {}): DescriptorDevice {
  return runSync(opening(path, options));
}

/** As `openDeviceSync`; a file that is created is written without blocking. */
export function openDevice(path: string, options: OpenOptions = {}): Promise<DescriptorDevice> {
  return runAsync(opening(path, options));
}

function* opening(path: string, options: OpenOptions): Io<DescriptorDevice> {
  const { readOnly = false, create, force = false } = options;
  if (typeof path !== 'string' || path.includes('\0')) {
    throw invalidArgument(`Cannot open ${JSON.stringify(String(path))}: it is no path`);
  }
  if (readOnly && create !== undefined) throw invalidArgument('A device is not created read-only');
  try {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats?.isBlockDevice() === true) return openRawDevice(path, { readOnly });
    checkIsFile(path, stats);
    if (create === undefined) return openFile(path, { readOnly, force });
    return yield* creating(path, create, { force, isNew: stats === undefined });
  } catch (error) {
    throw explained(path, error);
  }
}

function checkIsFile(path: string, stats: Stats | undefined): void {
  if (stats === undefined || stats.isFile()) return;
  const what = stats.isDirectory() ? 'a directory' : 'neither a file nor a block device';
  throw new StoreError('E_INVALID', `Cannot open ${path}: it is ${what}`);
}

function openFile(path: string, options: { readOnly: boolean; force: boolean }): FileDevice {
  const { readOnly, force } = options;
  const fd = openSync(path, readOnly ? constants.O_RDONLY : constants.O_RDWR);
  return closingOnError(fd, () => {
    if (!readOnly) {
      return locked({ path, fd, force }, (lock) => new FileDevice({ path, fd, readOnly, lock }));
    }
    checkNoWriter(realpathSync(path), fstatSync(fd, { bigint: true }), { force });
    return new FileDevice({ path, fd, readOnly, lock: undefined });
  });
}

function* creating(
  path: string,
  create: CreateOptions,
  { force, isNew }: { force: boolean; isNew: boolean },
): Io<FileDevice> {
  const device = openForCreation(path, create, { force, isNew });
  try {
    yield { kind: 'grow', device, size: create.size };
    if (isNew) syncDirectoryOf(path);
    return device;
  } catch (error) {
    if (isNew) rmSync(path, { force: true });
    device.closeSync();
    throw error;
  }
}

function openForCreation(
  path: string,
  { size, sizeMax = size, overwrite = false }: CreateOptions,
  { force, isNew }: { force: boolean; isNew: boolean },
): FileDevice {
  const fd = openSync(path, constants.O_RDWR | (isNew ? constants.O_CREAT | constants.O_EXCL : 0));
  return closingOnError(fd, () =>
    locked({ path, fd, force }, (lock) => {
      if (!overwrite && fstatSync(fd).size > 0) {
        throw new StoreError('E_EXISTS', `Cannot create ${path}: it exists and is not empty`);
      }
      ftruncateSync(fd);
      return new FileDevice({ path, fd, readOnly: false, sizeMax, lock });
    }),
  );
}

/**
 * What `act` makes of the lock, which is given back when it fails. The owner record goes beside
 * the file itself, whichever link led to it.
 */
function locked<T>(
  { path, fd, force }: { path: string; fd: number; force: boolean },
  act: (lock: Releasable) => T,
): T {
  const lock = acquireLock(realpathSync(path), fstatSync(fd, { bigint: true }), { force });
  try {
    return act(lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

function closingOnError<T>(fd: number, act: () => T): T {
  try {
    return act();
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

interface Explanation {
  readonly code: ErrorCode;
  readonly text: string;
}

const EXPLANATIONS: Readonly<Record<string, Explanation>> = {
  ENOENT: { code: 'E_NOT_FOUND', text: 'no such file or directory' },
  ENOTDIR: { code: 'E_NOT_FOUND', text: 'a part of the path is not a directory' },
  EEXIST: { code: 'E_EXISTS', text: 'somebody else has just created it' },
  EISDIR: { code: 'E_INVALID', text: 'it is a directory' },
  ENAMETOOLONG: { code: 'E_INVALID', text: 'the path is too long' },
  ELOOP: { code: 'E_INVALID', text: 'the path is a circle of symbolic links' },
  EACCES: { code: 'E_PERMISSION', text: 'permission denied; check its owner and mode' },
  EPERM: { code: 'E_PERMISSION', text: 'the system forbids it; check its owner and attributes' },
  EROFS: { code: 'E_READ_ONLY', text: 'its file system is read-only' },
  EBUSY: { code: 'E_BUSY', text: 'the system uses it' },
  ETXTBSY: { code: 'E_BUSY', text: 'it is being executed' },
  ENOSPC: { code: 'E_NO_SPACE', text: 'the host is full' },
  EDQUOT: { code: 'E_NO_SPACE', text: 'the quota is used up' },
  ENXIO: { code: 'E_NOT_FOUND', text: 'there is no device behind it' },
  ENOMEDIUM: { code: 'E_NOT_FOUND', text: 'there is no medium in the device' },
};

/** A typed error for one of the operating system; all others as they are. */
function explained(path: string, error: unknown): unknown {
  const reason = systemCode(error);
  if (error instanceof StoreError || reason === undefined || !/^E[A-Z]+$/.test(reason))
    return error;
  const known = EXPLANATIONS[reason] ?? { code: 'E_IO' as const, text: reasonOf(error) };
  return new StoreError(known.code, `Cannot open ${path}: ${known.text}`, { cause: error });
}
