/**
 * The allocator alone on an aged device: how long one allocation takes, in how many runs, and what
 * free space of 16 TiB takes in memory. A random trace that a seed gives again: the device is filled, then
 * written over again and again, object by object, with a checkpoint every some thousand objects.
 *
 * `node dist/bench/allocator.bench.js`; `DEVICE_GIB=`, `FILL=`, `TIMES=`, `SEED=` and
 * `BITMAP_MIB=` (memory of loaded bitmaps) change it.
 */

import { type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { Allocator } from '../src/alloc/allocator.js';
import type { BlockRun } from '../src/alloc/block-run.js';
import type { GroupSource } from '../src/alloc/group-cache.js';
import { Prng } from '../test/support/prng.js';
import { machine } from './measure.js';

const BLOCK_SIZE = 4096;
const GIB_BLOCKS = 2 ** 30 / BLOCK_SIZE;

const DEVICE_GIB = Number(process.env['DEVICE_GIB'] ?? 1024);
const DEVICE_BLOCKS = DEVICE_GIB * GIB_BLOCKS;
const FILL = Number(process.env['FILL'] ?? 0.8);
const TIMES = Number(process.env['TIMES'] ?? 10);
const SEED = Number(process.env['SEED'] ?? 1);

/** Objects between two checkpoints: a smaller device has as many of its groups dirty in each. */
const CHECKPOINT_OBJECTS = 2 * DEVICE_GIB;

/** As in a store. */
const BITMAP_BYTES_MAX = Number(process.env['BITMAP_MIB'] ?? 32) * 2 ** 20;

/** Blocks that a store of this size holds back, in runs of nodes. */
const POOL_BLOCKS = 3 * 2048;
const NODE_BLOCKS = 2;

const BITMAP_BYTES = BLOCK_SIZE - 48;

/** Bitmaps as the last checkpoint has left them, by group. */
class Bitmaps implements GroupSource {
  readonly #bits = new Map<number, Uint8Array>();
  loads = 0;

  load(group: number): Uint8Array {
    this.loads++;
    return this.#bits.get(group) ?? new Uint8Array(BITMAP_BYTES);
  }

  checkpoint(allocator: Allocator): void {
    allocator.moveBitmaps();
    for (const group of allocator.dirtyGroups) {
      const bits = this.#bits.get(group) ?? new Uint8Array(BITMAP_BYTES);
      allocator.durableBits(group, bits);
      this.#bits.set(group, bits);
      allocator.sealBitmap(group, allocator.generation, 0, 0);
    }
    const ended = allocator.freeze();
    allocator.settle(ended);
    allocator.releaseLimbo(ended - 1);
    allocator.fillPool(POOL_BLOCKS, NODE_BLOCKS);
    allocator.trim();
  }
}

/**
 * Times of single calls, for their quantiles. On a machine that is shared those of the processor
 * count: the clock also tells how long others had it.
 */
class Times {
  readonly #ms: Float64Array;
  #count = 0;

  constructor(most: number) {
    this.#ms = new Float64Array(most);
  }

  add(ms: number): void {
    if (this.#count < this.#ms.length) this.#ms[this.#count++] = ms;
  }

  get count(): number {
    return this.#count;
  }

  /** Quantiles in microseconds. */
  text(): string {
    const sorted = this.#ms.subarray(0, this.#count).sort();
    const us = (part: number): string => {
      const index = Math.min(this.#count - 1, Math.floor(part * this.#count));
      return `${((sorted[index] ?? 0) * 1000).toFixed(1)} us`;
    };
    return `median ${us(0.5)}, 99 % ${us(0.99)}, 99.9 % ${us(0.999)}, slowest ${us(1)}`;
  }
}

/** From when to when a call took longer than `SLOW_MS`, and how long by the processor. */
interface SlowCall {
  readonly from: number;
  readonly to: number;
  readonly processorMs: number;
}

const SLOW_MS = 1;

/** After so long the process has told of all its garbage collections. */
const COLLECTIONS_KNOWN_MS = 500;

/** What the slow calls have in common with the garbage collector, which runs in whatever call. */
class Collections {
  readonly #entries: PerformanceEntry[] = [];
  readonly #observer = new PerformanceObserver((list) => this.#entries.push(...list.getEntries()));

  constructor() {
    this.#observer.observe({ entryTypes: ['gc'] });
  }

  text(calls: readonly SlowCall[]): string {
    const others = calls.filter(
      ({ from, to }) =>
        !this.#entries.some(
          ({ startTime, duration }) => startTime < to && startTime + duration > from,
        ),
    );
    const slowest = others.reduce((most, { processorMs }) => Math.max(most, processorMs), 0);
    return (
      `${calls.length} took over ${SLOW_MS} ms by the clock, ${calls.length - others.length} of them ` +
      `with a garbage collection inside; the others up to ${slowest.toFixed(1)} ms by the processor`
    );
  }
}

/** Blocks of an object: from 4 KiB to 16 MiB, small ones as many as large ones. */
function lengthOf(prng: Prng): number {
  return Math.floor(2 ** (12 * prng.next()));
}

/** Bytes in use behind a collection; buffers are given back a moment later, so there are two. */
async function usedMemory(): Promise<number> {
  if (globalThis.gc === undefined) throw new Error('Cannot measure memory: run with --expose-gc');
  globalThis.gc();
  await nextTurn();
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function run(): Promise<void> {
  const collections = new Collections();
  const slow: SlowCall[] = [];
  const prng = new Prng(SEED);
  const source = new Bitmaps();
  const allocator = new Allocator({
    blockSize: BLOCK_SIZE,
    blockCount: DEVICE_BLOCKS,
    stripeBlocks: 0,
    fixed: [{ start: 0, length: 16_384 }],
    summaries: [],
    source,
    generation: 0,
    bitmapBytesMax: BITMAP_BYTES_MAX,
  });
  allocator.fillPool(POOL_BLOCKS, NODE_BLOCKS);
  const objects: (readonly BlockRun[])[] = [];
  let sinceCheckpoint = 0;
  const settle = (): void => {
    if (++sinceCheckpoint % CHECKPOINT_OBJECTS === 0) source.checkpoint(allocator);
  };
  while (allocator.freeBlocks > DEVICE_BLOCKS * (1 - FILL)) {
    objects.push(allocator.allocate(lengthOf(prng), { purpose: 'data' }));
    settle();
  }
  const wall = new Times(objects.length);
  const processor = new Times(objects.length);
  const total = TIMES * objects.length;
  const measuredFrom = total - objects.length;
  let pieces = 0;
  let loadsMax = 0;
  let blocks = 0;
  for (let i = 0; i < total; i++) {
    const index = prng.below(objects.length);
    for (const one of objects[index] ?? []) allocator.free(one);
    const wanted = lengthOf(prng);
    const isShort = allocator.usedBlocks + wanted > DEVICE_BLOCKS * FILL;
    const length = isShort ? Math.ceil(wanted / 8) : wanted;
    if (i < measuredFrom) {
      objects[index] = allocator.allocate(length, { purpose: 'data' });
    } else {
      const { loads } = source;
      const cpu = process.cpuUsage();
      const from = performance.now();
      const runs = allocator.allocate(length, { purpose: 'data' });
      const to = performance.now();
      const { user, system } = process.cpuUsage(cpu);
      const processorMs = (user + system) / 1000;
      wall.add(to - from);
      processor.add(processorMs);
      if (to - from > SLOW_MS) slow.push({ from, to, processorMs });
      loadsMax = Math.max(loadsMax, source.loads - loads);
      objects[index] = runs;
      pieces += runs.length;
      blocks += length;
    }
    settle();
  }
  const used = (100 * allocator.usedBlocks) / DEVICE_BLOCKS;
  console.log(
    `${DEVICE_GIB} GiB, ${objects.length} objects, written over ${TIMES} times, ` +
      `${used.toFixed(0)} % in use, fragmentation ${allocator.fragmentation().toFixed(3)}, seed ${SEED}`,
  );
  console.log(`${wall.count} allocations by the clock: ${wall.text()}`);
  console.log(`by the processor, with asking for its time: ${processor.text()}`);
  console.log(
    `${(pieces / wall.count).toFixed(2)} runs an allocation of ` +
      `${((blocks / wall.count) * BLOCK_SIZE) >> 10} KiB; ${source.loads} bitmaps were read, ` +
      `${loadsMax} at most for one; those in memory take ${mib(allocator.bitmapBytes)}`,
  );
  await pause(COLLECTIONS_KNOWN_MS);
  console.log(collections.text(slow));
}

/** Groups that one generation touches: as many bitmaps as a store's checkpoint may have to write. */
const GENERATION_GROUPS = 2048;

/** What free space takes in memory when a device was opened and is used all over. */
async function measureMemory(): Promise<void> {
  const tib16 = 16 * 1024 * GIB_BLOCKS;
  const groups = Math.ceil(tib16 / (BITMAP_BYTES * 8));
  const before = await usedMemory();
  let loads = 0;
  const load = (): Uint8Array => {
    loads++;
    return halfUsed();
  };
  const from = performance.now();
  const allocator = new Allocator({
    blockSize: BLOCK_SIZE,
    blockCount: tib16,
    stripeBlocks: 0,
    fixed: [{ start: 0, length: 16_384 }],
    summaries: summaries(groups),
    source: { load },
    generation: 0,
    bitmapBytesMax: BITMAP_BYTES_MAX,
  });
  const openMs = performance.now() - from;
  const opened = (await usedMemory()) - before;
  console.log(
    `16 TiB: opened in ${openMs.toFixed(0)} ms, ${loads} bitmaps read, ${mib(opened)} of memory`,
  );
  let most = 0;
  for (let i = 0; i < 12 * GENERATION_GROUPS; i++) {
    allocator.allocate(1, { purpose: 'data', hint: ((i * 37) % groups) * BITMAP_BYTES * 8 });
    if ((i + 1) % GENERATION_GROUPS > 0) continue;
    most = Math.max(most, (await usedMemory()) - before);
    allocator.settle(allocator.freeze());
    allocator.trim();
  }
  console.log(
    `used all over, ${GENERATION_GROUPS} groups in a generation: ${loads} bitmaps read, ` +
      `${mib(most)} at most, bitmaps of ${mib(allocator.bitmapBytes)} behind a checkpoint`,
  );
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

function* summaries(groups: number) {
  for (let group = 1; group < groups - 1; group++) {
    const address = group * BITMAP_BYTES * 8;
    const free = BITMAP_BYTES * 4;
    const seal = { copy: 0, birth: 1, low: 1, high: 2, unerased: false };
    yield [group, { free, longest: 8, address, ...seal }] as const;
  }
}

/** Every other eight blocks, the first eight among them. */
function halfUsed(): Uint8Array {
  const bits = new Uint8Array(BITMAP_BYTES);
  for (let i = 0; i < bits.length; i += 2) bits[i] = 0xff;
  return bits;
}

console.log(machine());
await measureMemory();
await run();
