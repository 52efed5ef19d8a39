/**
 * Chunks of data that a deep check has verified, so that what clones share is read once.
 *
 * - A chunk is known by its place and its checksum together: another record that names the same
 *   place with another checksum is verified, and reported, for itself. So is each object that
 *   shares a damaged chunk, because only what was sound is remembered.
 * - An open-addressing table of 52 bits of both, mixed: 8 bytes a chunk and as much room again. What
 *   does not find its place soon is not remembered: forged checksums may all lead to one place.
 */

import { getU32 } from '../format/bytes.js';

/** Chunks that are remembered: 64 MiB. In a larger store the rest may be read again. */
const CHUNKS_MAX = 4 * 1024 * 1024;

/** Slots of a table that has just been made. */
const SLOTS_FIRST = 1024;

/** Slots that are looked at for one chunk. */
const PROBES_MAX = 64;

/** Bits of the checksum's upper half that fit into a double beside the lower one. */
const HIGH_MASK = 2 ** 20 - 1;

export class SoundChunks {
  /** Keys above zero; zero is a free slot. */
  #slots = new Float64Array(SLOTS_FIRST);
  #count = 0;

  /** True when the chunk from `block` on with the checksum at `checksums[at]` was verified. */
  has(block: number, checksums: Uint8Array, at: number): boolean {
    const key = keyOf(block, checksums, at);
    return this.#slots[this.#slotOf(key)] === key;
  }

  /** Remembers a chunk that was verified. */
  add(block: number, checksums: Uint8Array, at: number): void {
    if (2 * this.#count >= this.#slots.length && !this.#grow()) return;
    this.#put(keyOf(block, checksums, at));
  }

  #put(key: number): void {
    const slot = this.#slotOf(key);
    if (this.#slots[slot] !== 0) return;
    this.#slots[slot] = key;
    this.#count++;
  }

  /** The slot of a key, or the free one where it belongs; one of another where none is near. */
  #slotOf(key: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = key & mask;
    for (let probes = 1; probes < PROBES_MAX; probes++) {
      if (slots[slot] === 0 || slots[slot] === key) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  /** Twice the slots; false when there are to be no more. */
  #grow(): boolean {
    if (this.#count >= CHUNKS_MAX) return false;
    const before = this.#slots;
    this.#slots = new Float64Array(2 * before.length);
    this.#count = 0;
    for (const key of before) if (key !== 0) this.#put(key);
    return true;
  }
}

/** A whole number in [2^32, 2^53): its low bits are spread, whatever the blocks are. */
function keyOf(block: number, checksums: Uint8Array, at: number): number {
  const low = (getU32(checksums, at) ^ Math.imul(block | 0, 0x9e37_79b1)) >>> 0;
  const upper = Math.floor(block / 2 ** 32);
  const high = (getU32(checksums, at + 4) ^ Math.imul(upper, 0x85eb_ca6b)) & HIGH_MASK;
  return (high + 1) * 2 ** 32 + low;
}
