/**
 * Writes superblocks. With a journal on a device of its own each is announced there first, so that
 * a copy of an earlier state of either device can be told from the real one.
 *
 * - Both headers are written one after the other, durably, before the superblock is: at any time
 *   one of them is whole and knows the newest superblock.
 */

import type { BlockDevice } from '../blockdev/block-device.js';
import type { Io } from '../blockdev/io.js';
import {
  encodeJournalHeader,
  headerOffsets,
  JOURNAL_HEADER_SIZE,
  type JournalHeader,
  SEAL_SIZE,
  SEALS,
  separateRingOffset,
} from '../format/journal-header.js';
import { type Superblock, sealOf } from '../format/superblock.js';
import { switchTwice, writeSuperblock } from './superblock-slots.js';

/** A journal's own device, and the header that is on it. */
export interface HeaderPlace {
  readonly device: BlockDevice;
  readonly header: JournalHeader;
}

export class SuperblockWriter {
  readonly #device: BlockDevice;
  #place: HeaderPlace | undefined;

  /** `place` is that of a journal on a device of its own. */
  constructor(device: BlockDevice, place?: HeaderPlace) {
    this.#device = device;
    this.#place = place;
  }

  /** See `writeSuperblock`. */
  *write(fields: Superblock): Io<void> {
    yield* this.#announce(fields);
    yield* writeSuperblock(this.#device, fields);
  }

  /** See `switchTwice`. */
  *switchTwice(before: Superblock, after: Superblock): Io<Superblock> {
    return yield* switchTwice(this.#device, before, after, (next) => this.#announce(next));
  }

  *#announce(fields: Superblock): Io<void> {
    if (this.#place === undefined) return;
    const { device, header } = this.#place;
    const next = announcing(header, fields);
    yield* writeHeaders(device, fields.blockSize, next);
    this.#place = { device, header: next };
  }
}

/** The header once `superblock` is announced. */
export function announcing(header: JournalHeader, superblock: Superblock): JournalHeader {
  const { number } = superblock;
  const known = (one: number): Uint8Array =>
    header.seals[header.number - one] ?? new Uint8Array(SEAL_SIZE);
  const seals = SEALS.map((_, age) => (age === 0 ? sealOf(superblock) : known(number - age)));
  return { ...header, number, seals };
}

/** Writes both headers, one after the other, durably. */
export function* writeHeaders(
  device: BlockDevice,
  blockSize: number,
  header: JournalHeader,
): Io<void> {
  const padding = new Uint8Array(separateRingOffset(blockSize) - JOURNAL_HEADER_SIZE);
  for (const offset of headerOffsets(blockSize, header.journalBytes)) {
    const sources = [encodeJournalHeader(header, offset)];
    if (padding.length > 0) sources.push(padding);
    yield { kind: 'write', device, offset, sources, durable: true };
  }
}
