/**
 * Where a pass has come to, as text that a later one goes on from: `1.BYTES.ROLE-KEY.ROLE-KEY...`
 *
 * - BYTES were verified so far; each step names a tree by its role and an entry by its key, in hex.
 * - It names places by name and key, not by address: it holds however the store has changed.
 */

import { invalidArgument } from '../errors.js';
import type { Position } from '../fsck/trail.js';

const VERSION = '1';

/** How far a pass has come. */
export interface Bookmark {
  readonly position: Position;
  /** Bytes that were read so far, for progress. */
  readonly bytes: number;
}

export function encodeBookmark({ position, bytes }: Bookmark): string {
  const steps = position.map(({ role, key }) => `${role}-${Buffer.from(key).toString('hex')}`);
  return [VERSION, bytes, ...steps].join('.');
}

/** @throws StoreError E_INVALID_ARGUMENT for what no scrub has given */
export function decodeBookmark(text: string): Bookmark {
  const [version, bytes = '', ...steps] = text.split('.');
  const isKnown = version === VERSION && /^\d{1,15}$/.test(bytes) && steps.length > 0;
  const matches = steps.map((step) => /^(\d{1,3})-((?:[0-9a-f]{2})*)$/.exec(step));
  if (!isKnown || matches.includes(null)) {
    throw invalidArgument(
      `Cannot go on with scrub from ${JSON.stringify(text)}: it is no position`,
    );
  }
  const position = matches.map((match) => ({
    role: Number(match?.[1]),
    key: new Uint8Array(Buffer.from(match?.[2] ?? '', 'hex')),
  }));
  return { position, bytes: Number(bytes) };
}
