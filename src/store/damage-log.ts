/**
 * Damage that a listing meets: it goes on behind it where somebody wants to hear of it, and ends
 * at the first of it otherwise.
 */

import type { Cursor } from '../btree/cursor.js';
import { hasCode, type StoreError } from '../errors.js';

/** Called, when a page is listed, for each part of it that can't be read. */
export type DamageListener = (error: StoreError) => void;

export class DamageLog {
  readonly #listener: DamageListener | undefined;
  readonly #errors: StoreError[] = [];

  constructor(listener: DamageListener | undefined) {
    this.#listener = listener;
  }

  /** Does a step of a cursor, and goes on behind a node that it can't read. */
  step(cursor: Cursor, step: () => boolean): boolean {
    let next = step;
    for (;;) {
      try {
        return next();
      } catch (error) {
        this.#take(error);
        next = () => cursor.skip();
      }
    }
  }

  /** What `decode` makes of a record; undefined when it can't be decoded. */
  record<T>(decode: () => T): T | undefined {
    try {
      return decode();
    } catch (error) {
      this.#take(error);
      return undefined;
    }
  }

  /** Tells what was met. A listing that begins again after a miss has a new log. */
  tell(): void {
    for (const error of this.#errors) this.#listener?.(error);
  }

  #take(error: unknown): void {
    const isDamage = hasCode(error, 'E_CORRUPT') || hasCode(error, 'E_IO');
    if (this.#listener === undefined || !isDamage) throw error;
    this.#errors.push(error);
  }
}
