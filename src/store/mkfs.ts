/**
 * Making an empty store at a path, or on devices that are open already.
 *
 * - What holds anything is refused unless the caller says that it may go.
 */

import type { BlockDevice, StripeGeometry } from '../blockdev/block-device.js';
import { type Io, runAsync, runSync } from '../blockdev/io.js';
import { openDevice, openDeviceSync } from '../blockdev/open-device.js';
import { RawDevice } from '../blockdev/raw-device.js';
import { checkOptions, hasCode, invalidArgument, type OptionNames, StoreError } from '../errors.js';
import {
  BLOCK_SIZE_DEFAULT,
  type MakeStoreOptions,
  makeStore,
  planStore,
  stripesFault,
} from '../txn/make-store.js';
import { checkJournalEmpty, createJournal, type OpenedJournal } from './journal-device.js';
import { findSignature, wipeSignatures } from './signature.js';

/** Bytes of a file store that it may grow to where nothing else is asked. */
export const SIZE_MAX_DEFAULT = 64 * 1024 ** 3;

/** What a new store is like. */
export interface MkfsOptions extends MakeStoreOptions {
  /** Bytes that a file may grow to; 64 GiB by default. A block device has the size it has. */
  readonly size?: number;
  /** Makes the store also where the path holds something already. */
  readonly force?: boolean;
}

/** All names of MkfsOptions. */
export const MKFS_OPTIONS: OptionNames<MkfsOptions> = {
  size: true,
  force: true,
  label: true,
  blockSize: true,
  nodeSize: true,
  journalBytes: true,
  preallocate: true,
  metadataCopies: true,
  geometry: true,
  eraseFreed: true,
  journal: true,
  journalDevice: true,
  environment: true,
};

/** The stripes of a new store: as asked, else the device's if such blocks can have them. */
function stripesOf(device: BlockDevice, options: MkfsOptions): StripeGeometry {
  if (options.geometry !== undefined) return options.geometry;
  const { geometry } = device;
  const fault = stripesFault(geometry, options.blockSize ?? BLOCK_SIZE_DEFAULT);
  if (fault === undefined) return geometry;
  return { unit: 0, width: 0, origin: `${geometry.origin ?? device.path}: ${fault}` };
}

function* mkfsIo(device: BlockDevice, isFixed: boolean, options: MkfsOptions): Io<StripeGeometry> {
  const geometry = stripesOf(device, options);
  const plan = planStore(device.sizeMax, isFixed, geometry, options);
  if (device instanceof RawDevice) yield* wipeSignatures(device);
  if (device.size < plan.initialSize) yield { kind: 'grow', device, size: plan.initialSize };
  yield* makeStore(device, plan, options);
  return geometry;
}

/** As `mkfsIo`, unless something is found on the device and nobody said that it may go. */
function* mkfsAt(device: BlockDevice, options: MkfsOptions): Io<StripeGeometry> {
  const found = options.force === true ? undefined : yield* findSignature(device);
  if (found !== undefined) {
    throw new StoreError(
      'E_EXISTS',
      `Cannot make store on ${device.path}: it holds ${found}; use force to destroy it`,
    );
  }
  return yield* mkfsIo(device, device.size === device.sizeMax, options);
}

/** The error with what the file at `path` holds in it, if that is known. */
function naming(path: string, error: unknown): unknown {
  if (!hasCode(error, 'E_EXISTS')) return error;
  const found = signatureAt(path);
  if (found === undefined) return error;
  const what = `Cannot make store on ${path}: it holds ${found}; use force to destroy it`;
  return new StoreError('E_EXISTS', what, { cause: error });
}

/** What the file at `path` holds; undefined where it can't be told. */
function signatureAt(path: string): string | undefined {
  try {
    const device = openDeviceSync(path, { readOnly: true });
    try {
      return runSync(findSignature(device));
    } finally {
      device.closeSync();
    }
  } catch {
    return undefined; // whoever asks has an error already that says enough
  }
}

/** Makes a store on its device and, if there is one, on that of its journal. */
function* mkfsWith(
  device: BlockDevice,
  { device: journalDevice }: OpenedJournal,
  options: MkfsOptions,
): Io<StripeGeometry> {
  yield* checkJournalEmpty(journalDevice, options.force === true);
  const given = journalDevice === undefined ? options : { ...options, journalDevice };
  return yield* mkfsAt(device, given);
}

/** Size and limit of the file that a store begins with. */
function createOptions(options: MkfsOptions): {
  size: number;
  sizeMax: number;
  overwrite: boolean;
} {
  const sizeMax = checkOptions(options, MKFS_OPTIONS).size ?? SIZE_MAX_DEFAULT;
  if (!Number.isSafeInteger(sizeMax) || sizeMax <= 0) {
    throw invalidArgument(
      `Cannot make store of ${String(sizeMax)} bytes: expected a whole number above 0`,
    );
  }
  const geometry = options.geometry ?? { unit: 0, width: 0 };
  const { initialSize } = planStore(sizeMax, false, geometry, options);
  return { size: initialSize, sizeMax, overwrite: options.force ?? false };
}

/**
 * Makes an empty store in a file or on a block device; gives the stripes that it uses, which are
 * the device's own unless `geometry` says otherwise.
 *
 * @throws StoreError E_EXISTS when the path holds something and `force` is not set; E_TOO_SMALL
 * @throws StoreError E_INVALID_ARGUMENT for options that make no sense
 */
export async function mkfs(path: string, options: MkfsOptions = {}): Promise<StripeGeometry> {
  const create = createOptions(options);
  const journal = createJournal(options.journal, create.sizeMax, options);
  let stripes: StripeGeometry;
  try {
    const device = await openDevice(path, { create }).catch((error) => {
      throw naming(path, error);
    });
    try {
      stripes = await runAsync(mkfsWith(device, journal, options));
    } finally {
      device.closeSync();
    }
  } catch (error) {
    journal.abandon();
    throw error;
  }
  journal.device?.closeSync();
  return stripes;
}

/** As `mkfs`, without returning to the event loop. */
export function mkfsSync(path: string, options: MkfsOptions = {}): StripeGeometry {
  const create = createOptions(options);
  const journal = createJournal(options.journal, create.sizeMax, options);
  let stripes: StripeGeometry;
  try {
    const device = createSync(path, create);
    try {
      stripes = runSync(mkfsWith(device, journal, options));
    } finally {
      device.closeSync();
    }
  } catch (error) {
    journal.abandon();
    throw error;
  }
  journal.device?.closeSync();
  return stripes;
}

function createSync(path: string, create: ReturnType<typeof createOptions>) {
  try {
    return openDeviceSync(path, { create });
  } catch (error) {
    throw naming(path, error);
  }
}

/**
 * Makes an empty store on devices that are open already and stay the caller's; `size` is the
 * device's.
 *
 * @throws StoreError E_EXISTS when something is found there and `force` is not set; E_TOO_SMALL
 * @throws StoreError E_INVALID_ARGUMENT for options that make no sense
 */
export function mkfsOn(device: BlockDevice, options: MkfsOptions = {}): void {
  runSync(mkfsAt(device, checkOptions(options, MKFS_OPTIONS)));
}
