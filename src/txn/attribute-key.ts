/**
 * Keys of the tree of attributes of an object or collection. The header of an object's map
 * stream shares the tree with the attributes, under a kind of its own.
 */

import { type ByteReader, copyBytes, newBytes } from '../format/bytes.js';

const KIND = { header: 0, attribute: 1 } as const;

/** Key of the attribute `name`. */
export function attributeKey(name: Uint8Array): Uint8Array {
  const key = newBytes(1 + name.length);
  key[0] = KIND.attribute;
  key.set(name, 1);
  return key;
}

/** Key of the attribute whose name stands at `reader`, behind its length. */
export function readAttributeKey(reader: ByteReader): Uint8Array {
  const length = reader.varint();
  const start = reader.skip(length);
  if (start < 0) return FIRST_ATTRIBUTE_KEY; // cut short, as the reader says
  const key = newBytes(1 + length);
  key[0] = KIND.attribute;
  copyBytes(reader.bytes, start, start + length, key, 1);
  return key;
}

/** The attribute's name in its key, as a view. */
export function attributeName(key: Uint8Array): Uint8Array {
  return key.subarray(1);
}

/** Where the attributes begin. */
export const FIRST_ATTRIBUTE_KEY = Uint8Array.of(KIND.attribute);

/** Key of the map's header. */
export const HEADER_KEY = Uint8Array.of(KIND.header);
