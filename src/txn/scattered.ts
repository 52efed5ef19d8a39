/**
 * Objects that grow by pieces smaller than a stripe, which are packed between those of others: how
 * much of each lies about. Hints, in memory only: whoever uses them looks at the object itself.
 */

/** Objects that are remembered; the one that has not grown for longest is forgotten first. */
const SCATTERED_MAX = 1024;

/** An object as housekeeping finds it. */
export interface ScatteredObject {
  readonly collection: string;
  readonly key: Uint8Array;
}

interface Growth extends ScatteredObject {
  readonly bytes: number;
}

export class Scattered {
  /** Bytes from which on an object is due: a stripe; 0 where there are none. */
  readonly #width: number;
  /** By object, the one that grew last at the end. */
  readonly #growths = new Map<string, Growth>();
  /** Of these, objects that are due, in the order in which they became so. */
  readonly #due = new Map<string, ScatteredObject>();

  constructor(width: number) {
    this.#width = width;
  }

  /** An object has grown by `length` bytes, of which whole stripes lie by themselves. */
  note(collection: string, key: Uint8Array, length: number): void {
    if (this.#width === 0 || length % this.#width === 0) return;
    const id = `${collection.length} ${collection} ${Buffer.from(key).toString('latin1')}`;
    if (this.#due.has(id)) return;
    const bytes = (this.#growths.get(id)?.bytes ?? 0) + (length % this.#width);
    this.#growths.delete(id);
    if (bytes >= this.#width) this.#due.set(id, { collection, key });
    else this.#growths.set(id, { collection, key, bytes });
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
}
