/**
 * Transactions as they stand in journal records, and the choices made when they were applied.
 *
 * - A record's body is a list of these, each behind its length.
 * - The record holds every choice: ids, placements, the data written ahead with its checksums.
 *   Replaying it on the same state gives the same state, and no guard is asked again.
 *
 * Encoding: transaction as built (length-prefixed) | ahead count, then each: length, extent count,
 * extents (address u48, blocks, length, shift as varints, checksums length-prefixed, 8 bytes for
 * each chunk), tail length-prefixed |
 * choices: first object id, first collection id, then for each placement in order: run count,
 * runs (address u48, blocks varint).
 */

import { CorruptError } from '../errors.js';
import { ByteReader, type ByteWriter } from '../format/bytes.js';
import type { BodyRun } from '../format/journal-record.js';
import type { PlacedExtent } from '../onode/context.js';

/** A run of blocks. */
export interface PlacedRun {
  readonly start: number; // block index
  readonly length: number; // blocks
}

/** Data written ahead: where it is, and what of it is in the record instead. */
export interface AheadData {
  readonly length: number; // bytes, the tail's included
  readonly extents: readonly PlacedExtent[];
  /** The last bytes, where they do not fill a stripe; placed as data in the record is. */
  readonly tail: Uint8Array;
}

/** What was chosen while a transaction was applied for the first time. */
export interface Choices {
  /** Id that the next new object gets. */
  readonly firstObject: number;
  /** Id that the next new collection gets. */
  readonly firstCollection: number;
  /** For each placement, in order, the runs that it got. */
  readonly placements: readonly (readonly PlacedRun[])[];
}

/** A transaction out of a journal record. */
export interface TransactionRecord {
  readonly bytes: Uint8Array; // as built
  readonly ahead: readonly AheadData[];
  readonly choices: Choices;
}

/** Writes what follows a transaction, as built and behind its length, in a record's body. */
export function encodeChoices(
  writer: ByteWriter,
  ahead: readonly AheadData[],
  choices: Choices,
): void {
  writer.varint(ahead.length);
  for (const data of ahead) {
    writer.varint(data.length);
    writer.varint(data.extents.length);
    for (const extent of data.extents) {
      writer.u48(extent.address);
      writer.varint(extent.blocks);
      writer.varint(extent.length);
      writer.varint(extent.shift);
      writer.lengthPrefixed(extent.checksums);
    }
    writer.lengthPrefixed(data.tail);
  }
  writer.varint(choices.firstObject);
  writer.varint(choices.firstCollection);
  writer.varint(choices.placements.length);
  for (const runs of choices.placements) {
    writer.varint(runs.length);
    for (const run of runs) {
      writer.u48(run.start);
      writer.varint(run.length);
    }
  }
}

/**
 * Bytes that a transaction's record may have beyond its own and an eighth of them: a placement
 * serves close to a kilobyte of data and takes a dozen bytes, a run of it a block and eight.
 */
export const RECORD_OVERHEAD_MAX = 64;

/** The transactions of a record's body, in order; bytes are views into it. */
export function* decodeTransactionRecords(body: Uint8Array): Generator<TransactionRecord> {
  const reader = new ByteReader(body);
  while (reader.at < body.length) {
    const bytes = reader.lengthPrefixed();
    const ahead = list(reader, readAhead);
    const firstObject = reader.varint();
    const firstCollection = reader.varint();
    const placements = list(reader, (one) => list(one, readRun));
    if (reader.failed) throw new CorruptError('Cannot decode journal record: cut short');
    if (!ahead.every(isWhole)) {
      throw new CorruptError('Cannot decode journal record: extents are not as long as their data');
    }
    yield { bytes, ahead, choices: { firstObject, firstCollection, placements } };
  }
}

function readAhead(reader: ByteReader): AheadData {
  const length = reader.varint();
  return { length, extents: list(reader, readExtent), tail: reader.lengthPrefixed() };
}

/** True when extents and tail hold as many bytes as the data has. */
function isWhole({ length, extents, tail }: AheadData): boolean {
  return extents.reduce((sum, extent) => sum + extent.length, tail.length) === length;
}

function readExtent(reader: ByteReader): PlacedExtent {
  const address = reader.u48();
  const blocks = reader.varint();
  const length = reader.varint();
  const shift = reader.varint();
  return { address, blocks, length, shift, checksums: reader.lengthPrefixed().slice() };
}

function readRun(reader: ByteReader): PlacedRun {
  const start = reader.u48();
  return { start, length: reader.varint() };
}

/** A count, then that many items; stops at the end of the bytes, whatever the count says. */
function list<T>(reader: ByteReader, read: (reader: ByteReader) => T): T[] {
  const items: T[] = [];
  for (let left = reader.varint(); left > 0 && !reader.failed; left--) items.push(read(reader));
  return items;
}

/** The runs of blocks that a journal record names: its body's, if it has one, and its data's. */
export function* runsNamedBy(
  bodyRun: BodyRun | undefined,
  transactions: readonly TransactionRecord[],
): Generator<PlacedRun> {
  if (bodyRun !== undefined) yield { start: bodyRun.address, length: bodyRun.blocks };
  for (const { ahead, choices } of transactions) {
    for (const { extents } of ahead) {
      for (const { address, blocks } of extents) yield { start: address, length: blocks };
    }
    for (const runs of choices.placements) yield* runs;
  }
}
