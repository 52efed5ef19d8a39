/**
 * The superblock: the root of everything, and the only switch from one state to the next.
 *
 * - Always SUPERBLOCK_SIZE bytes, whatever the block size.
 * - Checksum, magic, version, address and number keep their places in every version of the
 *   format, so that an old program can tell a newer store from a damaged one.
 * - `address` is the slot's own byte offset: a copy that lies elsewhere is not a superblock.
 * - Behind the fixed fields stand the root records of ROOT_ROLES, each behind its length (u16);
 *   what they hold is the trees' affair. The rest is zero and checked.
 */

import { assert } from '../assert.js';
import { CorruptError, StoreError } from '../errors.js';
import { ByteReader, getU32, getU64, setU16, setU32, setU64 } from './bytes.js';
import { matchesHash, writeHash } from './checksum.js';
import { layout } from './layout.js';
import type { ROLE } from './role.js';
import {
  INCOMPAT,
  RO_COMPAT,
  roomFault,
  type SuperblockFigures,
  superblockFault,
} from './superblock-bounds.js';

export const SUPERBLOCK = layout({
  checksum: 'u64', // xxh64 of bytes [8, 4096)
  magic: 'bytes8', // 'HOLDFAST'
  version: 'u32', // of the format, 1
  address: 'u64', // own byte offset
  number: 'u64', // at least 1; its parity chooses the slots
  uuid: 'bytes16', // of the store
  label: 'bytes64', // utf-8, zero padded
  compat: 'u32', // features that others may ignore
  roCompat: 'u32', // features that only a reader may ignore
  incompat: 'u32', // features that nobody may ignore
  blockSize: 'u32', // bytes, power of two in [1024, 65536]
  nodeSize: 'u32', // bytes, multiple of blockSize, at most 65536
  deviceBlocks: 'u64', // blocks that are there now
  deviceBlocksMax: 'u64', // blocks that it may grow to
  groupBlocks: 'u32', // blocks of an allocation group
  stripeUnit: 'u32', // bytes, 0 without stripes
  stripeWidth: 'u32', // bytes, 0 without stripes
  slotStride: 'u32', // bytes from a slot of parity 0 to that of parity 1
  farOffset: 'u64', // bytes, far slot of parity 0
  metadataCopies: 'u8', // 1 or 2
  journalUuid: 'bytes16', // random at mkfs and shown nowhere: object data can't forge a record
  journalOffset: 'u64', // bytes on the journal's device, multiple of blockSize
  journalBytes: 'u64', // bytes of the ring, multiple of blockSize
  journalHead: 'u64', // bytes within the ring: where replay starts
  journalSequence: 'u64', // first sequence to replay
  journalPrevious: 'bytes8', // checksum of the record before it
  incarnation: 'u64', // of that position: no record from there on is of a lower one
  epoch: 'u64', // of the checkpoint
  transaction: 'u64', // last transaction contained
  nextObject: 'u64', // next object id
  nextCollection: 'u64', // next collection id
  nextDrop: 'u64', // next number on the drop list
  storedBytes: 'u64', // bytes that all objects account for
  objects: 'u64', // count
  createdMs: 'u64', // milliseconds since 1970
  writtenMs: 'u64', // milliseconds since 1970
  cleanClose: 'u8', // 1 when nothing followed it
});
assert(SUPERBLOCK.size === 314, 'SUPERBLOCK is 314 bytes');

export const SUPERBLOCK_SIZE = 4096;
export const SUPERBLOCK_VERSION = 2;

/** Feature bits that this version knows. */
export const FEATURES_KNOWN = {
  compat: 0,
  roCompat: RO_COMPAT.eraseFreed,
  incompat: INCOMPAT.separateJournal,
} as const;

/** Longest label, in bytes of utf-8. */
export const LABEL_BYTES_MAX = 64;

/** The trees whose root records the superblock holds, in order. */
export const ROOT_ROLES = [
  'collections',
  'references',
  'groups',
  'drops',
  'reservations',
  'runs',
] as const satisfies readonly (keyof typeof ROLE)[];

export type RootRole = (typeof ROOT_ROLES)[number];

/** Bytes that all root records may take together. */
export const ROOTS_BYTES_MAX = SUPERBLOCK_SIZE - SUPERBLOCK.size - 2 * ROOT_ROLES.length;

const MAGIC = new TextEncoder().encode('HOLDFAST');

/** A superblock's contents. */
export interface Superblock extends SuperblockFigures {
  readonly label: string;
  readonly compat: number;
  readonly roCompat: number;
  readonly cleanClose: boolean;
  /** Root records by role, at most ROOTS_BYTES_MAX together. */
  readonly roots: Readonly<Record<RootRole, Uint8Array>>;
}

