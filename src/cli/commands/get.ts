/** `holdfast get`: gives the bytes of an object to a file or to stdout. */

import { randomBytes } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import {
  type FileHandle,
  lstat,
  open,
  readlink,
  realpath,
  rename,
  rm,
  stat,
} from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type StoredObject, StoreError } from '../../index.js';
import { type Call, type Command, HASH_OPTION } from '../command.js';
import { PIECE_BYTES } from '../object-writer.js';
import { withStore } from '../open-store.js';
import { write, writeJson } from '../output.js';
import { checkNotOwn } from '../own-file.js';
import { jsonPlace } from '../place.js';
import { Progress } from '../progress.js';
import { isSystemError, typedError } from '../system-error.js';

/** Links that a path may lead through, as the system has it. */
const LINKS_MAX = 40;

const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;

export const GET: Command = {
  name: 'get',
  arguments: 'STORE COLLECTION OBJECT [FILE]',
  summary: 'Writes the bytes of an object to FILE, or to stdout when it is - or missing.',
  details: [
    'A file appears, or is replaced, only when all bytes are in it; one that is replaced keeps its',
    'mode. Where FILE is a symlink, this holds for the file that it leads to. Until then the bytes',
    'are in a file .holdfast-... beside it, which stays there when get is killed.',
  ],
  options: {
    offset: { value: 'SIZE', help: 'begin there (0)' },
    length: { value: 'SIZE', help: 'so many bytes, as far as the object goes (all)' },
    hash: HASH_OPTION,
    json: { help: 'print figures as JSON; only with FILE, as stdout gets the bytes otherwise' },
  },
  run,
};

/** Where bytes go. */
type Sink = (bytes: Uint8Array) => Promise<void>;

async function run(call: Call): Promise<undefined> {
  const offset = call.size('offset') ?? 0;
  const length = call.size('length') ?? Number.POSITIVE_INFINITY;
  const path = call.argument(3);
  const toStdout = path === '' || path === '-';
  if (call.json && toStdout) {
    throw new StoreError(
      'E_USAGE',
      'Cannot print JSON: stdout gets the bytes; name a FILE, or use stat for the figures',
    );
  }
  if (!toStdout) checkNotOwn(call, 'write', path);
  const collection = call.name(1, 'COLLECTION');
  const name = call.object(2);
  const figures = await withStore(call, 'read', async (store) => {
    const object = store.collection(collection).object(name);
    const { size } = await object.stat();
    const range = { from: Math.min(offset, size), to: Math.min(size, offset + length) };
    if (toStdout) await copy(object, range, write);
    else await toFile(path, (sink) => copy(object, range, sink));
    return { offset: range.from, length: range.to - range.from, size };
  });
  if (call.json) await writeJson({ ...jsonPlace(collection, name), path, ...figures });
  return undefined;
}

async function copy(
  object: StoredObject,
  { from, to }: { readonly from: number; readonly to: number },
  sink: Sink,
): Promise<void> {
  const progress = new Progress({ what: 'get', total: to - from });
  try {
    for (let at = from; at < to; at += PIECE_BYTES) {
      const bytes = await object.read(at, Math.min(PIECE_BYTES, to - at));
      await sink(bytes);
      progress.advance(bytes.length);
    }
  } finally {
    progress.end();
  }
}

/** Writes beside a file and puts it in its place at the end; devices and pipes directly. */
async function toFile(path: string, fill: (sink: Sink) => Promise<void>): Promise<void> {
  try {
    const found = await stat(path).catch(() => undefined); // whatever it is, open tells
    if (found !== undefined && !found.isFile()) await overwrite(path, fill);
    else await replace(await targetOf(path), found, fill);
  } catch (error) {
    throw isSystemError(error) ? typedError(`Cannot write ${path}`, error) : error;
  }
}

async function overwrite(path: string, fill: (sink: Sink) => Promise<void>): Promise<void> {
  const file = await open(path, constants.O_WRONLY);
  try {
    await fill((bytes) => writeAll(file, bytes));
  } finally {
    await file.close();
  }
}

/** The file that a path leads to, there or not. */
async function targetOf(path: string): Promise<string> {
  let target = path;
  for (let links = 0; links < LINKS_MAX; links++) {
    const found = await lstat(target).catch(() => undefined);
    if (found?.isSymbolicLink() !== true) return target;
    target = resolve(await realpath(dirname(target)), await readlink(target));
  }
  await stat(path); // a circle: this says so
  return target;
}

async function replace(
  target: string,
  old: Stats | undefined,
  fill: (sink: Sink) => Promise<void>,
): Promise<void> {
  const partial = join(dirname(target), `.holdfast-${randomBytes(6).toString('hex')}`);
  const file = await open(partial, CREATE_FLAGS, old === undefined ? 0o666 : 0o600);
  try {
    await fill((bytes) => writeAll(file, bytes));
    if (old !== undefined) await keepAccess(file, old);
    await file.sync(); // else a power cut could leave the name with nothing behind it
    await rename(partial, target);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

/** Owner, where that is permitted, and mode of the file that is replaced. */
async function keepAccess(file: FileHandle, old: Stats): Promise<void> {
  const { uid, gid } = await file.stat();
  if (uid !== old.uid || gid !== old.gid) {
    await file.chown(old.uid, old.gid).catch((error: unknown) => {
      if (!isSystemError(error) || error.code !== 'EPERM') throw error;
    });
  }
  await file.chmod(old.mode & 0o777);
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
}
