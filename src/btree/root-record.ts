/**
 * Root records: a tree as its owner stores it, with the root node inside while that is small.
 *
 *     [form u8] if named: [name length u8] [name] [version u32]
 *               if keys are fixed: [key size u16]   if values are fixed: [value size u16]
 *               if embedded: [level u8] [body length u16] [body]   if external: [POINTER]
 *
 * - form: bits 0-1 ROOT_FORM, bits 2-4 comparator code, bit 5 keys fixed, bit 6 values fixed,
 *   bit 7 duplicates.
 * - In memory a root record may hold provisional pointers, at its end or in its embedded body.
 */

import { CorruptError, StoreError } from '../errors.js';
import { getU16, getU32, getU64, newBytes, setU16, setU32 } from '../format/bytes.js';
import { isProvisional, LEVEL_MAX, POINTER } from '../format/pointer.js';
import type { Role } from '../format/role.js';
import { BYTES, type Comparator, type ComparatorRegistry, REVERSE, U64 } from './comparator.js';
import { NODE_STATE, Node } from './node.js';
import { adoptBody, viewBody } from './node-check.js';
import { entry, readEntry } from './node-view.js';
import type { RecordSchema, RecordSchemas, ReferenceSink } from './record-schema.js';
import { specFault, type TreeSpec } from './tree-spec.js';

/** Where the root node is. */
export const ROOT_FORM = { empty: 0, embedded: 1, external: 2 } as const;

/** Comparator codes of the built-in ones; any other is named. */
const CODES: readonly Comparator[] = [BYTES, U64, REVERSE];
const CODE_NAMED = 7;

const FLAG_KEYS_FIXED = 32;
const FLAG_VALUES_FIXED = 64;
const FLAG_DUPLICATES = 128;

/** Bytes in front of the body of an embedded root: level and body length. */
const EMBEDDED_HEADER_SIZE = 3;

/** A decoded root record; offsets are into the bytes it was decoded from. */
export interface RootParts {
  form: number;
  code: number;
  nameStart: number;
  nameEnd: number;
  version: number;
  keySize: number;
  valueSize: number;
  duplicates: boolean;
  /** Of an embedded body. */
  level: number;
  bodyStart: number;
  bodyLength: number;
  /** Of the POINTER of an external root, else -1. */
  pointer: number;
  /** Behind the record. */
  end: number;
}

function bad(what: string): CorruptError {
  return new CorruptError(`Cannot decode root record: ${what}`);
}

/** The offset behind `size` bytes from `from` on. @throws CorruptError when they aren't there */
function need(from: number, size: number, end: number): number {
  if (from + size > end) throw bad('it is cut short');
  return from + size;
}

/** The parts of the root record that was read last: whoever keeps them takes a copy. */
const read: RootParts = {
  form: 0,
  code: 0,
  nameStart: 0,
  nameEnd: 0,
  version: 0,
  keySize: 0,
  valueSize: -1,
  duplicates: false,
  level: 0,
  bodyStart: 0,
  bodyLength: 0,
  pointer: -1,
  end: 0,
};

/**
 * Decodes the root record that begins at `bytes[at]` and may reach to `end`.
 * @throws CorruptError
 */
export function decodeRoot(bytes: Uint8Array, at: number, end: number): RootParts {
  return { ...readRoot(bytes, at, end) };
}

/**
 * As `decodeRoot`, without a new object: valid until the next call.
 * @throws CorruptError
 */
export function readRoot(bytes: Uint8Array, at: number, end: number): Readonly<RootParts> {
  let next = need(at, 1, end);
  const form = bytes[at] as number;
  read.form = form & 3;
  read.code = (form >>> 2) & 7;
  read.nameStart = next;
  read.nameEnd = next;
  read.version = 0;
  read.keySize = 0;
  read.valueSize = -1;
  read.duplicates = (form & FLAG_DUPLICATES) !== 0;
  read.level = 0;
  read.bodyStart = 0;
  read.bodyLength = 0;
  read.pointer = -1;
  if (read.code === CODE_NAMED) {
    next = need(next, 1, end);
    read.nameStart = next;
    read.nameEnd = need(next, bytes[next - 1] as number, end);
    next = need(read.nameEnd, 4, end);
    read.version = getU32(bytes, read.nameEnd);
    if (read.nameEnd === read.nameStart) throw bad('the comparator has no name');
  } else if (read.code >= CODES.length) throw bad('the comparator code is unknown');
  if ((form & FLAG_KEYS_FIXED) !== 0) {
    next = need(next, 2, end);
    read.keySize = getU16(bytes, next - 2);
    if (read.keySize === 0) throw bad('the fixed key size is zero');
  }
  if ((form & FLAG_VALUES_FIXED) !== 0) {
    next = need(next, 2, end);
    read.valueSize = getU16(bytes, next - 2);
  }
  read.end = decodePlace(bytes, next, read, end);
  return read;
}

