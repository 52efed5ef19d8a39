/**
 * Every short sequence of steps on a small store, and every crash in it.
 *
 * - *Apart*: each step ends before the next one begins; only crashes in the last step are looked
 *   at, since those before are crashes of a shorter sequence.
 * - *Sync*: as apart, but with the store's synchronous calls.
 * - *Together*: all steps are submitted at once and the device ends its calls in a random order,
 *   chosen by the sequence; all crashes are looked at.
 */

import type { Environment } from '../../src/index.js';
import { mkfsOn, Store } from '../../src/index.js';
import type { MemoryImage } from '../support/memory-image.js';
import { EMPTY_MODEL, type ModelState } from '../support/model.js';
import { Prng } from '../support/prng.js';
import { SimulatedDevice } from '../support/simulated-device.js';
import { SimulatedEnvironment } from '../support/simulated-environment.js';
import { CrashChecker, CrashTally, type Shape } from './crash-checker.js';
import { PREPARATION, STEP_KINDS, type StepKind } from './step-kinds.js';
import { TrackedStore } from './tracked-store.js';

const KiB = 1024;

/** Longer than the time after which a mark follows the last record. */
const IDLE_MS = 20;

/** Small blocks, nodes and journal, so that little is written and read for a state. */
export const SEQUENCE_SHAPE: Shape = {
  size: 1024 * KiB,
  mkfs: { blockSize: KiB, nodeSize: KiB, journalBytes: 64 * KiB },
  open: { cacheBytes: 64 * KiB, dirtyBytes: 64 * KiB },
};

/** In what condition a sequence finds the store. */
export const BEGINNINGS = {
  /** Closed as it should be. */
  closed: { fillers: 0, isClosed: true, metadataCopies: 1 },
  /** After a power failure, with everything in the journal. */
  journaled: { fillers: 0, isClosed: false, metadataCopies: 1 },
  /** After a power failure, with the journal's head close to the end of the ring. */
  wrapping: { fillers: 54, isClosed: false, metadataCopies: 1 },
  /** With everything in the journal, and all metadata kept twice. */
  double: { fillers: 0, isClosed: false, metadataCopies: 2 },
} as const;

export type Beginning = keyof typeof BEGINNINGS;
export type Manner = 'apart' | 'sync' | 'together';
export const MANNERS: readonly Manner[] = ['apart', 'sync', 'together'];

export interface Sequence {
  readonly beginning: Beginning;
  readonly manner: Manner;
  readonly steps: readonly string[];
}

const NAMES = Object.keys(STEP_KINDS);

/** How many sequences of `length` steps there are. */
export function sequenceCount(length: number): number {
  return Object.keys(BEGINNINGS).length * MANNERS.length * NAMES.length ** length;
}

/** The sequence of `length` steps with this number, in [0, `sequenceCount(length)`). */
export function sequenceAt(length: number, number: number): Sequence {
  let rest = number;
  const digit = <T>(choices: readonly T[]): T => {
    const index = rest % choices.length;
    rest = (rest - index) / choices.length;
    return choices[index] as T;
  };
  const beginning = digit(Object.keys(BEGINNINGS) as Beginning[]);
  const manner = digit(MANNERS);
  return { beginning, manner, steps: Array.from({ length }, () => digit(NAMES)) };
}

/** All sequences of `length` steps, shuffled. */
export function* shuffledSequences(length: number, prng: Prng): Generator<Sequence> {
  const numbers = Uint32Array.from({ length: sequenceCount(length) }, (_, i) => i);
  for (let left = numbers.length; left > 0; left--) {
    const at = prng.below(left);
    yield sequenceAt(length, numbers[at] as number);
    numbers[at] = numbers[left - 1] as number;
  }
}

interface Prepared {
  readonly image: MemoryImage;
  readonly model: ModelState;
}

export class SequenceSweep {
  readonly tally: CrashTally;
  readonly #checker: CrashChecker;
  readonly #prepared = new Map<Beginning, Prepared>();
  sequences = 0;

  constructor(tally = new CrashTally()) {
    this.tally = tally;
    this.#checker = new CrashChecker({ open: SEQUENCE_SHAPE.open, tally });
  }

