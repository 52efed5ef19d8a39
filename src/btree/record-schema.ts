/**
 * What the records of a role refer to: injected, so that this layer can count, copy, drop and
 * seal references inside records whose encoding it doesn't know.
 */

/** Receives every reference of a record, in place. */
export interface ReferenceSink {
  /** It cares for nodes only: records that can't refer to any need not be shown to it. */
  readonly nodesOnly?: true;
  /** A POINTER to a node of a tree of `role` stands at `bytes[at]`. The sink may rewrite it. */
  node(bytes: Uint8Array, at: number, role: number): void;
  /**
   * The record refers to the run of blocks `[address, address + length)`. The address is a u48 at
   * `bytes[at]`, which the sink may rewrite.
   */
  data(address: number, length: number, bytes: Uint8Array, at: number): void;
}

/**
 * The references of leaf records of one role. `bytes[start, end)` is the value of a record, in
 * place in a page; it may come from the device, but from behind a matching checksum.
 */
export interface RecordSchema {
  /** False when no record of the role refers to a node. */
  readonly mayReferToNodes: boolean;
  /**
   * Calls `sink` for each reference; embedded roots through `rootReferences`.
   * @throws CorruptError when the record can't be decoded.
   */
  references(bytes: Uint8Array, start: number, end: number, sink: ReferenceSink): void;
  /** Bytes that the record accounts for; the sum over a tree stands in its root pointer. */
  storedBytes(bytes: Uint8Array, start: number, end: number): number;
}

/** Schemas by role. Records of a role without one are plain: they refer to nothing. */
export type RecordSchemas = Readonly<Record<number, RecordSchema | undefined>>;
