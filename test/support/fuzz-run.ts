/**
 * One round of fuzzing: a forged store, and everything that can be done with one. What must not
 * happen is an error that is none of a store's own, work without end, or memory without measure.
 */

import { runSync } from '../../src/blockdev/io.js';
import { StoreError } from '../../src/errors.js';
import { type FindingCode, REMEDIES } from '../../src/fsck/finding.js';
import { repair } from '../../src/fsck/repair.js';
import { Store } from '../../src/store/store.js';
import { Forger } from './forger.js';
import { ImageDevice } from './image-device.js';
import { Prng } from './prng.js';
import { checkSample, sampleRegistry } from './sample-check.js';
import { SAMPLE_OPEN, type Sample } from './sample-store.js';
import { answerOf, type Question, questionsOf } from './store-questions.js';

/** Something that is done with a forged store. */
export interface FuzzAction {
  readonly what: string;
  run(device: ImageDevice, questions: readonly Question[], prng: Prng): void;
}

/** Device calls of one action: a sound store takes a thousandth. */
const CALLS_MAX = 300_000;

/** Bytes of one array: a store of a megabyte has no use for more, but for the largest value. */
const ARRAY_BYTES_MAX = 80 * 1024 * 1024;

/** An array was asked for that no content of the device can need. */
export class TooMuchMemory extends Error {}

/** All actions; whoever adds a way to use a store adds it here. */
export const FUZZ_ACTIONS: readonly FuzzAction[] = [
  { what: 'fsck', run: (device) => void checkSample(device) },
  { what: 'read', run: (device, questions) => ask(open(device, true), questions) },
  { what: 'list', run: (device) => walk(open(device, true)) },
  { what: 'write', run: (device, questions, prng) => work(open(device, false), questions, prng) },
  { what: 'repair', run: (device, questions, prng) => mend(device, questions, prng) },
];

/** Plays `count` rounds; gives the first thing that must not happen. */
export class FuzzRun {
  readonly counts = { rounds: 0, refused: {} as Record<string, number> };
  readonly #sample: Sample;
  readonly #questions: readonly Question[];
  readonly #seed: number;

  constructor(sample: Sample, seed: number) {
    this.#sample = sample;
    this.#seed = seed;
    const device = new ImageDevice(sample.bytes, { readOnly: true });
    this.#questions = questionsOf(open(device, true));
  }

