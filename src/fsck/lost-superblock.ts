/**
 * A superblock for a device that has lost all of its own, from what blocks say of themselves.
 *
 * - Sound block headers tell block size, node size, epoch, and the first bytes of the uuid; the
 *   newest bitmap of each group tells what was in use and whether the store erases what is freed;
 *   journal records tell where the ring is.
 * - Stripes are those that the device has, if the bitmaps agree with groups that are cut so. A store
 *   whose stripes are not the device's own comes back as one without.
 * - The journal is on a device of its own if such a device of this store is given, which also tells
 *   the whole uuid; else it is on the store's.
 * - All trees are empty in it: what there was is an orphan, for salvage to find. What the journal
 *   held is lost with the position to begin at, and gets a new identity.
 * - Nothing tells the label, when the store was made and how far it may grow.
 * - The journal gets no place that data may lie in: it is as long as records were seen, and no
 *   shorter than the shortest ring; the far slots go to the last place that no bitmap marks.
 */

import { randomBytes } from 'node:crypto';
import { groupBlocksFor } from '../alloc/group-geometry.js';
import { type BlockDevice, NO_STRIPES, type StripeGeometry } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import { NODE_SIZE_MAX } from '../btree/node-format.js';
import { emptyRoot } from '../btree/root-record.js';
import { BLOCK_HEADER, BLOCK_MAGIC, BLOCK_TYPE, readBitmapOwner } from '../format/block.js';
import { EMPTY, getU32, getU64, setU32 } from '../format/bytes.js';
import { matchesHash } from '../format/checksum.js';
import type { GroupSummary } from '../format/group-summary.js';
import {
  decodeJournalHeader,
  isJournalHeader,
  JOURNAL_HEADER_SIZE,
  type JournalHeader,
  separateRingOffset,
} from '../format/journal-header.js';
import { RECORD, RECORD_MAGIC, recordFault } from '../format/journal-record.js';
import { FEATURES_KNOWN, type Superblock, storeTagOf } from '../format/superblock.js';
import {
  BLOCK_SIZE_MAX,
  BLOCK_SIZE_MIN,
  farPlaces,
  INCOMPAT,
  JOURNAL_BLOCKS_MIN,
  JOURNAL_UNITS_MIN,
  slotBytes,
  slotStrideFor,
  superblockFault,
} from '../format/superblock-bounds.js';
import { GROUPS_SPEC } from '../txn/group-store.js';
import { stripesFault } from '../txn/make-store.js';
import { DROP_FIRST, STORE_SPECS } from '../txn/store-state.js';
import { readBytes } from './device-map.js';
import { decoded } from './finding.js';

/** Bytes read at once; blocks at its end are read again. */
const PIECE_BYTES = 1024 * 1024;

export interface InferredStore {
  readonly superblock: Superblock;
  /** Where the newest bitmap of each group is; their counts are not known. */
  readonly summaries: ReadonlyMap<number, GroupSummary>;
}

/** What blocks of one store say. */
interface Witnesses {
  readonly blockSize: number;
  readonly storeTag: number;
  readonly nodeLengths: Map<number, number>;
  readonly bitmaps: Map<number, GroupSummary>;
  count: number;
  epoch: number;
  /** Of the newest bitmap, and what that says of the store. */
  bitmapBirth: number;
  roCompat: number;
}

/** The store whose blocks are on the device, and whose journal may be on `journalDevice`. */
export function* inferStore(
  device: BlockDevice,
  journalDevice: BlockDevice | undefined,
): Io<InferredStore | undefined> {
  const search = new BlockSearch();
  for (let offset = 0; offset < device.size; offset += PIECE_BYTES) {
    const length = Math.min(PIECE_BYTES + NODE_SIZE_MAX, device.size - offset);
    const bytes = yield* readBytes(device, offset, length);
    if (typeof bytes !== 'string') search.look(bytes, offset);
    yield { kind: 'pause' };
  }
  const witnesses = search.majority();
  if (witnesses === undefined) return undefined;
  const { blockSize, storeTag } = witnesses;
  const header = yield* journalOf(storeTag, blockSize, journalDevice);
  const stripes = yield* stripesOf(device, witnesses);
  const slotStride = slotStrideFor({ blockSize, stripeWidth: stripes.width });
  const ringBytes = search.rings.get(2 * slotStride);
  const figures = fixedFigures(witnesses, stripes, ringBytes, header);
  const farOffset = yield* findFarSlots(device, witnesses, figures);
  if (farOffset === undefined) return undefined;
  const metadataCopies = search.copiesOf(witnesses);
  const uuid = header?.store ?? newUuid(storeTag);
  const superblock = superblockOf(device, witnesses, {
    ...figures,
    farOffset,
    metadataCopies,
    uuid,
  });
  if (superblockFault(superblock) !== undefined) return undefined;
  return { superblock, summaries: witnesses.bitmaps };
}

