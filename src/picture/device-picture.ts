/**
 * What a picture of a device shows, gathered from the newest checkpoint without changing anything.
 *
 * - Bitmaps say what is in use, a walk over the branches of all trees says which of it is
 *   metadata; what is left is data. The older superblock's bitmaps say what is in limbo.
 * - Transactions that only the journal holds are not in it.
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import { ComparatorRegistry } from '../btree/comparator.js';
import { Forest } from '../btree/forest.js';
import { Tree } from '../btree/tree.js';
import type { TreeSpec } from '../btree/tree-spec.js';
import { StoreError } from '../errors.js';
import { ROLE } from '../format/role.js';
import type { Superblock } from '../format/superblock.js';
import { homeRing, slotBytes } from '../format/superblock-bounds.js';
import type { CheckContext } from '../fsck/context.js';
import { innerCheck } from '../fsck/inner-check.js';
import { checkJournal } from '../fsck/journal-check.js';
import { decodeCnode } from '../onode/cnode.js';
import { objectKey } from '../onode/object-key.js';
import { SCHEMAS } from '../onode/schemas.js';
import { COLLECTIONS_SPEC, OBJECTS_SPEC } from '../onode/tree-specs.js';
import { GROUPS_SPEC, readSummaries } from '../txn/group-store.js';
import { Healer } from '../txn/healer.js';
import { DeviceNodeReader } from '../txn/node-reader.js';
import { readSuperblocks, slotOffsets } from '../txn/superblock-slots.js';
import { type BitmapScan, type Summaries, scanBitmaps } from './bitmap-scan.js';
import { Cells } from './cells.js';
import { NodeCensus, type ObjectPlaces } from './node-census.js';

/** Bytes of nodes in memory. */
const CACHE_BYTES = 16 * 1024 * 1024;

/** An object to show. */
export interface ShownObject {
  readonly collection: Uint8Array;
  readonly name: Uint8Array;
  /** Of an object in a hash-ordered collection that was given a hash. */
  readonly hash?: number;
}

export interface PictureOptions {
  /** Most cells to cut the device into. */
  readonly cellsMax: number;
  readonly object?: ShownObject;
  /** The journal's, where it has one of its own. */
  readonly journalDevice?: BlockDevice | undefined;
}

export interface DevicePicture {
  readonly path: string;
  readonly superblock: Superblock;
  readonly cells: Cells;
  readonly groupCount: number;
  readonly scan: BitmapScan;
  readonly nodes: number;
  readonly object: ObjectPlaces | undefined;
  /** Transactions that only the journal holds. */
  readonly pendingTransactions: number;
  /** Subtrees and bitmaps that can't be read: what they hold is shown as data. */
  readonly lost: number;
}

/**
 * Gathers a picture of the store on `device`, which is only read.
 * @throws StoreError E_NOT_A_STORE, E_VERSION, E_NOT_FOUND, E_CORRUPT, E_IO
 */
export function* gatherPicture(
  device: BlockDevice,
  { cellsMax, object, journalDevice }: PictureOptions,
): Io<DevicePicture> {
  const { newest, older } = yield* readSuperblocks(device);
  const context = contextOf(device, journalDevice, newest);
  const { groups, blocks, blockSize } = context.map;
  const { transactions } = yield* checkJournal(context);
  const cells = new Cells(blocks, blockSize, cellsMax, groups.stripeBlocks);
  const trees = new Trees(device, newest);
  const summaries = trees.summaries(newest);
  const past = older === undefined ? undefined : trees.summaries(older);
  const scan = yield* scanBitmaps(context, summaries, past, cells);
  const ring = homeRing(newest);
  takeOut(cells, 'journal', ring.offset / blockSize, ring.bytes / blockSize);
  for (const offset of [...slotOffsets(newest, 0), ...slotOffsets(newest, 1)]) {
    takeOut(cells, 'superblock', offset / blockSize, slotBytes(newest) / blockSize);
  }
  for (const { address } of summaries.values()) takeOut(cells, 'metadata', address, 1);
  const census = new NodeCensus(context, cells);
  const { roots } = newest;
  for (const name of ['collections', 'drops', 'reservations', 'references', 'groups'] as const) {
    yield* census.root(roots[name], ROLE[name]);
  }
  const record = object === undefined ? undefined : trees.object(newest, object);
  return {
    path: device.path,
    superblock: newest,
    cells,
    groupCount: groups.groupCount,
    scan,
    nodes: census.nodes,
    object: record === undefined ? undefined : yield* census.object(record, ROLE.objects),
    pendingTransactions: transactions,
    lost: census.lost + scan.unreadable,
  };
}

/** Counts blocks in use as what they are. */
function takeOut(
  cells: Cells,
  kind: 'journal' | 'superblock' | 'metadata',
  start: number,
  length: number,
): void {
  cells.add(kind, start, length);
  cells.add('data', start, length, -1);
}

function contextOf(
  device: BlockDevice,
  journalDevice: BlockDevice | undefined,
  superblock: Superblock,
): CheckContext {
  const options = { journalDevice, comparators: new ComparatorRegistry() };
  return innerCheck(device, superblock, options, () => undefined);
}

/** Look-ups in trees that are only read. */
class Trees {
  readonly #forest: Forest;

  constructor(device: BlockDevice, superblock: Superblock) {
    const { blockSize, nodeSize, epoch } = superblock;
    this.#forest = new Forest({
      reader: new DeviceNodeReader(device, blockSize, new Healer(device, superblock, true)),
      blockSize,
      nodeSize,
      storeTag: 0,
      cacheBytes: CACHE_BYTES,
      schemas: SCHEMAS,
      counts: { isShared: () => true, retain: () => undefined, release: () => false },
      onFree: () => undefined,
      generation: epoch + 1,
    });
  }

  summaries({ roots }: Superblock): Summaries {
    return this.#forest.sync(() => new Map(readSummaries(this.#open(GROUPS_SPEC, roots.groups))));
  }

  /** The onode record of an object. @throws StoreError E_NOT_FOUND */
  object({ roots }: Superblock, { collection, name, hash }: ShownObject): Uint8Array {
    return this.#forest.sync(() => {
      const found = this.#open(COLLECTIONS_SPEC, roots.collections).get(collection);
      if (found === undefined) throw missing('collection', collection);
      const { kind, objects } = decodeCnode(found, 0, found.length);
      const record = this.#open(OBJECTS_SPEC, objects).get(objectKey(kind, name, hash));
      if (record === undefined) throw missing('object', name);
      return record;
    });
  }

  #open(spec: TreeSpec, bytes: Uint8Array): Tree {
    return new Tree(this.#forest, spec, { bytes, at: 0, end: bytes.length });
  }
}

function missing(what: string, name: Uint8Array): StoreError {
  const text = JSON.stringify(Buffer.from(name).toString());
  return new StoreError('E_NOT_FOUND', `Cannot show ${what} ${text}: the checkpoint has none`);
}
