/**
 * What is to go wrong on a simulated device, and when.
 *
 * - `n` counts calls of the fault's kind from the moment it was planned; 1 is the next one.
 * - A fault happens once, unless it is permanent: then to the n-th call and all behind it.
 * - The earliest planned fault that is due wins.
 */

import { StoreError } from '../../src/errors.js';

export type CallKind = 'read' | 'write' | 'flush' | 'grow';

/** The call fails: with E_IO, a growth with E_NO_SPACE, or with `error`. */
export interface FailFault {
  readonly kind: 'fail';
  readonly error?: Error;
  /** Sectors of a failing write that are written all the same; none unless given. */
  readonly sectors?: number;
}

/** A write goes to another place, and is told to have gone well. */
export interface MisdirectFault {
  readonly kind: 'misdirect';
  readonly to: number;
}

/** A write is never done, and is told to have gone well: later reads are stale. */
export interface LoseFault {
  readonly kind: 'lose';
}

/** One read comes with flipped bits in its byte `at`; the medium is as it was. */
export interface FlipFault {
  readonly kind: 'flip';
  readonly at: number;
  readonly mask?: number;
}

export type Fault = FailFault | MisdirectFault | LoseFault | FlipFault;

export interface FailOptions {
  readonly kind: CallKind;
  readonly n: number;
  readonly error?: Error;
  readonly permanent?: boolean;
  readonly sectors?: number;
}

interface Planned {
  readonly call: CallKind;
  readonly due: number;
  readonly permanent: boolean;
  readonly fault: Fault;
}

interface Run {
  readonly offset: number;
  readonly length: number;
}

export class FaultPlan {
  readonly calls: Record<CallKind, number> = { read: 0, write: 0, flush: 0, grow: 0 };
  #planned: Planned[] = [];
  #unreadable: Run[] = [];

  failAt(options: FailOptions): void {
    const { kind, n, permanent = false, error, sectors } = options;
    const fault: Fault = {
      kind: 'fail',
      ...(error === undefined ? {} : { error }),
      ...(sectors === undefined ? {} : { sectors }),
    };
    this.#plan(kind, n, fault, permanent);
  }

  misdirectAt(n: number, to: number): void {
    this.#plan('write', n, { kind: 'misdirect', to });
  }

  loseAt(n: number): void {
    this.#plan('write', n, { kind: 'lose' });
  }

  flipAt(n: number, at: number, mask = 0x01): void {
    this.#plan('read', n, { kind: 'flip', at, mask });
  }

  /** Reads that touch these bytes fail until they are written again. */
  makeUnreadable(offset: number, length: number): void {
    this.#unreadable.push({ offset, length });
  }

  /** Forgets all faults. */
  clear(): void {
    this.#planned = [];
    this.#unreadable = [];
  }

  /** Counts a call and gives its fault. */
  next(call: CallKind, offset: number, length: number): Fault | undefined {
    const count = ++this.calls[call];
    const found = this.#planned.find(
      (one) => one.call === call && (one.permanent ? count >= one.due : count === one.due),
    );
    if (found !== undefined && !found.permanent) {
      this.#planned = this.#planned.filter((one) => one !== found);
    }
    return found?.fault ?? this.#mediumFault(call, offset, length);
  }

  #plan(call: CallKind, n: number, fault: Fault, permanent = false): void {
    this.#planned.push({ call, due: this.calls[call] + n, permanent, fault });
  }

  #mediumFault(call: CallKind, offset: number, length: number): Fault | undefined {
    if (this.#unreadable.length === 0) return undefined;
    const end = offset + length;
    if (call === 'write') {
      this.#unreadable = this.#unreadable.filter(
        (run) => run.offset < offset || run.offset + run.length > end,
      );
    }
    if (call !== 'read') return undefined;
    const hit = this.#unreadable.find(
      (run) => offset < run.offset + run.length && run.offset < end,
    );
    if (hit === undefined) return undefined;
    const message = `Cannot read simulated device at offset ${hit.offset}: medium error`;
    return { kind: 'fail', error: new StoreError('E_IO', message) };
  }
}