/** A uuid that begins as blocks of the store say. */
function newUuid(storeTag: number): Uint8Array {
  const uuid = new Uint8Array(randomBytes(16));
  setU32(uuid, 0, storeTag);
  return uuid;
}

/** The header of the journal on a device of its own, if it is one of this store. */
function* journalOf(
  storeTag: number,
  blockSize: number,
  device: BlockDevice | undefined,
): Io<JournalHeader | undefined> {
  if (device === undefined) return undefined;
  const end = device.size - (device.size % blockSize) - separateRingOffset(blockSize);
  for (const offset of [0, end]) {
    const bytes = yield* readBytes(device, offset, JOURNAL_HEADER_SIZE);
    if (typeof bytes === 'string' || !isJournalHeader(bytes)) continue;
    const found = decoded(() => decodeJournalHeader(bytes, offset));
    if ('value' in found && storeTagOf(found.value.store) === storeTag) return found.value;
  }
  return undefined;
}

/** What the newest bitmaps mark, as groups of a size are cut. */
class Marks {
  readonly #device: BlockDevice;
  readonly #witnesses: Witnesses;
  readonly #groupBlocks: number;
  #group = -1;
  #page: Uint8Array | undefined;

  constructor(device: BlockDevice, witnesses: Witnesses, stripeWidth: number) {
    this.#device = device;
    this.#witnesses = witnesses;
    const { blockSize } = witnesses;
    this.#groupBlocks = groupBlocksFor(blockSize, stripeWidth / blockSize);
  }