  /** Forges a store and does everything with it. @returns what went wrong */
  round(index: number): string | undefined {
    this.counts.rounds++;
    const prng = new Prng(Math.imul(this.#seed, 1_000_003) + index);
    const forger = new Forger(this.#sample.bytes.slice(), prng);
    for (let count = prng.pick([1, 1, 1, 2, 4]); count > 0; count--) forger.forge();
    for (const action of FUZZ_ACTIONS) {
      const fault = this.#act(action, forger.bytes, prng);
      if (fault === undefined) continue;
      return `seed ${this.#seed} round ${index} (${forger.done.join('; ')}), ${action.what}: ${fault}`;
    }
    return undefined;
  }

  #act(action: FuzzAction, bytes: Uint8Array, prng: Prng): string | undefined {
    const device = new ImageDevice(bytes);
    device.callsMax = CALLS_MAX;
    try {
      withMemoryLimit(() => action.run(device, this.#questions, prng));
      return undefined;
    } catch (error) {
      if (!(error instanceof StoreError)) {
        return error instanceof Error ? (error.stack ?? error.message) : String(error);
      }
      const key = `${action.what} ${error.code}`;
      this.counts.refused[key] = (this.counts.refused[key] ?? 0) + 1;
      return undefined;
    } finally {
      device.undo();
    }
  }
}

function open(device: ImageDevice, readOnly: boolean): Store {
  return Store.openOnSync(device, { ...SAMPLE_OPEN, readOnly });
}

/** Asks what the store held before it was forged. */
function ask(store: Store, questions: readonly Question[]): void {
  for (const question of questions) tolerate(() => answerOf(question, store));
}

/** Reads what the store says that it holds. */
function walk(store: Store): void {
  for (const question of questionsOf(store)) tolerate(() => answerOf(question, store));
}

/** Changes the store in many ways, a transaction each, and closes it. */
function work(store: Store, questions: readonly Question[], prng: Prng): void {
  const name = `object-${String(prng.below(110)).padStart(3, '0')}`;
  const collection = prng.pick(['alpha', 'beta']);
  const tx = () => store.transaction();
  const changes = [
    () => tx().write(collection, name, prng.below(300), prng.bytes(prng.pick([10, 2000, 40_000]))),
    () => tx().remove(collection, name),
    () => tx().mapSet(collection, 'map', [[`key-${prng.below(300)}`, prng.bytes(100)]]),
    () => tx().mapRemoveRange(collection, 'map', 'key-05', 'key-15'),
    () => tx().write(collection, 'pieces', prng.below(20_000), prng.bytes(500)),
    () => tx().truncate(collection, 'cut', 4000).remove(collection, 'holes'),
    () => tx().clone(collection, 'map', 'map-again').setAttribute(collection, 'plain', 'a', 'b'),
    () => tx().cloneCollection(collection, 'gamma').removeAttributes(collection, 'attributes'),
    () => tx().splitCollection('hash', 'half', 1, 1),
    () => tx().dropCollection(collection),
    () => tx().cancelReservation('r-001').redeem('r-002', { bytes: 10, operations: 0, keys: 0 }),
  ];
  for (const change of prng.shuffle(changes)) {
    tolerate(() => void store.commitSync(change()));
    if (prng.chance(0.3)) tolerate(() => store.checkpointSync());
  }
  for (let i = 0; i < 30; i++) tolerate(() => answerOf(prng.pick(questions), store));
  store.closeSync();
}

/** Repairs the store, which leaves nothing that a repair could heal, and uses what is left. */
function mend(device: ImageDevice, questions: readonly Question[], prng: Prng): void {
  const dirtyBytesMax = prng.pick([0, 2 ** 24]);
  const deep = prng.chance(0.5);
  const { found, healable } = repairOnce(device, deep, dirtyBytesMax);
  // A superblock made from blocks believes bitmaps that were forged: what lies there may be lost.
  const isGuess = found.has('no-superblock') && healable.length > 0;
  const left = isGuess ? repairOnce(device, deep, dirtyBytesMax).healable : healable;
  if (left.length > 0) throw new Error(`a repair has left ${left.join()}`);
  work(open(device, false), questions, prng);
}

interface Repaired {
  readonly found: ReadonlySet<FindingCode>;
  /** Codes of what is left and should have been healed. */
  readonly healable: readonly FindingCode[];
}

function repairOnce(device: ImageDevice, deep: boolean, dirtyBytesMax: number): Repaired {
  const found = new Set<FindingCode>();
  const left = new Set<FindingCode>();
  runSync(
    repair(device, {
      comparators: sampleRegistry(),
      deep,
      dirtyBytesMax,
      rebuildSuperblock: true,
      onFinding: ({ code }) => found.add(code),
      onLeft: ({ code }) => left.add(code),
    }),
  );
  return { found, healable: [...left].filter((code) => REMEDIES[code].remedy !== 'none') };
}

/** Errors of the store's own are an answer. */
function tolerate(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
  }
}

/** Refuses arrays that are too large while `work` is done. */
function withMemoryLimit(work: () => void): void {
  const native = globalThis.Uint8Array;
  const limited: typeof Uint8Array = new Proxy(native, {
    construct(target, [first, ...rest], newTarget): Uint8Array {
      if (typeof first === 'number' && first > ARRAY_BYTES_MAX) {
        throw new TooMuchMemory(`an array of ${first} bytes`);
      }
      return Reflect.construct(
        target,
        [first, ...rest],
        newTarget === limited ? target : newTarget,
      );
    },
  });
  globalThis.Uint8Array = limited;
  try {
    work();
  } finally {
    globalThis.Uint8Array = native;
  }
}