  /** Runs a sequence and looks at its crashes. @throws Error that names it */
  async run(sequence: Sequence): Promise<void> {
    const { beginning, manner, steps } = sequence;
    try {
      const prepared = await this.#prepare(beginning);
      const kinds = steps.map(kindOf);
      if (manner === 'together') await this.#runTogether(prepared, kinds, seedOf(steps));
      else await this.#runApart(prepared, kinds, manner);
      this.sequences++;
    } catch (error) {
      const text = `${beginning}, ${manner}: ${steps.join('; ')}`;
      throw new Error(`${text}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    }
  }

  async #runApart(
    { image, model }: Prepared,
    kinds: readonly StepKind[],
    manner: 'apart' | 'sync',
  ): Promise<void> {
    const environment = new SimulatedEnvironment();
    const device = new SimulatedDevice({ image });
    const tracked = open(device, model, environment);
    let from = 0;
    for (const [i, kind] of kinds.entries()) {
      if (i > 0) from = device.point + 1;
      if (manner === 'sync') await takeSync(kind, i + 1, tracked, environment);
      else take(kind, i + 1, tracked, environment);
      await tracked.settle();
    }
    this.#checker.checkAll(tracked, from, device.point);
  }

  async #runTogether(
    { image, model }: Prepared,
    kinds: readonly StepKind[],
    seed: number,
  ): Promise<void> {
    const environment = new SimulatedEnvironment();
    const device = new SimulatedDevice({ image, scheduler: new Prng(seed) });
    const tracked = open(device, model, environment);
    const from = device.point + 1;
    for (const [i, kind] of kinds.entries()) take(kind, i + 1, tracked, environment);
    await tracked.settle();
    this.#checker.checkAll(tracked, from, device.point);
  }

  async #prepare(beginning: Beginning): Promise<Prepared> {
    const known = this.#prepared.get(beginning);
    if (known !== undefined) return known;
    const { fillers, isClosed, metadataCopies } = BEGINNINGS[beginning];
    const environment = new SimulatedEnvironment();
    const device = new SimulatedDevice({ size: SEQUENCE_SHAPE.size });
    mkfsOn(device, { ...SEQUENCE_SHAPE.mkfs, metadataCopies, environment });
    const tracked = open(device, EMPTY_MODEL, environment);
    for (let i = 0; i < fillers; i++) {
      await tracked.commitSync([
        { op: 'createCollection', c: 'filler', order: 'name', bits: 0 },
        { op: 'dropCollection', c: 'filler' },
      ]);
      if (i % 12 === 11) tracked.store.checkpointSync();
    }
    for (const operations of PREPARATION) await tracked.commitSync(operations);
    await tracked.settle();
    if (isClosed) tracked.store.closeSync();
    const prepared = { image: device.image(), model: tracked.state };
    this.#prepared.set(beginning, prepared);
    return prepared;
  }
}

function open(device: SimulatedDevice, model: ModelState, environment: Environment): TrackedStore {
  const store = Store.openOnSync(device, { ...SEQUENCE_SHAPE.open, environment });
  return new TrackedStore(store, device, model);
}

/** Begins a step. */
function take(
  kind: StepKind,
  i: number,
  tracked: TrackedStore,
  environment: SimulatedEnvironment,
): void {
  if ('transactions' in kind) for (const one of kind.transactions(i)) tracked.submit(one);
  else if (kind.act === 'checkpoint') tracked.checkpoint();
  else environment.pass(IDLE_MS);
}

/** Does a step with the store's synchronous calls. */
async function takeSync(
  kind: StepKind,
  i: number,
  tracked: TrackedStore,
  environment: SimulatedEnvironment,
): Promise<void> {
  if ('transactions' in kind) for (const one of kind.transactions(i)) await tracked.commitSync(one);
  else if (kind.act === 'checkpoint') tracked.checkpointSync();
  else environment.pass(IDLE_MS);
}

function kindOf(name: string): StepKind {
  const kind = STEP_KINDS[name];
  if (kind === undefined) throw new RangeError(`Invalid step ${name}: no such kind`);
  return kind;
}

function seedOf(steps: readonly string[]): number {
  let seed = 0;
  for (const letter of steps.join()) seed = (Math.imul(seed, 31) + letter.charCodeAt(0)) >>> 0;
  return seed;
}
