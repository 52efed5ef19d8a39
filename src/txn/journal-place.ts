/**
 * Where a store's journal is: on the store's device, or on one of its own, which is then looked at
 * before anything is believed that it says.
 *
 * - It is the store's only if its header says so and knows the newest superblock; otherwise it is
 *   another store's, a copy of earlier, or nothing at all, and the open is refused.
 * - The loss can be accepted: then the state is that of the newest superblock, and an empty journal
 *   takes the lost one's place, on the device that was given or in the place that the store keeps
 *   for it. The superblock is the only switch here too.
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import { CorruptError, hasCode, StoreError } from '../errors.js';
import { equalBytes } from '../format/bytes.js';
import {
  decodeJournalHeader,
  headerOffsets,
  JOURNAL_HEADER_SIZE,
  type JournalHeader,
  SEALS,
  separateJournalSize,
} from '../format/journal-header.js';
import { type Superblock, sealOf } from '../format/superblock.js';
import { hasSeparateJournal, homeRing, INCOMPAT } from '../format/superblock-bounds.js';
import type { Environment } from './environment.js';
import { type JournalRing, ringOf } from './journal-scan.js';
import { checkUnused, clearRing, newHeader, separateRingBytes } from './make-journal.js';
import { type HeaderPlace, SuperblockWriter } from './superblock-writer.js';

/** A journal that is not there, whose loss was accepted. */
export interface JournalLoss {
  /** Why it does not count. */
  readonly reason: string;
  /** Last transaction that is left: what was committed behind it is lost. */
  readonly transaction: number;
  /** First sequence of the journal that is lost. */
  readonly sequence: number;
}

/** A store's journal, and its newest state. */
export interface JournalPlace {
  /** The newest superblock; with another journal where the loss of one was accepted. */
  readonly superblock: Superblock;
  readonly ring: JournalRing;
  readonly superblocks: SuperblockWriter;
  /** Nothing knows of a superblock that came after the newest one that was found. */
  readonly isLast: boolean;
  readonly lost?: JournalLoss;
}

export interface PlaceOptions {
  readonly device: BlockDevice;
  /** The journal's own device, where one was given. */
  readonly journalDevice: BlockDevice | undefined;
  readonly acceptLoss: boolean;
  readonly readOnly: boolean;
  readonly environment: Environment;
}

/**
 * Finds the journal of the store whose newest superblock is given. Writes only where a loss is
 * accepted and the store is not opened read-only.
 *
 * @throws StoreError E_NO_JOURNAL when it is not there and that is not accepted; E_INVALID when a
 *   device is given for a journal that is not on one; E_EXISTS, E_TOO_SMALL when the device that is
 *   given can't be taken for a new one
 */
export function* placeJournal(options: PlaceOptions, newest: Superblock): Io<JournalPlace> {
  const { device, journalDevice, acceptLoss, readOnly } = options;
  if (!hasSeparateJournal(newest)) {
    if (journalDevice !== undefined) {
      throw new StoreError(
        'E_INVALID',
        `Cannot open ${device.path} with journal ${journalDevice.path}: its journal is on its own device; leave the journal away`,
      );
    }
    return { superblock: newest, isLast: true, ...ownPlace(device, newest) };
  }
  const found = yield* findHeader(journalDevice, newest);
  if (typeof found !== 'string') {
    const isLast = found.header.number === newest.number;
    return { superblock: newest, isLast, ...separatePlace(options, newest, found) };
  }
  if (!acceptLoss) {
    const { transaction } = newest;
    throw new StoreError(
      'E_NO_JOURNAL',
      `Cannot open ${device.path}: its journal is not there (${found}); give its device with the option journal, or accept the loss of everything behind transaction ${transaction} with accept-journal-loss`,
    );
  }
  const { transaction, journalStart } = newest;
  const lost = { reason: found, transaction, sequence: journalStart.sequence };
  if (readOnly) {
    const superblock = atHome(newest, options.environment);
    return { superblock, isLast: false, ...ownPlace(device, superblock), lost };
  }
  return { ...(yield* replaceJournal(options, newest)), lost };
}

/** What of `device` is, or is not, the journal of a superblock. */
export function* journalFault(
  device: BlockDevice | undefined,
  superblock: Superblock,
): Io<string | undefined> {
  const found = yield* findHeader(device, superblock);
  return typeof found === 'string' ? found : undefined;
}

function ownPlace(
  device: BlockDevice,
  superblock: Superblock,
): { ring: JournalRing; superblocks: SuperblockWriter } {
  return { ring: ringOf(device, superblock), superblocks: new SuperblockWriter(device) };
}

