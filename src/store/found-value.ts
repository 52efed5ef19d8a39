/**
 * Values of attributes and maps as a look-up finds them: bytes, or what to read to get them.
 */

import type { Io } from '../blockdev/io.js';
import { copyOut } from '../format/bytes.js';
import { BlobStream, type PlacedEntry } from '../onode/blob-stream.js';
import { openRoot } from '../onode/onode.js';
import { BLOB_SPEC } from '../onode/tree-specs.js';
import { decodeValue, VALUE_KIND } from '../onode/value-record.js';
import { readEntries } from '../txn/data-reader.js';
import type { Engine } from '../txn/engine.js';
import type { StoreState } from '../txn/store-state.js';

/** Bytes of their own, or the entries of a large value's blob stream. */
export type FoundValue =
  | Uint8Array
  | { readonly length: number; readonly entries: readonly PlacedEntry[] };

/** What the value record `bytes[start, end)` leads to; tree work, may be repeated. */
export function findValue(
  state: StoreState,
  bytes: Uint8Array,
  start: number,
  end: number,
): FoundValue {
  if (bytes[start] === VALUE_KIND.inline) return copyOut(bytes, start + 1, end);
  const value = decodeValue(bytes, start, end);
  if (value.kind === VALUE_KIND.inline) return value.bytes.slice();
  const tree = openRoot(state.forest, state.comparators, BLOB_SPEC, 0, value.root.slice());
  const entries = [...new BlobStream(state, tree).entries(0, value.length)];
  return { length: value.length, entries };
}

/** The bytes of what was found; the caller's own. */
export function* readValue(engine: Engine, found: FoundValue): Io<Uint8Array> {
  if (found instanceof Uint8Array) return found;
  return yield* readEntries(engine.state, engine.device, found.entries, 0, found.length);
}