function decodePlace(bytes: Uint8Array, at: number, parts: RootParts, end: number): number {
  switch (parts.form) {
    case ROOT_FORM.empty:
      return at;
    case ROOT_FORM.embedded: {
      parts.bodyStart = need(at, EMBEDDED_HEADER_SIZE, end);
      parts.level = bytes[at] as number;
      parts.bodyLength = getU16(bytes, at + 1);
      if (parts.level > LEVEL_MAX) throw bad('the level is too high');
      return need(parts.bodyStart, parts.bodyLength, end);
    }
    case ROOT_FORM.external:
      parts.pointer = at;
      return need(at, POINTER.size, end);
    default:
      throw bad('the form is unknown');
  }
}

/**
 * Bytes of the root record that begins at `bytes[at]`.
 * @throws CorruptError
 */
export function rootRecordSize(bytes: Uint8Array, at: number, end: number): number {
  return readRoot(bytes, at, end).end - at;
}

/** True when `bytes` is the root record of an empty tree. */
export function encodedEmptyRoot(bytes: Uint8Array, at = 0): boolean {
  return ((bytes[at] as number) & 3) === ROOT_FORM.empty;
}

/**
 * Offset of the POINTER of an external root record; -1 when it is empty or embedded.
 * @throws CorruptError
 */
export function rootPointer(bytes: Uint8Array, at: number, end: number): number {
  return readRoot(bytes, at, end).pointer;
}

/** Bytes that a record has in front of the place of its root. */
function headSize(spec: TreeSpec): number {
  const named = CODES.includes(spec.comparator)
    ? 0
    : 1 + Buffer.byteLength(spec.comparator.name) + 4;
  return 1 + named + (spec.keySize > 0 ? 2 : 0) + (spec.valueSize >= 0 ? 2 : 0);
}

/** Writes what the record says in front of the place of its root. */
function writeHead(bytes: Uint8Array, form: number, spec: TreeSpec): void {
  const code = CODES.indexOf(spec.comparator);
  const named = code < 0;
  bytes[0] =
    form |
    ((named ? CODE_NAMED : code) << 2) |
    (spec.keySize > 0 ? FLAG_KEYS_FIXED : 0) |
    (spec.valueSize >= 0 ? FLAG_VALUES_FIXED : 0) |
    (spec.duplicates ? FLAG_DUPLICATES : 0);
  let at = 1;
  if (named) {
    const name = Buffer.from(spec.comparator.name);
    bytes[at] = name.length;
    bytes.set(name, at + 1);
    setU32(bytes, at + 1 + name.length, spec.comparator.version);
    at += 1 + name.length + 4;
  }
  if (spec.keySize > 0) {
    setU16(bytes, at, spec.keySize);
    at += 2;
  }
  if (spec.valueSize >= 0) setU16(bytes, at, spec.valueSize);
}

/** A new record of `form` with `size` bytes behind its head, which are left to the caller. */
function startRecord(spec: TreeSpec, form: number, size: number): Uint8Array {
  const bytes = newBytes(headSize(spec) + size);
  writeHead(bytes, form, spec);
  return bytes;
}

/** The root record of an empty tree. */
export function emptyRoot(spec: TreeSpec): Uint8Array {
  return startRecord(spec, ROOT_FORM.empty, 0);
}

/** Bytes of the record of an embedded root whose body has `bodyLength` bytes. */
export function embeddedRootSize(spec: TreeSpec, bodyLength: number): number {
  return headSize(spec) + EMBEDDED_HEADER_SIZE + bodyLength;
}

