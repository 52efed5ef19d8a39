/**
 * A superblock for a device that has lost all of its own, from what blocks say of themselves.
 *
 * - Sound block headers tell block size, node size, epoch, and the first bytes of the uuid; the
 *   newest bitmap of each group tells what was in use; journal records tell where the ring is.
 * - All trees are empty in it: what there was is an orphan, for salvage to find. What the journal
 *   held is lost with the position to begin at, and gets a new identity.
 * - The journal gets no place that data may lie in: it is as long as records were seen, and no
 *   shorter than the shortest ring; the far slots go to the last place that no bitmap marks.
 * - Stores with stripes are not rebuilt: their groups can't be told.
 */

import { randomBytes } from 'node:crypto';
import { groupBlocksFor } from '../alloc/group-geometry.js';
import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import { NODE_SIZE_MAX } from '../btree/node-format.js';
import { emptyRoot } from '../btree/root-record.js';
import { BLOCK_HEADER, BLOCK_MAGIC, BLOCK_TYPE } from '../format/block.js';
import { EMPTY, getU32, getU64, setU32 } from '../format/bytes.js';
import { matchesHash } from '../format/checksum.js';
import type { GroupSummary } from '../format/group-summary.js';
import { RECORD, RECORD_MAGIC, recordFault } from '../format/journal-record.js';
import type { Superblock } from '../format/superblock.js';
import {
  BLOCK_SIZE_MAX,
  BLOCK_SIZE_MIN,
  JOURNAL_BLOCKS_MIN,
  SLOT_STEP,
  slotStrideFor,
  superblockFault,
} from '../format/superblock-bounds.js';
import { GROUPS_SPEC } from '../txn/group-store.js';
import { DROP_FIRST, STORE_SPECS } from '../txn/store-state.js';
import { readBytes } from './device-map.js';

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
}

/** The store whose blocks are on the device; undefined when there are none. */
export function* inferStore(device: BlockDevice): Io<InferredStore | undefined> {
  const search = new BlockSearch();
  for (let offset = 0; offset < device.size; offset += PIECE_BYTES) {
    const length = Math.min(PIECE_BYTES + NODE_SIZE_MAX, device.size - offset);
    const bytes = yield* readBytes(device, offset, length);
    if (typeof bytes !== 'string') search.look(bytes, offset);
    yield { kind: 'pause' };
  }
  const witnesses = search.majority();
  if (witnesses === undefined) return undefined;
  const { blockSize } = witnesses;
  const journalOffset = 2 * slotStrideFor({ blockSize, stripeWidth: 0 });
  const ring = search.rings.get(journalOffset) ?? 0;
  const journalBytes = Math.ceil(Math.max(ring / blockSize, JOURNAL_BLOCKS_MIN)) * blockSize;
  const far = yield* findFarSlots(device, witnesses, journalOffset + journalBytes);
  if (far === undefined) return undefined;
  const metadataCopies = search.copiesOf(witnesses);
  const places = { journalOffset, journalBytes, farOffset: far, metadataCopies };
  const superblock = superblockOf(device, witnesses, places);
  if (superblockFault(superblock) !== undefined) return undefined;
  return { superblock, summaries: witnesses.bitmaps };
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
      store = { blockSize, storeTag, ...maps, count: 0, epoch: 1 };
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
  const group = getU64(page, BLOCK_HEADER.owner);
  const known = store.bitmaps.get(group);
  if (known !== undefined && known.birth >= birth) return;
  const low = getU32(page, BLOCK_HEADER.checksum);
  const high = getU32(page, BLOCK_HEADER.checksum + 4);
  const summary = { free: 0, longest: 0, address, copy: 0, birth, low, high, unerased: false };
  store.bitmaps.set(group, summary);
}

/** The last place for the far slots that no bitmap marks, or that was theirs. */
function* findFarSlots(
  device: BlockDevice,
  { blockSize, bitmaps }: Witnesses,
  from: number,
): Io<number | undefined> {
  const stride = slotStrideFor({ blockSize, stripeWidth: 0 });
  const groupBlocks = groupBlocksFor(blockSize, 1);
  const last = Math.floor((device.size - 2 * stride) / SLOT_STEP) * SLOT_STEP;
  for (let far = last; far >= from; far -= SLOT_STEP) {
    let isFree = true;
    for (const offset of [far, far + stride]) {
      const block = offset / blockSize;
      const summary = bitmaps.get(Math.floor(block / groupBlocks));
      if (summary === undefined) continue;
      const page = yield* readBytes(device, summary.address * blockSize, blockSize);
      if (typeof page === 'string') continue;
      const bit = block % groupBlocks;
      const byte = page[BLOCK_HEADER.size + (bit >>> 3)] as number;
      isFree &&= (byte & (1 << (bit & 7))) === 0 || far === last;
    }
    if (isFree) return far;
  }
  return undefined;
}

function superblockOf(
  device: BlockDevice,
  store: Witnesses,
  places: Pick<Superblock, 'journalOffset' | 'journalBytes' | 'farOffset' | 'metadataCopies'>,
): Superblock {
  const { blockSize } = store;
  const uuid = new Uint8Array(randomBytes(16));
  setU32(uuid, 0, store.storeTag);
  const counted = [...store.nodeLengths].sort(([, one], [, other]) => other - one);
  const now = Date.now();
  return {
    number: 1,
    uuid,
    label: '',
    compat: 0,
    roCompat: 0,
    incompat: 0,
    blockSize,
    nodeSize: counted[0]?.[0] ?? blockSize,
    deviceBlocks: Math.floor(device.size / blockSize),
    deviceBlocksMax: Math.floor(device.size / blockSize),
    groupBlocks: groupBlocksFor(blockSize, 1),
    stripeUnit: 0,
    stripeWidth: 0,
    slotStride: slotStrideFor({ blockSize, stripeWidth: 0 }),
    ...places,
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
