/**
 * Values of attribute and map records.
 *
 * - Up to `inlineMax` bytes stand in the record itself; a larger value is a blob stream of its
 *   own, whose root record stands there instead. So values of any size cost one mechanism.
 */

import { Tree } from '../btree/tree.js';
import { CorruptError } from '../errors.js';
import { ByteReader, ByteWriter, copyBytes, newBytes } from '../format/bytes.js';
import { ROLE } from '../format/role.js';
import { BlobStream } from './blob-stream.js';
import type { ObjectContext, PlacedExtent } from './context.js';
import { embedMax, inlineMax, VALUE_SIZE_MAX } from './limits.js';
import { BLOB_SPEC } from './tree-specs.js';

export const VALUE_KIND = { inline: 0, large: 1 } as const;

/** A value as given by the caller: bytes, or data that has its place already. */
export type NewValue =
  | { readonly bytes: Uint8Array }
  | { readonly placed: readonly PlacedExtent[]; readonly length: number };

/** What a stored value is: its bytes as a view, or the root record of its blob stream. */
export type StoredValue =
  | { readonly kind: typeof VALUE_KIND.inline; readonly bytes: Uint8Array }
  | { readonly kind: typeof VALUE_KIND.large; readonly length: number; readonly root: Uint8Array };

/** Encodes a value into the bytes of its record. */
export function encodeValue(context: ObjectContext, value: NewValue): Uint8Array {
  if ('bytes' in value && value.bytes.length <= inlineMax(context.nodeSize)) {
    return inlineRecord(value.bytes, 0, value.bytes.length);
  }
  const tree = new Tree(context.forest, BLOB_SPEC);
  const stream = new BlobStream(context, tree);
  const length = 'bytes' in value ? value.bytes.length : value.length;
  if ('bytes' in value) stream.write(0, value.bytes, 0);
  else stream.writePlaced(0, value.placed, 0);
  const writer = new ByteWriter(128);
  writer.u8(VALUE_KIND.large);
  writer.varint(length);
  writer.raw(tree.encodeRoot(embedMax(context.nodeSize) / 2));
  return writer.copy();
}

/** The bytes of the record of the value `bytes[start, end)`, which is not too long for its record. */
export function inlineRecord(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const record = newBytes(1 + end - start);
  record[0] = VALUE_KIND.inline;
  copyBytes(bytes, start, end, record, 1);
  return record;
}

/**
 * Decodes the record `bytes[start, end)` into views.
 *
 * @throws CorruptError when the record makes no sense.
 */
export function decodeValue(bytes: Uint8Array, start: number, end: number): StoredValue {
  const kind = bytes[start];
  if (start < end && kind === VALUE_KIND.inline) {
    return { kind, bytes: bytes.subarray(start + 1, end) };
  }
  if (start >= end || kind !== VALUE_KIND.large) {
    throw new CorruptError(`Cannot decode value record: kind ${kind}`);
  }
  const reader = new ByteReader(bytes, start + 1, end);
  const length = reader.varint();
  if (reader.failed) throw new CorruptError('Cannot decode value record: cut short');
  if (length > VALUE_SIZE_MAX) throw new CorruptError(`Cannot decode value of ${length} bytes`);
  return { kind, length, root: reader.take(end - reader.at) };
}

/** Gives up what a record's value owns. */
export function releaseValue(
  context: ObjectContext,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  const value = decodeValue(bytes, start, end);
  if (value.kind === VALUE_KIND.large) context.dropTree(ROLE.blob, value.root.slice());
}
