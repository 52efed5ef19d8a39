/** `holdfast get`: gives the bytes of an object to a file or to stdout. */

import { constants } from 'node:fs';
import { type FileHandle, lstat, open, rename, rm } from 'node:fs/promises';
import { type StoredObject, StoreError } from '../../index.js';
import { type Call, type Command, HASH_OPTION } from '../command.js';
import { PIECE_BYTES } from '../object-writer.js';
import { withStore } from '../open-store.js';
import { write } from '../output.js';
import { Progress } from '../progress.js';
import { isSystemError, typedError } from '../system-error.js';

export const GET: Command = {
  name: 'get',
  arguments: 'STORE COLLECTION OBJECT [FILE]',
  summary: 'Writes the bytes of an object to FILE, or to stdout when it is - or missing.',
  details: ['A file appears, or is replaced, only when all bytes are in it.'],
  options: {
    offset: { value: 'SIZE', help: 'begin there (0)' },
    length: { value: 'SIZE', help: 'so many bytes, as far as the object goes (all)' },
    hash: HASH_OPTION,
  },
  run,
};

/** Where bytes go. */
type Sink = (bytes: Uint8Array) => Promise<void>;

async function run(call: Call): Promise<undefined> {
  if (call.json) {
    throw new StoreError('E_USAGE', 'Cannot print bytes as JSON; use stat for the figures');
  }
  const offset = call.size('offset') ?? 0;
  const length = call.size('length') ?? Number.POSITIVE_INFINITY;
  const path = call.argument(3);
  const collection = call.name(1, 'COLLECTION');
  const name = call.object(2);
  await withStore(call, 'read', async (store) => {
    const object = store.collection(collection).object(name);
    const { size } = await object.stat();
    const range = { from: Math.min(offset, size), to: Math.min(size, offset + length) };
    if (path === '' || path === '-') await copy(object, range, write);
    else await toFile(path, (sink) => copy(object, range, sink));
  });
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

/** Writes beside the file and puts it in its place at the end; devices and pipes directly. */
async function toFile(path: string, fill: (sink: Sink) => Promise<void>): Promise<void> {
  try {
    const found = await lstat(path).catch(() => undefined); // whatever it is, open tells
    const direct = found !== undefined && !found.isFile();
    const target = direct ? path : `${path}.${process.pid}.partial`;
    const flags = constants.O_WRONLY | (direct ? 0 : constants.O_CREAT | constants.O_EXCL);
    const file = await open(target, flags);
    try {
      await fill((bytes) => writeAll(file, bytes));
      await file.close();
      if (!direct) await rename(target, path);
    } catch (error) {
      await file.close();
      if (!direct) await rm(target, { force: true });
      throw error;
    }
  } catch (error) {
    throw isSystemError(error) ? typedError(`Cannot write ${path}`, error) : error;
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
}