function separatePlace(
  { device }: PlaceOptions,
  superblock: Superblock,
  place: HeaderPlace,
): { ring: JournalRing; superblocks: SuperblockWriter } {
  return {
    ring: ringOf(device, superblock, place.device),
    superblocks: new SuperblockWriter(device, place),
  };
}

/** The header of the superblock's journal on `device`; or why it is not there. */
function* findHeader(
  device: BlockDevice | undefined,
  superblock: Superblock,
): Io<HeaderPlace | string> {
  if (device === undefined) return 'it is on a device of its own, which was not given';
  const { blockSize, journalBytes } = superblock;
  if (blockSize % device.sectorSize !== 0)
    return `${device.path} has larger sectors than the journal`;
  const size = separateJournalSize(blockSize, journalBytes);
  let reason = `${device.path} holds no journal`;
  let header: JournalHeader | undefined;
  for (const offset of headerOffsets(blockSize, journalBytes)) {
    const found = yield* readHeader(device, offset);
    if (found === undefined || (header !== undefined && header.number >= found.number)) continue;
    const fault = headerFault(found, superblock);
    if (fault === undefined) header = found;
    else reason = `${device.path} ${fault}`;
  }
  if (header === undefined) return reason;
  if (device.size < size) return `${device.path} ends before the journal does`;
  return { device, header };
}

/** A sound header at `offset`; undefined when there is none. */
function* readHeader(device: BlockDevice, offset: number): Io<JournalHeader | undefined> {
  if (offset + JOURNAL_HEADER_SIZE > device.size) return undefined;
  const bytes = new Uint8Array(JOURNAL_HEADER_SIZE);
  try {
    yield { kind: 'read', device, offset, target: bytes };
    return decodeJournalHeader(bytes, offset);
  } catch (error) {
    if (error instanceof CorruptError || hasCode(error, 'E_IO')) return undefined;
    throw error;
  }
}

/** Why a sound header is not that of the superblock's journal. */
function headerFault(header: JournalHeader, superblock: Superblock): string | undefined {
  if (!equalBytes(header.store, superblock.uuid)) return 'is the journal of another store';
  const age = header.number - superblock.number;
  if (age < 0) return 'is a copy of earlier: the store has been used since';
  const isSame =
    equalBytes(header.journalUuid, superblock.journalUuid) &&
    header.journalBytes === superblock.journalBytes;
  if (!isSame) return 'is a journal that was given up';
  if (age >= SEALS.length) return 'is newer than the store, which is a copy of earlier';
  const seal = header.seals[age];
  if (seal !== undefined && equalBytes(seal, sealOf(superblock))) return undefined;
  return 'or the store is a copy of earlier: the two have gone different ways';
}

/** A superblock whose journal, an empty one, is in the place that the store keeps for it. */
function atHome(newest: Superblock, environment: Environment): Superblock {
  const home = homeRing(newest);
  return {
    ...withNewJournal(newest, environment),
    incompat: newest.incompat & ~INCOMPAT.separateJournal,
    journalOffset: home.offset,
    journalBytes: home.bytes,
  };
}

/** Nothing that the lost journal held, or its device still holds, continues the new one. */
function withNewJournal(newest: Superblock, environment: Environment): Superblock {
  const { journalStart } = newest;
  return {
    ...newest,
    journalUuid: environment.random(16),
    journalStart: { ...journalStart, head: 0, incarnation: journalStart.incarnation + 1 },
  };
}

/** Makes an empty journal in place of one that is lost, and switches to it. */
function* replaceJournal(options: PlaceOptions, newest: Superblock): Io<JournalPlace> {
  const { device, journalDevice, environment } = options;
  const next = { number: newest.number + 1, cleanClose: false };
  if (journalDevice === undefined) {
    const superblock = { ...atHome(newest, environment), ...next };
    yield* clearRing(ringOf(device, superblock));
    const place = ownPlace(device, superblock);
    yield* place.superblocks.write(superblock);
    return { superblock, isLast: false, ...place };
  }
  yield* checkUnused(journalDevice, newest.uuid);
  const journalBytes = separateRingBytes(journalDevice, newest.blockSize);
  const superblock = { ...withNewJournal(newest, environment), ...next, journalBytes };
  const header = newHeader(superblock);
  const place = separatePlace(options, superblock, { device: journalDevice, header });
  yield* clearRing(place.ring);
  yield* place.superblocks.write(superblock);
  return { superblock, isLast: false, ...place };
}