/** False when the store has features that only a reader may ignore. */
export function isWritable(superblock: Superblock): boolean {
  return (superblock.roCompat & ~FEATURES_KNOWN.roCompat) === 0;
}

/** True when what is freed in the store is overwritten. */
export function erasesFreed({ roCompat }: Pick<Superblock, 'roCompat'>): boolean {
  return (roCompat & RO_COMPAT.eraseFreed) !== 0;
}

/** First four bytes of the uuid, as stamped on every block. */
export function storeTagOf(uuid: Uint8Array): number {
  return new DataView(uuid.buffer, uuid.byteOffset, uuid.length).getUint32(0, true);
}

const U32_FIELDS = [
  'compat',
  'roCompat',
  'incompat',
  'blockSize',
  'nodeSize',
  'groupBlocks',
  'stripeUnit',
  'stripeWidth',
  'slotStride',
] as const;

const U64_FIELDS = [
  'number',
  'deviceBlocks',
  'deviceBlocksMax',
  'farOffset',
  'journalOffset',
  'journalBytes',
  'epoch',
  'transaction',
  'nextObject',
  'nextCollection',
  'nextDrop',
  'storedBytes',
  'objects',
  'createdMs',
  'writtenMs',
] as const;

/** The bytes of the slot at byte `offset`: SUPERBLOCK_SIZE of them, owned by the caller. */
export function encodeSuperblock(fields: Superblock, offset: number): Uint8Array {
  assert(superblockFault(fields) === undefined, 'a superblock to be written is in its bounds');
  const bytes = new Uint8Array(SUPERBLOCK_SIZE);
  bytes.set(MAGIC, SUPERBLOCK.magic);
  setU32(bytes, SUPERBLOCK.version, SUPERBLOCK_VERSION);
  setU64(bytes, SUPERBLOCK.address, offset);
  bytes.set(fields.uuid, SUPERBLOCK.uuid);
  encodeLabel(bytes, fields.label);
  for (const name of U32_FIELDS) setU32(bytes, SUPERBLOCK[name], fields[name]);
  for (const name of U64_FIELDS) setU64(bytes, SUPERBLOCK[name], fields[name]);
  bytes[SUPERBLOCK.metadataCopies] = fields.metadataCopies;
  bytes.set(fields.journalUuid, SUPERBLOCK.journalUuid);
  setU64(bytes, SUPERBLOCK.journalHead, fields.journalStart.head);
  setU64(bytes, SUPERBLOCK.journalSequence, fields.journalStart.sequence);
  bytes.set(fields.journalStart.previous, SUPERBLOCK.journalPrevious);
  setU64(bytes, SUPERBLOCK.incarnation, fields.journalStart.incarnation);
  bytes[SUPERBLOCK.cleanClose] = fields.cleanClose ? 1 : 0;
  encodeRoots(bytes, fields.roots);
  writeHash(bytes, SUPERBLOCK.checksum, bytes, SUPERBLOCK.magic, SUPERBLOCK_SIZE);
  return bytes;
}

function encodeLabel(bytes: Uint8Array, label: string): void {
  const encoded = new TextEncoder().encode(label);
  assert(encoded.length <= LABEL_BYTES_MAX, 'a label is at most 64 bytes');
  bytes.set(encoded, SUPERBLOCK.label);
}

function encodeRoots(bytes: Uint8Array, roots: Superblock['roots']): void {
  let at: number = SUPERBLOCK.size;
  for (const role of ROOT_ROLES) {
    const root = roots[role];
    assert(at + 2 + root.length <= SUPERBLOCK_SIZE, 'root records fit in the superblock');
    setU16(bytes, at, root.length);
    bytes.set(root, at + 2);
    at += 2 + root.length;
  }
}

/**
 * Reads the SUPERBLOCK_SIZE bytes found at byte `offset` of the device. The result refers to
 * none of them.
 *
 * @throws CorruptError (E_CORRUPT) when they are not a superblock or not a sound one.
 * @throws StoreError E_VERSION when they are one of another format.
 */
export function decodeSuperblock(bytes: Uint8Array, offset: number): Superblock {
  checkIdentity(bytes, offset);
  const fields: Superblock = {
    ...numbersOf(bytes, U32_FIELDS, getU32),
    ...numbersOf(bytes, U64_FIELDS, getU64),
    uuid: bytes.slice(SUPERBLOCK.uuid, SUPERBLOCK.uuid + 16),
    label: decodeLabel(bytes, offset),
    metadataCopies: bytes[SUPERBLOCK.metadataCopies] as number,
    journalUuid: bytes.slice(SUPERBLOCK.journalUuid, SUPERBLOCK.journalUuid + 16),
    journalStart: {
      head: getU64(bytes, SUPERBLOCK.journalHead),
      sequence: getU64(bytes, SUPERBLOCK.journalSequence),
      previous: bytes.slice(SUPERBLOCK.journalPrevious, SUPERBLOCK.journalPrevious + 8),
      incarnation: getU64(bytes, SUPERBLOCK.incarnation),
    },
    cleanClose: bytes[SUPERBLOCK.cleanClose] === 1,
    roots: decodeRoots(bytes, offset),
  };
  const fault = superblockFault(fields) ?? roomFault(fields);
  if (fault !== undefined) fail(offset, fault);
  return fields;
}

