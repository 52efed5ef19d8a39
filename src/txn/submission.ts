/**
 * A submitted transaction on its way, and how it can end.
 */

import type { Drive } from '../blockdev/drive.js';
import { StoreError } from '../errors.js';
import type { Waiter } from './committer.js';
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

/** How far a transaction has come. */
const STAGE = { queued: 0, refused: 1, applied: 2, durable: 3, lost: 4 } as const;

/** A submitted transaction on its way. */
export class Entry implements Submission, Waiter {
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
  sequence = 0;
  #stage: (typeof STAGE)[keyof typeof STAGE] = STAGE.queued;
  #error: unknown;
  #applied: Outcome<void> | undefined;
  #committed: Outcome<number> | undefined;

  constructor(sealed: SealedTransaction) {
    this.sealed = sealed;
    this.ready = sealed.ahead.length === 0;
  }

  get applied(): Promise<void> {
    if (this.#applied === undefined) {
      this.#applied = new Outcome();
      this.#tellApplied();
    }
    return this.#applied.promise;
  }

  get committed(): Promise<number> {
    if (this.#committed === undefined) {
      this.#committed = new Outcome();
      this.#tellCommitted();
    }
    return this.#committed.promise;
  }

  /** It was applied or refused. */
  get settled(): boolean {
    return this.#stage !== STAGE.queued;
  }

  /** Why it was refused. */
  get failure(): unknown {
    return this.#stage === STAGE.refused ? this.#error : undefined;
  }

  /** Blocks claimed for its data. */
  get claimedBlocks(): number {
    return this.claims.reduce((sum, { length }) => sum + length, 0);
  }

  /** It happened, as the transaction `sequence`. */
  accept(sequence: number): void {
    this.sequence = sequence;
    this.#stage = STAGE.applied;
    this.#tellApplied();
  }

  /** It was refused: nothing of it happened. */
  refuse(error: unknown): void {
    this.#error = error;
    this.#stage = STAGE.refused;
    this.#tellApplied();
    this.#tellCommitted();
  }

  /** It is durable. */
  commit(): void {
    if (this.#stage !== STAGE.applied) return;
    this.#stage = STAGE.durable;
    this.#tellCommitted();
  }

  /** It was accepted, and it will never be known whether it is durable. */
  lose(error: unknown): void {
    if (this.#stage !== STAGE.applied) return;
    this.#error = error;
    this.#stage = STAGE.lost;
    this.#tellCommitted();
  }

  #tellApplied(): void {
    if (this.#stage === STAGE.refused) this.#applied?.reject(this.#error);
    else if (this.#stage !== STAGE.queued) this.#applied?.resolve();
  }

  #tellCommitted(): void {
    const stage = this.#stage;
    if (stage === STAGE.durable) this.#committed?.resolve(this.sequence);
    else if (stage === STAGE.refused || stage === STAGE.lost) this.#committed?.reject(this.#error);
  }
}

/** A promise, made when somebody asks for it, and what settles it. */
class Outcome<T> {
  readonly promise: Promise<T>;
  #resolve: ((value: T) => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  resolve(value: T): void {
    this.#resolve?.(value);
  }

  reject(error: unknown): void {
    this.promise.catch(() => undefined); // a caller may care for one of several only
    this.#reject?.(error);
  }
}

/** What is free can't take the metadata. */
export function noRuns(): StoreError {
  return new StoreError(
    'E_NO_SPACE',
    'Cannot apply transaction: what is free lies in pieces too small for its metadata; remove something or do less at once',
  );
}

/** Nothing is free and nothing is being freed; `isHostFull` where the file should have grown. */
export function noSpace({ deleting }: SealedTransaction, isHostFull: boolean): StoreError {
  const reason = deleting
    ? 'the space kept for deleting is used up, and clones hold what was removed; drop a collection or its clone'
    : isHostFull
      ? "nothing is free in the store, and its file can't grow because the file system is full; make room there, or remove something here"
      : 'nothing is free and nothing is being freed; remove something';
  return new StoreError('E_NO_SPACE', `Cannot apply transaction: ${reason}`);
}

/** The last checkpoint is near: what came now would stand behind it. */
export function beingClosed(what: string): StoreError {
  return new StoreError('E_CLOSED', `Cannot ${what}: the store is being closed`);
}
