/** `holdfast put`: stores the bytes of a file or of stdin as an object. */

import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type Store, StoreError, Transaction } from '../../index.js';
import { type Call, type Command, HASH_OPTION, type NamedObject } from '../command.js';
import { piecesOfFile, piecesOfStream } from '../file-pieces.js';
import { checkCollectionName, ObjectWriter } from '../object-writer.js';
import { withStore } from '../open-store.js';
import { write, writeJson } from '../output.js';
import { checkNotOwn } from '../own-file.js';
import { Pipeline } from '../pipeline.js';
import { jsonPlace } from '../place.js';
import { Progress } from '../progress.js';
import { formatSize } from '../size.js';
import { isSystemError, typedError } from '../system-error.js';
import { printable } from '../text.js';

export const PUT: Command = {
  name: 'put',
  arguments: 'STORE COLLECTION OBJECT FILE',
  summary: 'Stores the bytes of FILE, or of stdin when it is -, as an object.',
  details: [
    'The collection is made if it is missing. An object that exists gets the new bytes and keeps',
    'its attributes and its map stream. It changes whole or, when put fails or is killed, not at all.',
  ],
  options: { hash: HASH_OPTION },
  run,
};

interface Source {
  readonly pieces: AsyncIterable<Uint8Array>;
  /** Undefined when it is not known. */
  readonly size: number | undefined;
  close(): Promise<void>;
}

interface Written {
  readonly size: number; // bytes
  /** The one in which the object appeared. */
  readonly transaction: number;
}

async function run(call: Call): Promise<undefined> {
  const collection = call.name(1, 'COLLECTION');
  const object = call.object(2);
  const path = call.argument(3);
  checkCollectionName(collection);
  new Transaction().touch(collection, object); // refuses a name before anything is read
  if (path !== '-') checkNotOwn(call, 'put', path);
  const source = path === '-' ? standardInput() : await fileSource(path);
  let written: Written;
  try {
    written = await withStore(call, 'write', (store) => put(store, collection, object, source));
  } catch (error) {
    throw isSystemError(error) ? typedError(`Cannot read ${path}`, error) : error;
  } finally {
    await source.close();
  }
  if (call.json) await writeJson({ ...jsonPlace(collection, object), ...written });
  else if (path !== '-') {
    const name = printable(call.bytes(2, 'OBJECT'));
    await write(`Put ${formatSize(written.size)} as ${name}\n`);
  }
  return undefined;
}

async function put(
  store: Store,
  collection: Uint8Array,
  object: NamedObject,
  { pieces, size }: Source,
): Promise<Written> {
  const pipeline = new Pipeline(store);
  const writer = new ObjectWriter(store, pipeline);
  await writer.sweep();
  const makesCollection = !(await store.collection(collection).exists());
  const progress = new Progress({ what: 'put', total: size });
  try {
    const counted = counting(pieces, (bytes) => progress.advance(bytes));
    const written = await writer.write({
      collection,
      object,
      makesCollection,
      pieces: counted,
    });
    await pipeline.drain();
    return { size: written, transaction: store.durableTransaction };
  } catch (error) {
    await writer.abandon();
    throw error;
  } finally {
    progress.end();
  }
}

async function* counting(
  pieces: AsyncIterable<Uint8Array>,
  onPiece: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    yield piece;
    onPiece(piece.length);
  }
}

function standardInput(): Source {
  return {
    pieces: piecesOfStream(process.stdin),
    size: undefined,
    close: async () => {
      process.stdin.destroy();
    },
  };
}

async function fileSource(path: string): Promise<Source> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY);
  } catch (error) {
    throw typedError(`Cannot read ${path}`, error);
  }
  const stats = await file.stat();
  if (stats.isDirectory()) {
    await file.close();
    throw new StoreError('E_INVALID', `Cannot put ${path}: it is a directory; use import`);
  }
  if (!stats.isFile()) {
    const stream = file.createReadStream();
    return { pieces: piecesOfStream(stream), size: undefined, close: () => file.close() };
  }
  return { pieces: piecesOfFile(file), size: stats.size, close: () => file.close() };
}
