/**
 * What the records of each kind of tree refer to, for whoever walks nodes without knowing what
 * an object is: shadowing of shared nodes, packing, dropping, fsck.
 */

import type { RecordSchema, RecordSchemas, ReferenceSink } from '../btree/record-schema.js';
import { rootReferences } from '../btree/root-record.js';
import { ByteReader } from '../format/bytes.js';
import { ROLE } from '../format/role.js';
import { forEachCnodeRoot } from './cnode.js';
import { ADDRESS_SIZE, decodeEntry, ENTRY_KIND } from './extent-entry.js';
import { forEachRoot, onodeSize } from './onode.js';
import { decodeValue, VALUE_KIND } from './value-record.js';

type Roots = typeof forEachRoot;

type Measure = RecordSchema['storedBytes'];

/** Schema of records that hold root records. */
function rooted(forEach: Roots, storedBytes: Measure): RecordSchema {
  return {
    mayReferToNodes: true,
    references(bytes: Uint8Array, start: number, end: number, sink: ReferenceSink): void {
      forEach(bytes, start, end, (role, at, rootEnd, isPlain) => {
        rootReferences(bytes, at, rootEnd, role, SCHEMAS, sink, isPlain);
      });
    },
    storedBytes,
  };
}

const nothing: Measure = () => 0;

/** An object accounts for its size in bytes. */
const objectBytes: Measure = onodeSize;

/** A value accounts for its length. */
const valueBytes: Measure = (bytes, start, end) => {
  if (start < end && bytes[start] === VALUE_KIND.inline) return end - start - 1;
  const value = decodeValue(bytes, start, end);
  return value.kind === VALUE_KIND.inline ? value.bytes.length : value.length;
};

/** A value record has a root only when it is large; hardly any is. */
const VALUES: RecordSchema = {
  mayReferToNodes: true,
  references(bytes: Uint8Array, start: number, end: number, sink: ReferenceSink): void {
    if (bytes[start] !== VALUE_KIND.large) return;
    const reader = new ByteReader(bytes, start + 1, end);
    reader.varint();
    rootReferences(bytes, reader.at, end, ROLE.blob, SCHEMAS, sink);
  },
  storedBytes: valueBytes,
};

const EXTENTS: RecordSchema = {
  mayReferToNodes: false,
  references(bytes: Uint8Array, start: number, end: number, sink: ReferenceSink): void {
    if (bytes[start] !== ENTRY_KIND.extent) return;
    const entry = decodeEntry(bytes, start, end);
    if (entry.kind !== ENTRY_KIND.extent) return;
    sink.data(entry.address, entry.blocks, bytes, end - entry.checksums.length - ADDRESS_SIZE);
  },
  storedBytes(bytes: Uint8Array, start: number, end: number): number {
    const entry = decodeEntry(bytes, start, end);
    return entry.kind === ENTRY_KIND.hole ? 0 : entry.length;
  },
};

/** A drop record: the role of a tree, then the POINTER that was its root's. */
const DROPS: RecordSchema = {
  mayReferToNodes: true,
  references(bytes: Uint8Array, start: number, _end: number, sink: ReferenceSink): void {
    sink.node(bytes, start + 1, bytes[start] as number);
  },
  storedBytes: nothing,
};

/** Schemas by role; a role without one has records that own nothing. */
export const SCHEMAS: RecordSchemas = {
  [ROLE.collections]: rooted(forEachCnodeRoot, nothing),
  [ROLE.objects]: rooted(forEachRoot, objectBytes),
  [ROLE.attributes]: VALUES,
  [ROLE.map]: VALUES,
  [ROLE.blob]: EXTENTS,
  [ROLE.drops]: DROPS,
};