/** A record with an embedded root; its last `bodyLength` bytes are left to the caller. */
export function startEmbeddedRoot(spec: TreeSpec, level: number, bodyLength: number): Uint8Array {
  const bytes = startRecord(spec, ROOT_FORM.embedded, EMBEDDED_HEADER_SIZE + bodyLength);
  const at = bytes.length - bodyLength - EMBEDDED_HEADER_SIZE;
  bytes[at] = level;
  setU16(bytes, at + 1, bodyLength);
  return bytes;
}

/** A record with an external root; its last POINTER.size bytes are left to the caller. */
export function startExternalRoot(spec: TreeSpec): Uint8Array {
  return startRecord(spec, ROOT_FORM.external, POINTER.size);
}

/**
 * The spec that a root record states.
 * @throws CorruptError; StoreError E_COMPARATOR when its comparator isn't in `registry`.
 */
export function rootSpec(
  bytes: Uint8Array,
  at: number,
  end: number,
  role: Role,
  owner: number,
  registry: ComparatorRegistry,
): TreeSpec {
  const parts = readRoot(bytes, at, end);
  const spec: TreeSpec = {
    role,
    owner,
    comparator: CODES[parts.code] ?? registry.get(comparatorName(bytes, parts), parts.version),
    keySize: parts.keySize,
    valueSize: parts.valueSize,
    duplicates: parts.duplicates,
  };
  const fault = specFault(spec);
  if (fault !== undefined) throw bad(fault);
  return spec;
}

function comparatorName(bytes: Uint8Array, parts: Readonly<RootParts>): string {
  return Buffer.from(bytes.subarray(parts.nameStart, parts.nameEnd)).toString();
}

/**
 * Checks that a decoded record is of a tree of `spec`.
 * @throws StoreError E_COMPARATOR naming the record's comparator; CorruptError.
 */
export function checkRootSpec(bytes: Uint8Array, parts: Readonly<RootParts>, spec: TreeSpec): void {
  const builtIn = CODES[parts.code];
  const order = spec.comparator;
  const same =
    builtIn !== undefined
      ? builtIn === order
      : comparatorName(bytes, parts) === order.name && parts.version === order.version;
  if (!same) {
    const name = builtIn?.name ?? comparatorName(bytes, parts);
    const version = builtIn?.version ?? parts.version;
    throw new StoreError(
      'E_COMPARATOR',
      `Cannot open tree: it is ordered by ${name} version ${version}, ` +
        `not by ${order.name} version ${order.version}`,
    );
  }
  if (
    parts.keySize !== spec.keySize ||
    parts.valueSize !== spec.valueSize ||
    parts.duplicates !== spec.duplicates
  ) {
    throw bad('its sizes are not those of the tree');
  }
}

/** Blocks are not known where records are walked; any block is at least this large. */
const BLOCK_SIZE_MIN = 512;

/**
 * The embedded body of a record as a read-only node.
 * @throws CorruptError
 */
export function embeddedNode(bytes: Uint8Array, parts: Readonly<RootParts>, role: number): Node {
  const node = new Node(NODE_STATE.embedded);
  viewEmbedded(node, bytes, parts);
  node.role = role;
  node.resident = true;
  if (node.level > 0) node.children = new Array<Node | undefined>(node.count).fill(undefined);
  return node;
}

/** Makes `node` a reader of the body in a decoded record. @throws CorruptError */
function viewEmbedded(node: Node, bytes: Uint8Array, parts: RootParts): void {
  const fault = adoptBody(node, bytes, parts.bodyStart, parts.bodyLength, {
    level: parts.level,
    blockSize: BLOCK_SIZE_MIN,
    provisional: true,
  });
  if (fault !== undefined) throw bad(fault);
  if (node.keySize !== parts.keySize || node.valueSize !== parts.valueSize) {
    throw bad('its body encodes entries in another way');
  }
}

const soleLeaf = new Node(NODE_STATE.embedded);

/**
 * True when the tree of `spec` whose root record is `bytes[at, end)` holds one record, and that in
 * place: its key and value are then in `entry`, as offsets into `bytes`. Opens no tree.
 * @throws as opening it would
 */
export function findSole(bytes: Uint8Array, at: number, end: number, spec: TreeSpec): boolean {
  const parts = readRoot(bytes, at, end);
  if (parts.form !== ROOT_FORM.embedded || parts.level > 0) return false;
  checkRootSpec(bytes, parts, spec);
  viewEmbedded(soleLeaf, bytes, parts);
  if (soleLeaf.count === 1) readEntry(soleLeaf, 0);
  return soleLeaf.count === 1;
}

