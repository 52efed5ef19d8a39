/**
 * Changing the size of the store at a path that nobody has open: a larger limit, the new size of a
 * block device, or less than it has now.
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import { FILE_SECTOR_SIZE, FileDevice } from '../blockdev/file-device.js';
import { type Io, runAsync } from '../blockdev/io.js';
import { openDevice } from '../blockdev/open-device.js';
import { RawDevice } from '../blockdev/raw-device.js';
import { type Comparator, ComparatorRegistry } from '../btree/comparator.js';
import {
  CorruptError,
  checkOptions,
  invalidArgument,
  type OptionNames,
  StoreError,
} from '../errors.js';
import { DEVICE_BLOCKS_MAX } from '../format/superblock-bounds.js';
import { SYSTEM_ENVIRONMENT } from '../txn/environment.js';
import { placeJournal } from '../txn/journal-place.js';
import { openEngine } from '../txn/recovery.js';
import { readSuperblocks } from '../txn/superblock-slots.js';
import { shrink } from './shrink.js';

/** Bytes of nodes in memory while the journal is applied and the drop list worked off. */
const MEMORY_BYTES = 16 * 1024 * 1024;

/** How a store that nobody has open is resized. */
export interface ResizeOptions {
  /** Comparators of map streams beyond `bytes`, `u64` and `reverse`. */
  readonly comparators?: readonly Comparator[];
  /** Takes a file whose owner can't be judged. */
  readonly force?: boolean;
  /** Path of the journal's device, where it has one of its own. */
  readonly journal?: string;
  /** Called now and then while a store shrinks, with the bytes that were copied. */
  readonly onProgress?: (bytes: number) => void;
}

const RESIZE_OPTIONS: OptionNames<ResizeOptions> = {
  comparators: true,
  force: true,
  journal: true,
  onProgress: true,
};

/** What a resize has done. */
export interface ResizeReport {
  /** Bytes that the store could grow to before. */
  readonly before: number;
  /** Bytes that it can grow to now. */
  readonly after: number;
  /** Bytes of data that were moved. */
  readonly movedBytes: number;
  /** Tree nodes that were written anew. */
  readonly movedNodes: number;
}

/**
 * Changes the size of the store at `path` to `size` bytes, rounded down to blocks; of a block
 * device without a `size` to all of it. A store that becomes smaller has what is in the way moved,
 * and its file cut; killed at any time it is as before or as it shall be.
 *
 * @throws StoreError E_INVALID_ARGUMENT for a size that no store can have
 * @throws StoreError E_NO_SPACE with the least size that is possible, or when a block device is
 *   smaller: nothing has changed; E_BUSY, E_CORRUPT (repair it first), E_COMPARATOR, E_NO_JOURNAL, E_IO and all
 *   errors of opening
 */
export async function resizeStore(
  path: string,
  size: number | undefined,
  options: ResizeOptions = {},
): Promise<ResizeReport> {
  const { force = false, journal } = checkOptions(options, RESIZE_OPTIONS);
  const device = await openDevice(path, { force });
  let journalDevice: BlockDevice | undefined;
  try {
    if (journal !== undefined) journalDevice = await openDevice(journal, { force });
    return await runAsync(resizeOn(device, size, options, journalDevice));
  } finally {
    device.closeSync();
    journalDevice?.closeSync();
  }
}

/** As `resizeStore`, on devices that are open already and stay the caller's. */
export function* resizeOn(
  device: BlockDevice,
  size: number | undefined,
  options: ResizeOptions = {},
  journalDevice?: BlockDevice,
): Io<ResizeReport> {
  const { blockSize, deviceBlocksMax } = (yield* readSuperblocks(device)).newest;
  const blocks = blocksOf(device, size, blockSize);
  const comparators = new ComparatorRegistry();
  for (const comparator of options.comparators ?? []) comparators.register(comparator);
  const heldBlocks = yield* settle({ device, journalDevice }, blocks, comparators);
  const { newest } = yield* readSuperblocks(device);
  const where = { device, journalDevice, acceptLoss: false, readOnly: false };
  const environment = SYSTEM_ENVIRONMENT;
  const { superblock, superblocks } = yield* placeJournal({ ...where, environment }, newest);
  const before = deviceBlocksMax * blockSize;
  const after = blocks * blockSize;
  let moved = { nodes: 0, dataBytes: 0 };
  if (blocks < superblock.deviceBlocks) {
    const { onProgress } = options;
    const progress = onProgress === undefined ? {} : { onProgress };
    const parts = { device, journalDevice, superblocks, superblock, comparators };
    moved = yield* shrink({ ...parts, blocks, heldBlocks, ...progress });
  }
  if (device instanceof FileDevice) cut(device, after);
  return { before, after, movedBytes: moved.dataBytes, movedNodes: moved.nodes };
}

function blocksOf(device: BlockDevice, size: number | undefined, blockSize: number): number {
  const wanted = size ?? device.size;
  const blocks = Math.floor(wanted / blockSize);
  if (!Number.isSafeInteger(wanted) || blocks < 1 || blocks > DEVICE_BLOCKS_MAX) {
    throw invalidArgument(`Cannot resize store to ${wanted} bytes`);
  }
  if (size === undefined && device instanceof FileDevice) {
    throw new StoreError('E_INVALID', 'Cannot resize store: a file needs a size');
  }
  if (wanted <= device.size || !(device instanceof RawDevice)) return blocks;
  throw new StoreError(
    'E_NO_SPACE',
    `Cannot resize store to ${wanted} bytes: the device has ${device.size}`,
  );
}

interface Devices {
  readonly device: BlockDevice;
  /** The journal's, where it has one of its own. */
  readonly journalDevice: BlockDevice | undefined;
}

/**
 * Applies what the journal holds and works the drop list off; then the superblock is all of the
 * store. Sets the limit where the store need not shrink, else cuts extents that are longer than
 * what is free in a row. Gives the blocks that are reserved.
 */
function* settle(
  { device, journalDevice }: Devices,
  blocks: number,
  comparators: ComparatorRegistry,
): Io<number> {
  const memory = { cacheBytes: MEMORY_BYTES, dirtyBytesMax: MEMORY_BYTES };
  const journal = journalDevice === undefined ? {} : { journalDevice };
  const options = { device, ...journal, readOnly: false, comparators, ...memory };
  const { engine } = yield* openEngine(options);
  yield* engine.dropIo();
  if (blocks >= engine.state.allocator.totalBlocks) yield* engine.limitIo(blocks);
  else yield* soundly(engine.splitIo(blocks));
  const { heldBlocks } = engine.state.counters;
  yield* engine.closeIo();
  engine.markClosed();
  return heldBlocks;
}

/** Says of damage that the work meets what is to be done about it. */
function* soundly(work: Io<void>): Io<void> {
  try {
    yield* work;
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error;
    const { message, offset } = error;
    throw new CorruptError(`Cannot resize: ${message}; repair the store first`, offset, {
      cause: error,
    });
  }
}

/** Cuts off what the file has behind its store. */
function cut(device: FileDevice, bytes: number): void {
  device.cutSync(Math.ceil(bytes / FILE_SECTOR_SIZE) * FILE_SECTOR_SIZE);
}
