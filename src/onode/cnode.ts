/**
 * Cnodes: one collection's metadata, a record in the store's tree of collections.
 *
 * - Record: flags, id, kind, bits, birth as varints, then the root records of attributes and
 *   objects. The name is the key.
 * - A hash-ordered collection (a PG) keeps its objects in the order of their bit-reversed hash,
 *   so that the objects whose low hash bits agree lie side by side: splitting cuts a range out.
 */

import { rootRecordSize } from '../btree/root-record.js';
import { CorruptError } from '../errors.js';
import { ByteReader, ByteWriter } from '../format/bytes.js';
import { ROLE, type Role } from '../format/role.js';

export const COLLECTION_KIND = { name: 1, hash: 2 } as const;

export type CollectionKind = (typeof COLLECTION_KIND)[keyof typeof COLLECTION_KIND];

/** Hash bits that a PG can fix. */
export const BITS_MAX = 32;

/** A cnode record as numbers and views. */
export interface CnodeRecord {
  readonly id: number;
  readonly kind: CollectionKind;
  readonly bits: number; // low hash bits that all its objects share
  readonly birth: number; // epoch
  readonly attributes: Uint8Array; // root record
  readonly objects: Uint8Array; // root record
}

export function encodeCnode(record: CnodeRecord): Uint8Array {
  const writer = new ByteWriter(64 + record.attributes.length + record.objects.length);
  writer.varint(0);
  writer.varint(record.id);
  writer.varint(record.kind);
  writer.varint(record.bits);
  writer.varint(record.birth);
  writer.raw(record.attributes);
  writer.raw(record.objects);
  return writer.copy();
}

/**
 * Decodes the record `bytes[start, end)`; roots are views into it.
 *
 * @throws CorruptError when the record makes no sense.
 */
export function decodeCnode(bytes: Uint8Array, start: number, end: number): CnodeRecord {
  const reader = new ByteReader(bytes, start, end);
  const flags = reader.varint();
  const id = reader.varint();
  const kind = reader.varint();
  const bits = reader.varint();
  const birth = reader.varint();
  if (reader.failed || flags !== 0 || bits > BITS_MAX || !isKind(kind)) {
    throw new CorruptError('Cannot decode cnode: head makes no sense');
  }
  const attributes = reader.take(rootRecordSize(bytes, reader.at, end));
  const objects = reader.take(rootRecordSize(bytes, reader.at, end));
  if (reader.failed || reader.at !== end) {
    throw new CorruptError('Cannot decode cnode: length differs');
  }
  return { id, kind, bits, birth, attributes, objects };
}

function isKind(kind: number): kind is CollectionKind {
  return kind === COLLECTION_KIND.name || kind === COLLECTION_KIND.hash;
}

/** Where the root records of a cnode record stand, for walkers that patch in place. */
export function forEachCnodeRoot(
  bytes: Uint8Array,
  start: number,
  end: number,
  visit: (role: Role, at: number, rootEnd: number) => void,
): void {
  const { attributes, objects } = decodeCnode(bytes, start, end);
  const objectsAt = end - objects.length;
  const attributesAt = objectsAt - attributes.length;
  visit(ROLE.attributes, attributesAt, objectsAt);
  visit(ROLE.objects, objectsAt, end);
}
