/**
 * Objects that grow, and are to be looked at by the gatherer: what they got may lie in many runs.
 * Hints, in memory only: whoever uses them looks at the object itself.
 *
 * - An object is due when it has come to the end of a span.
 * - With stripes also when appends smaller than a stripe, which are packed between those of others,
 *   have come to fill one.
 */

import { spanFor } from './append-span.js';

/** Objects that are remembered; the one that has not grown for longest is forgotten first. */
const SCATTERED_MAX = 1024;

/** An object as housekeeping finds it. */
export interface GrowingObject {
  readonly collection: string;
  readonly key: Uint8Array;
}

/** One of which something may lie about. */
export interface ScatteredObject extends GrowingObject {
  /** Byte from which on it may. */
  readonly from: number;
}

interface Growth extends ScatteredObject {
  /** That lie in no whole stripes of their own. */
  readonly bytes: number;
}

export class Scattered {
  /** Bytes of a stripe; 0 where there are none. */
  readonly #width: number;
  readonly #span: number;
  /** By object, the one that grew last at the end. */
  readonly #growths = new Map<string, Growth>();
  /** Of these, objects that are due, in the order in which they became so. */
  readonly #due = new Map<string, ScatteredObject>();

  constructor(width: number) {
    this.#width = width;
    this.#span = spanFor(width);
  }

  /** True for a growth by `length` bytes from `offset` on that is to be noted. */
  concerns(offset: number, length: number): boolean {
    return this.#packedOf(length) > 0 || this.#endsSpan(offset, length);
  }

  /** An object has grown by `length` bytes from `offset` on. */
  note(object: GrowingObject, offset: number, length: number): void {
    const id = idOf(object);
    if (this.#due.has(id)) return;
    const start = offset - (offset % this.#span);
    const { bytes: before, from } = this.#growths.get(id) ?? { bytes: 0, from: start };
    const bytes = before + this.#packedOf(length);
    this.#growths.delete(id);
    const fillsStripe = this.#width > 0 && bytes >= this.#width;
    if (fillsStripe || this.#endsSpan(offset, length)) this.#due.set(id, { ...object, from });
    else this.#growths.set(id, { ...object, from, bytes });
    for (const known of [this.#growths, this.#due]) {
      const [oldest] = known.keys();
      if (known.size > SCATTERED_MAX && oldest !== undefined) known.delete(oldest);
    }
  }

  get isDue(): boolean {
    return this.#due.size > 0;
  }

  /** Takes off the object that has been due for longest. */
  take(): ScatteredObject | undefined {
    const [first] = this.#due;
    if (first !== undefined) this.#due.delete(first[0]);
    return first?.[1];
  }

  /** One that was taken off has not been gathered to its end. */
  putBack(object: ScatteredObject): void {
    this.#due.set(idOf(object), object);
  }

  /** Bytes of an append that don't lie in whole stripes of their own. */
  #packedOf(length: number): number {
    return this.#width === 0 ? 0 : length % this.#width;
  }

  /** A first write is no growth: where it lies was chosen for all of it. */
  #endsSpan(offset: number, length: number): boolean {
    const span = this.#span;
    return offset > 0 && Math.floor(offset / span) < Math.floor((offset + length) / span);
  }
}

function idOf({ collection, key }: GrowingObject): string {
  return `${collection.length} ${collection} ${Buffer.from(key).toString('latin1')}`;
}
