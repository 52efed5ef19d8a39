/**
 * Space reservations: how much a reservation holds back, and their records.
 *
 * - Units are bytes, operations and keys; a transaction redeems the same units, so what is left
 *   always covers what was not redeemed.
 * - `heldBlocks` is the published function of docs/architecture.md; it bounds what transactions
 *   within their units can take, also when everything is shared with a clone.
 */

import { CorruptError } from '../errors.js';
import { ByteReader, ByteWriter } from '../format/bytes.js';
import type { ReservationUnits } from './transaction.js';

/** A reservation as it stands in its tree; the name is the key. */
export interface Reservation extends ReservationUnits {
  readonly owner: Uint8Array;
}

/**
 * Nodes that one operation can newly refer to in the worst case, when every node on its paths is
 * shared with a clone and each splits: object tree and one stream 4 levels each, with as many
 * splits, and the reference tree's leaves that count the siblings.
 */
const NODES_PER_OPERATION = 16;

/** Nodes that one further key of the same operation can add: a leaf, its split, its reference. */
const NODES_PER_KEY = 3;

/** What a store's metadata is made of. */
export interface MetadataShape {
  /** Bytes. */
  readonly blockSize: number;
  /** Bytes. */
  readonly nodeSize: number;
  /** Places of each node: 1 or 2. */
  readonly metadataCopies: number;
}

/** Blocks that reserved units hold back. */
export function heldBlocks(units: ReservationUnits, shape: MetadataShape): number {
  const { blockSize, nodeSize, metadataCopies } = shape;
  const nodeBlocks = (nodeSize / blockSize) * metadataCopies;
  return (
    Math.ceil(units.bytes / blockSize) +
    units.operations * (1 + NODES_PER_OPERATION * nodeBlocks) +
    units.keys * (1 + NODES_PER_KEY * nodeBlocks)
  );
}

export function encodeReservation(reservation: Reservation): Uint8Array {
  const writer = new ByteWriter(64);
  writer.lengthPrefixed(reservation.owner);
  writer.varint(reservation.bytes);
  writer.varint(reservation.operations);
  writer.varint(reservation.keys);
  return writer.copy();
}

/** @throws CorruptError when the record makes no sense. */
export function decodeReservation(bytes: Uint8Array): Reservation {
  const reader = new ByteReader(bytes);
  const owner = reader.lengthPrefixed().slice();
  const units = {
    bytes: reader.varint(),
    operations: reader.varint(),
    keys: reader.varint(),
  };
  if (reader.failed || reader.at !== bytes.length) {
    throw new CorruptError('Cannot decode reservation: length differs');
  }
  return { owner, ...units };
}
