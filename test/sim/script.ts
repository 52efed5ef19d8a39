/**
 * What a simulation does, as data: so that a failing one can be played again, and made shorter.
 */

import { ComparatorRegistry } from '../../src/btree/comparator.js';
import type { OpenOptions } from '../../src/index.js';
import { EMPTY_MODEL, type ModelState } from '../support/model.js';
import { applyToModel } from '../support/model-apply.js';
import type { ModelOperation } from '../support/model-operation.js';
import { Prng } from '../support/prng.js';
import { SMALL_WORKLOAD, Workload, type WorkloadOptions } from '../support/workload.js';
import type { Shape } from './crash-checker.js';

export type Action =
  | { readonly do: 'submit' | 'commitSync'; readonly operations: readonly ModelOperation[] }
  | { readonly do: 'checkpoint' | 'checkpointSync' | 'settle' | 'compare' }
  | { readonly do: 'snapshot' | 'release' }
  /** Turns of the event loop: the device ends calls in them. */
  | { readonly do: 'turns'; readonly count: number }
  | { readonly do: 'pass'; readonly ms: number }
  /** The n-th call of this kind fails, and all behind it when it is permanent. */
  | {
      readonly do: 'fault';
      readonly call: 'read' | 'write' | 'flush';
      readonly n: number;
      readonly isPermanent: boolean;
    }
  /** The power fails; the next life begins with something that this can leave. */
  | { readonly do: 'crash'; readonly seed: number; readonly isOpenedSync: boolean };

export interface SimulationShape extends Shape {
  readonly workload: WorkloadOptions;
  /** Transactions between two crashes, at most. */
  readonly transactions: number;
  /** A transaction may find the store full. */
  readonly mayBeFull?: boolean;
}

const KiB = 1024;
const MiB = 1024 * KiB;

const WORKLOAD: WorkloadOptions = {
  ...SMALL_WORKLOAD,
  collections: 4,
  objects: 8,
  keys: 40,
  large: 0.08,
};

function memory(cacheBytes: number, dirtyBytes: number): OpenOptions {
  return { cacheBytes, dirtyBytes };
}

/**
 * Stores so small that a few dozen transactions fill journals, wrap them, make trees deep, fill
 * memory budgets and reuse what was freed.
 */
export const SIMULATION_SHAPES = {
  /** Tiny nodes and journal: deep trees, bodies in runs of their own, a ring that is often full. */
  tiny: {
    size: 6 * MiB,
    mkfs: { blockSize: KiB, nodeSize: KiB, journalBytes: 64 * KiB },
    open: memory(8 * KiB, 24 * KiB),
    workload: WORKLOAD,
    transactions: 60,
  },
  /** Checkpoints nearly all the time. */
  busy: {
    size: 6 * MiB,
    mkfs: { blockSize: KiB, nodeSize: 2 * KiB, journalBytes: 128 * KiB },
    open: memory(64 * KiB, 8 * KiB),
    workload: { ...WORKLOAD, onCollections: 0.1 },
    transactions: 60,
  },
  /** Default block and node sizes, hardly any checkpoint: much to replay. */
  lazy: {
    size: 8 * MiB,
    mkfs: { journalBytes: MiB },
    open: memory(256 * KiB, MiB),
    workload: WORKLOAD,
    transactions: 50,
  },
  /** All metadata kept twice, and checkpoints nearly all the time. */
  double: {
    size: 8 * MiB,
    mkfs: { blockSize: KiB, nodeSize: KiB, journalBytes: 64 * KiB, metadataCopies: 2 },
    open: memory(16 * KiB, 16 * KiB),
    workload: WORKLOAD,
    transactions: 60,
  },
  /** Full again and again. */
  full: {
    size: 1200 * KiB,
    mkfs: { blockSize: KiB, nodeSize: KiB, journalBytes: 64 * KiB },
    open: memory(64 * KiB, 64 * KiB),
    workload: { ...WORKLOAD, large: 0.3, bytesMax: 60 * KiB, refused: 0.05 },
    transactions: 60,
    mayBeFull: true,
  },
  /** Whole stripes while there are any, less when it is full. */
  striped: {
    size: 4 * MiB,
    mkfs: {
      blockSize: KiB,
      nodeSize: 2 * KiB,
      journalBytes: 256 * KiB,
      geometry: { unit: 4 * KiB, width: 16 * KiB },
    },
    open: memory(64 * KiB, 32 * KiB),
    workload: { ...WORKLOAD, large: 0.3, bytesMax: 100 * KiB },
    transactions: 60,
    mayBeFull: true,
  },
  /** Whole stripes, all metadata twice, and what is removed is overwritten. */
  combined: {
    size: 6 * MiB,
    mkfs: {
      blockSize: KiB,
      nodeSize: 2 * KiB,
      journalBytes: 288 * KiB,
      geometry: { unit: 4 * KiB, width: 12 * KiB },
      metadataCopies: 2,
      eraseFreed: true,
    },
    open: memory(64 * KiB, 32 * KiB),
    workload: { ...WORKLOAD, large: 0.3, bytesMax: 60 * KiB },
    transactions: 60,
    mayBeFull: true,
  },
} satisfies Readonly<Record<string, SimulationShape>>;

