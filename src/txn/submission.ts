/**
 * A submitted transaction on its way, and how it can end.
 */

import type { Drive } from '../blockdev/drive.js';
import { StoreError } from '../errors.js';
import type { SealedTransaction } from './transaction.js';
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

/** A submitted transaction on its way. */
export class Entry {
  readonly sealed: SealedTransaction;
  ahead: AheadData[] = [];
  claims: PlacedRun[] = [];
  /** Its data is written. */
  ready: boolean;
  writing: Drive<void> | undefined;
  /** It was applied or refused. */
  settled = false;
  /** Why it was refused. */
  failure: unknown;
  sequence = 0;
  readonly applied: PromiseWithHandles<void>;
  readonly committed: PromiseWithHandles<number>;

  constructor(sealed: SealedTransaction) {
    this.sealed = sealed;
    this.ready = sealed.ahead.length === 0;
    this.applied = handles();
    this.committed = handles();
  }

  /** Blocks claimed for its data. */
  get claimedBlocks(): number {
    return this.claims.reduce((sum, { length }) => sum + length, 0);
  }

  /** It was refused: nothing of it happened. */
  refuse(error: unknown): void {
    this.settled = true;
    this.failure = error;
    this.applied.reject(error);
    this.committed.reject(error);
  }
}

interface PromiseWithHandles<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

function handles<T>(): PromiseWithHandles<T> {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  promise.catch(() => undefined); // a caller may care for one of the two promises only
  return { promise, resolve, reject };
}

/** What is free can't take the metadata. */
export function noRuns(): StoreError {
  return new StoreError(
    'E_NO_SPACE',
    'Cannot apply transaction: what is free lies in pieces too small for its metadata; remove something or do less at once',
  );
}

/** Nothing is free and nothing is being freed. */
export function noSpace(): StoreError {
  return new StoreError(
    'E_NO_SPACE',
    'Cannot apply transaction: nothing is free and nothing is being freed; remove something',
  );
}
