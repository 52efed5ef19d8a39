/**
 * A submitted transaction on its way, and how it can end.
 */

import type { Drive } from '../blockdev/drive.js';
import { StoreError } from '../errors.js';
import type { SealedTransaction } from './sealed-transaction.js';
import type { AheadData, PlacedRun } from './transaction-record.js';

/** What a caller gets for a submitted transaction. */
export interface Submission {
  /** Its changes can be read. Rejects when it was refused; then nothing of it happened. */
  readonly applied: Promise<void>;
  /** It is durable; gives its sequence number. */
  readonly committed: Promise<number>;
}

/** There is no room now; waiting may help. */
export class Shortage extends Error {
  /** Blocks that are missing; 0 where the generation is only too full. */
  readonly blocks: number;

  constructor(blocks: number) {
    super('there is no room now');
    this.blocks = blocks;
  }
}

let lastNumber = 0;

/** A submitted transaction on its way. */
export class Entry implements Submission {
  /** Raised with every submission. */
  readonly number = ++lastNumber;
  readonly sealed: SealedTransaction;
  ahead: AheadData[] = [];
  claims: PlacedRun[] = [];
  /** Blocks of the claims that only fill up stripes. */
  padding: PlacedRun[] = [];
  /** Its data is written. */
  ready: boolean;
  writing: Drive<void> | undefined;
  /** It was applied or refused. */
  settled = false;
  /** Why it was refused. */
  failure: unknown;
  sequence = 0;
  readonly #applied = new Outcome<void>();
  readonly #committed = new Outcome<number>();

  constructor(sealed: SealedTransaction) {
    this.sealed = sealed;
    this.ready = sealed.ahead.length === 0;
  }

  get applied(): Promise<void> {
    return this.#applied.promise;
  }

  get committed(): Promise<number> {
    return this.#committed.promise;
  }

  /** Blocks claimed for its data. */
  get claimedBlocks(): number {
    return this.claims.reduce((sum, { length }) => sum + length, 0);
  }

  /** It happened, as the transaction `sequence`. */
  accept(sequence: number): void {
    this.settled = true;
    this.sequence = sequence;
    this.#applied.resolve();
  }

  /** It was refused: nothing of it happened. */
  refuse(error: unknown): void {
    this.settled = true;
    this.failure = error;
    this.#applied.reject(error);
    this.#committed.reject(error);
  }

  /** It is durable. */
  commit(): void {
    this.#committed.resolve(this.sequence);
  }

  /** It was accepted, and it will never be known whether it is durable. */
  lose(error: unknown): void {
    this.#committed.reject(error);
  }
}

/** How something ends: a promise of it is made when somebody asks for one. */
class Outcome<T> {
  #ended: { readonly value: T } | { readonly error: unknown } | undefined;
  #promise: Promise<T> | undefined;
  #resolve: ((value: T) => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;

  get promise(): Promise<T> {
    if (this.#promise !== undefined) return this.#promise;
    const promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    promise.catch(() => undefined); // a caller may care for one of several only
    this.#promise = promise;
    if (this.#ended !== undefined) this.#tell(this.#ended);
    return promise;
  }

  resolve(value: T): void {
    this.#end({ value });
  }

  reject(error: unknown): void {
    this.#end({ error });
  }

  #end(ended: { readonly value: T } | { readonly error: unknown }): void {
    if (this.#ended !== undefined) return;
    this.#ended = ended;
    this.#tell(ended);
  }

  #tell(ended: { readonly value: T } | { readonly error: unknown }): void {
    if ('error' in ended) this.#reject?.(ended.error);
    else this.#resolve?.(ended.value);
  }
}

/** What is free can't take the metadata. */
export function noRuns(): StoreError {
  return new StoreError(
    'E_NO_SPACE',
    'Cannot apply transaction: what is free lies in pieces too small for its metadata; remove something or do less at once',
  );
}

/** Nothing is free and nothing is being freed. */
export function noSpace({ deleting }: SealedTransaction): StoreError {
  return new StoreError(
    'E_NO_SPACE',
    deleting
      ? 'Cannot apply transaction: the space kept for deleting is used up, and clones hold what was removed; drop a collection or its clone'
      : 'Cannot apply transaction: nothing is free and nothing is being freed; remove something',
  );
}

/** The last checkpoint is near: what came now would stand behind it. */
export function beingClosed(what: string): StoreError {
  return new StoreError('E_CLOSED', `Cannot ${what}: the store is being closed`);
}