/** Lives of a simulation where nothing else is asked. */
const LIVES = 4;

/** Shape and script of a seed. */
export function planOf(seed: number): { name: string; shape: SimulationShape; script: Action[] } {
  const prng = new Prng(seed);
  const [name, shape]: [string, SimulationShape] = prng.pick(Object.entries(SIMULATION_SHAPES));
  return { name, shape, script: scriptOf(prng, shape, LIVES) };
}

/** A script of `lives` lives, each of which ends with a crash. */
export function scriptOf(prng: Prng, shape: SimulationShape, lives: number): Action[] {
  const writer = new ScriptWriter(prng, shape);
  for (let life = 0; life < lives; life++) writer.life();
  return writer.actions;
}

class ScriptWriter {
  readonly actions: Action[] = [];
  readonly #prng: Prng;
  readonly #shape: SimulationShape;
  readonly #workload: Workload;
  readonly #comparators = new ComparatorRegistry();
  /** What the store holds if nothing is lost: near enough to choose what to do next. */
  #state: ModelState = EMPTY_MODEL;

  constructor(prng: Prng, shape: SimulationShape) {
    this.#prng = prng;
    this.#shape = shape;
    this.#workload = new Workload(prng.fork(), shape.workload);
  }

  life(): void {
    const prng = this.#prng;
    const { transactions } = this.#shape;
    const count = prng.between(transactions >> 1, transactions);
    this.#makeCollectionsAgain();
    const faultAt = prng.chance(0.3) ? prng.below(count) : count;
    for (let i = 0; i < count; i++) {
      if (i === faultAt) this.#fault();
      this.#transaction();
      this.#between();
    }
    if (prng.chance(0.2)) this.actions.push({ do: 'settle' });
    this.actions.push({ do: 'crash', seed: prng.u32(), isOpenedSync: prng.chance(0.5) });
  }

  /** The crash before this life may have taken collections that the workload goes on to name. */
  #makeCollectionsAgain(): void {
    for (const [c, { order }] of this.#state.collections) {
      const create = { op: 'createCollection', c, order, bits: 0 } as const;
      this.actions.push({ do: 'submit', operations: [create] });
    }
  }

  #transaction(): void {
    const operations = this.#workload.transaction(this.#state);
    const outcome = applyToModel(this.#state, operations, this.#comparators);
    if ('state' in outcome) this.#state = outcome.state;
    this.actions.push({ do: this.#prng.chance(0.15) ? 'commitSync' : 'submit', operations });
  }

  /** What else goes on. */
  #between(): void {
    const prng = this.#prng;
    const { actions } = this;
    if (prng.chance(0.5)) actions.push({ do: 'turns', count: prng.pick([1, 1, 2, 5, 20]) });
    if (prng.chance(0.05)) actions.push({ do: 'checkpoint' });
    if (prng.chance(0.02)) actions.push({ do: 'checkpointSync' });
    if (prng.chance(0.05)) actions.push({ do: 'pass', ms: prng.pick([1, 12]) });
    if (prng.chance(0.05)) actions.push({ do: prng.pick(['snapshot', 'snapshot', 'release']) });
    if (prng.chance(0.04)) actions.push({ do: 'settle' }, { do: 'compare' });
  }

  #fault(): void {
    const prng = this.#prng;
    this.actions.push({
      do: 'fault',
      call: prng.pick(['read', 'write', 'write', 'flush']),
      n: prng.between(1, 20),
      isPermanent: prng.chance(0.3),
    });
  }
}

/** A script as text, one action a line; data by its length. */
export function describeScript(script: readonly Action[]): string {
  const lines = script.map((action) =>
    JSON.stringify(action, (_key, value: unknown) => {
      if (value instanceof Uint8Array) return `${value.length} bytes`;
      return typeof value === 'string' && value.length > 40 ? `${value.length} characters` : value;
    }),
  );
  return lines.join('\n');
}
