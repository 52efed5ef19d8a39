/**
 * Random operations on the allocator and on a plain array with one state per block.
 * `SEED=` and `OPS=` choose the run; the source misses at random and every call is repeated.
 */

import test, { type ExecutionContext } from 'ava';
import type { Allocator, BlockState } from '../../src/alloc/allocator.js';
import type { WindowWish } from '../../src/alloc/append-windows.js';
import { type BlockRun, endOf, totalLength } from '../../src/alloc/block-run.js';
import type { AllocateOptions } from '../../src/alloc/chooser.js';
import { hasCode } from '../../src/errors.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { Miss, StoredGroups, type StoredOptions } from './stored-groups.js';

const OPS = Number(process.env['OPS'] ?? 2500);

interface Undo {
  readonly block: number;
  readonly before: BlockState;
}

class Model {
  readonly states: BlockState[];
  readonly freedIn: number[];
  readonly fixed: boolean[];
  readonly stored: StoredGroups;
  allocator: Allocator;
  /** Undo entries per undoable change; a mark is a length. */
  log: Undo[] = [];
  marks: { own: number; allocator: number }[] = [];
  misses = 0;
  /** Blocks of bitmaps: they are the checkpoint's, nobody else frees them. */
  bitmaps = new Set<number>();
  /** Ends of what was handed out: objects that may grow there. */
  readonly ends = [0, 0, 0, 0, 0, 0, 0, 0];
  readonly #t: ExecutionContext;
  readonly #prng: Prng;

  constructor(t: ExecutionContext, prng: Prng, options: StoredOptions) {
    this.#t = t;
    this.#prng = prng;
    this.states = new Array<BlockState>(options.blockCount).fill('free');
    this.freedIn = new Array<number>(options.blockCount).fill(-1);
    this.fixed = new Array<boolean>(options.blockCount).fill(false);
    for (const run of options.fixed ?? [{ start: 0, length: 1 }]) {
      this.states.fill('referenced', run.start, endOf(run));
      this.fixed.fill(true, run.start, endOf(run));
    }
    this.stored = new StoredGroups(options);
    this.stored.misses = () => this.#prng.chance(0.4);
    this.allocator = this.stored.open();
  }

  count(state: BlockState): number {
    return this.states.filter((each) => each === state).length;
  }

