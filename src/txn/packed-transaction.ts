/**
 * Transactions on their way from the thread that built them to the one that has the store.
 *
 * - One array holds everything: what the engine has to know, the encoding as it goes into the
 *   journal, and behind them the data that is written ahead, which is not copied again.
 * - They don't leave the process. A checksum tells bytes that were not packed here, were cut short
 *   or were changed; it doesn't cover the data, whose checksums are made when it gets its place.
 *
 * Encoding: magic u32, bytes in front of the data u32, checksum u64 of what follows up to the data
 * | flags u8 | redeemed bytes, operations, keys (varints) | ordered: count, texts | data: count, then
 * each: length, index of its object, offset + 1 (varints) | transaction as it stands in the journal
 * | data.
 */

import { invalidArgument, StoreError } from '../errors.js';
import { ByteReader, ByteWriter, getU32, setU32 } from '../format/bytes.js';
import { matchesHash, writeHash } from '../format/checksum.js';
import { readKnownText } from './known-text.js';
import { type AheadPart, openEncoding, type SealedTransaction } from './sealed-transaction.js';

const MAGIC = 0x6b50_6648; // "HfPk"
const SIZE_AT = 4;
const CHECKSUM_AT = 8;
const HEAD_SIZE = 16;

const FLAG = { deleting: 1, redeems: 2, dropping: 4 } as const;

/** Packs `sealed`, which is of no use afterwards, into bytes that `allocate` gives. */
export function packTransaction(
  sealed: SealedTransaction,
  allocate: (length: number) => Uint8Array,
): Uint8Array {
  const { ordered, ahead, redeemed } = sealed;
  const writer = new ByteWriter();
  writer.u32(MAGIC);
  writer.u32(0);
  writer.u64(0);
  writer.u8(flagsOf(sealed));
  writer.varint(redeemed.bytes);
  writer.varint(redeemed.operations);
  writer.varint(redeemed.keys);
  writer.varint(ordered.length);
  for (const name of ordered) writer.text(name);
  writer.varint(ahead.length);
  for (const { bytes, object, offset } of ahead) {
    writer.varint(bytes.length);
    writer.varint(offset < 0 ? 0 : object);
    writer.varint(offset + 1);
  }
  sealed.writeTo(writer);
  sealed.release();
  let at = writer.at;
  setU32(writer.bytes, SIZE_AT, at);
  writeHash(writer.bytes, CHECKSUM_AT, writer.bytes, HEAD_SIZE, at);
  const bytes = allocate(ahead.reduce((sum, part) => sum + part.bytes.length, at));
  bytes.set(writer.done());
  writer.release();
  for (const part of ahead) {
    bytes.set(part.bytes, at);
    at += part.bytes.length;
  }
  return bytes;
}

function flagsOf({ deleting, redeems, dropping }: SealedTransaction): number {
  let flags = 0;
  if (deleting) flags |= FLAG.deleting;
  if (redeems) flags |= FLAG.redeems;
  if (dropping) flags |= FLAG.dropping;
  return flags;
}

/** A transaction that was built in another thread; `Transaction.pack` gave its bytes. */
export class PackedTransaction {
  #sealed: SealedTransaction | undefined;

  /**
   * The bytes belong to the store until the transaction has committed or was refused.
   *
   * @throws StoreError E_INVALID when they are not what `Transaction.pack` gave
   */
  constructor(bytes: Uint8Array) {
    this.#sealed = unpack(bytes);
  }

  /**
   * Gives what the engine takes.
   *
   * @throws StoreError E_INVALID_ARGUMENT when the transaction was submitted before.
   */
  seal(): SealedTransaction {
    const sealed = this.#sealed;
    if (sealed === undefined) {
      throw invalidArgument('Cannot submit transaction: it was submitted before');
    }
    this.#sealed = undefined;
    return sealed;
  }
}

function unpack(bytes: Uint8Array): SealedTransaction {
  if (!(bytes instanceof Uint8Array)) throw notPacked();
  const size = bytes.length < HEAD_SIZE ? 0 : getU32(bytes, SIZE_AT);
  const isWhole = size >= HEAD_SIZE && size <= bytes.length && getU32(bytes, 0) === MAGIC;
  if (!isWhole || !matchesHash(bytes, CHECKSUM_AT, bytes, HEAD_SIZE, size)) throw notPacked();
  const reader = new ByteReader(bytes, HEAD_SIZE, size);
  const flags = reader.u8();
  const redeemed = {
    bytes: reader.varint(),
    operations: reader.varint(),
    keys: reader.varint(),
  };
  const ordered: string[] = [];
  for (let left = reader.varint(); left > 0 && !reader.failed; left--) {
    ordered.push(readKnownText(reader));
  }
  const ahead: AheadPart[] = [];
  let at = size;
  for (let left = reader.varint(); left > 0 && !reader.failed; left--) {
    const length = reader.varint();
    const object = reader.varint();
    ahead.push({ bytes: bytes.subarray(at, at + length), object, offset: reader.varint() - 1 });
    at += length;
  }
  if (reader.failed || at !== bytes.length) throw notPacked();
  const encoding = bytes.subarray(reader.at, size);
  return {
    length: encoding.length,
    ordered,
    ahead,
    deleting: (flags & FLAG.deleting) !== 0,
    dropping: (flags & FLAG.dropping) !== 0,
    redeems: (flags & FLAG.redeems) !== 0,
    redeemed,
    objectAt: (index) => {
      const object = openEncoding(encoding).objects[index];
      if (object === undefined) throw notPacked();
      return object;
    },
    open: () => openEncoding(encoding),
    writeTo: (writer) => writer.raw(encoding),
    release: () => undefined,
  };
}

function notPacked(): StoreError {
  return new StoreError(
    'E_INVALID',
    'Cannot unpack transaction: these are not the bytes that pack() gave',
  );
}
