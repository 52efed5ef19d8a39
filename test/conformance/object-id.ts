/**
 * The field's object ids as names of ours: a program that has such ids would do the same.
 *
 * - In a hash-ordered collection the id's hash places the object, and the bytes of all other parts
 *   order the objects of one hash; pool and shard are the collection's, but for temporary objects.
 * - In a name-ordered collection one name holds all parts in the order of ids.
 * - The order of ids: shard, pool (signed), bit-reversed hash, namespace, key or name, name,
 *   snapshot, generation. Texts compare as bytes, so each is ended by one that is below all others.
 */

import { ByteWriter } from '../../src/format/bytes.js';
import { reverseBits } from '../../src/onode/object-key.js';
import type { Bytes, ObjectName } from '../../src/txn/transaction.js';

export interface ObjectId {
  readonly name: Bytes;
  readonly hash: number;
  readonly shard?: number; // -1: none
  readonly pool?: number;
  readonly namespace?: Bytes;
  readonly key?: Bytes;
  readonly snap?: number; // -2: the head
  readonly generation?: number; // -1: none
}

/** Name of an object in a hash-ordered collection of one shard and pool. */
export function hashedName(id: ObjectId): ObjectName {
  const writer = new ByteWriter(64);
  writer.u8((id.pool ?? 0) < -1 ? 0 : 1); // temporary objects have pools below -1
  putRest(writer, id);
  return { name: writer.copy(), hash: id.hash };
}

/** Name of an object in a name-ordered collection: sorting by it sorts by id. */
export function fullName(id: ObjectId): Uint8Array {
  const writer = new ByteWriter(64);
  const fixed = new DataView(new ArrayBuffer(13));
  fixed.setUint8(0, (id.shard ?? -1) + 0x80);
  fixed.setBigUint64(1, BigInt(id.pool ?? -1) + 2n ** 63n);
  fixed.setUint32(9, reverseBits(id.hash));
  writer.raw(new Uint8Array(fixed.buffer));
  putRest(writer, id);
  return writer.copy();
}

/** The order of ids, part by part. */
export function compareIds(a: ObjectId, b: ObjectId): number {
  return (
    (a.shard ?? -1) - (b.shard ?? -1) ||
    (a.pool ?? -1) - (b.pool ?? -1) ||
    reverseBits(a.hash) - reverseBits(b.hash) ||
    compareTexts(a.namespace ?? '', b.namespace ?? '') ||
    compareTexts(a.key ?? a.name, b.key ?? b.name) ||
    compareTexts(a.name, b.name) ||
    compareWrapped(a.snap ?? -2, b.snap ?? -2) ||
    compareWrapped(a.generation ?? -1, b.generation ?? -1)
  );
}

function putRest(writer: ByteWriter, id: ObjectId): void {
  putText(writer, id.namespace ?? '');
  putText(writer, id.key ?? id.name);
  putText(writer, id.name);
  const versions = new DataView(new ArrayBuffer(16));
  versions.setBigInt64(0, BigInt(id.snap ?? -2));
  versions.setBigInt64(8, BigInt(id.generation ?? -1));
  writer.raw(new Uint8Array(versions.buffer));
}

/** A zero byte is followed by 255, the end by 1. */
function putText(writer: ByteWriter, text: Bytes): void {
  for (const byte of Buffer.from(text)) {
    writer.u8(byte);
    if (byte === 0) writer.u8(255);
  }
  writer.u8(0);
  writer.u8(1);
}

function compareTexts(a: Bytes, b: Bytes): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** As unsigned 64-bit numbers: negative ones are above all others. */
function compareWrapped(a: number, b: number): number {
  return Number(a < 0) - Number(b < 0) || a - b;
}