  /** Calls again until the source gives in; a call that missed must have changed nothing. */
  retried<T>(call: () => T): T {
    for (;;) {
      const before = this.numbers();
      try {
        return call();
      } catch (error) {
        if (!(error instanceof Miss)) throw error;
        this.misses++;
        this.#t.deepEqual(this.numbers(), before);
        if (this.#prng.chance(0.05)) this.allocator.verify();
      }
    }
  }

  numbers(): number[] {
    const { allocator } = this;
    return [
      allocator.freeBlocks,
      allocator.claimedBlocks,
      allocator.limboBlocks,
      allocator.poolBlocks,
      allocator.usedBlocks,
      allocator.dirtyGroupCount,
      allocator.generation,
    ];
  }

  /** Fails where the cheap figures differ. */
  checkNumbers(): void {
    const { allocator } = this;
    this.#t.is(allocator.freeBlocks, this.count('free'));
    this.#t.is(allocator.claimedBlocks, this.count('claimed'));
    this.#t.is(allocator.limboBlocks, this.count('limbo'));
    this.#t.is(allocator.poolBlocks, this.count('pool'));
    this.#t.is(allocator.usedBlocks, this.count('referenced'));
  }

  checkAll(): void {
    this.checkNumbers();
    this.allocator.verify();
    const seen = this.states.map((_, block) => this.retried(() => this.allocator.stateOf(block)));
    this.#t.deepEqual(seen, this.states);
  }

  checkDurable(group: number): void {
    const { geometry } = this.allocator;
    const bits = new Uint8Array(Math.ceil(geometry.groupBlocks / 8));
    this.retried(() => this.allocator.durableBits(group, bits));
    const size = geometry.sizeOf(group);
    for (let i = 0; i < bits.length * 8; i++) {
      const isReferenced = i < size && this.states[geometry.startOf(group) + i] === 'referenced';
      const bit = ((bits[i >>> 3] as number) >>> (i & 7)) & 1;
      if (bit !== (isReferenced ? 1 : 0)) this.#t.fail(`bit ${i} of group ${group} is ${bit}`);
    }
  }

  /** Changes blocks of a run; undoable unless said otherwise. */
  change(run: BlockRun, to: BlockState, options: { final?: boolean } = {}): void {
    for (let block = run.start; block < endOf(run); block++) {
      const before = this.states[block] as BlockState;
      if (!options.final) this.log.push({ block, before });
      this.states[block] = to;
    }
  }

  undoTo(length: number): void {
    while (this.log.length > length) {
      const { block, before } = this.log.pop() as Undo;
      this.states[block] = before;
    }
  }

  /** A random part of a random run of blocks in this state, free to cross groups. */
  someRun(state: BlockState): BlockRun | undefined {
    const first = this.states.indexOf(state, this.#prng.below(this.states.length));
    if (first < 0) return undefined;
    let end = first;
    const isGood = (block: number) =>
      this.states[block] === state && !this.fixed[block] && !this.bitmaps.has(block);
    while (end < this.states.length && isGood(end)) end++;
    if (end === first) return undefined;
    return { start: first, length: this.#prng.between(1, Math.min(60, end - first) + 1) };
  }
}

/** Longest run of a state within one group. */
function longestRun(model: Model, state: BlockState): number {
  let best = 0;
  let length = 0;
  for (let block = 0; block < model.states.length; block++) {
    const isBorder = block % model.allocator.geometry.groupBlocks === 0;
    length = model.states[block] === state ? (isBorder ? 1 : length + 1) : 0;
    best = Math.max(best, length);
  }
  return best;
}

function randomRequest(prng: Prng, model: Model): AllocateOptions {
  return {
    purpose: prng.pick(['data', 'metadata', 'pool'] as const),
    ...(prng.chance(0.5) ? { hint: prng.below(model.states.length + 1) } : {}),
    ...(prng.chance(0.2) ? { contiguous: true } : {}),
    ...(prng.chance(0.4) ? { hint: prng.pick(model.ends), window: windowOf(prng) } : {}),
    ...(prng.chance(0.4) ? { claim: true } : {}),
    ...(prng.chance(0.1) ? { align: prng.between(1, 20) } : {}),
  };
}

function windowOf(prng: Prng): WindowWish {
  return { blocks: prng.between(1, 60), lead: prng.below(20), further: prng.between(1, 60) };
}

function allocate(t: ExecutionContext, prng: Prng, model: Model): void {
  const length = prng.between(1, prng.pick([2, 10, 80, 300]));
  const options = randomRequest(prng, model);
  const pool = model.count('pool');
  const available = model.count('free') + (options.purpose === 'pool' ? pool : 0);
  const runs = model.retried(() => model.allocator.allocate(length, options));
  if (runs.length === 0) {
    if (options.contiguous) t.true(longestRun(model, 'free') < length);
    else t.true(available < length);
    return;
  }
  t.is(totalLength(runs), length);
  model.ends[prng.below(model.ends.length)] = endOf(runs.at(-1) as BlockRun);
  if (options.contiguous) t.is(runs.length, 1);
  let drawn = 0;
  for (const run of runs) {
    for (let block = run.start; block < endOf(run); block++) {
      if (model.states[block] === 'pool') drawn++;
      else if (model.states[block] !== 'free') t.fail(`block ${block} was handed out twice`);
    }
    model.change(run, options.claim ? 'claimed' : 'referenced', { final: options.claim ?? false });
  }
  if (options.purpose !== 'pool') t.is(drawn, 0);
  else if (!options.contiguous) t.is(drawn, Math.min(pool, length));
}

function claim(t: ExecutionContext, prng: Prng, model: Model): void {
  const start = prng.below(model.states.length);
  const length = Math.min(prng.between(1, 20), model.states.length - start);
  const states = model.states.slice(start, start + length);
  const isClaimable = states.every((state) => state === 'free' || state === 'claimed');
  t.is(
    model.retried(() => model.allocator.claim({ start, length })),
    isClaimable,
  );
  if (isClaimable) model.change({ start, length }, 'claimed', { final: true });
}

function allocateAt(t: ExecutionContext, prng: Prng, model: Model): void {
  const run = { start: prng.below(model.states.length + 9) - 5, length: prng.between(1, 20) };
  const { geometry } = model.allocator;
  const states = Array.from({ length: run.length }, (_, i) => model.states[run.start + i]);
  const isInOne =
    run.start >= 0 && geometry.groupOf(run.start) === geometry.groupOf(endOf(run) - 1);
  const isFree = isInOne && states.every((state) => state === 'free');
  t.is(
    model.retried(() => model.allocator.allocateAt(run)),
    isFree,
  );
  if (isFree) model.change(run, 'referenced');
}

function free(t: ExecutionContext, model: Model): void {
  const run = model.someRun('referenced');
  if (run === undefined) return;
  const { loads } = model.stored;
  const { misses } = model;
  const held = model.stored.misses;
  model.stored.misses = () => true;
  model.allocator.free(run);
  model.stored.misses = held;
  t.is(model.stored.loads, loads);
  t.is(model.misses, misses);
  model.change(run, 'limbo');
  model.freedIn.fill(model.allocator.generation, run.start, endOf(run));
}

function pool(t: ExecutionContext, prng: Prng, model: Model): void {
  const before = model.count('pool');
  const length = prng.below(60);
  if (prng.chance(0.5)) {
    const target = before + length;
    const stripe = model.allocator.geometry.stripeBlocks;
    const available = model.count('free');
    const held = model.retried(() => model.allocator.fillPool(target));
    t.true(held >= Math.min(target, before + available) && held < target + stripe);
  } else {
    t.is(model.allocator.drainPool(length), Math.min(length, before));
  }
  resync(t, model, ['free', 'pool']);
}

/** Takes over from the allocator which blocks are in one of these states and not in the other. */
function resync(t: ExecutionContext, model: Model, among: readonly BlockState[]): void {
  for (let block = 0; block < model.states.length; block++) {
    if (!among.includes(model.states[block] as BlockState)) continue;
    const state = model.retried(() => model.allocator.stateOf(block));
    if (!among.includes(state)) t.fail(`block ${block} became ${state}`);
    model.states[block] = state;
  }
}

/** Moves bitmaps: the blocks that this uses and frees are taken over one by one. */
function moveBitmaps(t: ExecutionContext, model: Model): boolean {
  const before = new Map(
    [...model.allocator.dirtyGroups].map((group) => [
      group,
      model.allocator.pointerOf(group).address,
    ]),
  );
  const mark = model.allocator.mark();
  try {
    model.retried(() => model.allocator.moveBitmaps());
  } catch (error) {
    if (!hasCode(error, 'E_NO_SPACE')) throw error;
    t.is(model.allocator.mark(), mark);
    return false;
  }
  t.is(model.allocator.moveBitmaps(), 0);
  const { groupCount } = model.allocator.geometry;
  model.bitmaps = new Set(
    Array.from({ length: groupCount }, (_, group) => model.allocator.pointerOf(group).address),
  );
  model.bitmaps.delete(0);
  for (const group of model.allocator.dirtyGroups) {
    const { address } = model.allocator.pointerOf(group);
    if (before.get(group) === address) t.fail(`the bitmap of group ${group} has not moved`);
  }
  for (let block = 0; block < model.states.length; block++) {
    const state = model.retried(() => model.allocator.stateOf(block));
    if (state === 'limbo' && model.states[block] === 'referenced') {
      model.freedIn[block] = model.allocator.generation;
    }
    model.states[block] = state;
  }
  return true;
}

function checkpoint(t: ExecutionContext, prng: Prng, model: Model): void {
  if (!moveBitmaps(t, model)) return;
  for (const group of model.allocator.dirtyGroups) model.checkDurable(group);
  const generation = model.retried(() => model.stored.freeze(model.allocator));
  t.is(model.allocator.generation, generation + 1);
  t.is(model.allocator.dirtyGroupCount, 0);
  model.log = [];
  model.marks = [];
  if (prng.chance(0.8)) model.stored.settle(model.allocator, generation);
  else return;
  if (prng.chance(0.3)) reopen(t, model, prng);
}

/** What an open finds right after a checkpoint; now and then the test goes on with that. */
function reopen(t: ExecutionContext, model: Model, prng: Prng): void {
  const opened = model.stored.open({ generation: model.allocator.generation });
  for (let i = 0; i < 3; i++) {
    const group = prng.below(opened.geometry.groupCount);
    const summary = model.stored.summaries.get(group);
    const found = model.retried(() => opened.summaryOf(group));
    if (summary !== undefined) t.deepEqual(found, summary);
  }
  opened.verify();
  if (prng.chance(0.7)) return;
  model.allocator = opened;
  for (let block = 0; block < model.states.length; block++) {
    if (model.states[block] !== 'referenced') model.states[block] = 'free';
  }
}

function release(model: Model, prng: Prng): void {
  const generation = model.allocator.generation - prng.between(1, 4);
  try {
    model.stored.settle(model.allocator, generation);
  } finally {
    model.allocator.releaseLimbo(generation);
  }
  for (let block = 0; block < model.states.length; block++) {
    const isOld = (model.freedIn[block] as number) <= generation;
    if (model.states[block] === 'limbo' && isOld) model.states[block] = 'free';
  }
}

function savepoint(t: ExecutionContext, prng: Prng, model: Model): void {
  if (model.marks.length < 4 && prng.chance(0.5)) {
    model.marks.push({ own: model.log.length, allocator: model.allocator.mark() });
    return;
  }
  const index = prng.below(model.marks.length);
  const mark = model.marks[index];
  if (mark === undefined) return;
  model.allocator.rewind(mark.allocator);
  model.undoTo(mark.own);
  model.marks.length = index;
  t.is(model.allocator.mark(), mark.allocator);
}

/** Whether a device fills or empties changes with the seasons, so that both ends are seen. */
function step(t: ExecutionContext, prng: Prng, model: Model, season: number): void {
  const choice = prng.below(100);
  const isFilling = season % 2 === 0;
  if (isFilling && choice < 30) allocate(t, prng, model);
  else if (choice < 32) claim(t, prng, model);
  else if (choice < 34) allocateAt(t, prng, model);
  else if (choice < 45 || (!isFilling && choice < 60)) free(t, model);
  else if (choice < 66) {
    const run = model.someRun('claimed');
    if (run === undefined) return;
    model.allocator.adopt(run);
    model.change(run, 'referenced');
  } else if (choice < 72 && model.marks.length === 0) {
    const run = model.someRun('claimed');
    if (run === undefined) return;
    model.allocator.unclaim(run);
    model.change(run, 'free', { final: true });
  } else if (choice < 75) {
    const run = model.someRun('referenced');
    if (run === undefined) return;
    model.retried(() => model.allocator.unadopt(run));
    model.change(run, 'claimed');
  } else if (choice < 78) pool(t, prng, model);
  else if (choice < 84) savepoint(t, prng, model);
  else if (choice < 89) checkpoint(t, prng, model);
  else if (choice < 94) release(model, prng);
  else if (choice < 97) model.allocator.trim();
  else model.checkDurable(prng.below(model.allocator.geometry.groupCount));
}

const GEOMETRIES: Record<string, StoredOptions> = {
  'small groups': { blockCount: 128 * 9 + 37, fixed: [{ start: 0, length: 5 }] },
  'stripes of 12': {
    blockCount: 120 * 6 + 50,
    stripeBlocks: 12,
    fixed: [
      { start: 0, length: 12 },
      { start: 100, length: 60 },
    ],
  },
  'one loaded group': { blockCount: 128 * 5 + 3, bitmapBytesMax: 1000 },
  'one short group': { blockCount: 90, fixed: [{ start: 0, length: 1 }] },
};

for (const [name, options] of Object.entries(GEOMETRIES)) {
  test(`allocator agrees with a plain array: ${name}`, (t) => {
    const prng = new Prng(seedFromEnvironment());
    t.log('SEED', prng.seed, 'OPS', OPS);
    const model = new Model(t, prng, options);
    for (let i = 0; i < OPS; i++) {
      step(t, prng, model, Math.floor(i / 150));
      if (i % 8 === 0) model.checkNumbers();
      if (i % 25 === 0) model.allocator.verify();
      if (i % 250 === 0) model.checkAll();
    }
    model.checkAll();
    t.log(`generation ${model.allocator.generation}, ${model.stored.loads} loads`);
    t.log(`${model.misses} misses, ${model.numbers().slice(0, 5).join(' ')}`);
    t.true(model.misses > 0 || name === 'one short group');
  });
}