  /** True when a bitmap marks one of the blocks. */
  *areAny(from: number, length: number): Io<boolean> {
    for (let block = from; block < from + length; block++) {
      if ((yield* this.#isMarked(block)) === true) return true;
    }
    return false;
  }

  /** True when no bitmap says that one of the blocks is free. */
  *areAll(from: number, length: number): Io<boolean> {
    for (let block = from; block < from + length; block++) {
      if ((yield* this.#isMarked(block)) === false) return false;
    }
    return true;
  }

  /** Undefined where the bitmap is not known. */
  *#isMarked(block: number): Io<boolean | undefined> {
    const group = Math.floor(block / this.#groupBlocks);
    if (group !== this.#group) yield* this.#load(group);
    const bit = block % this.#groupBlocks;
    const byte = this.#page?.[BLOCK_HEADER.size + (bit >>> 3)];
    return byte === undefined ? undefined : (byte & (1 << (bit & 7))) !== 0;
  }

  *#load(group: number): Io<void> {
    const { bitmaps, blockSize } = this.#witnesses;
    const summary = bitmaps.get(group);
    this.#group = group;
    this.#page = undefined;
    if (summary === undefined) return;
    const page = yield* readBytes(this.#device, summary.address * blockSize, blockSize);
    if (typeof page !== 'string') this.#page = page;
  }
}

/**
 * The device's stripes, if the bitmaps of groups that are cut by them mark what they have to: the
 * near slots, the shortest ring, and the bitmaps themselves.
 */
function* stripesOf(device: BlockDevice, witnesses: Witnesses): Io<StripeGeometry> {
  const { geometry } = device;
  const { blockSize, bitmaps } = witnesses;
  if (geometry.width === 0 || stripesFault(geometry, blockSize) !== undefined) return NO_STRIPES;
  const marks = new Marks(device, witnesses, geometry.width);
  const { slotStride, journalOffset, journalBytes, ...sizes } = fixedFigures(witnesses, geometry);
  const slot = slotBytes(sizes) / blockSize;
  const areMarked =
    (yield* marks.areAll(slotStride / blockSize, slot)) &&
    (yield* marks.areAll(journalOffset / blockSize, journalBytes / blockSize));
  if (!areMarked) return NO_STRIPES;
  for (const { address } of bitmaps.values()) {
    if (!(yield* marks.areAll(address, 1))) return NO_STRIPES;
  }
  return geometry;
}

/** Where slots and journal are. */
type FixedFigures = Pick<
  Superblock,
  | 'incompat'
  | 'blockSize'
  | 'stripeUnit'
  | 'stripeWidth'
  | 'slotStride'
  | 'journalOffset'
  | 'journalBytes'
>;

/** Slots, and a ring of at least `ringBytes`; or the one of a journal on a device of its own. */
function fixedFigures(
  { blockSize }: Witnesses,
  { unit: stripeUnit, width: stripeWidth }: StripeGeometry,
  ringBytes = 0,
  header?: JournalHeader,
): FixedFigures {
  const slotStride = slotStrideFor({ blockSize, stripeWidth });
  const sizes = { blockSize, stripeUnit, stripeWidth, slotStride };
  if (header !== undefined) {
    const { journalBytes } = header;
    const journalOffset = separateRingOffset(blockSize);
    return { ...sizes, incompat: INCOMPAT.separateJournal, journalOffset, journalBytes };
  }
  const step = stripeUnit || blockSize;
  const least = Math.max(JOURNAL_BLOCKS_MIN * blockSize, JOURNAL_UNITS_MIN * stripeUnit);
  const journalBytes = Math.ceil(Math.max(ringBytes, least) / step) * step;
  return { ...sizes, incompat: 0, journalOffset: 2 * slotStride, journalBytes };
}

/** The last place for the far slots that no bitmap marks; where there is none, the last of all. */
function* findFarSlots(
  device: BlockDevice,
  witnesses: Witnesses,
  figures: FixedFigures,
): Io<number | undefined> {
  const { blockSize, slotStride, stripeWidth } = figures;
  const marks = new Marks(device, witnesses, stripeWidth);
  const length = slotBytes(figures) / blockSize;
  let last: number | undefined;
  for (const far of farPlaces(figures, device.size)) {
    last ??= far;
    const isUsed =
      (yield* marks.areAny(far / blockSize, length)) ||
      (yield* marks.areAny((far + slotStride) / blockSize, length));
    if (!isUsed) return far;
  }
  return last;
}

class BlockSearch {
  /** Bytes of the ring that records were seen in, by the ring's offset. */
  readonly rings = new Map<number, number>();
  readonly #stores = new Map<string, Witnesses>();
  /** Whole blocks that lie elsewhere than they say, by the tag of their store: second copies. */
  readonly #astray = new Map<number, number>();

  /** Looks at the blocks that begin in the first PIECE_BYTES of what was read at `offset`. */
  look(bytes: Uint8Array, offset: number): void {
    const end = Math.min(PIECE_BYTES, bytes.length - BLOCK_SIZE_MIN + 1);
    for (let at = 0; at < end; at += BLOCK_SIZE_MIN) {
      const magic = getU32(bytes, at + BLOCK_HEADER.magic);
      if (magic === BLOCK_MAGIC) this.#block(bytes, at, offset + at);
      else if (magic === RECORD_MAGIC) this.#record(bytes, at, offset + at);
    }
  }

  /** The store that most blocks are of. */
  majority(): Witnesses | undefined {
    let best: Witnesses | undefined;
    for (const one of this.#stores.values()) if (one.count > (best?.count ?? 0)) best = one;
    return best;
  }

  /** Places of each node and bitmap of a store, as far as can be told. */
  copiesOf({ storeTag, count }: Witnesses): number {
    return (this.#astray.get(storeTag) ?? 0) > count / 2 ? 2 : 1;
  }

  #block(bytes: Uint8Array, at: number, offset: number): void {
    const length = getU32(bytes, at + BLOCK_HEADER.length);
    if (length === 0 || length > NODE_SIZE_MAX || at + length > bytes.length) return;
    const page = bytes.subarray(at, at + length);
    if (!matchesHash(page, BLOCK_HEADER.checksum, page, BLOCK_HEADER.magic, length)) return;
    const storeTag = getU32(page, BLOCK_HEADER.store);
    const address = getU64(page, BLOCK_HEADER.address);
    const blockSize = offset / address;
    if (!isBlockSize(blockSize) || length % blockSize !== 0) {
      this.#astray.set(storeTag, (this.#astray.get(storeTag) ?? 0) + 1);
      return;
    }
    const store = this.#storeOf(blockSize, storeTag);
    const birth = getU64(page, BLOCK_HEADER.birth);
    if (!Number.isSafeInteger(birth)) return;
    store.count++;
    store.epoch = Math.max(store.epoch, birth);
    const type = page[BLOCK_HEADER.type];
    if (type === BLOCK_TYPE.node) {
      store.nodeLengths.set(length, (store.nodeLengths.get(length) ?? 0) + 1);
    } else if (type === BLOCK_TYPE.bitmap) noteBitmap(store, page, address, birth);
  }

  #storeOf(blockSize: number, storeTag: number): Witnesses {
    const key = `${blockSize} ${storeTag}`;
    let store = this.#stores.get(key);
    if (store === undefined) {
      const maps = { nodeLengths: new Map(), bitmaps: new Map() };
      store = { blockSize, storeTag, ...maps, count: 0, epoch: 1, bitmapBirth: 0, roCompat: 0 };
      this.#stores.set(key, store);
    }
    return store;
  }

  #record(bytes: Uint8Array, at: number, offset: number): void {
    const uuid = bytes.subarray(at + RECORD.uuid, at + RECORD.uuid + 16);
    const own = getU64(bytes, at + RECORD.offset);
    if (recordFault(bytes, at, uuid, own) !== undefined) return;
    const ring = offset - own;
    this.rings.set(ring, Math.max(this.rings.get(ring) ?? 0, own + BLOCK_SIZE_MAX));
  }
}

function isBlockSize(size: number): boolean {
  return size >= BLOCK_SIZE_MIN && size <= BLOCK_SIZE_MAX && Number.isInteger(Math.log2(size));
}

function noteBitmap(store: Witnesses, page: Uint8Array, address: number, birth: number): void {
  const { group, roCompat } = readBitmapOwner(getU64(page, BLOCK_HEADER.owner));
  if (birth >= store.bitmapBirth) {
    store.bitmapBirth = birth;
    store.roCompat = roCompat & FEATURES_KNOWN.roCompat;
  }
  const known = store.bitmaps.get(group);
  if (known !== undefined && known.birth >= birth) return;
  const low = getU32(page, BLOCK_HEADER.checksum);
  const high = getU32(page, BLOCK_HEADER.checksum + 4);
  const summary = { free: 0, longest: 0, address, copy: 0, birth, low, high, unerased: false };
  store.bitmaps.set(group, summary);
}

function superblockOf(
  device: BlockDevice,
  store: Witnesses,
  figures: FixedFigures & Pick<Superblock, 'farOffset' | 'metadataCopies' | 'uuid'>,
): Superblock {
  const { blockSize } = store;
  const counted = [...store.nodeLengths].sort(([, one], [, other]) => other - one);
  const now = Date.now();
  return {
    ...figures,
    number: 1,
    label: '',
    compat: 0,
    roCompat: store.roCompat,
    nodeSize: counted[0]?.[0] ?? blockSize,
    deviceBlocks: Math.floor(device.size / blockSize),
    deviceBlocksMax: Math.floor(device.size / blockSize),
    groupBlocks: groupBlocksFor(blockSize, figures.stripeWidth / blockSize),
    journalUuid: new Uint8Array(randomBytes(16)),
    journalStart: { head: 0, sequence: 1, previous: new Uint8Array(8), incarnation: 1 },
    epoch: store.epoch,
    transaction: 0,
    nextObject: 1,
    nextCollection: 1,
    nextDrop: DROP_FIRST,
    storedBytes: 0,
    objects: 0,
    createdMs: now,
    writtenMs: now,
    cleanClose: false,
    roots: {
      collections: emptyRoot(STORE_SPECS.collections),
      references: emptyRoot(STORE_SPECS.references),
      groups: emptyRoot(GROUPS_SPEC),
      drops: emptyRoot(STORE_SPECS.drops),
      reservations: emptyRoot(STORE_SPECS.reservations),
      runs: EMPTY,
    },
  };
}