/** The body of an embedded leaf that this process has just written, as a read-only node. */
export function embeddedLeaf(bytes: Uint8Array, bodyLength: number, role: number): Node {
  const node = new Node(NODE_STATE.embedded);
  viewBody(node, bytes, bytes.length - bodyLength, bodyLength, 0);
  node.role = role;
  node.resident = true;
  return node;
}

/**
 * Calls `sink` for every reference that a root record holds itself: the pointer of an external
 * root, those of an embedded branch, or those of the records of an embedded leaf, which refer to
 * nothing when the caller knows it to be plain.
 * @throws CorruptError
 */
export function rootReferences(
  bytes: Uint8Array,
  at: number,
  end: number,
  role: number,
  schemas: RecordSchemas,
  sink: ReferenceSink,
  isPlain = false,
): void {
  const parts = readRoot(bytes, at, end);
  if (parts.pointer >= 0) sink.node(bytes, parts.pointer, role);
  else if (parts.form === ROOT_FORM.embedded) {
    if (parts.level === 0 && (isPlain || isNothingFor(sink, schemas[role]))) return;
    walkEmbedded(bytes, parts, role, schemas, sink);
  }
}

/** Readers for `walkEmbedded`: the records of a root may have roots, whose records have some. */
const walked: Node[] = [];
let depth = 0;

/** `nodeReferences` of an embedded body, without a node of its own. @throws CorruptError */
function walkEmbedded(
  bytes: Uint8Array,
  parts: RootParts,
  role: number,
  schemas: RecordSchemas,
  sink: ReferenceSink,
): void {
  walked[depth] ??= new Node(NODE_STATE.embedded);
  const node = walked[depth] as Node;
  viewEmbedded(node, bytes, parts);
  node.role = role;
  depth++;
  try {
    nodeReferences(node, schemas, sink);
  } finally {
    depth--;
  }
}

/** Calls `sink` for every reference of a node: its children, or those of its records. */
export function nodeReferences(node: Node, schemas: RecordSchemas, sink: ReferenceSink): void {
  const schema = schemas[node.role];
  if (node.level === 0 && isNothingFor(sink, schema)) return;
  for (let i = 0; i < node.count; i++) {
    readEntry(node, i);
    if (node.level > 0) sink.node(node.page, entry.valueStart, node.role);
    else schema?.references(node.page, entry.valueStart, entry.valueEnd, sink);
  }
}

/** True when no record of the schema has anything to show to `sink`. */
function isNothingFor(sink: ReferenceSink, schema: RecordSchema | undefined): boolean {
  return schema === undefined || (sink.nodesOnly === true && !schema.mayReferToNodes);
}

/**
 * Stored bytes that a root record accounts for, itself included where it is embedded. What lies
 * below a provisional pointer isn't known here and counts nothing.
 * @throws CorruptError
 */
export function rootStoredBytes(
  bytes: Uint8Array,
  at: number,
  end: number,
  role: number,
  schemas: RecordSchemas,
): number {
  const parts = readRoot(bytes, at, end);
  if (parts.pointer >= 0) return pointerStoredBytes(bytes, parts.pointer);
  if (parts.form === ROOT_FORM.empty) return 0;
  const node = embeddedNode(bytes, parts, role);
  if (node.level === 0) return leafStoredBytes(node, schemas);
  let sum = 0;
  for (let i = 0; i < node.count; i++) {
    readEntry(node, i);
    sum += pointerStoredBytes(bytes, entry.valueStart);
  }
  return sum;
}

/** Stored bytes below a pointer; 0 while it is provisional. */
export function pointerStoredBytes(bytes: Uint8Array, at: number): number {
  return isProvisional(bytes, at) ? 0 : getU64(bytes, at + POINTER.bytes);
}

/** Stored bytes of the records of a leaf: what its schema says, else its keys and values. */
export function leafStoredBytes(node: Node, schemas: RecordSchemas): number {
  const schema = schemas[node.role];
  let sum = 0;
  for (let i = 0; i < node.count; i++) {
    readEntry(node, i);
    const { keyStart, valueStart, valueEnd } = entry;
    sum += schema?.storedBytes(node.page, valueStart, valueEnd) ?? valueEnd - keyStart;
  }
  return sum;
}
