/**
 * Damage that a listing meets: it goes on behind it where somebody wants to hear of it, and ends
 * at the first of it otherwise.
 */

import { CorruptError, type DamagePlace, hasCode, type StoreError } from '../errors.js';

/** Called, when a page is listed, for each part of it that can't be read. */
export type DamageListener = (error: StoreError) => void;

export class DamageLog {
  readonly #listener: DamageListener | undefined;
  readonly #place: DamagePlace;
  readonly #errors: StoreError[] = [];

  /** `place` is that of all that is listed. */
  constructor(listener: DamageListener | undefined, place: DamagePlace = {}) {
    this.#listener = listener;
    this.#place = place;
  }

  /** Does a step of a cursor; `skip` takes it past a node that it can't read. */
  step(step: () => boolean, skip: () => boolean): boolean {
    let next = step;
    for (;;) {
      try {
        return next();
      } catch (error) {
        this.take(error);
        next = skip;
      }
    }
  }

  /** What `decode` makes of the record at `place`; undefined when it can't be decoded. */
  record<T>(decode: () => T, place: DamagePlace = {}): T | undefined {
    try {
      return decode();
    } catch (error) {
      this.take(error, place);
      return undefined;
    }
  }

  /** Tells what was met. A listing that begins again after a miss has a new log. */
  tell(): void {
    for (const error of this.#errors) this.#listener?.(error);
  }

  /** Remembers `error`, or throws it where nobody wants to hear of it or it isn't damage. */
  take(error: unknown, place: DamagePlace = {}): void {
    const placed = error instanceof CorruptError ? error.at({ ...this.#place, ...place }) : error;
    const isDamage = hasCode(placed, 'E_CORRUPT') || hasCode(placed, 'E_IO');
    if (this.#listener === undefined || !isDamage) throw placed;
    this.#errors.push(placed);
  }
}
