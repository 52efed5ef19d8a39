/**
 * Overwrites part of an imported collection: every eighth file gets other bytes at its beginning,
 * in its middle and at its end.
 */

import { type Store, Transaction } from '../../index.js';
import { objectPages } from '../pages.js';
import { Pipeline } from '../pipeline.js';
import type { Change } from './compare.js';

const EVERY = 8;

/** Bytes at each of the three places. */
const LENGTH = 10_000;

const TRANSACTION_BYTES = 512 * 1024;

export interface Overwritten {
  readonly objects: number;
  readonly bytes: number;
  readonly changeOf: (name: string) => Change | undefined;
}

export async function overwritePart(store: Store, collection: string): Promise<Overwritten> {
  const pipeline = new Pipeline(store);
  const sizes = new Map<string, number>();
  let transaction = new Transaction();
  let gathered = 0;
  let bytes = 0;
  let count = 0;
  for await (const page of objectPages(store.collection(collection))) {
    for (const { name, size } of page) {
      if (size === 0 || count++ % EVERY !== 0) continue;
      sizes.set(Buffer.from(name).toString('latin1'), size);
      for (const { from, to } of rangesOf(size)) {
        transaction.write(collection, name, from, newBytes(from, to));
        gathered += to - from;
        bytes += to - from;
      }
      if (gathered < TRANSACTION_BYTES) continue;
      await pipeline.submit(transaction, gathered);
      transaction = new Transaction();
      gathered = 0;
    }
  }
  await pipeline.submit(transaction, gathered);
  await pipeline.drain();
  const changeOf = (name: string): Change | undefined => {
    const size = sizes.get(name);
    return size === undefined ? undefined : (piece, offset) => change(piece, offset, size);
  };
  return { objects: sizes.size, bytes, changeOf };
}

interface ByteRange {
  readonly from: number;
  readonly to: number;
}

function rangesOf(size: number): ByteRange[] {
  const middle = Math.floor(size / 2);
  return [0, middle, Math.max(0, size - LENGTH)].map((from) => ({
    from,
    to: Math.min(size, from + LENGTH),
  }));
}

/** Bytes that follow from their offset. */
function newBytes(from: number, to: number): Buffer {
  const bytes = Buffer.allocUnsafe(to - from);
  for (let i = 0; i < bytes.length; i++) bytes[i] = ((from + i) * 31 + 7) & 0xff;
  return bytes;
}

/** Does to a piece of the source what was done to the object. */
function change(piece: Buffer, offset: number, size: number): void {
  for (const { from, to } of rangesOf(size)) {
    const start = Math.max(from, offset);
    const end = Math.min(to, offset + piece.length);
    if (start < end) newBytes(start, end).copy(piece, start - offset);
  }
}