/** What tells a superblock from every other one of its number: 8 bytes, the same for all slots. */
export function sealOf(fields: Superblock): Uint8Array {
  return encodeSuperblock(fields, 0).slice(SUPERBLOCK.checksum, SUPERBLOCK.checksum + 8);
}

/** The number in a slot whose checksum holds, whatever its version; undefined otherwise. */
export function superblockNumber(bytes: Uint8Array): number | undefined {
  const sound =
    MAGIC.every((byte, i) => bytes[SUPERBLOCK.magic + i] === byte) &&
    matchesHash(bytes, SUPERBLOCK.checksum, bytes, SUPERBLOCK.magic, SUPERBLOCK_SIZE);
  return sound ? getU64(bytes, SUPERBLOCK.number) : undefined;
}

function checkIdentity(bytes: Uint8Array, offset: number): void {
  if (!MAGIC.every((byte, i) => bytes[SUPERBLOCK.magic + i] === byte)) fail(offset, 'no magic');
  if (!matchesHash(bytes, SUPERBLOCK.checksum, bytes, SUPERBLOCK.magic, SUPERBLOCK_SIZE)) {
    fail(offset, 'checksum differs');
  }
  const address = getU64(bytes, SUPERBLOCK.address);
  if (address !== offset) fail(offset, `it belongs at ${address}`);
  const version = getU32(bytes, SUPERBLOCK.version);
  const unknown = (getU32(bytes, SUPERBLOCK.incompat) & ~FEATURES_KNOWN.incompat) >>> 0;
  if (version === 0) fail(offset, 'version 0 never existed');
  if (version > SUPERBLOCK_VERSION) {
    failVersion(`format version ${version} is newer than ${SUPERBLOCK_VERSION}`);
  }
  if (version < SUPERBLOCK_VERSION) {
    failVersion(
      `format version ${version} is older than ${SUPERBLOCK_VERSION}: export what it holds with the program that wrote it, and import that into a new store`,
    );
  }
  if (unknown !== 0) failVersion(`features 0x${unknown.toString(16)} are not known`);
}

function numbersOf<const K extends keyof typeof SUPERBLOCK>(
  bytes: Uint8Array,
  names: readonly K[],
  get: (bytes: Uint8Array, at: number) => number,
): Record<K, number> {
  const numbers = {} as Record<K, number>;
  for (const name of names) numbers[name] = get(bytes, SUPERBLOCK[name]);
  return numbers;
}

const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function isZero(bytes: Uint8Array, from: number): boolean {
  for (let at = from; at < bytes.length; at++) if (bytes[at] !== 0) return false;
  return true;
}

function decodeLabel(bytes: Uint8Array, offset: number): string {
  const field = bytes.subarray(SUPERBLOCK.label, SUPERBLOCK.label + LABEL_BYTES_MAX);
  const end = field.indexOf(0);
  const length = end === -1 ? field.length : end;
  if (!isZero(field, length)) fail(offset, 'label is not zero padded');
  try {
    return UTF_8.decode(field.subarray(0, length));
  } catch (cause) {
    throw new CorruptError(describe(offset, 'label is not utf-8'), offset, { cause });
  }
}

function decodeRoots(bytes: Uint8Array, offset: number): Superblock['roots'] {
  const reader = new ByteReader(bytes, SUPERBLOCK.size, SUPERBLOCK_SIZE);
  const entries = ROOT_ROLES.map((role) => [role, reader.take(reader.u16()).slice()]);
  if (reader.failed) fail(offset, 'root records reach over its end');
  if (!isZero(bytes, reader.at)) fail(offset, 'its end is not zero');
  if ((bytes[SUPERBLOCK.cleanClose] as number) > 1) fail(offset, 'cleanClose is neither 0 nor 1');
  return Object.fromEntries(entries) as Superblock['roots'];
}

function describe(offset: number, fault: string): string {
  return `Cannot decode superblock at device offset ${offset}: ${fault}`;
}

function fail(offset: number, fault: string): never {
  throw new CorruptError(describe(offset, fault), offset);
}

function failVersion(reason: string): never {
  throw new StoreError('E_VERSION', `Cannot open store: ${reason}`);
}
